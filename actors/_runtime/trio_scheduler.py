"""The trio host: each task of a process is a trio task, so any trio call works in it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from threading import get_ident
from typing import Any, cast

import outcome
import trio

from actors._runtime.interrupts import open_to_interrupts
from actors._scheduling.scheduler import (
    OUTSIDE,
    TaskOwner,
    Timer,
    Wait,
    current_process,
    no_scheduler,
    wrong_thread,
)
from actors._scheduling.timers import HeapTimer, Timers
from actors._values.errors import leaves, without


class TrioTask:
    """A task of a process, and the scope that ends it."""

    __slots__ = ("process", "scope", "task", "cancelled")

    def __init__(self, process: TaskOwner) -> None:
        self.process = process
        self.scope = trio.CancelScope()
        self.task: trio.lowlevel.Task | None = None
        self.cancelled = False

    async def run(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        """Run in trio, and tell the process of the end."""
        self.task = trio.lowlevel.current_task()
        current_process.set(self.process)
        value = raised = error = None
        try:
            with self.scope:
                if self.cancelled:
                    await trio.lowlevel.checkpoint_if_cancelled()
                value = await function(*args)
        except BaseException as exception:  # noqa: BLE001 - let it crash: whatever it is ends the process, not the node
            raised = exception
            error = without(exception, trio.Cancelled)
        cancelled = error is None and (raised is not None or self.scope.cancelled_caught)
        try:
            self.process.task_ended(self, value, error, cancelled)
            if raised is not None and contains(raised, trio.Cancelled, KeyboardInterrupt, SystemExit):
                raise raised  # not only this process's own end: the program's
        finally:
            del raised, error


class _Woken:
    """What trio gives a task that is woken: of an `outcome.Value`, which takes far longer to make, what trio uses."""

    __slots__ = ("value",)

    value: Any

    def unwrap(self) -> Any:
        """As `outcome.Value.unwrap`."""
        return self.value


class PlainTrio:
    """How any task waits in trio, also one outside any process: it needs no node."""

    def running(self) -> trio.lowlevel.Task:
        """As `Scheduler.running`."""
        try:
            return trio.lowlevel.current_task()
        except RuntimeError:
            raise no_scheduler() from None

    def check_thread(self) -> None:
        """As `Suspender.check_thread`: any thread in which trio runs."""
        if not trio.lowlevel.in_trio_run():
            raise wrong_thread()

    def park(self, wait: Wait) -> Awaitable[Any]:
        """As `Scheduler.park`."""

        def abort(_: object) -> trio.lowlevel.Abort:
            wait.abort()
            return trio.lowlevel.Abort.SUCCEEDED

        return trio.lowlevel.wait_task_rescheduled(abort)  # noqa: ASYNC105 - whoever parks awaits it

    def wake(self, task: trio.lowlevel.Task, value: Any) -> None:
        """As `Scheduler.wake`."""
        woken = _Woken()
        woken.value = value
        trio.lowlevel.reschedule(task, cast("outcome.Value[Any]", woken))

    async def checkpoint(self) -> None:
        """As `Scheduler.checkpoint`."""
        self.running()
        await trio.lowlevel.checkpoint()

    def shield(self) -> AbstractContextManager[Any]:
        """As `Scheduler.shield`."""
        self.running()
        return trio.CancelScope(shield=True)


class TrioScheduler(PlainTrio):
    """Runs processes as trio tasks in the nursery of their node."""

    collects_timers = True

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.time = trio.lowlevel.current_clock().current_time  # as `Scheduler.time`; asked at each spawn
        self._timers = Timers()
        self._alarm: trio.CancelScope | None = None
        self._life = trio.CancelScope(shield=True)
        self._thread = get_ident()

    def check_thread(self) -> None:
        """As `Suspender.check_thread`: the node's own thread."""
        if get_ident() != self._thread:
            raise wrong_thread()

    def start(
        self, process: TaskOwner, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]
    ) -> TrioTask:
        """As `Scheduler.start`."""
        task = TrioTask(process)
        entry = process.entry
        name = entry.id if function is entry.function else function
        self._nursery.start_soon(task.run, open_to_interrupts(function), args, name=name)
        return task

    def cancel(self, task: object) -> None:
        """As `Scheduler.cancel`."""
        assert isinstance(task, TrioTask)
        task.cancelled = True
        task.scope.cancel()

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        """As `Scheduler.call_later`."""
        deadline = trio.current_time() + delay
        timer: HeapTimer = self._timers.add(deadline, function)
        if self._alarm is not None and deadline < self._alarm.deadline:
            self._alarm.deadline = deadline
        return timer

    async def keep_time(self) -> None:
        """The one task that waits for all timers of the node.

        A cancellation of the program does not end it: processes that shield their end may still sleep. `close` does.
        """
        with self._life:
            while True:
                self._timers.fire(trio.current_time())
                with trio.CancelScope(deadline=self._timers.next()) as self._alarm:
                    await trio.sleep_forever()

    def close(self) -> None:
        """End `keep_time`: no process is left."""
        self._life.cancel()

    def now(self) -> datetime:
        """As `Scheduler.now`."""
        return datetime.now(UTC)

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`."""
        return os.urandom(count)

    def stack(self, task: Any) -> list[str]:
        """As `Scheduler.stack`."""
        if task.task is None:
            return []
        return [
            f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
            for frame, line in task.task.iter_await_frames()
            if frame.f_code is not TrioTask.run.__code__
        ]


def contains(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Whether `error` is one of `kinds`, or a group that holds one."""
    return any(isinstance(leaf, kinds) for leaf in leaves(error))


OUTSIDE.scheduler = PlainTrio()
