"""One service of an application: what starts it, what it requires, and its states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

import attrs

from actors import Duration, invalid, seconds
from supervision._children.backoff import Backoff
from supervision._children.child_spec import ChildSpec, Start
from supervision._children.restart import Restart
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
