"""The task supervisor: functions run in processes of their own, and their results come back (Elixir's `async_nolink`).

A task is a temporary child, linked to its supervisor and not to who started it: its failure is an error to whoever asks
for its result, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, Literal, TypeVar, TypeVarTuple, overload

import attrs

import actors
from actors import PID, Dest, Duration, Result, Target, invalid, seconds
from supervision._children.child_spec import Counts, Shutdown, Type, boolean, whole_number
from supervision._supervisors.dynamic_supervisor import DynamicSupervisor, DynamicSupervisorHandle
from supervision._supervisors.handle import Handle
from supervision._supervisors.task import Task, TaskStarter, run_gated
from supervision._supervisors.task_map import TaskMap

T = TypeVar("T")
Item = TypeVar("Item")
Args = TypeVarTuple("Args")


@attrs.frozen
class TaskSupervisorHandle(Handle):
    """A task supervisor that runs."""

    shutdown: Shutdown = "5s"
    on: str | None = None

    @overload
    async def start_task(self, function: Callable[[*Args], Awaitable[T]], *args: *Args) -> Task[T]: ...
    @overload
    async def start_task(self, function: str, *args: Any) -> Task[Any]: ...
    async def start_task(self, function: Any, *args: Any) -> Task[Any]:  # type: ignore[misc]
        """Run a function in a process; its end does not touch the running process, which need not ask for the result.

        Raises:
            Error: with `details["reason"]`: `max_children` when there are as many tasks as there may be.
        """
        return await self._starter().start(function, args)

    async def await_many(self, tasks: Iterable[Task[T]], timeout: Duration | None = None) -> list[T]:
        """The results of several tasks, in their order.

        Raises:
            Error: that of the first that failed, by their order; TIMEOUT when not all ended in time.
        """
        found = list(tasks)
        if timeout is None:
            return [await task.result() for task in found]
        clock = actors.running_process().scheduler.time
        due = clock() + seconds(timeout, "timeout")
        return [await task.result(timedelta(seconds=max(0.0, due - clock()))) for task in found]

    @overload
    def map(
        self,
        function: Callable[[Item], Awaitable[T]],
        items: Iterable[Item],
        *,
        max_concurrency: int = 8,
        ordered: bool = True,
        return_errors: Literal[False] = False,
        timeout: Duration | None = None,
    ) -> TaskMap[T]: ...
    @overload
    def map(
        self,
        function: Callable[[Item], Awaitable[Any]],
        items: Iterable[Item],
        *,
        max_concurrency: int = 8,
        ordered: bool = True,
        return_errors: Literal[True],
        timeout: Duration | None = None,
    ) -> TaskMap[Result]: ...
    def map(
        self,
        function: Callable[[Any], Awaitable[Any]],
        items: Iterable[Any],
        *,
        max_concurrency: int = 8,
        ordered: bool = True,
        return_errors: bool = False,
        timeout: Duration | None = None,
    ) -> TaskMap[Any]:
        """Run a function on each item, each in a task, so many at a time; an async iterator of what they return.

            async for size in tasks.map(fetch, urls, max_concurrency=20): ...

        Args:
            function: called with one item.
            items: taken one by one, as tasks become free and results are asked for; they may be without end.
            max_concurrency: how many tasks run at a time.
            ordered: results in the order of the items, or as they come.
            return_errors: give a `Result` for each item instead of raising the first error.
            timeout: how long each task may take; one that takes longer is ended, with an error of kind TIMEOUT.

        The error of a task, or of taking an item, ends the iteration and cancels the other tasks. So does leaving the
        loop early, as soon as nobody holds the iterator; `async with tasks.map(...) as results` does so at once.

        Raises:
            Error: kind INVALID, when an argument is not of that form.
        """
        whole_number("max_concurrency", max_concurrency, 1)
        boolean("ordered", ordered)
        boolean("return_errors", return_errors)
        if timeout is not None:
            seconds(timeout, "timeout")
        if not isinstance(items, Iterable):
            raise invalid("items", items, "something to iterate over")
        return TaskMap(
            self._starter(), function, iter(items), max_concurrency, ordered, return_errors, timeout
        )

    async def children(self) -> list[PID]:
        """The PIDs of the tasks that run."""
        found = await DynamicSupervisorHandle(self.dest).which_children()
        return [child.pid for child in found if child.pid is not None]

    async def count_children(self) -> Counts:
        """How many tasks there are."""
        return await DynamicSupervisorHandle(self.dest).count_children()

    async def terminate_child(self, pid: PID) -> None:
        """Stop a task, and wait for its end.

        Raises:
            Error: with the reason `not_found`.
        """
        await DynamicSupervisorHandle(self.dest).terminate_child(pid)

    def _starter(self) -> TaskStarter:
        return TaskStarter(DynamicSupervisorHandle(self.dest), self.shutdown, self.on)


@attrs.frozen
class TaskSupervisor:
    """Runs functions in processes of their own and brings back their results.

        tasks = await start(TaskSupervisor())
        task = await tasks.start_task(fetch, url)
        page = await task.result()

    Args:
        max_children: how many tasks there may be; left out, any number.
        shutdown: how a task is stopped when the supervisor is.
        on: the host that tasks run on.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    max_children: int | None = None
    shutdown: Shutdown = "5s"
    on: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.max_children is not None:
            whole_number("max_children", self.max_children, 0)
        TaskStarter(DynamicSupervisorHandle(""), self.shutdown, self.on).spec(run_gated, ())  # checks the two

    def at(self, dest: Dest) -> TaskSupervisorHandle:
        """The handle of one that runs already."""
        return TaskSupervisorHandle(dest, self.shutdown, self.on)

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        if args:
            raise invalid("args", args, "no arguments for a supervisor")
        return DynamicSupervisor(self.max_children).__supervision_body__(())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"
