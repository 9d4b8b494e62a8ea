"""Deliveries to a node: whatever is repeated or rolled back, nothing is lost and nothing is taken twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from actors.wire import Envelope, ReplayDedup, SequenceNumber


def items(*values: object) -> list[Envelope]:
    return [Envelope("n", [value]) for value in values]


def test_repeated_batch_is_not_taken_again() -> None:
    received = ReplayDedup()
    assert received.fresh(SequenceNumber("s", 1, 0), items("a", "b")) == [True, True]
    assert received.fresh(SequenceNumber("s", 1, 0), items("a", "b")) == [False, False]
    assert received.fresh(SequenceNumber("s", 3, 2), items("a")) == [True]


def test_batch_that_has_grown_by_its_second_execution_gives_only_what_is_new() -> None:
    received = ReplayDedup()
    assert received.fresh(SequenceNumber("s", 1, 0), items("a")) == [True]
    assert received.fresh(SequenceNumber("s", 1, 0), items("a", "b")) == [False, True]


def test_message_that_a_second_execution_sends_before_the_first_ones_is_not_lost() -> None:
    received = ReplayDedup()
    assert received.fresh(SequenceNumber("s", 1, 0), items("timer")) == [True]
    assert received.fresh(SequenceNumber("s", 1, 0), items("signal", "timer")) == [True, False]


def test_equal_messages_of_later_tasks_are_taken() -> None:
    received = ReplayDedup()
    for number in range(1, 6):
        assert received.fresh(SequenceNumber("s", number, number - 1), items("tick")) == [True]


def test_batches_without_a_floor_go_by_their_number() -> None:
    received = ReplayDedup()
    assert received.fresh(SequenceNumber("s", 1), items("a", "b")) == [True, True]
    assert received.fresh(SequenceNumber("s", 1), items("a", "b")) == [False, False]
    assert received.fresh(SequenceNumber("s", 2), items("a")) == [True]


@given(
    tasks=st.lists(
        st.tuples(
            st.lists(st.integers(0, 3), max_size=4),  # what the recorded execution of the task sends
            st.lists(st.permutations(range(4)), max_size=3),  # orders in which executions before it have sent
            st.lists(st.integers(0, 4), max_size=3),  # and how far they came
        ),
        max_size=6,
    )
)
def test_each_message_of_the_recorded_executions_is_taken_once(
    tasks: list[tuple[list[int], list[list[int]], list[int]]],
) -> None:
    """Executions that are rolled back send a part of what the recorded one sends, in another order."""
    received = ReplayDedup()
    taken: Counter[object] = Counter()
    sent: Counter[object] = Counter()
    acked_through = 0
    for number, (values, orders, lengths) in enumerate(tasks):
        recorded = [(number, value) for value in values]
        attempts = [
            [recorded[place] for place in order if place < len(recorded)][:length]
            for order, length in zip(orders, lengths, strict=False)
        ]
        for attempt in (*attempts, recorded):
            batch = items(*attempt)
            for item, fresh in zip(
                batch,
                received.fresh(SequenceNumber("s", acked_through + 1, acked_through), batch),
                strict=True,
            ):
                if fresh:
                    taken[item.values[0]] += 1
        sent.update(recorded)
        acked_through += len(recorded)
    assert taken == sent
