"""A scheduler without trio or asyncio: the smallest that a kernel can run on, and the proof that it needs no more.

One run queue, first come, first served, and a clock that jumps to the next timer when nothing can run.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from types import coroutine
from typing import Any

from actors import Process, Timer, Timers, Wait, caller

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Cancelled(BaseException):
    """What the awaits of a cancelled task raise."""


class Task:
    """A coroutine of a process. It is in the run queue, running, or parked in `wait`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.routine: Coroutine[Any, Any, None] | None = None
        self.context: Context = copy_context()
        self.wait: Wait | None = None
        self.value: Any = None
        self.cancelled = False
        self.shields = 0

    @property
    def raises(self) -> bool:
        return self.cancelled and not self.shields


@coroutine
def _yield() -> Generator[None, Any, Any]:
    return (yield)


class PlainScheduler:
    """See `actors.Scheduler`."""

    def __init__(self) -> None:
        self.clock = 0.0
        self.ready: deque[Task] = deque()
        self.timers = Timers()
        self.current: Task | None = None
        self._random = random.Random(0)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run tasks, one after the other, and let the time jump when none can run."""
        while not done():
            if not self.ready:
                assert self.timers, "nothing can run any more"
                self.clock = max(self.clock, self.timers.next())
                self.timers.fire(self.clock)
                continue
            self.current = task = self.ready.popleft()
            value, task.value = task.value, None
            try:
                assert task.routine is not None
                if isinstance(value, Cancelled):
                    task.context.run(task.routine.throw, value)
                else:
                    task.context.run(task.routine.send, value)
            except StopIteration:
                pass
            self.current = None

    # The protocol

    def start(self, process: Process, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Task:
        task = Task(process)
        task.routine = self._run(task, function, args)
        self.ready.append(task)
        return task

    async def _run(self, task: Task, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        caller.set(task.process)
        value = error = None
        try:
            if task.cancelled:
                raise Cancelled
            value = await function(*args)
        except BaseException as exception:  # noqa: BLE001 - whatever it is, it is the process's end
            error = exception
        if isinstance(error, Cancelled):
            task.process.task_ended(task, None, None, True)
        else:
            task.process.task_ended(task, value, error, False)

    def cancel(self, task: object) -> None:
        assert isinstance(task, Task)
        task.cancelled = True
        if task.wait is not None and not task.shields:
            task.wait.abandon()
            self.wake(task, Cancelled())

    def running(self) -> Task:
        assert self.current is not None
        return self.current

    async def park(self, wait: Wait) -> Any:
        task = self.running()
        if task.raises:
            wait.abandon()
            raise Cancelled
        task.wait = wait
        return await _yield()

    def wake(self, task: Task, value: Any) -> None:
        assert task.wait is not None, "a task is woken twice, or was not parked"
        task.wait = None
        task.value = value
        self.ready.append(task)

    async def checkpoint(self) -> None:
        task = self.running()
        if not task.raises:
            self.ready.append(task)
            await _yield()
        if task.raises:
            raise Cancelled

    @contextmanager
    def shield(self) -> Iterator[None]:
        task = self.running()
        task.shields += 1
        try:
            yield
        finally:
            task.shields -= 1

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        return self.timers.add(self.clock + delay, function)

    def time(self) -> float:
        return self.clock

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock)

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def stack(self, task: Any) -> list[str]:
        return []
