"""Timers against a sorted list, and what processes make of them: sleep, after, every."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

import actors
from actors import Timer, Timers
from tests.moves import many
from tests.searching_scheduler import EPOCH, SearchingKernel

DELAYS = (0, 0, 1, 2, 5, 9)


@attrs.define(eq=False)
class Alarm:
    """A timer in the model; `adds` and `cancels` are what its function does when it is called."""

    due: float
    adds: int | None = None
    cancels: int | None = None
    timer: Timer | None = None
    waiting: bool = True


class Bench:
    """Timers, and beside them a list of alarms in the order in which they were set."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.alarms: list[Alarm] = []
        self.now = 0.0
        self.fired: list[Alarm] = []

    def add(self, delay: float, adds: int | None, cancels: int | None) -> None:
        alarm = Alarm(self.now + delay, adds, cancels)

        def ring() -> None:
            self.fired.append(alarm)
            alarm.waiting = False
            if alarm.adds is not None:
                self.add(alarm.adds, None, None)
            if alarm.cancels is not None:
                self.cancel(alarm.cancels)

        alarm.timer = self.timers.add(alarm.due, ring)
        self.alarms.append(alarm)

    def add_many(self, size: int) -> None:
        for number in range(size):
            self.add(3 + number % 7, None, None)

    def cancel(self, choice: int) -> None:
        if self.alarms:
            alarm = self.alarms[choice % len(self.alarms)]
            assert alarm.timer is not None
            alarm.timer.cancel()
            alarm.waiting = False

    def cancel_many(self, step: int) -> None:
        for choice in range(0, len(self.alarms), step):
            self.cancel(choice)

    def fire(self, passed: float) -> None:
        self.now += passed
        due = [alarm for alarm in self.alarms if alarm.waiting and alarm.due <= self.now]
        due.sort(key=lambda alarm: alarm.due)  # stable: of one instant, in the order in which they were set
        self.fired.clear()
        self.timers.fire(self.now)
        if all(alarm.cancels is None for alarm in due):
            assert self.fired == due
        else:  # some may have been cancelled by an earlier one
            assert self.fired == [alarm for alarm in due if alarm in self.fired]
            assert not any(alarm.waiting for alarm in due)

    def agree(self) -> None:
        waiting = [alarm for alarm in self.alarms if alarm.waiting]
        assert len(self.timers) == len(waiting)
        assert self.timers.next() == min((alarm.due for alarm in waiting), default=math.inf)
        assert len(self.timers) == len(waiting)


MOVES: list[tuple[Any, ...]] = [
    *[
        ("add", delay, adds, cancels)
        for delay in DELAYS
        for adds in (None, None, 0, 1)
        for cancels in (None, None, None, *range(6))
    ],
    *[("cancel", choice) for choice in range(12)] * 5,
    *[("fire", passed) for passed in (0, 0.5, 1, 2, 4)] * 15,
    *[("add_many", size) for size in (60, 100, 200)] * 2,
    *[("cancel_many", step) for step in (1, 2, 3)] * 3,
]
Random(0).shuffle(MOVES)


@settings(max_examples=2 * settings().max_examples)
@given(many(st.sampled_from(MOVES), 40))
def test_timers_fire_once_in_order_of_their_deadlines_unless_cancelled(moves: list[tuple[Any, ...]]) -> None:
    """Those of one instant fire in the order in which they were set, and what is set meanwhile waits for its turn."""
    bench = Bench()
    for move, *arguments in moves:
        getattr(bench, move)(*arguments)
        bench.agree()
    bench.cancel_many(1)
    bench.agree()


@given(st.integers(0, 1000), many(st.integers(0, 30), 20))
def test_cancelled_timers_do_not_pile_up(kept: int, rounds: list[int]) -> None:
    """A timer for each call that is soon cancelled costs memory in proportion to the timers that wait."""
    timers = Timers()
    for number in range(kept % 50):
        timers.add(1e6 + number, lambda: None)
    for size in rounds:
        for timer in [timers.add(1e3, lambda: None) for _ in range(size * 10)]:
            timer.cancel()
    assert len(timers) == kept % 50
    assert len(timers._heap) <= 2 * len(timers) + 65


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6),
    many(st.integers(0, 7), 50),
)
def test_sleep_lasts_as_long_as_it_says(naps: list[tuple[int, int]], choices: list[int]) -> None:
    """Semantics 31: each process wakes at its own time, whatever the others do."""
    kernel = SearchingKernel()
    woken: list[tuple[float, float]] = []

    async def sleeper(first: int, second: int) -> None:
        await actors.sleep(f"{first}ms")
        await actors.sleep(f"{second}ms")
        woken.append((kernel.search.clock, (first + second) / 1000))
        assert actors.now().timestamp() == EPOCH.timestamp() + kernel.search.clock

    for nap in naps:
        kernel.put(sleeper, *nap)
    order = iter(choices)
    while kernel.search.runnable or kernel.search.timers:
        if kernel.search.runnable:
            kernel.search.step(next(order, 0))
        else:
            kernel.search.advance()
    assert len(woken) == len(naps)
    assert all(math.isclose(clock, length, abs_tol=1e-9) for clock, length in woken)


TICKER_MOVES = st.sampled_from(
    [*[("let pass", length) for length in (0, 1, 3, 7, 10, 25)] * 2, ("receive", 0), ("stop", 0)]
    + [("reset", length) for length in (0, 2, 5)]
)


@given(st.booleans(), st.integers(1, 10), many(TICKER_MOVES, 20))
def test_ticker_gives_at_most_one_unread_tick_and_keeps_its_rhythm(
    repeat: bool, length: int, moves: list[tuple[str, int]]
) -> None:
    """`every` ticks at whole multiples of its interval, `after` once; `reset` starts anew, `stop` and death end it."""
    kernel = SearchingKernel()

    async def watch() -> None:
        interval, origin, due = length, 0, length
        clock, unread = 0, None
        running = True
        ticker = actors.every(f"{length}s") if repeat else actors.after(f"{length}s")
        assert isinstance(ticker, actors.Ticker)
        for move, number in moves:
            if move == "let pass" and number:
                await actors.sleep(f"{number}s")
                clock += number
                while running and due <= clock:
                    unread = due if unread is None else unread
                    running = repeat
                    due += interval
            elif move == "receive" and unread is not None:
                assert ((await ticker.receive()) - EPOCH).total_seconds() == unread
                unread = None
            elif move == "stop":
                ticker.stop()
                running = False
            elif move == "reset":
                interval = number or interval
                ticker.reset(f"{number}s" if number else None)
                origin, unread, running = clock, None, True
                due = origin + interval
            assert ticker.unread == (unread is not None)

    pid = kernel.put(watch)
    while kernel.table:
        if kernel.search.runnable:
            kernel.search.step()
        else:
            kernel.search.advance()
    assert kernel.exit_of(pid).reason == "normal", kernel.exit_of(pid)
    assert not kernel.search.timers
