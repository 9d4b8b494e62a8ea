"""The outbox: order, nothing lost, nothing doubled, whatever the transport does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import UNAVAILABLE, Error
from actors._wire import outbox as _outbox
from actors.wire import DedupWindow, Envelope, Outbox, ReplayDedup, SequenceNumber
from temporal_bridge._asyncio.trio_loop import TrioLoop
from temporal_bridge._wire.converter import LARGEST


class Transport:
    """Takes batches as a script says: how many turns each takes, and whether it is accepted."""

    def __init__(self, script: list[tuple[int, bool | None]]) -> None:
        self._script = iter(script)
        self.batches: list[list[Envelope]] = []
        self.accepted: list[Envelope] = []
        self.under_way = 0

    async def transmit(self, items: list[Envelope]) -> list[bool]:
        turns, outcome = next(self._script, (0, True))
        self.under_way += 1
        assert self.under_way == 1  # never two at once
        self.batches.append(items)
        for _ in range(turns):
            await trio.lowlevel.checkpoint()
        self.under_way -= 1
        if outcome is None:
            raise Error("no server", kind=UNAVAILABLE)
        if outcome:
            self.accepted += items
        return [outcome] * len(items)


def an_outbox(
    transport: Transport, nursery: trio.Nursery, largest: int = LARGEST
) -> tuple[Outbox, list[str]]:
    idle: list[str] = []

    def run_soon(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        nursery.start_soon(run)

    return Outbox(transport.transmit, run_soon, lambda: idle.append("idle"), largest=largest), idle


scripts = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([True, True, True, False, None])), max_size=12
)
senders = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 50)), max_size=8), max_size=5)


@settings(max_examples=100)
@given(scripts, senders, st.integers(1, 6), st.integers(50, 400))
def test_each_item_is_accepted_once_in_its_senders_order_or_its_sender_is_told(
    script: list[tuple[int, bool | None]], plans: list[list[tuple[int, int]]], most: int, largest: int
) -> None:
    async def main() -> None:
        transport = Transport(script)
        told: dict[int, list[tuple[int, Any]]] = defaultdict(list)
        async with trio.open_nursery() as runners:
            outbox, idle = an_outbox(transport, runners, largest)

            async def send(sender: int, plan: list[tuple[int, int]]) -> None:
                for number, (pause, size) in enumerate(plan):
                    for _ in range(pause):
                        await trio.lowlevel.checkpoint()
                    try:
                        answer: Any = await outbox.send(Envelope("t", [sender, number]), size)
                    except Error as error:
                        answer = error.kind
                    told[sender].append((number, answer))

            async with trio.open_nursery() as nursery:
                for sender, plan in enumerate(plans):
                    nursery.start_soon(send, sender, plan)
            await outbox.drain()
            if any(plans):
                assert idle
        accepted: dict[int, list[int]] = defaultdict(list)
        for item in transport.accepted:
            sender, number = item.values
            accepted[sender].append(number)
        for sender, plan in enumerate(plans):
            assert [number for number, _ in told[sender]] == list(range(len(plan)))
            assert accepted[sender] == [number for number, answer in told[sender] if answer is True]
        for batch in transport.batches:
            assert 1 <= len(batch) <= most

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_outbox, "MOST_ITEMS", most)
        trio.run(main)


async def test_what_comes_while_a_batch_is_under_way_travels_together() -> None:
    transport = Transport([(50, True)])
    async with trio.open_nursery() as nursery:
        outbox, _ = an_outbox(transport, nursery)
        outbox.post(Envelope("t", [0]), 1)
        while not transport.batches:
            await trio.lowlevel.checkpoint()
        for number in range(1, 1000):
            outbox.post(Envelope("t", [number]), 1)
        await outbox.drain()
    assert [len(batch) for batch in transport.batches] == [1, 999]
    assert [item.values[0] for item in transport.accepted] == list(range(1000))


async def test_those_who_were_answered_together_send_together_again() -> None:
    """Not the first of them alone, although what comes to an empty outbox leaves at once."""
    transport = Transport([(5, True)] * 6)
    async with trio.open_nursery() as nursery:
        loop = TrioLoop(nursery)

        async def transmit(items: list[Envelope]) -> list[bool]:
            return await loop.in_trio(transport.transmit, items)

        async def gather() -> None:
            await loop.in_trio(trio.lowlevel.checkpoint)

        outbox = Outbox(transmit, loop.start, lambda: None, gather, largest=LARGEST)

        async def send() -> None:
            for _ in range(3):
                await outbox.send(Envelope("t", []), 1)

        for _ in range(10):
            nursery.start_soon(send)
    assert [len(batch) for batch in transport.batches] == [1, 9, 10, 10]


@settings(max_examples=100)
@given(scripts, senders, st.integers(50, 400))
def test_each_accepted_item_is_delivered_in_order_or_reported_once(
    script: list[tuple[int, bool | None]], plans: list[list[tuple[int, int]]], bound: int
) -> None:
    async def main() -> None:
        transport = Transport(script)
        failed: list[tuple[int, int]] = []
        async with trio.open_nursery() as runners:
            outbox, _ = an_outbox(transport, runners)

            async def send(sender: int, plan: list[tuple[int, int]]) -> None:
                for number, (pause, size) in enumerate(plan):
                    for _ in range(pause):
                        await trio.lowlevel.checkpoint()
                    item = (sender, number)

                    def undelivered(_: object, item: tuple[int, int] = item) -> None:
                        failed.append(item)

                    try:
                        taken = await outbox.accept(Envelope("t", list(item)), size, undelivered)
                    except Error:
                        taken = False
                    if not taken:
                        failed.append(item)

            async with trio.open_nursery() as nursery:
                for sender, plan in enumerate(plans):
                    nursery.start_soon(send, sender, plan)
            await outbox.drain()
        came = [tuple(item.values) for item in transport.accepted]
        everything = [(sender, number) for sender, plan in enumerate(plans) for number in range(len(plan))]
        assert sorted(came + failed) == everything
        for sender in range(len(plans)):
            mine = [item for item in came if item[0] == sender]
            assert mine == sorted(mine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_outbox, "BOUND", bound)
        trio.run(main)


async def test_accept_waits_while_the_outbox_is_full_and_no_longer() -> None:
    go = trio.Event()

    async def transmit(items: list[Envelope]) -> list[bool]:
        await go.wait()
        return [True] * len(items)

    accepted: list[int] = []
    failed: list[object] = []
    async with trio.open_nursery() as nursery:

        def run_soon(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
            nursery.start_soon(run)

        outbox = Outbox(transmit, run_soon, lambda: None, largest=LARGEST)

        async def send() -> None:
            for number in range(6):
                assert await outbox.accept(Envelope("t", [number]), _outbox.BOUND // 3, failed.append)
                accepted.append(number)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        assert accepted == [0, 1]  # the third is in, and its sender waits
        go.set()
        await trio.testing.wait_all_tasks_blocked()
    assert (accepted, failed) == (list(range(6)), [])


async def test_cancelled_wait_for_room_leaves_the_item_in_and_its_failure_is_reported() -> None:
    go = trio.Event()

    async def transmit(items: list[Envelope]) -> list[bool]:
        await go.wait()
        return [False] * len(items)

    failed: list[object] = []
    async with trio.open_nursery() as nursery:

        def run_soon(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
            nursery.start_soon(run)

        outbox = Outbox(transmit, run_soon, lambda: None, largest=LARGEST)
        with trio.CancelScope() as scope:
            scope.cancel()
            await outbox.accept(Envelope("t", [1]), 2 * _outbox.BOUND, failed.append)
        assert scope.cancelled_caught
        go.set()
        await outbox.drain()
    assert failed == [False]


async def test_batch_is_no_larger_than_the_server_takes() -> None:
    transport = Transport([])
    async with trio.open_nursery() as nursery:
        outbox, _ = an_outbox(transport, nursery)
        for number in range(5):
            outbox.post(Envelope("t", [number]), LARGEST // 2)
        await outbox.drain()
    assert [len(batch) for batch in transport.batches] == [1] * 5


async def test_cancelled_sender_does_not_take_its_message_back() -> None:
    transport = Transport([(5, True)])
    async with trio.open_nursery() as nursery:
        outbox, _ = an_outbox(transport, nursery)
        with trio.CancelScope() as scope:
            scope.cancel()
            await outbox.send(Envelope("t", [1]), 1)
        await outbox.drain()
    assert [item.values for item in transport.accepted] == [[1]]


async def test_cancelled_transport_tells_all_who_wait() -> None:
    async def never(_: list[Envelope]) -> list[bool]:
        await trio.sleep_forever()
        raise AssertionError

    told: list[str] = []
    async with trio.open_nursery() as senders, trio.open_nursery() as runners:

        def run_soon(run: Callable[[], Coroutine[Any, Any, None]]) -> None:
            runners.start_soon(run)

        outbox = Outbox(never, run_soon, lambda: told.append("idle"), largest=LARGEST)

        async def send() -> None:
            with pytest.raises(Error) as raised:
                await outbox.send(Envelope("t", []), 1)
            told.append(raised.value.kind)

        for _ in range(3):
            senders.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        runners.cancel_scope.cancel()
    assert sorted(told) == [UNAVAILABLE] * 3 + ["idle"]


async def test_posted_item_that_was_not_accepted_is_told_of() -> None:
    transport = Transport([(0, None), (0, False)])
    failed: list[Error] = []
    async with trio.open_nursery() as nursery:
        outbox, _ = an_outbox(transport, nursery)
        outbox.post(Envelope("t", [1]), 1, failed.append)
        await outbox.drain()
        outbox.post(Envelope("t", [2]), 1, failed.append)
        await outbox.drain()
    assert [error.kind for error in failed] == [UNAVAILABLE]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 6)), max_size=30))
def test_repeated_batches_are_dropped_and_new_ones_never(marks: list[tuple[str, int]]) -> None:
    seen = DedupWindow()
    newest: dict[str, int] = {}
    for stream, number in marks:
        assert seen.is_new(SequenceNumber(stream, number)) == (number > newest.get(stream, 0))
        newest[stream] = max(newest.get(stream, 0), number)
    assert seen.snapshot(2) == newest
    last = [mark[0] for mark in marks][-1:]  # of the streams heard last
    assert list(seen.snapshot(1)) == last
    assert seen.is_new(None)


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=8), st.data())
def test_deliveries_that_are_repeated_are_taken_once(batches: list[list[int]], data: st.DataObject) -> None:
    """Each batch comes once or more, with a floor below it, as the retries of a local activity do."""
    received = ReplayDedup()
    taken: list[int] = []
    number = 1
    for values in batches:
        items = [Envelope("t", [value]) for value in values]
        for _ in range(data.draw(st.integers(1, 3))):
            fresh = received.fresh(SequenceNumber("run/n", number, number - 1), items)
            taken += [value for value, new in zip(values, fresh, strict=True) if new]
        number += len(values)
    assert taken == [value for values in batches for value in values]
