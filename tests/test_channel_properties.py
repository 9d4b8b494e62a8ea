"""Channels and select against a model that is short enough to be read: semantics 28, 29 and 30."""

from __future__ import annotations

from itertools import count, product
from random import Random
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import Channel, ChannelClosed, Picked, Queue, select
from tests.moves import many
from tests.searching_scheduler import Alone, SearchingScheduler, Task

SEND, RECEIVE = "send", "receive"
CLOSED = ("closed", None)
CANCELLED = ("cancelled", None)


@attrs.define
class ModelChannel:
    """What a channel is: how much it holds, what it holds, and whether it is closed."""

    capacity: float
    buffer: list[int] = attrs.field(factory=list)
    closed: bool = False


@attrs.define(eq=False)
class Operation:
    """A task that does one thing: `cases` are (send or receive, channel, value), and `outcome` is what must come."""

    cases: list[tuple[str, int, int | None]]
    default: bool = False
    plain: bool = True
    outcome: tuple[str, Any] | None = None


class Model:
    """Channels as lists, and the waiting operations as one list in order of arrival. Each method is one atomic step."""

    def __init__(self, capacities: list[int | None]) -> None:
        self.channels = [ModelChannel(float("inf") if one is None else one) for one in capacities]
        self.waiting: list[Operation] = []

    def first(self, kind: str, channel: int) -> tuple[Operation, int, int | None] | None:
        for operation in self.waiting:
            for index, case in enumerate(operation.cases):
                if case[:2] == (kind, channel):
                    return operation, index, case[2]
        return None

    def finish(self, operation: Operation, index: int, value: int | None, ok: bool) -> None:
        if operation in self.waiting:
            self.waiting.remove(operation)
        kind, channel, _ = operation.cases[index]
        if not ok and (operation.plain or kind == SEND):
            operation.outcome = CLOSED
        elif operation.plain:
            operation.outcome = ("value", value)
        else:
            operation.outcome = ("value", (channel, value, ok))

    def ready(self, kind: str, index: int) -> bool:
        channel = self.channels[index]
        if channel.closed or self.first(SEND if kind == RECEIVE else RECEIVE, index):
            return True
        return bool(channel.buffer) if kind == RECEIVE else len(channel.buffer) < channel.capacity

    def take(self, index: int) -> int:
        channel = self.channels[index]
        sender = self.first(SEND, index)
        if sender is not None:
            operation, case, sent = sender
            assert sent is not None
            self.finish(operation, case, None, True)
            channel.buffer.append(sent)
        return channel.buffer.pop(0)

    def give(self, index: int, value: int) -> None:
        receiver = self.first(RECEIVE, index)
        if receiver is None:
            self.channels[index].buffer.append(value)
        else:
            self.finish(receiver[0], receiver[1], value, True)

    def attempt(self, operation: Operation) -> None:
        for case, (kind, index, value) in enumerate(operation.cases):
            if self.ready(kind, index):
                channel = self.channels[index]
                if kind == SEND:
                    assert value is not None
                    if not channel.closed:
                        self.give(index, value)
                    self.finish(operation, case, None, not channel.closed)
                elif channel.buffer or self.first(SEND, index):
                    self.finish(operation, case, self.take(index), True)
                else:
                    self.finish(operation, case, None, False)
                return
        if operation.default:
            operation.outcome = ("value", (None, None, True))
        else:
            self.waiting.append(operation)

    def lets_others_run(self, operation: Operation) -> bool:
        """Whether it needs no turn: a receive that has to wait lets others run by that."""
        kind, index, _ = operation.cases[0]
        return operation.plain and kind == RECEIVE and not self.ready(RECEIVE, index)

    def close(self, index: int) -> None:
        self.channels[index].closed = True
        for operation in list(self.waiting):
            for case, (_, channel, _) in enumerate(operation.cases):
                if channel == index:
                    self.finish(operation, case, None, False)
                    break

    def cancel(self, operation: Operation) -> None:
        if operation in self.waiting:
            self.waiting.remove(operation)
            operation.outcome = CANCELLED


STARTS = ("at once", "at once", "later", "without a turn")
CASES = [(kind, channel) for channel in range(3) for kind in (SEND, RECEIVE)]
PLAIN = [("operate", (case,), True, False, start) for start in STARTS for case in CASES]
SELECTS = [
    ("operate", cases, False, default, start)
    for size in (1, 2, 3)
    for default in (False, False, False, True)
    for start in STARTS
    for cases in product(CASES, repeat=size)
]
# One draw for each move, which is cheap; the repetitions are weights.
MOVES: list[tuple[Any, ...]] = [
    *[("step", choice) for choice in range(8)] * 700,
    *PLAIN * 160,
    *[("cancel", choice) for choice in range(8)] * 160,
    *[(what, channel) for what in ("close", "put", "replace") for channel in range(3)] * 60,
    *SELECTS,
]
Random(0).shuffle(MOVES)  # Hypothesis prefers the early ones of a long list


