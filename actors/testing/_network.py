"""Simulated nodes and the network between them: messages on their way are steps that the schedule orders.

Between two processes the order is kept, as semantics 7 and 20 say; everything else may overtake. A node that is dropped
takes what it has sent and not delivered with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import attrs

from actors._kernel.kernel import Kernel
from actors._kernel.links_and_monitors import gone, watch
from actors._kernel.process import Process
from actors._kernel.process_info import Description
from actors._values.errors import UNAVAILABLE, Error
from actors._values.events import Exit, MonitorRef, Reason, Result
from actors._values.messages import Message
from actors._values.pid import PID
from actors.testing._trace import short


@attrs.frozen
class _Parcel:
    """Something on its way: what it is, what happens when it comes, and what when its destination is gone."""

    label: str
    deliver: Callable[[Kernel], None]
    lost: Callable[[], None]


class Way:
    """What one process has sent to another and has not come yet, in order."""

    def __init__(self, source: PID, target: PID) -> None:
        self.source = source
        self.target = target
        self.parcels: deque[_Parcel] = deque()

    def __str__(self) -> str:
        return f"{self.parcels[0].label} {short(self.source)} -> {short(self.target)}"


def _nothing() -> None:
    pass


class Network:
    """The `Host` behind every PID of another simulated node."""

    def __init__(self, fresh: set[PID]) -> None:
        # Processes spawned in this very step, which have not run: links and monitors that are part of their spawn are
        # there from the start, and need no way.
        self._fresh = fresh
        self.kernels: dict[str, Kernel] = {}
        self.ways: dict[tuple[PID, PID], Way] = {}
        self._watched: dict[MonitorRef, tuple[PID, Callable[[Exit], None]]] = {}
        self._linked: dict[tuple[PID, PID], None] = {}

    def open_ways(self) -> list[Way]:
        """Those on which something can arrive next."""
        return list(self.ways.values())

    def arrive(self, way: Way) -> None:
        """Deliver the next thing of a way."""
        parcel = way.parcels.popleft()
        if not way.parcels:
            del self.ways[way.source, way.target]
        kernel = self.kernels.get(way.target.node)
        if kernel is None:
            parcel.lost()
        else:
            parcel.deliver(kernel)

    def drop(self, node: str) -> list[Process]:
        """A node vanishes; its processes, which will never run again."""
        kernel = self.kernels.pop(node)
        processes = list(kernel.table.values())
        for process in processes:
            process.alive = False
        kernel.table.clear()
        for key in [key for key in self.ways if key[0].node == node]:
            del self.ways[key]
        for ref, (target, _) in list(self._watched.items()):
            if target.node == node:
                self._exit(ref, "noconnection", gone(target, "noconnection"))
        for target, by in list(self._linked):
            for dead, survivor in ((target, by), (by, target)):
                if dead.node == node and survivor.node in self.kernels:
                    self._linked.pop((target, by), None)
                    end: tuple[Reason, Result] = ("noconnection", gone(dead, "noconnection"))
                    self.kernels[survivor.node].signal_link_down(survivor, dead, *end)
        return processes

    def _post(
        self,
        source: PID,
        target: PID,
        label: str,
        deliver: Callable[[Kernel], None],
        lost: Callable[[], None] = _nothing,
    ) -> None:
        way = self.ways.get((source, target))
        if way is None:
            way = self.ways[source, target] = Way(source, target)
        way.parcels.append(_Parcel(label, deliver, lost))

    # The host

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`: accepted for transport."""
        if target.node not in self.kernels:
            return False
        source = message.sender or PID(target.node, "node", "0")

        def deliver(kernel: Kernel) -> None:
            found = kernel.find(target)
            if isinstance(found, Process):
                kernel.deliver(found, message)
            else:
                kernel.instruments.dead_letters.add(target, message)

        self._post(source, target, f"message {message.topic!r}", deliver)
        return True

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""

        def deliver(kernel: Kernel) -> None:
            kernel.receive_reply(call, payload)

        self._post(PID(target.node, "reply", str(call)), target, "reply", deliver)
        return target.node in self.kernels

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        return self._ask(target, by, "terminate", lambda kernel: kernel.terminate(by, target, reason))

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        return self._ask(target, by, "cancel", lambda kernel: kernel.cancel(by, target, reason, deadline))

    def _ask(self, target: PID, by: PID | None, label: str, ask: Callable[[Kernel], Any]) -> bool:
        def deliver(kernel: Kernel) -> None:
            if isinstance(kernel.find(target), Process):
                _finish(ask(kernel))

        self._post(by or PID(target.node, "node", "0"), target, label, deliver)
        return target.node in self.kernels

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`."""
        return await self.kernels[ref.owner.node].call_by_message(target, message, ref, on_exit)

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """As `Host.watch`."""
        self._watched[ref] = (target, on_exit)

        def told(event: Exit) -> None:
            self._post(
                target,
                ref.owner,
                f"exit {event.reason}",
                lambda _: self._exit(ref, event.reason, event.result),
            )

        def deliver(kernel: Kernel) -> None:
            found = kernel.find(target)
            if isinstance(found, Process):
                watch(found, ref, told)
            else:
                told(Exit(target, ref, "noproc", gone(target)))

        def lost() -> None:
            self._exit(ref, "noconnection", gone(target, "noconnection"))

        if target in self._fresh:
            deliver(self.kernels[target.node])
        else:
            self._post(ref.owner, target, "monitor", deliver, lost)

    def _exit(self, ref: MonitorRef, reason: Reason, result: Result) -> None:
        target, on_exit = self._watched.pop(ref, (None, None))
        if target is not None and on_exit is not None:
            on_exit(Exit(target, ref, reason, result))

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        self._watched.pop(ref, None)

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        self._linked[target, by] = None

        def lost() -> None:
            if self._linked.pop((target, by), _ABSENT) is None and by.node in self.kernels:
                end: tuple[Reason, Result] = ("noconnection", gone(target, "noconnection"))
                self.kernels[by.node].signal_link_down(by, target, *end)

        if target in self._fresh:
            self.kernels[target.node].receive_link(target, by)
        else:
            self._post(by, target, "link", lambda kernel: kernel.receive_link(target, by), lost)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self._unlink(target, by)
        self._post(by, target, "unlink", lambda kernel: kernel.receive_unlink(target, by))

    def _unlink(self, target: PID, by: PID) -> None:
        self._linked.pop((target, by), None)
        self._linked.pop((by, target), None)

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self._unlink(target, by)
        self._post(
            by,
            target,
            f"link down {reason}",
            lambda kernel: kernel.signal_link_down(target, by, reason, result),
        )

    async def processes(self, limit: int) -> list[Description]:
        """As `Host.processes`: each simulated node lists its own."""
        return []

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`."""
        raise Error(f"{target} lives on another simulated node: describe it there", kind=UNAVAILABLE)


_ABSENT = object()


def _finish(coroutine: Any) -> None:
    """Run a call of the kernel that concerns its own table, and so does not wait."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("a call about a local process has waited")
