"""Durable processes that have called local ones: what is answered at once travels back with the delivery of the call.

An answer by signal costs a workflow task and several events of history; one in the result of the delivery, nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import trio
from temporalio.converter import PayloadConverter

from actors import PID, Error, Exit, Kernel, MonitorRef, Process, mailbox_full, wire
from actors.wire import Call, Envelope
from temporal_bridge._wire.converter import LARGEST, payload_size

SOON: Final = 0.02
"""Seconds that a delivery waits for answers. Meanwhile its workflow sees no signals, so it must not be long."""

MOST_KEPT: Final = 1000
"""How many answers are kept for deliveries that are made again, because their first result was not recorded."""

Answer = list[Any]
"""`[REPLY, payload]`, `[EXIT, reason, result]` or `[REFUSED, error]`."""


@attrs.define(eq=False)
class Delivery:
    """One delivery that waits for answers: until all are there, or for a moment.

    `seen` is the number of the last batch from this node that the workflow had seen when it asked for the delivery.
    """

    seen: int
    open: bool = True
    room: int = LARGEST
    calls: set[Call] = attrs.field(factory=set[Call])
    complete: trio.Event = attrs.field(factory=trio.Event)

    def settle(self, call: Call) -> None:
        """Wait for one of its calls no more."""
        if call in self.calls:
            self.calls.remove(call)
            if not self.calls:
                self.complete.set()


@attrs.define(eq=False)
class _Waiting:
    """A call that is not answered yet, and the watch of its target."""

    call: Call
    target: PID
    ref: MonitorRef
    delivery: Delivery


class InboundCalls:
    """The calls of durable processes to the processes of one node, whose ends it tells them of until they are answered.

    An answer goes with the delivery only if its caller has seen all that this node has sent to it (semantics 7): `sent`
    tells the number of the last batch to a durable process, None while one is on its way.
    """

    def __init__(
        self,
        kernel: Kernel,
        converter: PayloadConverter,
        sent: Callable[[PID], int | None],
        bring_exit: Callable[[PID, Envelope], None],
    ) -> None:
        self._kernel = kernel
        self._converter = converter
        self._sent = sent
        self._bring_exit = bring_exit
        self._waiting: dict[Call, _Waiting] = {}
        self._answers: dict[Call, Answer] = {}  # that have gone with a delivery, the latest last

    async def begin(self, call: Call, target: PID, delivery: Delivery) -> None:
        """A call is about to be delivered for the first time."""
        ref = MonitorRef(call.caller, self._kernel.next_number())
        self._waiting[call] = _Waiting(call, target, ref, delivery)
        await self._kernel.watch(target, ref, lambda event: self._ended(call, event))

    def refused(self, call: Call, topic: str) -> None:
        """The target has not taken it: it does not exist, as the watch tells, or its mailbox is full."""
        waiting = self._waiting.get(call)
        if waiting is not None and isinstance(self._kernel.find(waiting.target), Process):
            self._kernel.unwatch(waiting.target, waiting.ref)
            self._answer(waiting, [wire.REFUSED, mailbox_full(waiting.target, topic)], 0)

    def reply(self, call: Call, payload: Any, size: int) -> bool:
        """A reply. True when it goes with the delivery of its call, False when it has to be sent."""
        waiting = self._waiting.get(call)
        if waiting is None:
            return False
        self._kernel.unwatch(waiting.target, waiting.ref)
        if not self._fits(waiting, size):
            self._forget(waiting)
            return False
        self._answer(waiting, [wire.REPLY, payload], size)
        return True

    def forget(self, call: Call) -> None:
        """The caller waits no more."""
        waiting = self._waiting.get(call)
        if waiting is not None:
            self._kernel.unwatch(waiting.target, waiting.ref)
            self._forget(waiting)

    async def answers(
        self, delivery: Delivery, calls: Sequence[Call | None], taken: Sequence[bool]
    ) -> list[bool | Answer]:
        """Wait a moment: for each item its answer, or whether it was taken."""
        for call in calls:
            if call is not None and (waiting := self._waiting.get(call)) is not None:
                waiting.delivery = delivery
                delivery.calls.add(call)
        if delivery.calls:
            with trio.move_on_after(SOON):
                await delivery.complete.wait()
        delivery.open = False
        return [
            was_taken if call is None else self._answers.get(call, was_taken)
            for call, was_taken in zip(calls, taken, strict=True)
        ]

    def _ended(self, call: Call, event: Exit) -> None:
        waiting = self._waiting[call]
        answer = [wire.EXIT, event.reason, event.result]
        try:
            size = payload_size(self._converter, answer, "the result")
        except Error:
            size = LARGEST  # its watcher says what is wrong
        if self._fits(waiting, size):
            self._answer(waiting, answer, size)
        else:
            self._forget(waiting)
            self._bring_exit(call.caller, wire.exit_envelope(call.number, event))

    def _fits(self, waiting: _Waiting, size: int) -> bool:
        sent = self._sent(waiting.call.caller)
        delivery = waiting.delivery
        return delivery.open and size < delivery.room and sent is not None and sent <= delivery.seen

    def _answer(self, waiting: _Waiting, answer: Answer, size: int) -> None:
        waiting.delivery.room -= size
        self._answers[waiting.call] = answer
        if len(self._answers) > MOST_KEPT:
            del self._answers[next(iter(self._answers))]
        self._forget(waiting)

    def _forget(self, waiting: _Waiting) -> None:
        del self._waiting[waiting.call]
        waiting.delivery.settle(waiting.call)
