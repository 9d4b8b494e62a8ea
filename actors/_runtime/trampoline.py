"""The trampoline: steps the tasks of many processes by itself, one at a time, without any event loop.

It decides nothing about time and knows no clock: a host drives it (`run`), and says what time it is. The green host
does so inside a trio task; a simulation does with a clock and a run queue of its own.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from datetime import datetime
from inspect import CORO_CREATED, getcoroutinestate
from pathlib import PurePath
from types import CoroutineType, FrameType, TracebackType, coroutine
from typing import Any, Protocol, cast

from actors._channels.waiters import Waiter
from actors._scheduling.scheduler import Suspender, TaskOwner, Timer, Wait, current_process
from actors._scheduling.timers import HeapTimer, Timers
from actors._values.errors import CONFLICT, Error

log = logging.getLogger("everproc.process")


class Cancelled(BaseException):
    """What the awaits of a cancelled task raise. Not an error: code that catches errors lets it pass."""


class GreenTask(Waiter):
    """A coroutine of a process, and where it stands.

    It is its own place in the queue of the channel where it waits to receive, as it waits in one at a time.

    Invariant: a task that has not ended is exactly one of: in the run queue, running, or parked in `wait`. Resuming it
    raises `error` there if that is set, and gives it `value` otherwise.
    """

    __slots__ = ("process", "coroutine", "context", "wait", "value", "error", "cancelled", "shields")

    def __init__(
        self, scheduler: Suspender, process: TaskOwner, coroutine: Coroutine[Any, Any, Any], context: Context
    ) -> None:
        self.scheduler = scheduler
        self.channel = self.previous = self.next = None
        self.process = process
        self.coroutine = coroutine
        self.context = context
        self.wait: Wait | None = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.cancelled = False
        self.shields = 0

    def fire(self, value: Any) -> None:
        self.wait = self.channel = None
        self.value = value
        scheduler: Any = self.scheduler
        scheduler.ready.append(self)
        if scheduler.idle:
            scheduler.wake_driver()

    def abort(self) -> None:
        self.channel.leave(self)
        self.channel = None


class _Closing(GreenTask):
    """Stands for the task in which an async generator was dropped, while the generator is closed: it cannot wait."""

    __slots__ = ()


class RunQueue(Protocol):
    """The tasks that can run, and the choice of the next one. A deque is one: first come, first served."""

    def append(self, task: GreenTask, /) -> None:
        """A task can run."""

    def popleft(self) -> GreenTask:
        """Choose who runs next, and take it out."""
        ...

    def __len__(self) -> int: ...


class _Shield:
    """The block of `Scheduler.shield`."""

    __slots__ = ("_task",)

    def __init__(self, task: GreenTask) -> None:
        self._task = task

    def __enter__(self) -> None:
        self._task.shields += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._task.shields -= 1


_PARKED = object()
"""What a task of ours yields. Anything else comes from an awaitable that belongs to another scheduler."""


# Bound methods would be made anew for each step.
_send: Callable[..., Any] = cast(Any, CoroutineType).send
_throw: Callable[..., Any] = cast(Any, CoroutineType).throw


class Trampoline:
    """A scheduler for tasks that await nothing but what it provides.

    A host adds the clock and randomness (`time`, `now`, `random_bytes`), drives it by `run` and `fire_timers`, and is
    told by `wake_driver` that there is something to do while it is `idle`.
    """

    def __init__(self, ready: RunQueue | None = None) -> None:
        self.ready: RunQueue = deque[GreenTask]() if ready is None else ready
        self.timers = Timers()
        self.alive = 0
        self.idle = False
        self.stopping = False
        self._current: GreenTask | None = None

    collects_timers = False

    # For the host

    def run(self, steps: int) -> None:
        """Run tasks that can, `steps` times one until it waits or ends.

        Raises:
            KeyboardInterrupt, SystemExit: what a task has ended with; they are meant for the program.
        """
        ready = self.ready
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, self.close_generator)
        try:
            self._run(ready, steps)
        finally:
            sys.set_asyncgen_hooks(*hooks)

    def close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        """Close an async generator that a task has dropped in the middle; what it awaits raises, as in trio.

        Only in the turn of the task that has dropped it: the collector may find one at any time and in any thread.
        """
        task = self._current
        if task is None:
            return
        closer: Any = generator.aclose()
        stand_in = _Closing(self, task.process, closer, task.context)
        stand_in.cancelled = True
        self._current = stand_in
        try:
            closer.send(None)
            closer.close()  # it awaits what nothing here provides
        except (StopIteration, Cancelled):
            pass
        except Exception:
            log.exception(
                "an async generator that was left in the middle failed as it was closed: %r", generator
            )
        finally:
            self._current = task

    def _run(self, ready: RunQueue, steps: int) -> None:
        for _ in range(steps):
            if not ready:
                break
            self._current = task = ready.popleft()
            try:
                if task.error is None:
                    trap = task.context.run(_send, task.coroutine, task.value)
                else:
                    error, task.error = task.error, None
                    trap = task.context.run(_throw, task.coroutine, error)
            except StopIteration as stop:
                self._ended(task, stop.value, None)
            except BaseException as error:  # noqa: BLE001 - it is the process that ends with it
                self._ended(task, None, error)
            else:
                if trap is not _PARKED:
                    self.abandon_foreign_await(trap)
                    task.error = self.foreign_await_error(task, trap)
                    ready.append(task)
        self._current = None

    def fire_timers(self) -> None:
        """Call what is due by now."""
        self.timers.fire(self.time())

    def wake_driver(self) -> None:
        """Something can run, or a deadline has come nearer, while the host is `idle`."""
        raise NotImplementedError

    def abandon_foreign_await(self, trap: object) -> None:
        """A task awaits something foreign, which is given up: leave nothing behind there."""

    def foreign_await_error(self, task: GreenTask, trap: object) -> Error:
        """What is raised in a task where it awaits something foreign."""
        return foreign(trap)

    def time(self) -> float:
        """As `Scheduler.time`."""
        raise NotImplementedError

    def now(self) -> datetime:
        """As `Scheduler.now`."""
        raise NotImplementedError

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`."""
        raise NotImplementedError

    # The scheduler

    def check_thread(self) -> None:
        """As `Suspender.check_thread`. A trampoline runs in whatever thread drives it, unless a host says more."""

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> GreenTask:
        """As `Scheduler.start`."""
        context = copy_context()
        context.run(current_process.set, process)
        try:
            coroutine = function(*args)
        except Exception as error:  # noqa: BLE001 - arguments that do not fit: the process ends with that
            coroutine = _fail(error)
        routine: Any = coroutine
        if type(routine) is not CoroutineType:
            routine = _await(coroutine)
        task = GreenTask(self, process, routine, context)  # pyright: ignore[reportUnknownArgumentType]
        self.alive += 1
        self._resume(task)
        if self.stopping:
            self.cancel(task)
        return task

    def cancel(self, task: object) -> None:
        """As `Scheduler.cancel`."""
        assert isinstance(task, GreenTask)
        task.cancelled = True
        wait = task.wait
        if wait is not None and not task.shields:
            wait.abort()
            task.wait = None
            task.error = Cancelled()
            self._resume(task)
        elif getcoroutinestate(task.coroutine) == CORO_CREATED:
            task.error = Cancelled()

    def running(self) -> GreenTask:
        """As `Scheduler.running`."""
        task = self._current
        if task is None:
            raise Error(
                "this call waits for a green process, but code outside it makes the call: use it inside the process's"
                " own function and its start_soon tasks",
                kind=CONFLICT,
            )
        return task

    @coroutine
    def park(self, wait: Wait) -> Generator[Any, Any, Any]:
        """As `Scheduler.park`."""
        task: Any = self._current  # whoever made the wait has asked who is running
        if task.cancelled and not task.shields:
            wait.abort()
            if type(task) is _Closing:
                raise Cancelled
            # Others run first: a process that swallows this in a loop must not keep them from their turns (40).
            task.value = None
            self._resume(task)
            yield _PARKED
            raise Cancelled
        task.wait = wait
        task.value = None
        return (yield _PARKED)

    def wake(self, task: GreenTask, value: Any) -> None:
        """As `Scheduler.wake`."""
        task.wait = None
        task.value = value
        self.ready.append(task)
        if self.idle:
            self.wake_driver()

    @coroutine
    def checkpoint(self) -> Generator[Any, Any, None]:
        """As `Scheduler.checkpoint`."""
        task = self.running()
        if type(task) is _Closing:
            raise Cancelled
        task.value = None
        self._resume(task)
        yield _PARKED
        if task.cancelled and not task.shields:
            raise Cancelled

    def shield(self) -> AbstractContextManager[Any]:
        """As `Scheduler.shield`."""
        return _Shield(self.running())

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        """As `Scheduler.call_later`."""
        deadline = self.time() + delay
        nearer = self.idle and deadline < self.timers.next()
        timer: HeapTimer = self.timers.add(deadline, function)
        if nearer:
            self.wake_driver()
        return timer

    def stack(self, task: Any) -> list[str]:
        """As `Scheduler.stack`."""
        lines: list[str] = []
        awaited = task.coroutine
        while awaited is not None:
            frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame is not None and frame.f_code.co_filename != __file__:
                file = PurePath(frame.f_code.co_filename).name
                lines.append(f"{file}:{frame.f_lineno} {frame.f_code.co_name}")
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return lines

    def _resume(self, task: GreenTask) -> None:
        self.ready.append(task)
        if self.idle:
            self.wake_driver()

    def _ended(self, task: GreenTask, value: Any, error: BaseException | None) -> None:
        """Tell the process; a cancellation is taken out of the error, as trio's cancel scopes do."""
        self.alive -= 1
        self._current = None
        task.value = None  # a wait refers to its task: without this, the collector would have to find them
        cancelled = False
        if error is not None:
            _strip(error)
            if isinstance(error, BaseExceptionGroup):
                error = cast("BaseExceptionGroup[BaseException]", error).split(Cancelled)[1]
            elif isinstance(error, Cancelled):
                error = None
            cancelled = error is None
        task.process.task_ended(task, value, error, cancelled)
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise error


def foreign(what: object) -> Error:
    """The error for awaiting, in a green process, what another scheduler provides."""
    name = f"{type(what).__module__}.{type(what).__qualname__}" if not isinstance(what, str) else what
    return Error(
        f'a green process can await only calls of `actors`, and this awaits {name}: spawn the process on="trio",'
        " run this part by `await actors.in_trio(fn, *args)`, or make it a function and use `actors.funcs.call`",
        kind=CONFLICT,
        details={"awaited": name},
    )


def _strip(error: BaseException) -> None:
    """Take the trampoline's own frames off the top of a traceback."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    if traceback is not None:
        error.__traceback__ = traceback


async def _fail(error: Exception) -> None:
    raise error


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
