"""The kernel's scheduler on Temporal's deterministic loop: tasks, time and randomness that replay identically."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from temporalio import workflow

from actors import Process, Timer, Wait, caller


class WorkflowTask:
    """A task of a durable process.

    `cancelled` is the kernel's cancellation: it stays, and each await raises, as in trio. A cancellation of the asyncio
    task without it is an eviction from the worker's cache: the task unwinds and nobody is told.
    """

    __slots__ = ("process", "task", "started", "cancelled", "shields", "parked")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.task: asyncio.Task[None] | None = None
        self.started = False
        self.cancelled = False
        self.shields = 0
        self.parked: dict[_Parked, None] = {}

    def cancel(self) -> None:
        """Wake whatever waits, as trio does: a wait leaves its channel now, and not when its task next runs."""
        if self.cancelled:
            return
        self.cancelled = True
        if self.shields or not self.started or self is _running.get():
            return
        for parked in list(self.parked):
            parked.cancel()
        if not self.parked and self.task is not None:
            self.task.cancel()  # in an await of Temporal's or asyncio's own


class _Parked:
    """One wait of whatever asyncio task is running, which may be one that the user's code made."""

    __slots__ = ("future", "wait")

    future: asyncio.Future[Any]
    wait: Wait

    def cancel(self) -> None:
        if not self.future.done():
            self.wait.abandon()
            self.future.cancel()


_running: ContextVar[WorkflowTask | None] = ContextVar("everproc_workflow_task", default=None)


class WorkflowScheduler:
    """Runs the tasks of one durable process."""

    def __init__(self) -> None:
        self.loop = asyncio.get_event_loop()
        self._random = workflow.random()

    def start(
        self, process: Process, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> WorkflowTask:
        """As `Scheduler.start`."""
        task = WorkflowTask(process)
        task.task = self.loop.create_task(self._run(task, function, args))
        return task

    async def _run(
        self, task: WorkflowTask, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> None:
        caller.set(task.process)
        _running.set(task)
        task.started = True
        value = error = None
        try:
            value = await function(*args)
        except asyncio.CancelledError:
            if not task.cancelled:
                raise
            task.process.task_ended(task, None, None, True)
            return
        except BaseException as exception:
            if is_evicting(exception):
                raise
            error = exception
        task.process.task_ended(task, value, error, False)

    def cancel(self, task: object) -> None:
        """As `Scheduler.cancel`."""
        assert isinstance(task, WorkflowTask)
        task.cancel()

    def running(self) -> _Parked:
        """As `Scheduler.running`."""
        return _Parked()

    async def park(self, wait: Wait) -> Any:
        """As `Scheduler.park`."""
        if _is_cancelled():
            wait.abandon()
            raise asyncio.CancelledError
        parked: _Parked = wait.task
        parked.future = self.loop.create_future()
        parked.wait = wait
        task = _running.get()
        if task is not None:
            task.parked[parked] = None
        try:
            return await parked.future
        finally:
            if task is not None:
                del task.parked[parked]

    def wake(self, task: _Parked, value: Any) -> None:
        """As `Scheduler.wake`."""
        if not task.future.done():  # it is only when the instance is being evicted
            task.future.set_result(value)

    async def checkpoint(self) -> None:
        """As `Scheduler.checkpoint`."""
        if _is_cancelled():
            raise asyncio.CancelledError
        await asyncio.sleep(0)

    @contextmanager
    def shield(self) -> Generator[None]:
        """As `Scheduler.shield`."""
        task = _running.get()
        if task is None:
            yield
            return
        task.shields += 1
        try:
            yield
        finally:
            task.shields -= 1

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        """As `Scheduler.call_later`: a durable timer."""
        return self.loop.call_later(delay, function)

    def time(self) -> float:
        """As `Scheduler.time`."""
        return self.loop.time()

    def now(self) -> datetime:
        """As `Scheduler.now`."""
        return workflow.now()

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`; recorded by its seed, so it is not for secrets."""
        return self._random.randbytes(count)

    def stack(self, task: Any) -> list[str]:
        """As `Scheduler.stack`."""
        coroutine = task.task.get_coro() if task.task is not None else None
        frames: list[str] = []
        while coroutine is not None and (frame := getattr(coroutine, "cr_frame", None)) is not None:
            frames.append(
                f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno} {frame.f_code.co_name}"
            )
            coroutine = coroutine.cr_await
        return frames[1:]


def _is_cancelled() -> bool:
    task = _running.get()
    return task is not None and task.cancelled and not task.shields


def is_evicting(error: BaseException) -> bool:
    """Whether Temporal unwinds the instance: not an exit, but the worker's cache making room."""
    return type(error).__name__ == "_WorkflowBeingEvictedError"
