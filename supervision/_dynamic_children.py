"""The children of a dynamic supervisor: many, independent of one another, known by PID (OTP's `simple_one_for_one`)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs

import actors
from actors import PID, Channel, Error, Exit, invalid, seconds
from supervision import _errors as errors
from supervision import _reports as reports
from supervision._child_spec import Child, ChildSpec, Counts
from supervision._exit import chance, monotonic
from supervision._requests import Request
from supervision._restart import is_reported, is_reported_when_stopped, sequel
from supervision._restart_intensity import RestartIntensity
from supervision._supervising import Stop, Supervising


@attrs.define(eq=False)
class _Child:
    """A child that runs or is being restarted; `attempt` is the number of its next restart in a row."""

    spec: ChildSpec
    pid: PID | None
    started: float
    attempt: int = 0


class DynamicChildren(Supervising):
    """A running `DynamicSupervisor`."""

    # Invariant: each child is in one of the two, in `_running` by its PID or in `_restarting` by a number.
    def __init__(self, parent: PID, intensity: RestartIntensity, max_children: int | None) -> None:
        super().__init__(parent)
        self._intensity = intensity
        self._max_children = max_children
        self._running: dict[PID, _Child] = {}
        self._restarting: dict[int, _Child] = {}
        self._reminders = 0

    async def start_children(self) -> None:
        """There are none yet."""

    async def child_ended(self, ended: Exit) -> None:
        """Restart it, or forget it."""
        child = self._running.pop(ended.pid, None)
        if child is None:
            return
        spec = child.spec
        restarts = sequel(spec.restart, ended.reason) == "restart"
        if is_reported(spec.restart, ended.reason):
            reports.child_ended(spec.id, ended, restarts=restarts)
        if not restarts:
            return
        if spec.backoff is not None and spec.backoff.resets(monotonic() - child.started):
            child.attempt = 0
        self._count_restart(child)
        delay = _delay(child)
        if delay:
            await self._remind(child, delay, counted=True)
        else:
            await self._revive(child)

    def _count_restart(self, child: _Child) -> None:
        if not self._intensity.allows(monotonic()):
            reports.too_many_restarts(child.spec.id, self._intensity.limit, self._intensity.within)
            raise Stop("shutdown", errors.too_many_restarts(child.spec.id))

    async def _revive(self, child: _Child) -> None:
        try:
            pid = await self.start_process(child.spec)
        except Error as error:
            reports.start_failed(child.spec.id, error)
            await self._remind(child, _delay(child), counted=False)
            return
        if pid is not None:
            child.pid, child.started = pid, monotonic()
            self._running[pid] = child

    async def _remind(self, child: _Child, delay: float, counted: bool) -> None:
        child.pid = None
        self._reminders += 1
        self._restarting[self._reminders] = child
        await self.remind(Request("retry", (self._reminders, counted)), delay)

    # Stopping all

    async def stop_children(self) -> None:
        """Ask all at once, then wait for all with one timer for each length of time that their specs give them."""
        self._restarting.clear()
        waiting, self._running = self._running, {}
        late: dict[float, list[PID]] = {}
        for pid, child in waiting.items():
            shutdown = child.spec.shutdown
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
                child = self._running.pop(pid, None)
                if child is None:
                    raise errors.not_found(pid)
                await self.stop_process(child.spec, pid)
            case "which_children", ():
                return [
                    *(
                        Child(child.spec.id, pid, "running", child.spec.type)
                        for pid, child in self._running.items()
                    ),
                    *(
                        Child(child.spec.id, None, "restarting", child.spec.type)
                        for child in self._restarting.values()
                    ),
                ]
            case "count_children", ():
                children = [*self._running.values(), *self._restarting.values()]
                supervisors = sum(child.spec.type == "supervisor" for child in children)
                return Counts(len(children), len(self._running), supervisors, len(children) - supervisors)
            case "retry", (number, counted):
                child = self._restarting.pop(number, None)
                if child is not None:
                    if not counted:  # every attempt counts
                        self._count_restart(child)
                    await self._revive(child)
            case _:
                return await super().answer(verb, args)
        return None

    async def _start_child(self, spec: object) -> PID | None:
        if not isinstance(spec, ChildSpec):
            raise invalid("spec", spec, "a ChildSpec")
        spec.check_auto_shutdown("never")
        limit = self._max_children
        if limit is not None and len(self._running) + len(self._restarting) >= limit:
            raise errors.max_children(limit)
        pid = await self.start_process(spec)
        if pid is not None:
            self._running[pid] = _Child(spec, pid, monotonic())
        return pid


def _delay(child: _Child) -> float:
    """How long to wait before the next restart; each call is for another one."""
    child.attempt += 1
    backoff = child.spec.backoff
    return 0.0 if backoff is None else backoff.delay(child.attempt - 1, chance())
