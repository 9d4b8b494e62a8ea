"""A function run on many items, some at a time, each in a task."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar, cast

import actors
from actors import PID, Duration, Process, Queue
from supervision._supervisors.task import Task, TaskStarter

T = TypeVar("T")


class TaskMap(Generic[T]):
    """The results of `map`: an async iterator, and a context manager that cancels what is left."""

    # Invariant: `_tasks` holds, in order of their items, the tasks whose results were not given yet (if ordered), and
    # `_ended` those that have ended since anybody looked; `_running` counts those that have not.
    def __init__(
        self,
        starter: TaskStarter,
        function: Callable[[Any], Awaitable[Any]],
        items: Iterator[Any],
        max_concurrency: int,
        ordered: bool,
        return_errors: bool,
        timeout: Duration | None,
    ) -> None:
        self._starter = starter
        self._function = function
        self._items: Iterator[Any] | None = items
        self._max_concurrency = max_concurrency
        self._ordered = ordered
        self._return_errors = return_errors
        self._timeout = timeout
        self._process: Process | None = None
        self._tasks: deque[Task[Any]] = deque()
        self._running: dict[PID, Task[Any]] = {}
        self._ended: Queue[Task[Any]] = Queue()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """The next result."""
        try:
            return await self._next()
        except (
            Exception
        ):  # of a task, or of the items, for whoever iterates; or the end: no task is left either way
            await self.aclose()
            raise

    async def _next(self) -> T:
        while True:
            await self._fill()
            if self._ordered and self._tasks and self._tasks[0].done:
                return self._given(self._tasks.popleft())
            if not self._running and not self._ended.can_receive():
                raise StopAsyncIteration
            task = await self._ended.receive()
            self._running.pop(task.pid, None)
            if not self._ordered:
                return self._given(task)

    async def _fill(self) -> None:
        while self._items is not None and len(self._running) < self._max_concurrency:
            try:
                item = next(self._items)
            except StopIteration:
                self._items = None
                return
            task = await self._starter.start(self._function, (item,), self._ended.put, self._timeout)
            self._process = actors.running_process()
            self._running[task.pid] = task
            if self._ordered:
                self._tasks.append(task)

    def _given(self, task: Task[Any]) -> T:
        outcome = task.outcome
        assert outcome is not None
        return cast(T, outcome if self._return_errors else outcome.unwrap())

    async def aclose(self) -> None:
        """Give no more results, and cancel the tasks that still run."""
        running = self._close()
        with actors.shield():  # whoever leaves may do so because it is being ended
            await _cancel(running)

    def _close(self) -> list[PID]:
        self._items = None
        running = list(self._running)
        self._running.clear()
        self._tasks.clear()
        self._ended.close()
        return running

    async def __aenter__(self) -> TaskMap[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # A loop that is left by `break` drops its iterator, and tells it nothing.
        running = self._close()
        if running and self._process is not None and self._process.alive:
            # A durable process that only leaves its worker's cache refuses whatever it is asked to do.
            with contextlib.suppress(BaseException):
                self._process.start_soon(_cancel, (running,))


async def _cancel(pids: list[PID]) -> None:
    for pid in pids:
        await actors.cancel(pid, "5s", "shutdown")
