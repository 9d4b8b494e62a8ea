"""The supervisor: what it is made of, and the handle of one that runs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol, TypeVar, get_args

import attrs

import actors
from actors import PID, Dest, Duration, Error, Target, invalid, seconds
from supervision._children.child_spec import Child, ChildSpec, Counts, Type, is_durable, one_of, whole_number
from supervision._children.requests import FOREVER, ask
from supervision._children.restart import AutoShutdown, Strategy
from supervision._children.restart_intensity import RestartIntensity
from supervision._children.start import spawn, until_ready
from supervision._supervisors.handle import Handle
from supervision._supervisors.static_children import StaticChildren

Handle_co = TypeVar("Handle_co", covariant=True)


def child_specs(specs: Iterable[ChildSpec]) -> tuple[ChildSpec, ...]:
    """The specs as a tuple, refusing what is none."""
    if isinstance(specs, ChildSpec) or not isinstance(specs, Iterable):
        raise invalid("children", specs, "a list of ChildSpec")
    found = tuple(specs)
    for spec in found:
        if not isinstance(spec, ChildSpec):
            raise invalid("children", spec, "a list of ChildSpec")
    return found


def check_intensity(max_restarts: int, within: Duration) -> None:
    """Refuse what is no restart intensity."""
    whole_number("max_restarts", max_restarts, 0)
    if not seconds(within, "within"):
        raise invalid("within", within, "a duration of more than 0")


@attrs.frozen
class SupervisorHandle(Handle):
    """A supervisor that runs. It can be sent to other processes, and be made from a name: `Supervisor.at("app")`.

    Each call waits as long as the supervisor needs (OTP's `infinity`). All raise `Error` with kind NOT_FOUND when it
    does not exist, and UNAVAILABLE when it ends before it answers.
    """

    async def start_child(self, spec: ChildSpec) -> PID | None:
        """Start one more child, after all others. None when it ignored its start; its spec is kept then.

        Raises:
            Error: with `details["reason"]`: `already_started` when a child with that id runs, `already_present` when
                it does not, `failed_to_start_child`; kind INVALID for what is no good spec.
        """
        if not isinstance(spec, ChildSpec):
            raise invalid("spec", spec, "a ChildSpec")
        pid: PID | None = await self._ask("start_child", spec)
        return pid

    async def terminate_child(self, id: Hashable) -> None:
        """Stop a child and do not restart it; fine when it does not run. The spec of a temporary child is dropped.

        Raises:
            Error: with the reason `not_found`.
        """
        await self._ask("terminate_child", id)

    async def restart_child(self, id: Hashable) -> PID | None:
        """Start a child that was stopped. None when it ignored its start.

        Raises:
            Error: with the reason `not_found`, `running`, `restarting` or `failed_to_start_child`.
        """
        pid: PID | None = await self._ask("restart_child", id)
        return pid

    async def delete_child(self, id: Hashable) -> None:
        """Drop the spec of a child that was stopped.

        Raises:
            Error: with the reason `not_found`, `running` or `restarting`.
        """
        await self._ask("delete_child", id)

    async def which_children(self) -> list[Child]:
        """All children, the newest first."""
        children: list[Child] = await self._ask("which_children")
        return children

    async def count_children(self) -> Counts:
        """How many there are."""
        counts: Counts = await self._ask("count_children")
        return counts

    async def get_childspec(self, id: Hashable) -> ChildSpec:
        """The spec of a child.

        Raises:
            Error: with the reason `not_found`.
        """
        spec: ChildSpec = await self._ask("get_childspec", id)
        return spec

    async def _ask(self, verb: str, *args: Any) -> Any:
        return await ask(self.dest, verb, *args)


@attrs.frozen
class Supervisor:
    """Starts its children left to right, restarts those that end, and stops them right to left.

        sup = await start(Supervisor([ChildSpec("db", open_db), ChildSpec("web", serve)], strategy="rest_for_one"))

    It is a child itself in `ChildSpec("storage", Supervisor([...]))`.

    Args:
        children: their specs.
        strategy: who is restarted with a child: `"one_for_one"` nobody, `"one_for_all"` all, `"rest_for_one"` those
            after it.
        max_restarts: how many restarts are fine `within` that time. One more ends the supervisor with the reason
            `shutdown`, so that its own supervisor takes over.
        within: see `max_restarts`.
        auto_shutdown: whether it ends with the reason `shutdown` when a significant child has ended by itself:
            `"never"`, `"any_significant"`, or `"all_significant"` when the last of them has.

    Raises:
        Error: kind INVALID, when an argument is not of that form, or with the reason `duplicate_child_name`.
    """

    children: tuple[ChildSpec, ...] = attrs.field(default=(), converter=child_specs)
    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    within: Duration = "5s"
    auto_shutdown: AutoShutdown = "never"

    def __attrs_post_init__(self) -> None:
        one_of("strategy", self.strategy, get_args(Strategy))
        one_of("auto_shutdown", self.auto_shutdown, get_args(AutoShutdown))
        check_intensity(self.max_restarts, self.within)
        ids = set[Hashable]()
        for spec in self.children:
            spec.check_auto_shutdown(self.auto_shutdown)
            if spec.id in ids:
                error = invalid("children", spec.id, "an id of its own for each child")
                raise Error(
                    error.message, kind=error.kind, details={"reason": "duplicate_child_name", "id": spec.id}
                )
            ids.add(spec.id)

    @staticmethod
    def at(dest: Dest) -> SupervisorHandle:
        """The handle of a supervisor that runs already."""
        return SupervisorHandle(dest)

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        if args:
            raise invalid("args", args, "no arguments for a supervisor")
        return supervise, (self, actors.self_pid())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"


async def supervise(supervisor: Supervisor, parent: PID) -> None:
    """The process of a `Supervisor`."""
    intensity = RestartIntensity(supervisor.max_restarts, seconds(supervisor.within, "within"))
    await StaticChildren(
        parent, supervisor.children, supervisor.strategy, intensity, supervisor.auto_shutdown
    ).run()


class Startable(Protocol[Handle_co]):
    """What `start` starts: a `Supervisor`, or one of the other kinds."""

    def at(self, dest: Dest, /) -> Handle_co:
        """The handle of one that runs."""
        ...

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        ...


async def start(
    supervisor: Startable[Handle_co], name: str | None = None, on: str | None = None
) -> Handle_co:
    """Start a supervisor, linked to the running process; returns when all its children have started.

        sup = await start(Supervisor([ChildSpec("web", serve)]), name="app")

    It stops when the running process ends, however it does.

    Args:
        supervisor: which.
        name: registered while it runs.
        on: the host it runs on; its children run where their specs say.

    Raises:
        Error: with the reason `failed_to_start_child` when a child could not be started (the others were stopped
            again), or `already_started` when the name is taken.
    """
    if not hasattr(supervisor, "__supervision_body__") or isinstance(supervisor, type):
        raise invalid("supervisor", supervisor, "a supervisor, such as Supervisor([ChildSpec(...)])")
    if on is not None and is_durable(on, None):
        raise invalid("on", on, "a host in memory: a supervisor lives there, and may have durable children")
    target, args = supervisor.__supervision_body__(())
    pid = await spawn(actors.spawner(name, on), target, args, monitored=False)
    await until_ready(pid, FOREVER)
    return supervisor.at(pid)
