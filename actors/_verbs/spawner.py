"""The spawner: everything that can be said about a spawn before it, and the spawns themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from actors._channels.channel import Queue
from actors._kernel.entries import Target, process_entry
from actors._kernel.host import SpawnRequest
from actors._kernel.kernel import Kernel, kernel_of
from actors._kernel.process import Process, running_process
from actors._scheduling.context import check_context, own_copy
from actors._scheduling.scheduler import current_process
from actors._values.arguments import check_arguments
from actors._values.errors import invalid
from actors._values.events import Exit, MonitorRef
from actors._values.messages import Message, check_topic, payload_of
from actors._values.pid import PID


@attrs.frozen
class Spawner:
    """How to spawn. Immutable: each `with_` returns a new one, which can be kept and used many times.

        counter = actors.spawner(name="counter").with_message("increment", 2)
        pid = await counter.spawn("app:counter", {"initial": 0}, on="app:worker")

    One that `actors.spawner` made spawns children of whichever process uses it; one that a node made spawns processes
    of that node without a parent.
    """

    name: str | None = None
    host: str | None = None
    context: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)
    messages: tuple[tuple[str, Any], ...] = ()
    detached: bool = False
    kernel: Kernel | None = attrs.field(default=None, repr=False)
    """The node that spawns, for code outside any process."""

    def __attrs_post_init__(self) -> None:
        if self.name is not None and (not isinstance(self.name, str) or not self.name):
            raise invalid("name", self.name, "a non-empty string")
        if self.host is not None and (not isinstance(self.host, str) or not self.host):
            raise invalid("on", self.host, 'the name of a host, such as "trio" or "app:worker"')
        check_context(self.context)
        if not isinstance(self.options, Mapping) or not all(isinstance(key, str) for key in self.options):
            raise invalid("options", self.options, "a mapping of option names to values")

    def with_name(self, name: str) -> Spawner:
        """Register the process under a name; a process that has it already is used instead of a new one.

        For a durable process it is the workflow id, which is no destination: use the PID.
        """
        if not isinstance(name, str):
            raise invalid("name", name, "a non-empty string")
        return attrs.evolve(self, name=name)

    def with_message(self, topic: str, *payload: Any) -> Spawner:
        """Send this first: before any other message, also to a process that runs under the name already."""
        check_topic(topic)
        return attrs.evolve(self, messages=(*self.messages, (topic, payload_of(payload))))

    def with_context(self, **values: Any) -> Spawner:
        """Add context values, which win over those that the process inherits, key by key."""
        return attrs.evolve(self, context={**self.context, **values})

    def with_options(self, options: Mapping[str, Any]) -> Spawner:
        """Add options for the host; the host checks them at the spawn."""
        if not isinstance(options, Mapping):
            raise invalid("options", options, "a mapping of option names to values")
        return attrs.evolve(self, options={**self.options, **options})

    def detach(self) -> Spawner:
        """Spawn processes that live on when their parent ends: a durable process ends its children otherwise."""
        return attrs.evolve(self, detached=True)

    def on(self, host: str) -> Spawner:
        """Spawn on this host unless a spawn says another."""
        if not isinstance(host, str):
            raise invalid("host", host, 'the name of a host, such as "trio" or "app:worker"')
        return attrs.evolve(self, host=host)

    async def spawn(self, target: Target, *args: Any, on: str | None = None) -> PID:
        """Start a process and return its PID; it is in the table, and has not run yet.

        Args:
            target: an async function, or the id of an entry.
            args: what the function is called with.
            on: the host it runs on; left out, the spawner's, the entry's own worker, or the node's default.

        Raises:
            Error: NOT_FOUND for an unknown entry or host; INVALID for a function that is not async or a bad option.
        """
        kernel, parent = self._where()
        pid = await self._spawn(kernel, parent, target, args, on)
        if parent is not None and kernel.instruments.monitors_children and not self.detached:
            await kernel.monitor(parent, pid)
        return pid

    async def spawn_monitored(self, target: Target, *args: Any, on: str | None = None) -> PID:
        """`spawn` and `monitor` in one step: a child that dies at once gives its real result."""
        parent = running_process()
        pid = await self._spawn(kernel_of(parent), parent, target, args, on)
        await parent.kernel.monitor(parent, pid)
        return pid

    async def spawn_linked(self, target: Target, *args: Any, on: str | None = None) -> PID:
        """`spawn` and `link` in one step."""
        parent = running_process()
        pid = await self._spawn(kernel_of(parent), parent, target, args, on)
        await parent.kernel.link(parent, pid, spawned=True)
        return pid

    async def spawn_linked_monitored(self, target: Target, *args: Any, on: str | None = None) -> PID:
        """`spawn`, `link` and `monitor` in one step."""
        pid = await self.spawn_linked(target, *args, on=on)
        parent = running_process()
        await parent.kernel.monitor(parent, pid)
        return pid

    async def execute(self, target: Target, *args: Any, on: str | None = None) -> Any:
        """Spawn a process, wait for its end, and return its value.

        When the wait is cancelled, a process of this node that it started is cancelled too; others go on.

        Raises:
            Error: the error the process ended with, or that of the spawn.
        """
        kernel, parent = self._where()
        holder = None if self.name is None else kernel.names.get(self.name)
        pid = await self._spawn(kernel, parent, target, args, on)
        exits: Queue[Exit] = Queue()
        ref = MonitorRef(kernel.pid if parent is None else parent.pid, kernel.next_number())
        try:
            await kernel.watch(pid, ref, exits.put)
            return (await exits.receive()).result.unwrap()
        finally:
            kernel.unwatch(pid, ref)
            target_here = kernel.find(pid)
            if isinstance(target_here, Process) and pid != holder:
                kernel.cancel_here(target_here, ref.owner, "nobody waits for the result any more", None)

    def _where(self) -> tuple[Kernel, Process | None]:
        if self.kernel is not None:
            return self.kernel, None
        parent = running_process()
        return kernel_of(parent), parent

    async def _spawn(
        self, kernel: Kernel, parent: Process | None, target: Target, args: tuple[Any, ...], on: str | None
    ) -> PID:
        by = current_process.get()
        sender = None if parent is None else parent.pid
        entry = process_entry(target)
        check_arguments(entry.function, args, entry.id)
        request = SpawnRequest(
            entry,
            args,
            parent,
            self.name,
            tuple(Message(topic, payload, sender) for topic, payload in self.messages)
            if self.messages
            else (),
            {**by.context, **self.context} if self.context else by.context,
            self.options,
            self.detached,
        )
        by.reductions -= 1
        if by.reductions < 0:
            await by.pause()
        return await kernel.spawn(request, on if on is not None else self.host)
