"""The application: named services that need one another, as one supervised tree (OTP's applications)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import attrs

import actors
from actors import Dest, Duration, Target, invalid, seconds
from supervision._children.backoff import Backoff
from supervision._children.child_spec import ChildSpec, Start, Type
from supervision._children.requests import ask
from supervision._children.restart import Restart
from supervision._services.dependencies import levels
from supervision._supervisors.handle import Handle
from supervision._supervisors.supervisor import Supervisor

ServiceState = Literal["stopped", "starting", "running", "stopping", "exited", "failed"]
"""`exited` has ended well and is not to run again; `failed` has failed for good."""


def _names(requires: Any) -> tuple[str, ...]:
    if isinstance(requires, str) or not isinstance(requires, Iterable):
        raise invalid("requires", requires, 'names of services, such as requires=("db",)')
    return tuple(cast(Iterable[str], requires))


@attrs.frozen
class Service:
    """One service of an application: a child with a supervisor of its own, and what it needs.

        Service("web", serve, requires=("db", "cache"), backoff=Backoff(initial="1s"))

    Args:
        name: what others require it by.
        start: as for `ChildSpec`.
        args: as for `ChildSpec`.
        requires: the services that have to run before it starts, and stop after it has stopped.
        start_timeout: how long it may take to be ready.
        stop_timeout: how long it may take to stop, or `"brutal_kill"`, or `"infinity"`.
        restart: as for `ChildSpec`. When a permanent service fails for good, the application ends.
        max_restarts: as for `Supervisor`, for this service alone.
        within: see `max_restarts`.
        backoff: as for `ChildSpec`; its `reset_after` says when the service is stable again.
        on: as for `ChildSpec`.
        wait_ready: as for `ChildSpec`.
        options: as for `ChildSpec`.
        register: the name under which its process is registered.

    Raises:
        Error: kind INVALID or NOT_FOUND, when an argument is not of that form.
    """

    name: str
    start: Start
    args: tuple[Any, ...] = ()
    requires: tuple[str, ...] = attrs.field(default=(), converter=_names)
    start_timeout: Duration = "30s"
    stop_timeout: Duration | Literal["brutal_kill", "infinity"] = "5s"
    restart: Restart = "permanent"
    max_restarts: int = 3
    within: Duration = "5s"
    backoff: Backoff | Mapping[str, Any] | None = None
    on: str | None = None
    wait_ready: bool = False
    options: Mapping[str, Any] | None = None
    register: str | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise invalid("name", self.name, "a non-empty string")
        seconds(self.start_timeout, "start_timeout")
        self.spec()

    def spec(self) -> ChildSpec:
        """The supervisor that looks after it, as a child of the application."""
        ends = self.restart != "permanent"
        child = ChildSpec(
            self.name,
            self.start,
            self.args,
            self.on,
            self.restart,
            self.stop_timeout,
            significant=ends,
            backoff=self.backoff,
            name=self.register,
            options=self.options,
            wait_ready=self.wait_ready,
        )
        keeper = Supervisor(
            (child,),
            max_restarts=self.max_restarts,
            within=self.within,
            auto_shutdown="any_significant" if ends else "never",
        )
        return ChildSpec(self.name, keeper, restart="temporary")


@attrs.frozen
class ApplicationHandle(Handle):
    """An application that runs."""

    async def status(self) -> dict[str, ServiceState]:
        """The state of each service."""
        states: dict[str, ServiceState] = await ask(self.dest, "status")
        return states


def _services(services: object) -> tuple[Service, ...]:
    if not isinstance(services, Iterable):
        raise invalid("services", services, "a list of Service")
    found: list[Service] = []
    for service in cast(Iterable[object], services):
        if not isinstance(service, Service):
            raise invalid("services", service, "a list of Service")
        found.append(service)
    return tuple(found)


@attrs.frozen
class Application:
    """Services, started in the order of what they require, those that can at the same time, and stopped in reverse.

        app = await start(Application([Service("db", open_db), Service("web", serve, requires=("db",))]))

    It is a supervisor: `start` starts it, and it can be a child of another.

    Raises:
        Error: INVALID for two services of one name, or services that require one another; NOT_FOUND for a requirement
            that is not there.
    """

    services: tuple[Service, ...] = attrs.field(converter=_services)

    def __attrs_post_init__(self) -> None:
        names = [service.name for service in self.services]
        for name in names:
            if names.count(name) > 1:
                raise invalid("services", name, "a name of its own for each service")
        levels({service.name: service.requires for service in self.services})

    @staticmethod
    def at(dest: Dest) -> ApplicationHandle:
        """The handle of one that runs already."""
        return ApplicationHandle(dest)

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        from supervision._services.services import run_services  # which handles what this module declares

        if args:
            raise invalid("args", args, "no arguments for an application")
        return run_services, (self.services, actors.self_pid())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"
