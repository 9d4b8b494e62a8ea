"""The children of a dynamic supervisor: many, independent of one another, known by PID (OTP's `simple_one_for_one`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

import actors
from actors import PID, Channel, Error, Exit, invalid, seconds
from supervision._children import errors
from supervision._children.child_spec import Child, ChildSpec, Counts
from supervision._children.exit import chance, monotonic
from supervision._children.requests import Request
from supervision._children.restart import is_reported, is_reported_when_stopped, restart_action
from supervision._children.restart_intensity import RestartIntensity
from supervision._supervisors import reports
from supervision._supervisors.supervisor_process import LOST_CONTACT, Stop, SupervisorProcess


@attrs.define(eq=False)
class _Child:
    """A child; `attempt` is the number of its next restart in a row."""

    spec: ChildSpec
    started: float
    restarting: bool = False
    attempt: int = 0


class DynamicChildren(SupervisorProcess):
    """A running `DynamicSupervisor`."""

    label = "DynamicSupervisor"

    # Invariant: each child is in `_children` by its PID; one that is being restarted by the last PID that it had, by
    # which `terminate_child` still knows it (Elixir), and with exactly one reminder on its way.
    def __init__(
        self,
        parent: PID,
        intensity: RestartIntensity,
        max_children: int | None,
        extra_args: tuple[Any, ...],
    ) -> None:
        super().__init__(parent)
        self._intensity = intensity
        self._max_children = max_children
        self._extra_args = extra_args
        self._children: dict[PID, _Child] = {}

    def state(self) -> list[Child]:
        """As `SupervisorProcess.state`."""
        return [
            Child(child.spec.id, None, "restarting", child.spec.type)
            if child.restarting
            else Child(child.spec.id, pid, "running", child.spec.type)
            for pid, child in self._children.items()
        ]

    async def start_children(self) -> None:
        """There are none yet."""

    async def child_ended(self, ended: Exit) -> None:
        """Restart it, or forget it."""
        child = self._children.get(ended.pid)
        if child is None or child.restarting:
            return
        spec = child.spec
        restarts = restart_action(spec.restart, ended.reason) == "restart"
        if is_reported(spec.restart, ended.reason):
            reports.child_ended(spec.id, ended, restarts=restarts)
        if not restarts:
            del self._children[ended.pid]
            return
        child.restarting = True
        if (
            spec.durable and ended.reason == "noconnection"
        ):  # it may well live: it is looked for, not restarted
            await self.remind(Request("retry", (ended.pid, True)), LOST_CONTACT)
            return
        if spec.backoff is not None and spec.backoff.resets(monotonic() - child.started):
            child.attempt = 0
        self._count_restart(child)
        delay = _delay(child)
        if delay:
            await self.remind(Request("retry", (ended.pid, True)), delay)
        else:
            await self._revive(ended.pid, child)

    def _count_restart(self, child: _Child) -> None:
        if not self._intensity.allows(monotonic()):
            reports.too_many_restarts(child.spec.id, self._intensity.limit, self._intensity.within)
            raise Stop("shutdown", errors.too_many_restarts(child.spec.id))

    async def _revive(self, last: PID, child: _Child) -> None:
        try:
            pid = await self.start_process(child.spec)
        except Error as error:
            reports.start_failed(child.spec.id, error)
            await self.remind(Request("retry", (last, False)), _delay(child))
            return
        del self._children[last]
        if pid is not None:
            child.started, child.restarting = monotonic(), False
            self._children[pid] = child

    # Stopping all

    async def stop_children(self) -> None:
        """Ask all at once, then wait for all with one timer for each length of time that their specs give them."""
        running = {pid: child for pid, child in self._children.items() if not child.restarting}
        waiting = {pid: child for pid, child in running.items() if child.spec.shutdown != "detach"}
        self._children.clear()
        late: dict[float, list[PID]] = {}
        for pid, child in running.items():
            shutdown = child.spec.shutdown
            if shutdown == "detach":
                await self.detach(child.spec, pid)
                continue
            if shutdown == "brutal_kill":
                await actors.terminate(pid, "brutal_kill")
                continue
            await actors.cancel(pid, reason="shutdown")
            if shutdown != "infinity":
                late.setdefault(seconds(shutdown, "shutdown"), []).append(pid)
        asked = monotonic()
        for deadline in sorted(late):
            timer = actors.after(timedelta(seconds=max(0.0, asked + deadline - monotonic())))
            if await self._all_ended(waiting, late[deadline], timer):
                timer.close()
                continue
            for pid in late[deadline]:
                if pid in waiting:
                    await actors.terminate(pid, f"did not stop within {deadline:g} s")
        await self._all_ended(waiting, list(waiting), None)

    async def _all_ended(
        self, waiting: dict[PID, _Child], pids: list[PID], timer: Channel[Any] | None
    ) -> bool:
        """Wait until none of `pids` is left, or for the timer; takes whoever ends out of `waiting`."""
        for pid in pids:
            while pid in waiting:
                event = self.events.kept()
                if event is None:
                    cases = (self.events.channel,) if timer is None else (self.events.channel, timer)
                    picked = await actors.select(*cases)
                    if picked.channel is timer:
                        return False
                    self.events.keep(picked.value)
                elif isinstance(event, Exit) and event.pid in waiting:
                    spec = waiting.pop(event.pid).spec
                    if is_reported_when_stopped(spec.shutdown == "brutal_kill", event.reason):
                        reports.stopped_badly(spec.id, event)
        return True

    # Requests

    async def answer(self, verb: str, args: tuple[Any, ...]) -> Any:
        """Do what a handle asks."""
        match verb, args:
            case "start_child", (spec,):
                return await self._start_child(spec)
            case "terminate_child", (pid,):
                child = self._children.pop(pid, None)
                if child is None:
                    raise errors.not_found(pid)
                if not child.restarting:
                    await self.stop_process(child.spec, pid)
            case "which_children", ():
                return self.state()
            case "count_children", ():
                children = self._children.values()
                active = sum(not child.restarting for child in children)
                supervisors = sum(child.spec.type == "supervisor" for child in children)
                return Counts(len(children), active, supervisors, len(children) - supervisors)
            case "retry", (last, counted):
                child = self._children.get(last)
                if child is not None:
                    if not counted:  # every attempt counts
                        self._count_restart(child)
                    await self._revive(last, child)
            case _:
                return await super().answer(verb, args)
        return None

    async def _start_child(self, spec: object) -> PID | None:
        if not isinstance(spec, ChildSpec):
            raise invalid("spec", spec, "a ChildSpec")
        spec.check_auto_shutdown("never")
        limit = self._max_children
        if limit is not None and len(self._children) >= limit:
            raise errors.max_children(limit)
        if self._extra_args:
            spec = attrs.evolve(spec, args=(*self._extra_args, *spec.args))
        pid = await self.start_process(spec)
        if pid is not None:
            self._children[pid] = _Child(spec, monotonic())
        return pid


def _delay(child: _Child) -> float:
    """How long to wait before the next restart; each call is for another one."""
    child.attempt += 1
    backoff = child.spec.backoff
    return 0.0 if backoff is None else backoff.delay(child.attempt - 1, chance())
