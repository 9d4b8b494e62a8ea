"""A task: a function that runs in a process of its own, and whose result somebody waits for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import attrs

import actors
from actors import (
    PID,
    TIMEOUT,
    UNAVAILABLE,
    Channel,
    ChannelClosed,
    Duration,
    Error,
    Exit,
    MonitorRef,
    Result,
    Target,
    process_entry,
    seconds,
)
from supervision._children.child_spec import ChildSpec, Shutdown
from supervision._supervisors.dynamic_supervisor import DynamicSupervisorHandle

T = TypeVar("T")

_GO = "supervision.go"


class Task(Generic[T]):
    """A function that runs in a process of its own. Its result can be asked for any number of times."""

    def __init__(self, pid: PID, on_end: Callable[[Task[T]], None] | None = None) -> None:
        self.pid = pid
        self._exit: Exit | None = None
        self._over: Channel[None] = Channel()  # closed at the end, so that all who wait go on
        self._on_end = on_end

    def __repr__(self) -> str:
        return f"Task({self.pid!r}, {'running' if self._exit is None else self._exit.reason})"

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._exit is not None

    async def result(self, timeout: Duration | None = None) -> T:
        """What the function returns; waits for its end. Cancelling the wait leaves the task alone.

        Raises:
            Error: what the function raised; CANCELED when it was cancelled; TIMEOUT when it took longer than
                `timeout`, and goes on.
        """
        value: T = (await self._wait(timeout)).result.unwrap()
        return value

    def cancel(self) -> None:
        """Ask it to stop, and terminate it if it has not within 5 s. Does not wait for its end."""
        if self._exit is None:
            actors.start_soon(actors.cancel, self.pid, "5s", "shutdown")

    async def _wait(self, timeout: Duration | None = None) -> Exit:
        if timeout is not None:
            seconds(timeout, "timeout")
        if self._exit is None and timeout is None:
            try:
                await self._over.receive()
            except ChannelClosed:
                pass
        elif self._exit is None and timeout is not None:
            timer = actors.after(timeout)
            picked = await actors.select(self._over, timer)
            timer.close()
            if picked.channel is timer:
                raise Error(
                    f"task {self.pid} has not ended within timeout={timeout!r}",
                    kind=TIMEOUT,
                    details={"pid": str(self.pid)},
                )
        assert self._exit is not None
        return self._exit

    @property
    def outcome(self) -> Result | None:
        """Its value or error, once it has ended."""
        return None if self._exit is None else self._exit.result

    async def watch(self) -> None:
        """Be told of its end, as `actors.execute` is: not by an event, which would be the process's own."""
        process = actors.running_process()
        kernel = actors.kernel_of(process)
        await kernel.watch(self.pid, MonitorRef(process.pid, kernel.next_number()), self._ended)

    def _ended(self, ended: Exit) -> None:
        self._exit = ended
        self._over.close()
        if self._on_end is not None:
            self._on_end(self)


@attrs.frozen
class TaskStarter:
    """How one task supervisor starts tasks."""

    supervisor: DynamicSupervisorHandle
    shutdown: Shutdown
    on: str | None

    def spec(self, function: Target, args: tuple[Any, ...], timeout: Duration | None = None) -> ChildSpec:
        """The child that a function becomes.

        Raises:
            Error: kind INVALID or NOT_FOUND, when it is none that could be run.
        """
        entry = process_entry(function, "function")
        start: Target = function
        if ":" not in (
            self.on or entry.worker or ""
        ):  # what runs on a worker is there to be watched later, too
            start, args = run_gated, (entry.function, args, timeout)
        return ChildSpec(entry.id, start, args, self.on, restart="temporary", shutdown=self.shutdown)

    async def start(
        self,
        function: Target,
        args: tuple[Any, ...],
        on_end: Callable[[Task[Any]], None] | None = None,
        timeout: Duration | None = None,
    ) -> Task[Any]:
        """Start a task and watch it; `on_end` is called with it when it has ended."""
        spec = self.spec(function, args, timeout)
        pid = await self.supervisor.start_child(spec)
        assert pid is not None  # a function that is not asked whether it is ready cannot ignore its start
        task = Task[Any](pid, on_end)
        await task.watch()
        if spec.start is run_gated:
            await actors.send(pid, _GO)
        return task


async def run_gated(
    function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], timeout: Duration | None
) -> Any:
    """The process of a task. It waits until it is watched, so that a task that ends at once gives its result."""
    go = actors.listen(_GO)
    patience = actors.after("1m")  # whoever started it may have ended before it could say go
    picked = await actors.select(go, patience)
    patience.close()
    if picked.channel is not go:
        raise Error("nobody waits for this task: who started it has ended", kind=UNAVAILABLE)
    actors.unlisten(go)
    if timeout is not None:
        actors.start_soon(_expire, timeout)
    return await function(*args)


async def _expire(timeout: Duration) -> None:
    """End the process, whose other task has taken too long."""
    await actors.sleep(timeout)
    raise Error(f"the task took longer than timeout={timeout!r}", kind=TIMEOUT, details={"reason": "timeout"})
