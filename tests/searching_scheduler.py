"""A scheduler that lets a test choose which task runs next, so that Hypothesis can search the schedules.

Nothing runs by itself: `step` runs one runnable task until it waits, `advance` moves the clock to the next timer. It
fails loudly where a scheduler must never be brought to: a task woken twice, or woken after its wait was abandoned. It
knows neither trio nor asyncio: the proof that a kernel needs no more.
"""

from __future__ import annotations

import contextvars
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import coroutine
from typing import Any, Protocol, TypeVar, cast

from actors import (
    PID,
    CurrentProcess,
    Exit,
    Kernel,
    MonitorRef,
    SpawnRequest,
    TaskOwner,
    Timer,
    Wait,
    Wiring,
    current_process,
    process_entry,
)

T = TypeVar("T")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Cancelled(BaseException):
    """What the awaits of a cancelled task raise."""


class _Owner(Protocol):
    def task_ended(self, task: object, value: Any, error: BaseException | None, cancelled: bool) -> None: ...


class Alone:
    """Who runs a task that belongs to no process: a test chooses its turns, and its outcome is kept."""

    def __init__(self, scheduler: SearchingScheduler, reductions: int) -> None:
        self.scheduler = scheduler
        self.reductions = reductions
        self.outcome: tuple[str, Any] | None = None

    async def pause(self) -> None:
        self.reductions = 1
        await self.scheduler.checkpoint()

    def task_ended(self, task: object, value: Any, error: BaseException | None, cancelled: bool) -> None:
        assert self.outcome is None
        if cancelled:
            self.outcome = ("cancelled", None)
        elif error is not None:
            self.outcome = ("error", error)
        else:
            self.outcome = ("value", value)


class Task:
    """One task: the coroutine, and what it waits for."""

    def __init__(self, owner: _Owner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        self.owner = owner
        self.function = function
        self.routine: Coroutine[Any, Any, Any] = _called(function, args)
        self.context = contextvars.copy_context()
        self.context.run(current_process.set, cast(CurrentProcess, owner))
        self.started = False
        self.wait: Wait | None = None
        self.value: Any = None
        self.interrupted = False
        self.cancelled = False
        self.shields = 0
        self.ended = False
        self.end: tuple[Any, BaseException | None, bool] = (None, None, False)

    @property
    def must_raise(self) -> bool:
        return self.cancelled and not self.shields


class SearchingTimer:
    """A function to call at a time."""

    def __init__(
        self, due: float, number: int, function: Callable[[], None], timers: list[SearchingTimer]
    ) -> None:
        self.due = due
        self.number = number
        self.function = function
        self.timers = timers

    def cancel(self) -> None:
        if self in self.timers:
            self.timers.remove(self)


class SearchingScheduler:
    """A `Scheduler` whose tasks run when the test says so, on a clock that the test moves."""

    def __init__(self) -> None:
        self.runnable: deque[Task] = deque()
        self.timers: list[SearchingTimer] = []
        self.clock = 0.0
        self._numbers = 0
        self._random = random.Random(0)
        self._current: Task | None = None

    # For tests

    def run(
        self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, reductions: int = 256
    ) -> Task:
        """Make a task that belongs to no process."""
        task = Task(Alone(self, reductions), function, args)
        self.runnable.append(task)
        return task

    def step(self, index: int = 0) -> Task:
        """Run one task until it waits or ends."""
        index %= len(self.runnable)
        task = self.runnable[index]
        del self.runnable[index]
        value, task.value = task.value, None
        self._current = task
        error: BaseException | None = None
        try:
            if task.cancelled and not task.started:
                task.routine.close()
                raise Cancelled
            task.started = True
            if task.interrupted:
                task.interrupted = False
                task.context.run(task.routine.throw, Cancelled())
            else:
                task.context.run(task.routine.send, value)
        except StopIteration as stop:
            task.ended, value = True, stop.value
        except BaseException as raised:  # noqa: BLE001  # a task may end by anything; its owner is told
            task.ended, value, error = True, None, raised
        finally:
            self._current = None
        if task.ended:
            cancelled = isinstance(error, Cancelled)
            task.end = (value, None if cancelled else error, cancelled)
            task.owner.task_ended(task, *task.end)
        return task

    def run_all(self, choose: Callable[[int], int] = lambda _: 0, limit: int = 100_000) -> None:
        """Run until every task waits or has ended; `choose` picks among so many runnable ones."""
        while self.runnable:
            limit -= 1
            assert limit, "the tasks never come to rest"
            self.step(choose(len(self.runnable)))

    def run_until(self, done: Callable[[], bool]) -> None:
        """Run tasks, first come, first served, and let the time jump when none can run."""
        while not done():
            if self.runnable:
                self.step()
            else:
                assert self.timers, "nothing can run any more"
                self.advance()

    def advance(self) -> None:
        """Move the clock to the next timer and call it."""
        timer = min(self.timers, key=lambda timer: (timer.due, timer.number))
        self.timers.remove(timer)
        self.clock = max(self.clock, timer.due)
        timer.function()

    # The protocol

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> Task:
        task = Task(process, function, args)
        self.runnable.append(task)
        return task

    def cancel(self, task: object) -> None:
        assert isinstance(task, Task)
        task.cancelled = True
        if task.wait is not None and not task.shields:
            wait, task.wait = task.wait, None
            wait.abort()
            task.interrupted = True
            self.runnable.append(task)

    def running(self) -> Task:
        assert self._current is not None
        return self._current

    async def park(self, wait: Wait) -> Any:
        task = self.running()
        assert wait.task is task
        if task.must_raise:
            wait.abort()
            raise Cancelled
        task.wait = wait
        return await _suspend()

    collects_timers = True

    def check_thread(self) -> None:
        """Tests have one."""

    def wake(self, task: Any, value: Any) -> None:
        assert isinstance(task, Task)
        assert task.wait is not None, (
            "a task was woken that does not wait: woken twice, or after it was cancelled"
        )
        task.wait = None
        task.value = value
        self.runnable.append(task)

    async def checkpoint(self) -> None:
        task = self.running()
        if task.must_raise:
            raise Cancelled
        self.runnable.append(task)
        await _suspend()
        if task.must_raise:
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
        self._numbers += 1
        timer = SearchingTimer(self.clock + delay, self._numbers, function, self.timers)
        self.timers.append(timer)
        return timer

    def time(self) -> float:
        return self.clock

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.clock)

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def stack(self, task: Any) -> list[str]:
        return []


async def _called(function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
    """Its call is part of the task, too: it may fail."""
    return await function(*args)


@coroutine
def _suspend() -> Any:
    return (yield)


class SearchingKernel(Kernel):
    """A kernel on a `SearchingScheduler`, with what a test needs to look at processes from outside."""

    def __init__(self) -> None:
        super().__init__("n.1", Wiring("search"))
        self.search = SearchingScheduler()
        self.wiring.schedulers["search"] = self.search
        self.exits: list[Exit] = []

    def put(self, function: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> PID:
        """Spawn a process that no process spawns, and note its exit in `exits`."""
        request = SpawnRequest(process_entry(function), args, options=options)
        pid = self.at_once(self.spawn(request, None))
        self.at_once(self.watch(pid, MonitorRef(self.pid, self.next_number()), self.exits.append))
        return pid

    def at_once(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run what does not wait."""
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return cast(T, stop.value)
        raise AssertionError("it waits")

    def exit_of(self, pid: PID) -> Exit:
        """The one exit of a process."""
        (event,) = [event for event in self.exits if event.pid == pid]
        return event
