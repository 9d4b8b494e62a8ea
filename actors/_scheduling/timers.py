"""Timers in one heap, for schedulers that have no better place for them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from itertools import count


class HeapTimer:
    """A function to call at a time; cancelled ones stay where they are until they surface."""

    __slots__ = ("function", "deadline", "timers")

    function: Callable[[], None] | None
    deadline: float
    timers: Timers | None
    """Whose heap it is in; None before."""

    def cancel(self) -> None:
        """As `Timer.cancel`."""
        if self.function is not None:
            self.function = None
            if self.timers is not None:
                self.timers.cancelled()


class Timers:
    """Deadlines in order. Those of one instant fire in the order in which they were set.

    Most timers are time-outs of what ends soon. So new ones come into the heap only when somebody asks for the earliest
    deadline, and those that have been cancelled by then never do.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, HeapTimer]] = []
        self._new: list[HeapTimer] = []
        self._numbers = count()
        self._dead = 0

    def __len__(self) -> int:
        self._sort_in()
        return len(self._heap) - self._dead

    def add(self, deadline: float, function: Callable[[], None]) -> HeapTimer:
        """Call `function` once `fire` is given a time of `deadline` or later."""
        timer = HeapTimer()
        timer.function = function
        timer.deadline = deadline
        timer.timers = None
        self._new.append(timer)
        if len(self._new) >= 256:
            self._sort_in()
        return timer

    def _sort_in(self) -> None:
        for timer in self._new:
            if timer.function is not None:
                timer.timers = self
                heapq.heappush(self._heap, (timer.deadline, next(self._numbers), timer))
        self._new.clear()

    def next(self) -> float:
        """The earliest deadline; infinity if there is none."""
        self._sort_in()
        while self._heap and self._heap[0][2].function is None:
            heapq.heappop(self._heap)
            self._dead -= 1
        return self._heap[0][0] if self._heap else math.inf

    def fire(self, now: float) -> None:
        """Call what is due. What is set meanwhile waits for the next `fire`, due or not."""
        self._sort_in()
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
