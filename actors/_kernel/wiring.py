"""What a kernel is connected to: the schedulers, hosts and services that whoever makes a kernel gives it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING

import attrs

from actors._channels.dead_letters import DeadLetters
from actors._kernel.cluster_client import Cluster
from actors._kernel.host import Host, SpawnFunction
from actors._kernel.process import Process, ProcessKernel
from actors._kernel.tracing import Tracing
from actors._scheduling.continuation import StateCarrier
from actors._scheduling.scheduler import Scheduler

if TYPE_CHECKING:
    from actors._kernel.functions import FunctionHost


@attrs.define(eq=False)
class Wiring:
    """Who runs the processes of a kernel, and who can be reached from it.

    Local processes run on `schedulers`, by the name that `on=` gives; `spawners` start those that run elsewhere, by
    that name too, and `default_host` is the name where neither the call nor the entry gives one. PIDs that are not in
    the table are answered for by `routes`, by their host; those of the `local_nodes`, the nodes of the same program, by
    these; local ones of other programs by `remote_host`. `cluster` has the names and groups that programs share.
    `state_carrier` is what a durable process is offered to continue as new; None in a node.
    """

    default_host: str
    local_nodes: MutableMapping[str, ProcessKernel] = attrs.field(factory=dict[str, ProcessKernel])
    schedulers: dict[str, Scheduler] = attrs.field(factory=dict[str, Scheduler])
    spawners: dict[str, SpawnFunction] = attrs.field(factory=dict[str, SpawnFunction])
    routes: dict[str, Host] = attrs.field(factory=dict[str, Host])
    remote_host: Host | None = None
    functions: FunctionHost | None = None
    cluster: Cluster | None = None
    state_carrier: StateCarrier | None = None


@attrs.define(eq=False)
class Instruments:
    """Who is told what happens in a kernel: for people who look, not for processes.

    `counters` are counted up by whoever has something to count, `gauges` are asked for how much there is of something,
    and `expositions` for figures in Prometheus' text; that is None while nobody wants them. `monitors_children` has
    every spawn monitored. `on_exit` is called with each process that has ended.
    """

    dead_letters: DeadLetters = attrs.field(factory=DeadLetters)
    tracing: Tracing | None = None
    counters: Counter[str] = attrs.field(factory=Counter[str])
    gauges: dict[str, Callable[[], int]] = attrs.field(factory=dict[str, Callable[[], int]])
    expositions: list[Callable[[], Awaitable[bytes]]] | None = None
    monitors_children: bool = False
    on_exit: Callable[[Process], None] | None = None
