"""What a durable process sends: signals to other workflows, deliveries to nodes, in batches, and in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import attrs
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

from actors import PID, UNAVAILABLE, Error, wire
from actors.wire import Envelope, Outbox, SequenceNumber
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import LARGEST, payload_size
from temporal_bridge._wire.failures import from_failure, too_many_signals
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.task_queues import node_queue, watch_queue
from temporal_bridge._workflow.outbound.commands import WorkflowCommands
from temporal_bridge._workflow.scheduler import WorkflowScheduler

AT_MOST: Final = timedelta(seconds=30)
"""How long an activity of the runtime's own takes that waits for nobody."""

ALIVE: Final = timedelta(seconds=5)
"""How long an activity may be silent that tells all the while that it is alive."""

PICKED_UP: Final = timedelta(seconds=5)
"""How long something waits for a node before the worker's program is asked whether it is dead (`FailureDetector`)."""

_GONE: Final = 300
"""Seconds for which nothing is sent to a node that was found gone. It may have been the way to it."""


@attrs.define
class _Stream:
    """How far the messages to one destination have come. See `wire.SequenceNumber`."""

    name: str
    next: int = 1
    delivered: int = 0
    acked_through: int = 0
    task: int = 0


class WorkflowMessages:
    """The outboxes of one durable process."""

    def __init__(
        self,
        pid: PID,
        scheduler: WorkflowScheduler,
        commands: WorkflowCommands,
        seen: Callable[[str], int],
    ) -> None:
        self._pid = pid
        self._seen = seen
        self.on_answer: Callable[[int, list[Any]], None]
        """Takes what the delivery of a call, known by its number, brings back."""
        self._scheduler = scheduler
        self._commands = commands
        self._outboxes: dict[str, Outbox] = {}
        self._streams: dict[str, _Stream] = {}
        self._gone: dict[str, float] = {}
        self._elsewhere: set[str] = set()  # nodes that are not in this worker's program

    async def send(self, target: PID, item: Envelope) -> bool:
        """Send, and wait until it is accepted; False when there is no such process."""
        size = payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
        outbox, item = self._way(target, item)
        return await outbox.send(item, size)

    async def send_all(self, target: PID, items: list[Envelope]) -> bool:
        """As `send`, in one batch if the server takes it as one."""
        if not items:
            return True
        for item in items[:-1]:
            size = payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
            outbox, addressed = self._way(target, item)
            outbox.post(addressed, size)
        return await self.send(target, items[-1])

    def post(self, target: PID, item: Envelope) -> None:
        """Send without waiting."""
        outbox, item = self._way(target, item)
        outbox.post(item, 1000)

    def _way(self, target: PID, item: Envelope) -> tuple[Outbox, Envelope]:
        if target.host != DURABLE:
            return self._outbox(f"n:{target.node}", target.node, self._deliver), item._replace(
                target=str(target)
            )
        if target.node != self._pid.node:
            raise Error(
                f"{target} is in another namespace, which a durable process of {self._pid.node!r} cannot reach",
                kind=UNAVAILABLE,
            )
        return self._outbox(f"w:{target.id}", target.id, self._signal), item

    def _outbox(
        self, key: str, to: str, send: Callable[[str, list[Envelope], int, _Stream], Awaitable[list[bool]]]
    ) -> Outbox:
        self._scheduler.check_evicted()
        outbox = self._outboxes.get(key)
        if outbox is None:

            async def transmit(items: list[Envelope]) -> list[bool]:
                return await send(to, items, self._outboxes[key].size, self._stream(key))

            def run_soon(run: Callable[[], Awaitable[None]]) -> None:
                async def task() -> None:
                    await run()

                _ = self._commands.start(task())

            self._commands.begin()
            outbox = self._outboxes[key] = Outbox(
                transmit, run_soon, lambda: self._forget_outbox(key), largest=LARGEST
            )
        return outbox

    def _forget_outbox(self, key: str) -> None:
        del self._outboxes[key]
        self._commands.end()

    def _stream(self, key: str) -> _Stream:
        """The numbering of a destination. What was delivered in an earlier workflow task is recorded, and certain."""
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(f"{workflow.info().run_id}/{key}")
        task = workflow.info().get_current_history_length()
        if task != stream.task:
            stream.task, stream.acked_through = task, stream.delivered
        return stream

    async def _signal(
        self, workflow_id: str, items: list[Envelope], size: int, stream: _Stream
    ) -> list[bool]:
        signal = signals.signal_of(items, SequenceNumber(stream.name, stream.next))
        stream.next += 1
        await self._commands.reserve_bytes(size)
        leave = await self._commands.enter("signal")
        signals.outgoing.set(signal.header)
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(signal.name, args=signal.args)
        except ApplicationError as failure:
            if failure.type == "SignalCountLimitExceeded":
                raise too_many_signals(workflow_id) from failure
            if failure.type != "ExternalWorkflowExecutionNotFound":
                raise from_failure(failure) from failure
            return [False] * len(items)
        finally:
            leave()
        return [True] * len(items)

    async def _deliver(self, node: str, items: list[Envelope], size: int, stream: _Stream) -> list[bool]:
        args: list[Any] = [
            node,
            list(SequenceNumber(stream.name, stream.next, stream.acked_through)),
            [wire.to_row(item) for item in items],
        ]
        if any(wire.call_number(item) is not None for item in items):
            args.append(self._seen(node))
        stream.next += len(items)
        answers = await self._delivered(node, args, size)
        stream.delivered = stream.next - 1
        if answers is None:
            return [False] * len(items)
        for item, answer in zip(items, answers, strict=True):
            if not isinstance(answer, bool) and (number := wire.call_number(item)) is not None:
                self.on_answer(number, answer)
        return [answer is not False for answer in answers]

    async def _delivered(self, node: str, args: list[Any], size: int) -> list[bool | list[Any]] | None:
        """Deliver to a node, in this worker's own program if it is there. None when it is gone."""
        if self._gone.get(node, 0) > workflow.time():
            return None
        if node not in self._elsewhere:
            here: list[bool | list[Any]] | None = await workflow.execute_local_activity(
                signals.DELIVER, args=args, start_to_close_timeout=AT_MOST
            )
            if here is not None:
                return here
            self._elsewhere.add(node)
        await self._commands.reserve_bytes(size)
        while True:
            began = workflow.time()
            try:
                there: list[bool | list[Any]] | None = await self._commands.activity(
                    signals.DELIVER,
                    args=args,
                    task_queue=node_queue(node),
                    schedule_to_start_timeout=PICKED_UP,
                    start_to_close_timeout=AT_MOST,
                    schedule_to_close_timeout=AT_MOST * 2,
                )
            except ActivityError as failure:
                if not isinstance(failure.cause, TimeoutError):
                    raise from_failure(failure) from failure
                if await self.is_dead(node, failure.cause, began):
                    self.lose(node)
                    return None
            else:
                return there

    async def is_dead(self, node: str, cause: TimeoutError, began: float) -> bool:
        """Whether a node is dead that has left something where it is since a time, or has taken it and is silent."""
        taken = cause.type is not TimeoutType.SCHEDULE_TO_START
        dead: bool = await self._commands.activity(
            signals.IS_DEAD,
            args=[node, workflow.time() - began if taken else None],
            task_queue=watch_queue(workflow.info().task_queue),
            start_to_close_timeout=AT_MOST * 10,
            heartbeat_timeout=ALIVE,
        )
        return dead

    def lose(self, node: str) -> None:
        """A node is gone: for a while nothing is sent to it, so that a second message does not wait again."""
        self._gone[node] = workflow.time() + _GONE