class Bench:
    """The channels, the tasks on them, and the model beside; each method is a move."""

    def __init__(self, capacities: list[int | None]) -> None:
        self.scheduler = SearchingScheduler()
        self.operations: dict[Task, Operation] = {}
        self.next: dict[Task, str] = {}  # what a task does when it runs next: pause, or act
        self.values = count(1)
        self.model = Model(capacities)
        self.channels: list[Channel[int]] = [Queue() if one is None else Channel(one) for one in capacities]

    def operate(self, cases: tuple[tuple[str, int], ...], plain: bool, default: bool, start: str) -> None:
        chosen = [
            (kind, channel % len(self.channels), next(self.values) if kind == SEND else None)
            for kind, channel in cases
        ]
        given = [
            self.channels[index] if value is None else self.channels[index].sending(value)
            for _, index, value in chosen
        ]

        async def run() -> Any:
            if not plain:
                return await select(*given, default=default)
            if not isinstance(given[0], Channel):
                return await given[0].channel.send(given[0].value)
            return await given[0].receive()

        task = self.scheduler.run(run, reductions=0 if start == "without a turn" else 1)
        self.operations[task] = Operation(chosen, default, plain)
        self.next[task] = "pause" if start == "without a turn" else "act"
        if start == "at once":
            self.step(-1)

    def step(self, choice: int) -> None:
        if not self.scheduler.runnable:
            return
        task = self.scheduler.runnable[choice % len(self.scheduler.runnable)]
        operation = self.operations[task]
        if operation.outcome is None:
            if task.cancelled:
                operation.outcome = CANCELLED
            elif self.next[task] == "pause" and not self.model.lets_others_run(operation):
                self.next[task] = "act"
            else:
                self.model.attempt(operation)
        assert self.scheduler.step(choice) is task
        assert isinstance(task.owner, Alone)
        if task.ended:
            assert self.seen(task.owner.outcome) == operation.outcome
            del self.operations[task]

    def cancel(self, choice: int) -> None:
        if self.operations:
            task = list(self.operations)[choice % len(self.operations)]
            self.scheduler.cancel(task)
            self.model.cancel(self.operations[task])

    def close(self, channel: int) -> None:
        index = channel % len(self.channels)
        self.channels[index].close()
        self.model.close(index)

    def put(self, channel: int) -> None:
        index, value = channel % len(self.channels), next(self.values)
        queue = self.channels[index]
        if isinstance(queue, Queue):
            queue.put(value)
            if not self.model.channels[index].closed:
                self.model.give(index, value)

    def replace(self, channel: int) -> None:
        """A new channel in place of one that is closed and drained, so that the game goes on."""
        index = channel % len(self.channels)
        old = self.model.channels[index]
        used = any(case[1] == index for one in self.operations.values() for case in one.cases)
        if old.closed and not old.buffer and not used:
            queue = isinstance(self.channels[index], Queue)
            self.channels[index] = Queue() if queue else Channel(int(old.capacity))
            self.model.channels[index] = ModelChannel(old.capacity)

    def seen(self, outcome: tuple[str, Any] | None) -> tuple[str, Any] | None:
        """What a task came to, in the words of the model."""
        assert outcome is not None
        kind, value = outcome
        if kind == "error":
            assert isinstance(value, ChannelClosed), value
            return CLOSED
        if isinstance(value, Picked):
            channel = None if value.channel is None else self.channels.index(value.channel)
            return kind, (channel, value.value, value.ok)
        return outcome

    def agree(self) -> None:
        """The tasks wait where the model has them wait, and the channels show what the model shows."""
        parked = {id(self.operations[task]) for task in self.operations if task.wait is not None}
        assert parked == {id(operation) for operation in self.model.waiting}
        for index, channel in enumerate(self.channels):
            expected = self.model.channels[index]
            assert channel.closed == expected.closed
            assert channel.can_receive() == bool(expected.buffer or self.model.first(SEND, index))
            if not channel.closed:
                assert channel.can_send() == self.model.ready(SEND, index)
            if isinstance(channel, Queue):
                assert channel.unread == len(expected.buffer)
                assert channel.peek() == (expected.buffer[0] if expected.buffer else None)
                assert channel.has_receiver == (self.model.first(RECEIVE, index) is not None)

    def clear(self) -> None:
        """Cancel everybody; what lies in the channels then is what the model says."""
        for _ in list(self.operations):
            self.cancel(0)
            while self.scheduler.runnable:
                self.step(0)
        assert not self.operations
        for index, channel in enumerate(self.channels):
            expected = self.model.channels[index]
            assert [channel.take() for _ in range(len(expected.buffer))] == expected.buffer
            assert not channel.can_receive()


@settings(max_examples=12 * settings().max_examples)
@given(
    st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, None]), min_size=1, max_size=3),
    many(st.sampled_from(MOVES), 100),
)
def test_channels_and_select_do_what_lists_do(
    capacities: list[int | None], moves: list[tuple[Any, ...]]
) -> None:
    """Semantics 28, 29, 30: each operation takes effect exactly once and in order, one case of a select and no other
    takes effect, a cancelled wait leaves no trace, and a closed channel drains and then refuses."""
    bench = Bench(capacities)
    for move, *arguments in moves:
        getattr(bench, move)(*arguments)
        bench.agree()
    bench.clear()
