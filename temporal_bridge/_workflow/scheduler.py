"""The kernel's scheduler on Temporal's deterministic loop: tasks, time and randomness that replay identically.

The tasks of a durable process are stepped by the trampoline of `actors`, in callbacks of the loop, and are no tasks of
the loop's own. So they wait, are cancelled and are refused what is foreign exactly as green processes are. What asks
Temporal for something runs in a task of the loop (see `WorkflowHost`), for which a process waits on a channel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import copy_context
from datetime import datetime
from sys import maxsize
from types import coroutine
from typing import Any, Final
from weakref import WeakSet

from temporalio import workflow

from actors import Error, GreenTask, TaskOwner, Timer, Trampoline, Wait
from temporal_bridge._workflow.determinism import foreign_await

_PATIENCE: Final = 100
"""How often an evicted task is told so, before it is abandoned: it may catch everything and try again for ever."""

_LONGEST: Final = 100 * 365 * 24 * 3600
"""Seconds of a timer, a hundred years: the clock of the server ends in the year 2262."""

_abandoned: Final[list[GreenTask]] = []
"""Evicted tasks that would not end. The collector must not find them: it would resume them in any thread."""


class Evicted(BaseException):
    """What the awaits of a task raise whose workflow leaves the worker's cache. Not an exit: nothing may come of it."""


class WorkflowScheduler(Trampoline):
    """Runs the processes of one workflow: the durable process itself, and whatever its kernel runs beside it."""

    def __init__(self) -> None:
        Trampoline.__init__(self)
        self.idle = True
        self.evicted = False
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        self._random = workflow.random()
        self._processes: WeakSet[TaskOwner] = WeakSet()
        self._told = 0

    def wake_driver(self) -> None:
        """As `Trampoline.wake_driver`."""
        self.idle = False
        self.loop.call_soon(self._turn, context=self.context)

    def _turn(self) -> None:
        """Run until nothing can. A task that never waits is found by Temporal's deadlock detection."""
        while self.ready and not self.evicted:
            try:
                self.run(maxsize)
            except (KeyboardInterrupt, SystemExit):
                pass  # a process has ended with it and been told; the worker is not its to end
        self.idle = True

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> GreenTask:
        """As `Scheduler.start`."""
        self.check_evicted()
        self._processes.add(process)
        return super().start(process, function, args)

    # Eviction

    def evict(self) -> None:
        """Unwind all tasks, because Temporal drops the instance from its cache: no process ends, nobody is told.

        `finally` blocks run, and the first call of `actors` in one raises.
        """
        self.evicted = True
        for process in list(self._processes):
            process.reductions = 0
            for task in process.tasks:
                if isinstance(task, GreenTask):
                    self._unwind(task)

    def _unwind(self, task: GreenTask) -> None:
        # It runs once more, and its waits have to come as far as `park`, which lets it go at last.
        self._current = task
        try:
            task.context.run(task.coroutine.close)
        except RuntimeError as error:
            if "ignored GeneratorExit" in str(error):
                _abandoned.append(task)
        except BaseException:  # noqa: BLE001 - of a finally block; the process goes on elsewhere
            pass
        finally:
            self._current = None

    def check_evicted(self) -> None:
        """Refuse whatever would have an effect, when the instance is being evicted."""
        if self.evicted:
            raise Evicted

    @coroutine
    def _refuse(self) -> Generator[Any, Any, Any]:
        self._told += 1
        if self._told > _PATIENCE:
            yield
        raise Evicted

    # For mypy what `types.coroutine` makes is more than an awaitable; the protocol asks for no more.

    def park(self, wait: Wait) -> Awaitable[Any]:  # type: ignore[override]
        """As `Scheduler.park`."""
        return self._refuse() if self.evicted else super().park(wait)

    def checkpoint(self) -> Awaitable[None]:  # type: ignore[override]
        """As `Scheduler.checkpoint`."""
        return self._refuse() if self.evicted else super().checkpoint()

    def foreign_await_error(self, task: GreenTask, trap: object) -> Error:
        """As `Trampoline.foreign_await_error`."""
        return foreign_await(task.coroutine, trap)

    # Time and randomness

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        """As `Scheduler.call_later`: a durable timer."""
        self.check_evicted()
        return self.loop.call_later(min(delay, _LONGEST), function, context=self.context)

    def time(self) -> float:
        """As `Scheduler.time`."""
        return self.loop.time()

    def now(self) -> datetime:
        """As `Scheduler.now`."""
        return workflow.now()

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`; recorded by its seed, so it is not for secrets."""
        return self._random.randbytes(count)
