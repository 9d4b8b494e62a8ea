"""The children of a static supervisor, as OTP's `supervisor.erl` treats them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import attrs

from actors import PID, Error, Exit, invalid
from supervision._children import errors
from supervision._children.child_spec import Child, ChildSpec, Counts, Status
from supervision._children.exit import chance, monotonic
from supervision._children.requests import Request
from supervision._children.restart import (
    AutoShutdown,
    Strategy,
    group,
    is_reported,
    restart_action,
    shuts_down,
)
from supervision._children.restart_intensity import RestartIntensity
from supervision._supervisors import reports
from supervision._supervisors.supervisor_process import LOST_CONTACT, Stop, SupervisorProcess


@attrs.define(eq=False)
class _Child:
    """A spec and what became of it.

    `started` is when its process was, `attempt` the number of its next restart in a row, `retry` that of the last
    reminder to restart it.
    """

    spec: ChildSpec
    pid: PID | None = None
    status: Status = "stopped"
    started: float = 0.0
    attempt: int = 0
    retry: int = 0

    def delay(self) -> float:
        """How long to wait before the next restart; each call is for another one."""
        self.attempt += 1
        backoff = self.spec.backoff
        if backoff is None:
            return 0.0
        return backoff.delay(self.attempt - 1, chance())

    def to_restart(self) -> None:
        """Its process is gone, and there will be another."""
        self.pid = None
        self.status = "restarting"

    def mark_stopped(self) -> None:
        """Its process is gone."""
        self.pid = None
        self.status = "stopped"


class StaticChildren(SupervisorProcess):
    """A running `Supervisor`."""

    # Invariant: `_children` is in start order, and `_by_pid` holds exactly those whose status is "running".
    def __init__(
        self,
        parent: PID,
        specs: Sequence[ChildSpec],
        strategy: Strategy,
        intensity: RestartIntensity,
        auto_shutdown: AutoShutdown,
    ) -> None:
        super().__init__(parent)
        self.label = f"Supervisor {strategy}"
        self._specs = specs
        self._strategy: Strategy = strategy
        self._intensity = intensity
        self._auto_shutdown: AutoShutdown = auto_shutdown
        self._children: dict[Hashable, _Child] = {}
        self._by_pid: dict[PID, _Child] = {}

    def state(self) -> list[Child]:
        """As `SupervisorProcess.state`."""
        return [
            Child(child.spec.id, child.pid, child.status, child.spec.type)
            for child in reversed(self._children.values())
        ]

    # Start and stop

    async def start_children(self) -> None:
        """Start left to right. The first failure ends it; the loop then stops the others, right to left."""
        for spec in self._specs:
            child = self._children[spec.id] = _Child(spec)
            try:
                await self._start(child)
            except Error as error:
                reports.start_failed(spec.id, error)
                raise

    async def stop_children(self) -> None:
        """Stop right to left, one at a time."""
        for child in reversed(self._children.values()):
            if child.pid is not None:
                del self._by_pid[child.pid]
                await self.detach(child.spec, child.pid)
            child.mark_stopped()

    async def _start(self, child: _Child) -> PID | None:
        child.mark_stopped()
        child.pid = pid = await self.start_process(child.spec)
        if pid is not None:
            child.status = "running"
            child.started = monotonic()
            self._by_pid[pid] = child
        elif child.spec.restart == "temporary":
            del self._children[child.spec.id]  # ignored, and never to be restarted: of no use (OTP)
        return pid

    async def _stop(self, child: _Child) -> None:
        """Stop its process if it has one, and give up restarting it."""
        if child.pid is not None:
            del self._by_pid[child.pid]
            await self.stop_process(child.spec, child.pid)
        child.mark_stopped()

    def _drop_if_temporary(self, child: _Child) -> None:
        if child.spec.restart == "temporary":
            del self._children[child.spec.id]

    # The end of a child

    async def child_ended(self, ended: Exit) -> None:
        """Follow the table of what happens after an end (`supervisor:do_restart/3`)."""
        child = self._by_pid.pop(ended.pid, None)
        if child is None:
            return
        spec = child.spec
        if spec.durable and ended.reason == "noconnection":
            child.to_restart()
            await self._find_running(child)
            return
        follows = restart_action(spec.restart, ended.reason)
        if is_reported(spec.restart, ended.reason):
            reports.child_ended(spec.id, ended, restarts=follows == "restart")
        child.mark_stopped()
        if follows == "restart":
            if spec.backoff is not None and spec.backoff.resets(monotonic() - child.started):
                child.attempt = 0
            await self._restart(child)
            return
        self._drop_if_temporary(child)
        others = (other.status != "stopped" for other in self._children.values() if other.spec.significant)
        if shuts_down(self._auto_shutdown, spec.significant, others):
            raise Stop("shutdown", errors.significant_child_ended(spec.id, ended.reason))

    async def _find_running(self, child: _Child) -> None:
        """A durable child could not be watched any more, or not be found: try again until the way is there."""
        child.retry += 1
        await self.remind(Request("look_for", (child.spec.id, child.retry)), LOST_CONTACT)

    async def _reattach(self, child_id: Hashable, number: int) -> None:
        child = self._children.get(child_id)
        if child is None or child.status != "restarting" or child.retry != number:
            return
        try:
            await self._start(child)
        except Error as error:
            reports.start_failed(child.spec.id, error)
            child.to_restart()
            await self._find_running(child)

    # Restart

    async def _restart(self, child: _Child) -> None:
        """Restart a child that has ended, and its group with it: at once, or after its back-off."""
        self._count_restart(child)
        delay = child.delay()
        if not delay:
            await self._revive(child)
            return
        await self._stop_group(child)
        await self._remind(child, delay, counted=True)

    def _count_restart(self, child: _Child) -> None:
        """Count a restart. The one too many ends the supervisor, whose parent then applies its own rules."""
        if self._intensity.allows(monotonic()):
            return
        reports.too_many_restarts(child.spec.id, self._intensity.limit, self._intensity.within)
        child.mark_stopped()
        raise Stop("shutdown", errors.too_many_restarts(child.spec.id))

    async def _stop_group(self, child: _Child) -> list[_Child]:
        """Stop whoever is to be restarted with a child, right to left; gives who is to be started, left to right."""
        members = [self._children[member] for member in group(self._strategy, self._children, child.spec.id)]
        stay: list[_Child] = []
        for member in reversed(members):
            if member is not child:
                await self._stop(member)
                if member.spec.restart == "temporary":
                    del self._children[member.spec.id]  # a bystander, stopped and not started again (OTP)
                    continue
            stay.append(member)
        return stay[::-1]

    async def _revive(self, child: _Child) -> None:
        """Start a child anew, and its group. The restart of a sibling that fails goes on from that sibling."""
        for member in await self._stop_group(child):
            try:
                await self._start(member)
            except Error as error:
                reports.start_failed(member.spec.id, error)
                await self._remind(member, member.delay(), counted=False)
                return

    async def _remind(self, child: _Child, delay: float, counted: bool) -> None:
        """Restart it later, through the mailbox: so requests get their turn, and `terminate_child` can end it."""
        child.to_restart()
        child.retry += 1
        await self.remind(Request("retry", (child.spec.id, child.retry, counted)), delay)

    async def _retry(self, child_id: Hashable, number: int, counted: bool) -> None:
        child = self._children.get(child_id)
        if child is None or child.status != "restarting" or child.retry != number:
            return  # a request has overtaken the reminder
        if not counted:  # every attempt counts
            self._count_restart(child)
        await self._revive(child)

    # Requests

    async def answer(self, verb: str, args: tuple[Any, ...]) -> Any:
        """Do what a handle asks."""
        match verb, args:
            case "start_child", (spec,):
                return await self._start_child(spec)
            case "terminate_child", (child_id,):
                child = self._known(child_id)
                await self._stop(child)
                self._drop_if_temporary(child)
            case "restart_child", (child_id,):
                return await self._start(self._resting(child_id))
            case "delete_child", (child_id,):
                del self._children[self._resting(child_id).spec.id]
            case "which_children", ():
                return self.state()
            case "count_children", ():
                return self._counts()
            case "get_childspec", (child_id,):
                return self._known(child_id).spec
            case "look_for", (child_id, number):
                await self._reattach(child_id, number)
            case "retry", (child_id, number, counted):
                await self._retry(child_id, number, counted)
            case _:
                return await super().answer(verb, args)
        return None

    async def _start_child(self, spec: object) -> PID | None:
        if not isinstance(spec, ChildSpec):
            raise invalid("spec", spec, "a ChildSpec")
        spec.check_auto_shutdown(self._auto_shutdown)
        present = self._children.get(spec.id)
        if present is not None:
            if present.pid is not None:
                raise errors.already_started(f"child id={spec.id!r}", present.pid)
            raise errors.already_present(spec.id)
        child = self._children[spec.id] = _Child(spec)
        try:
            return await self._start(child)
        except Error:
            del self._children[spec.id]
            raise

    def _known(self, child_id: Hashable) -> _Child:
        child = self._children.get(child_id)
        if child is None:
            raise errors.not_found(child_id)
        return child

    def _resting(self, child_id: Hashable) -> _Child:
        """A child that has no process and will not get one by itself."""
        child = self._known(child_id)
        if child.pid is not None:
            raise errors.running(child_id, child.pid)
        if child.status == "restarting":
            raise errors.restarting(child_id)
        return child

    def _counts(self) -> Counts:
        supervisors = sum(child.spec.type == "supervisor" for child in self._children.values())
        specs = len(self._children)
        return Counts(specs, len(self._by_pid), supervisors, specs - supervisors)
