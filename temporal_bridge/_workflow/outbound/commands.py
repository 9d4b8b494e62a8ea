"""What a durable process asks Temporal for: tasks of the workflow's loop, and a count of what must not be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final, TypeVar

from temporalio import workflow

from actors import Kernel, Queue
from temporal_bridge._workflow.scheduler import WorkflowScheduler

T = TypeVar("T")

MOST_BYTES: Final = 3 * 1024 * 1024
"""How many bytes of commands leave with one workflow task: the server refuses an answer of 4 MiB, again and again."""


class WorkflowCommands:
    """Runs what leads to commands of the workflow.

    A process that is cancelled while it waits for one leaves it to itself, and `idle` says when none is left: what is
    under way when a workflow ends would be lost.
    """

    def __init__(self, kernel: Kernel, scheduler: WorkflowScheduler, on_idle: Callable[[], None]) -> None:
        self._kernel = kernel
        self._scheduler = scheduler
        self._on_idle = on_idle
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._task = 0
        self._bytes = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way that must not be lost."""
        return not self._under_way

    def begin(self) -> None:
        """Something is under way that must not be lost."""
        self._under_way += 1

    def end(self) -> None:
        """It has arrived, or failed."""
        self._under_way -= 1
        if self.idle:
            self._on_idle()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that may be lost when the workflow ends."""
        if self._scheduler.evicted:
            coroutine.close()
            self._scheduler.check_evicted()
        context = self._context.copy()
        if self._kernel.instruments.tracing is not None:
            self._kernel.instruments.tracing.lend(context)
        task = self._scheduler.loop.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Have Temporal do something for the running process. When it is cancelled, that is done nevertheless."""
        answers: Queue[Callable[[], T]] = Queue()

        async def ask() -> None:
            try:
                value = await coroutine
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                answers.put(_raising(error))
            else:
                answers.put(lambda: value)
            finally:
                self.end()

        self.begin()
        _ = self.start(ask())
        return (await answers.receive())()

    async def reserve_bytes(self, size: int) -> None:
        """Wait for the next workflow task if this one has as many bytes of commands as the server takes at once."""
        while True:
            task = workflow.info().get_current_history_length()
            if task != self._task:
                self._task, self._bytes = task, 0
            if not self._bytes or self._bytes + size <= MOST_BYTES:
                self._bytes += size
                return
            await asyncio.sleep(0.001)


def _raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail
