"""What a durable process asks Temporal for: tasks of the workflow's loop, and a count of what must not be lost."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final, Literal, TypeVar, get_args

from temporalio import workflow

from actors import INVALID, Error, Kernel, Queue
from temporal_bridge._wire.converter import MOST_BYTES
from temporal_bridge._workflow.scheduler import WorkflowScheduler

T = TypeVar("T")

MOST_PENDING: Final = 2000
"""How many activities, children, signals and cancel requests each may be under way: the server's own limit."""

Kind = Literal["activity", "child", "signal", "cancel"]
"""What the server counts of what is under way."""


class _Room:
    """What is under way of one kind. What finds no room waits, in order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        while self._under_way >= self._most:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self._call_next()  # the room that it was given
                raise
        self._under_way += 1

    def leave(self) -> None:
        self._under_way -= 1
        self._call_next()

    def _call_next(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return


class WorkflowCommands:
    """Runs what leads to commands of the workflow.

    A process that is cancelled while it waits for one leaves it to itself, and `idle` says when none is left: what is
    under way when a workflow ends would be lost.
    """

    def __init__(
        self, kernel: Kernel, scheduler: WorkflowScheduler, on_idle: Callable[[], None], most_pending: int
    ) -> None:
        self._kernel = kernel
        self._scheduler = scheduler
        self._on_idle = on_idle
        self._context = copy_context()
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._task: int = 0
        self._bytes = 0
        self._held = 0
        self._room: asyncio.Event | None = None
        self._rooms: dict[Kind, _Room] = {kind: _Room(most_pending) for kind in get_args(Kind)}

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

    async def enter(self, kind: Kind) -> Callable[[], None]:
        """Wait for room for one more that is under way; what is returned says that it is over."""
        room = self._rooms[kind]
        await room.enter()
        return room.leave

    async def activity(self, name: str, **settings: Any) -> Any:
        """Run an activity: `workflow.execute_activity`, when there is room for it."""
        leave = await self.enter("activity")
        try:
            return await workflow.start_activity(name, **settings)
        finally:
            leave()

    async def reserve_bytes(self, size: int) -> None:
        """Wait for the next workflow task if this one has as many bytes of commands as the server takes at once."""
        await self._wait_for_bytes(size)
        self._bytes += size

    async def hold_bytes(self, size: int) -> Callable[[], None]:
        """As `reserve_bytes`, for what comes back in this workflow task or a later one.

        What is returned says that it has come. Until then each task keeps the room free.
        """
        await self._wait_for_bytes(size)
        self._held += size

        def came() -> None:
            self._held -= size
            self._has_bytes(0)
            self._bytes += size
            self._on_room()

        return came

    def take_bytes(self, size: int, what: str) -> None:
        """As `reserve_bytes`, where nothing can wait.

        Raises:
            Error: kind INVALID, when this workflow task has no room for it.
        """
        if not self._has_bytes(size):
            raise Error(
                f"{what} takes {size} bytes, and with what this process has done since it last waited more than the"
                f" {MOST_BYTES} that Temporal takes at once: wait in between, as with sleep, or send less",
                kind=INVALID,
                details={"size": size, "largest": MOST_BYTES},
            )
        self._bytes += size

    async def _wait_for_bytes(self, size: int) -> None:
        while not self._has_bytes(size):
            if self._room is None:
                self._room = asyncio.Event()
                if self._bytes:  # a timer makes a new task, which has not sent any
                    self._scheduler.loop.call_later(0.001, self._on_room)
            await self._room.wait()

    def _on_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def _has_bytes(self, size: int) -> bool:
        task = workflow.info().get_current_history_length()
        if task != self._task:
            self._task, self._bytes = task, 0
        used = self._bytes + self._held
        return not used or used + size <= MOST_BYTES


def _raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail
