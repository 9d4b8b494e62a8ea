"""The green host: a trampoline inside one trio task, and the door from its processes to trio."""

from __future__ import annotations

import math
import os
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from datetime import UTC, datetime
from threading import get_ident
from time import perf_counter
from typing import Any, TypeVar, cast

import outcome
import trio
from trio._core._run import GLOBAL_RUN_CONTEXT

from actors._channels.channel import Queue
from actors._kernel.kernel import Kernel
from actors._kernel.process import running_process
from actors._runtime.interrupts import open_to_interrupts
from actors._runtime.trampoline import Cancelled, GreenTask, Trampoline, foreign
from actors._runtime.trio_scheduler import TrioScheduler, contains
from actors._scheduling.context import current_context
from actors._scheduling.scheduler import OUTSIDE, TaskOwner, current_process, wrong_thread
from actors._values.callables import check_async
from actors._values.errors import CONFLICT, Error

T = TypeVar("T")

STEPS = 1024
"""How many steps a turn has at most."""

SLICE = 0.001
"""How many seconds after its start a turn begins no further steps."""

_BETWEEN_LOOKS = 32
"""How many steps are made before the clock is looked at. A step may be as long as a process's budget of operations."""


class GreenScheduler(Trampoline):
    """Runs processes as coroutines in one trio task, which starts with the first of them.

    That task takes turns with the others of the program: a turn ends after `STEPS` steps or `SLICE` seconds. While
    nothing can run it is parked, with the deadline of the next timer.
    """

    collects_timers = True

    def __init__(self, nursery: trio.Nursery, kernel: Kernel) -> None:
        Trampoline.__init__(self)
        self.reductions = 0
        self._nursery = nursery
        self._kernel = kernel
        self._context = copy_context()
        self._clock = trio.lowlevel.current_clock()  # asked at each spawn
        self._driver: trio.lowlevel.Task | None = None
        self._started = False
        self._thread = get_ident()

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> GreenTask:
        """As `Scheduler.start`."""
        if not self._started:
            self._started = True
            self._context.run(self._nursery.start_soon, self._drive)
        return Trampoline.start(self, process, open_to_interrupts(function), args)

    def check_thread(self) -> None:
        """As `Suspender.check_thread`: the node's own thread."""
        if get_ident() != self._thread:
            raise wrong_thread()

    async def _drive(self) -> None:
        self._driver = trio.lowlevel.current_task()
        stand_in = _NoTask(self._driver)
        try:
            while True:
                await self._turn(stand_in)
        except GeneratorExit:  # trio has broken down: nothing can wait any more
            raise
        except BaseException:  # goes on to the nursery of the node, once the processes have ended
            await self._wind_up(stand_in)
            raise

    async def _wind_up(self, stand_in: _NoTask) -> None:
        """The program is being cancelled or has crashed, and the processes with it. They may shield themselves."""
        self.stopping = True
        with trio.CancelScope(shield=True):
            for process in list(self._kernel.table.values()):
                if process.scheduler is self:
                    for task in process.tasks:
                        self.cancel(task)
            while self.alive:
                await self._turn(stand_in)

    async def _turn(self, stand_in: _NoTask) -> None:
        self.reductions += 1
        self.fire_timers()
        end = perf_counter() + SLICE
        GLOBAL_RUN_CONTEXT.task = cast(trio.lowlevel.Task, stand_in)
        try:
            for _ in range(STEPS // _BETWEEN_LOOKS):
                self.run(_BETWEEN_LOOKS)
                if not self.ready or perf_counter() >= end:
                    break
        finally:
            assert self._driver is not None
            GLOBAL_RUN_CONTEXT.task = self._driver
        if self.ready:
            await trio.lowlevel.checkpoint()
        elif self.alive or not self.stopping:
            await self._sleep()

    async def _sleep(self) -> None:
        """Wait until `wake_driver`, or the next timer is due."""

        def abort(_: object) -> trio.lowlevel.Abort:
            self.idle = False
            return trio.lowlevel.Abort.SUCCEEDED

        self.idle = True
        deadline = self.timers.next()
        if deadline == math.inf:
            await trio.lowlevel.wait_task_rescheduled(abort)
        else:
            with trio.CancelScope(deadline=deadline):
                await trio.lowlevel.wait_task_rescheduled(abort)

    def wake_driver(self) -> None:
        """As `Trampoline.wake_driver`."""
        assert self._driver is not None
        self.idle = False
        trio.lowlevel.reschedule(self._driver)

    def abandon_foreign_await(self, trap: Any) -> None:
        """As `Trampoline.abandon_foreign_await`: trio's traps say how to give up a wait."""
        abort = getattr(trap, "abort_func", None)
        if abort is not None:
            abort(_raise_cancelled)

    def time(self) -> float:
        """As `Scheduler.time`."""
        return self._clock.current_time()

    def now(self) -> datetime:
        """As `Scheduler.now`."""
        return datetime.now(UTC)

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`."""
        return os.urandom(count)

    # The door to trio

    async def in_trio(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        """Run a function as a trio task, and wait for its end whatever happens meanwhile."""
        scope = trio.CancelScope()
        ended: Queue[outcome.Outcome[Any]] = Queue()
        copy_context().run(self._nursery.start_soon, self._serve, function, args, scope, ended)
        try:
            result = await ended.receive()
        except Cancelled:
            scope.cancel()
            with self.shield():
                result = await ended.receive()
        return result.unwrap()

    async def _serve(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        scope: trio.CancelScope,
        ended: Queue[outcome.Outcome[Any]],
    ) -> None:
        _go_outside()
        result: outcome.Outcome[Any] = outcome.Error(Cancelled())
        try:
            with scope:
                result = outcome.Value(await function(*args))
        except BaseException as error:
            if contains(error, trio.Cancelled):
                raise
            result = outcome.Error(error)
        finally:
            ended.put(result)


class _NoTask:
    """What trio takes for the running task while green processes run.

    Trio's calls would act on the task that drives all green processes: a cancel scope or nursery that one of them
    enters would hold for the others too. So whatever of trio needs the running task fails at once, with the three ways
    out.

    It takes a private name of trio to put this in place, as no public one gives the same promise. A scope is entered
    without an await, so no trap tells of it, and afterwards nothing public tells that the driver's cancel status has
    changed. Where trio runs code without a running task, in instruments, its own error names no way out. The tests of
    foreign awaitables find out when a new trio has another place for the running task.
    """

    def __init__(self, driver: trio.lowlevel.Task) -> None:
        self._driver = driver
        self.coro = driver.coro
        self._ki_protected = False  # read by trio when Ctrl-C is pressed

    def __getattr__(self, name: str) -> Any:
        raise foreign(self._driver)

    def __repr__(self) -> str:
        return "<a green process>"


def _raise_cancelled() -> None:
    raise Cancelled


def _go_outside() -> None:
    """Make the running context that of code outside any process, with the ambient context of the process it had."""
    current_process.set(OUTSIDE.within(current_context()))


async def in_trio(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run an async function of trio from any process that has trio around it, and wait for its end.

        data = await actors.in_trio(trio.Path("orders.json").read_text)

    It runs as code outside any process: it can use channels and the ambient context, not the process's verbs.
    Cancelling the process cancels it, and waits until it has unwound. A checkpoint.

    Raises:
        Error: kind INVALID for what is no async function; CONFLICT in a process that has no trio, such as a durable
            one. Otherwise whatever the function raises, as it is.
    """
    process = running_process()
    check_async(function, "function")
    scheduler = process.scheduler
    if isinstance(scheduler, GreenScheduler):
        return await scheduler.in_trio(function, args)  # type: ignore[no-any-return]
    if not isinstance(scheduler, TrioScheduler):
        raise Error(
            f"process {process.pid} has no trio around it: make this a function and `await actors.funcs.call` it",
            kind=CONFLICT,
        )
    token = current_process.set(OUTSIDE.within(process.context))
    try:
        return await function(*args)
    finally:
        current_process.reset(token)
