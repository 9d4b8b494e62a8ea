"""A function run on many items, some at a time, each in a task."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar, cast

import actors
from actors import PID, Queue
from supervision._task import Task, TaskStarter

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
    ) -> None:
        self._starter = starter
        self._function = function
        self._items: Iterator[Any] | None = items
        self._max_concurrency = max_concurrency
        self._ordered = ordered
        self._return_errors = return_errors
        self._tasks: deque[Task[Any]] = deque()
        self._running: dict[PID, Task[Any]] = {}
        self._ended: Queue[Task[Any]] = Queue()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        """The next result."""
        while True:
            await self._fill()
            if self._ordered and self._tasks and self._tasks[0].done:
                return await self._given(self._tasks.popleft())
            if not self._running and not self._ended.offers():
                raise StopAsyncIteration
            task = await self._ended.receive()
            self._running.pop(task.pid, None)
            if not self._ordered:
                return await self._given(task)

    async def _fill(self) -> None:
        while self._items is not None and len(self._running) < self._max_concurrency:
            try:
                item = next(self._items)
            except StopIteration:
                self._items = None
                return
            task = await self._starter.start(self._function, (item,), self._ended.put)
            self._running[task.pid] = task
            if self._ordered:
                self._tasks.append(task)

    async def _given(self, task: Task[Any]) -> T:
        assert task.outcome is not None
        if self._return_errors:
            return cast(T, task.outcome)
        if task.outcome.error is not None:
            await self.aclose()
            raise task.outcome.error
        return cast(T, task.outcome.value)

    async def aclose(self) -> None:
        """Give no more results, and cancel the tasks that still run."""
        self._items = None
        running, self._running = self._running, {}
        self._tasks.clear()
        self._ended.close()
        for pid in running:
            await actors.cancel(pid, "5s", "shutdown")

    async def __aenter__(self) -> TaskMap[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
