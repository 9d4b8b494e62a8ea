"""The application: named services that need one another, as one supervised tree (OTP's applications)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import attrs

import actors
from actors import Dest, Target, invalid
from supervision._children.child_spec import Type
from supervision._children.requests import ask
from supervision._services.dependencies import levels
from supervision._services.service import Service, ServiceState
from supervision._services.services import run_services
from supervision._supervisors.handle import Handle


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
        if args:
            raise invalid("args", args, "no arguments for an application")
        return run_services, (self.services, actors.self_pid())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"
