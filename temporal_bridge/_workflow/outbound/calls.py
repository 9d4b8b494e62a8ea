"""Calls of a durable process to local ones: each is one delivery, which may bring the answer back.

The other side is `_client/inbound_calls.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from actors import PID, Exit, Kernel, Message, MonitorRef, Reason, Result, gone, wire
from temporal_bridge._workflow.outbound.messages import WorkflowMessages
from temporal_bridge._workflow.outbound.watches import WorkflowWatches
from temporal_bridge._workflow.scheduler import WorkflowScheduler


class _Open(NamedTuple):
    target: PID
    ref: MonitorRef
    on_exit: Callable[[Exit], None]


class WorkflowCalls:
    """The calls of one durable process that local ones have not answered yet, by their numbers.

    The node of the target watches it for us, until it answers or we say that nobody waits any more.
    """

    def __init__(
        self,
        kernel: Kernel,
        pid: PID,
        scheduler: WorkflowScheduler,
        messages: WorkflowMessages,
        watches: WorkflowWatches,
    ) -> None:
        self._kernel = kernel
        self._pid = pid
        self._scheduler = scheduler
        self._messages = messages
        self._watches = watches
        self._open: dict[int, _Open] = {}
        self._numbers: dict[MonitorRef, int] = {}
        messages.on_answer = self._answered
        watches.on_node_lost = self._node_lost

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`."""
        item = wire.to_envelope(message, self._kernel.cause(target, message))
        assert item.call is not None
        number = item.call[1]
        self._open[number] = _Open(target, ref, on_exit)
        self._numbers[ref] = number
        taken = await self._messages.send(target, item._replace(call=[*item.call, True]))
        if not taken:  # and no answer that says why: the node itself is gone
            self._ended(number, "noconnection", gone(target, "noconnection"))
        elif number in self._open:
            self._watches.hold(target.node)
        return taken

    def replied(self, number: int) -> None:
        """The reply has come: its node watches for us no more."""
        call = self._open.pop(number, None)
        if call is not None:
            del self._numbers[call.ref]

    def receive_exit(self, number: int, reason: Reason, result: Result) -> None:
        """A node tells of an end; nothing happens unless it is about a call."""
        self._ended(number, reason, result)

    def unwatch(self, ref: MonitorRef) -> None:
        """As `Host.unwatch`: nobody waits any more."""
        number = self._numbers.pop(ref, None)
        if number is not None:
            call = self._open.pop(number)
            if not self._scheduler.evicted:
                self._messages.post(call.target, wire.monitor_envelope(wire.UNMONITOR, self._pid, number))

    def _answered(self, number: int, answer: list[Any]) -> None:
        """The delivery of a call has brought its answer."""
        how, *values = answer
        if how == wire.EXIT:
            self._ended(number, *values)
            return
        self.replied(number)
        if how == wire.REPLY:
            self._kernel.receive_reply(number, *values)
        else:
            self._kernel.fail_call(number, *values)

    def _node_lost(self, node: str) -> None:
        for number, call in list(self._open.items()):
            if call.target.node == node:
                self._ended(number, "noconnection", gone(call.target, "noconnection"))

    def _ended(self, number: int, reason: Reason, result: Result) -> None:
        call = self._open.get(number)
        if call is not None:
            self.replied(number)
            call.on_exit(Exit(call.target, call.ref, reason, result))
