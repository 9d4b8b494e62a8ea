"""Timers in one heap, for schedulers that have no better place for them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count


class HeapTimer:
    """A function to call at a time; cancelled ones stay in the heap until they surface."""

    __slots__ = ("function", "_timers")

    def __init__(self, function: Callable[[], None], timers: Timers) -> None:
        self.function: Callable[[], None] | None = function
        self._timers = timers

    def cancel(self) -> None:
        """As `Timer.cancel`."""
        if self.function is not None:
            self.function = None
            self._timers.cancelled()


class Timers:
    """Deadlines in order. Those of one instant fire in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, HeapTimer]] = []
        self._numbers = count()
        self._dead = 0

    def __len__(self) -> int:
        return len(self._heap) - self._dead

    def add(self, deadline: float, function: Callable[[], None]) -> HeapTimer:
        """Call `function` once `fire` is given a time of `deadline` or later."""
        timer = HeapTimer(function, self)
        heapq.heappush(self._heap, (deadline, next(self._numbers), timer))
        return timer

    def next(self) -> float:
        """The earliest deadline; infinity if there is none."""
        while self._heap and self._heap[0][2].function is None:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else math.inf

    def fire(self, now: float) -> None:
        """Call what is due. What is set meanwhile waits for the next `fire`, due or not."""
        newer = next(self._numbers)
        while self._heap and self._heap[0][0] <= now and self._heap[0][1] < newer:
            timer = heapq.heappop(self._heap)[2]
            function, timer.function = timer.function, None
            if function is None:
                self._dead -= 1
            else:
                function()

    def cancelled(self) -> None:
        """A timer in the heap was cancelled: when most are, throw them out, so that the heap stays in proportion."""
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self._heap):
            self._heap = [item for item in self._heap if item[2].function is not None]
            heapq.heapify(self._heap)
            self._dead = 0
