"""The dynamic supervisor: for children that are started one by one while it runs, up to hundreds of thousands."""

from __future__ import annotations

from typing import Any

import attrs

import actors
from actors import PID, Dest, Duration, Target, invalid, seconds
from supervision._children.child_spec import Child, ChildSpec, Counts, Type, arguments, whole_number
from supervision._children.requests import ask
from supervision._children.restart_intensity import RestartIntensity
from supervision._supervisors.dynamic_children import DynamicChildren
from supervision._supervisors.handle import Handle
from supervision._supervisors.supervisor import check_intensity


@attrs.frozen
class DynamicSupervisorHandle(Handle):
    """A dynamic supervisor that runs; see `SupervisorHandle` for what holds of all its calls."""

    async def start_child(self, spec: ChildSpec) -> PID | None:
        """Start one more child; its id need not be unique. None when it ignored its start, and then it is forgotten.

        Raises:
            Error: with `details["reason"]`: `max_children` when there are as many as there may be,
                `failed_to_start_child`; kind INVALID for what is no good spec.
        """
        if not isinstance(spec, ChildSpec):
            raise invalid("spec", spec, "a ChildSpec")
        pid: PID | None = await ask(self.dest, "start_child", spec)
        return pid

    async def terminate_child(self, pid: PID) -> None:
        """Stop a child and forget it. One that is being restarted is known by the last PID that it had.

        Raises:
            Error: with the reason `not_found`.
        """
        if not isinstance(pid, PID):
            raise invalid("pid", pid, "the PID of a child: a dynamic supervisor does not know them by id")
        await ask(self.dest, "terminate_child", pid)

    async def which_children(self) -> list[Child]:
        """All children, in no promised order."""
        children: list[Child] = await ask(self.dest, "which_children")
        return children

    async def count_children(self) -> Counts:
        """How many there are; `specs` is all, running or being restarted."""
        counts: Counts = await ask(self.dest, "count_children")
        return counts


def _extra_args(given: Any) -> tuple[Any, ...]:
    return arguments("extra_args", given)


@attrs.frozen
class DynamicSupervisor:
    """Starts children on request. They do not depend on one another, and are stopped all at once.

        rooms = await start(DynamicSupervisor(max_children=1000), name="rooms")
        pid = await rooms.start_child(ChildSpec("room", room, args=("kitchen",), restart="transient"))

    Args:
        max_children: how many there may be; left out, any number.
        max_restarts: as for `Supervisor`.
        within: as for `Supervisor`.
        extra_args: given to every child, before the args of its spec (Elixir's `extra_arguments`).

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    max_children: int | None = None
    max_restarts: int = 3
    within: Duration = "5s"
    extra_args: tuple[Any, ...] = attrs.field(default=(), converter=_extra_args)

    def __attrs_post_init__(self) -> None:
        if self.max_children is not None:
            whole_number("max_children", self.max_children, 0)
        check_intensity(self.max_restarts, self.within)

    @staticmethod
    def at(dest: Dest) -> DynamicSupervisorHandle:
        """The handle of one that runs already."""
        return DynamicSupervisorHandle(dest)

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        if args:
            raise invalid("args", args, "no arguments for a supervisor")
        return supervise_dynamically, (self, actors.self_pid())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"


async def supervise_dynamically(supervisor: DynamicSupervisor, parent: PID) -> None:
    """The process of a `DynamicSupervisor`."""
    intensity = RestartIntensity(supervisor.max_restarts, seconds(supervisor.within, "within"))
    await DynamicChildren(parent, intensity, supervisor.max_children, supervisor.extra_args).run()
