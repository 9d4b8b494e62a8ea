"""What the kernel needs from whoever runs its tasks, and the one way in which a task waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from actors._values.errors import CONFLICT, Error
from actors._values.pid import PID


class Cancellable(Protocol):
    """Something that can be called off: a timer, a call of a function."""

    def cancel(self) -> None:
        """Call it off; nothing happens when it is over, or was cancelled before."""


Timer = Cancellable
"""A function that will be called later."""


class Wait:
    """A task that is parked, and how it is woken.

    Invariant: it is woken at most once. Whoever wakes it, or the scheduler that cancels it (`abort`), first takes it
    out of every place where somebody else could find it.
    """

    __slots__ = ("scheduler", "task")

    def __init__(self, scheduler: Suspender) -> None:
        self.scheduler = scheduler
        self.task: Any = scheduler.running()

    def wake(self, value: Any = None) -> None:
        """Let the task go on; `park` returns `value` there."""
        self.scheduler.wake(self.task, value)

    def abort(self) -> None:
        """Leave no trace of the wait: its task was cancelled."""


class Suspender(Protocol):
    """How a task waits: the part of a scheduler that also code outside any process needs.

    Cancellation is level-triggered, as trio's: once a task is cancelled, each of its awaits raises, except in `shield`.
    """

    def running(self) -> object:
        """The task that is running."""

    def park(self, wait: Wait) -> Awaitable[Any]:
        """Suspend the running task until `wake`; if it is cancelled before, call `wait.abort()` and raise."""
        ...

    def check_thread(self) -> None:
        """Refuse a call from a thread that this scheduler does not run in, before it changes anything (41).

        Raises:
            Error: kind CONFLICT, with the call to use.
        """

    def wake(self, task: Any, value: Any) -> None:
        """Make a parked task runnable. From then on a cancellation can no longer take `value` away."""

    def checkpoint(self) -> Awaitable[None]:
        """Let others run, and raise if the task is cancelled."""
        ...

    def shield(self) -> AbstractContextManager[Any]:
        """A block in which the running task's awaits do not raise for a cancellation."""
        ...


class TaskCode(Protocol):
    """The code of a process, as far as a scheduler names its tasks by it: an entry."""

    @property
    def id(self) -> str:
        """The entry id, or the name of the function."""
        ...

    @property
    def function(self) -> Any:
        """The function."""
        ...


class TaskOwner(Protocol):
    """Whose tasks a scheduler runs: a process, which is also the `CurrentProcess` in each of them."""

    reductions: int
    context: Mapping[str, Any]

    @property
    def scheduler(self) -> Suspender:
        """How its tasks wait."""
        ...

    @property
    def pid(self) -> PID:
        """Its PID."""
        ...

    @property
    def entry(self) -> TaskCode:
        """What it runs."""
        ...

    @property
    def tasks(self) -> Collection[object]:
        """Its tasks that have not ended."""
        ...

    async def pause(self) -> None:
        """Let others run, with a fresh budget afterwards."""

    def task_ended(self, task: Any, value: Any, error: BaseException | None, cancelled: bool) -> None:
        """One of its tasks has ended: it returned `value`, or raised `error`, or was cancelled."""
        ...


class Scheduler(Suspender, Protocol):
    """Runs tasks for the kernel, which asks for nothing else of trio, of a trampoline or of a workflow."""

    collects_timers: bool
    """Whether the timer of a channel that nobody refers to any more may be given up: not where runs are repeated."""

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> object:
        """Start a task of `process`, which first runs some time after this returns.

        When it has ended, however it did, the scheduler calls `process.task_ended(task, value, error, cancelled)`.
        A task that is cancelled before its first run does not call its function.
        """
        ...

    def cancel(self, task: object) -> None:
        """Have the awaits of a task raise from now on, the one it is parked in included."""

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        """Call a function that does not wait, `delay` seconds from now."""
        ...

    def time(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def now(self) -> datetime:
        """The date and time, aware, in UTC."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` random bytes, fit for keys where the host can give such."""
        ...

    def stack(self, task: Any) -> list[str]:
        """Where a parked task stands, outermost first, as `file:line function`; for people."""
        ...


class CurrentProcess(Protocol):
    """Who makes a call: a process, or code outside any.

    `reductions` is how many operations it may still do before it has to let others run (semantics 15). Outside code has
    none, so each of its waits is a checkpoint. A cancelled process has none either, so its next call raises.

    `context` are the ambient values that it passes on (semantics 34).
    """

    reductions: int
    context: Mapping[str, Any]

    @property
    def scheduler(self) -> Suspender:
        """How it waits."""
        ...

    async def pause(self) -> None:
        """Let others run, with a fresh budget afterwards."""


class NoScheduler:
    """How code waits that no scheduler runs: it cannot."""

    def running(self) -> object:
        """As `Suspender.running`: says what is wrong."""
        raise no_scheduler()

    async def park(self, wait: Wait) -> Any:
        """As `running`."""
        raise no_scheduler()

    def check_thread(self) -> None:
        """Any thread will do: nothing waits here."""

    def wake(self, task: Any, value: Any) -> None:
        """As `running`."""
        raise no_scheduler()

    async def checkpoint(self) -> None:
        """As `running`."""
        raise no_scheduler()

    def shield(self) -> AbstractContextManager[Any]:
        """As `running`."""
        raise no_scheduler()


def wrong_thread() -> Error:
    """The error of a call from a thread that is not that of the node."""
    return Error(
        "this belongs to a node, which runs in another thread: call it there, by trio.from_thread.run(function, ...)"
        " for an async function or trio.from_thread.run_sync(function, ...) for another",
        kind=CONFLICT,
    )


def no_scheduler() -> Error:
    """The error of a wait where nothing runs that could wait."""
    return Error(
        "channels and waits need a running node: use actors.run(...) or `async with actors.Node(...)`",
        kind=CONFLICT,
    )


class Outside:
    """Code that runs outside any process: a `CurrentProcess` that waits as `scheduler` can.

    A function that a process has called is such code, with the context of its call.
    """

    __slots__ = ("scheduler", "reductions", "context")

    def __init__(self, scheduler: Suspender, context: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.scheduler = scheduler
        self.reductions = 0
        self.context = context

    def within(self, context: Mapping[str, Any]) -> Outside:
        """The same with another context."""
        return Outside(self.scheduler, context)

    async def pause(self) -> None:
        """As `CurrentProcess.pause`."""
        await self.scheduler.checkpoint()


OUTSIDE = Outside(NoScheduler())
"""The caller wherever nobody has set another. The trio host lends it trio's own way to wait."""

current_process: ContextVar[CurrentProcess] = ContextVar("everproc_caller", default=OUTSIDE)
"""Who is running: each task of a process has its process here."""

running = current_process.get
"""Who is running, for the paths that count: the look-up of the method would take as long as the call."""

REDUCTIONS = 256
"""How many operations a process does before it lets others run."""

SPAWN_REDUCTIONS = 9
"""What a spawn takes of them besides its own: it is as much work as some ten sends. And a process that spawns many
lets them run while they are few, before the garbage collector has looked at them."""
