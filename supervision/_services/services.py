"""The process of an application: its services level by level, each under a supervisor of its own."""

from __future__ import annotations

from typing import Any

import actors
from actors import PID, Cancel, Channel, Error, Exit
from supervision._children import errors
from supervision._children.restart import is_clean
from supervision._children.start import launch, until_ready
from supervision._services.dependencies import levels
from supervision._services.service import Service, ServiceState
from supervision._supervisors import reports
from supervision._supervisors.supervisor_process import Stop, SupervisorProcess


async def run_services(services: tuple[Service, ...], parent: PID) -> None:
    """The process of an `Application`."""
    await Services(services, parent).run()


class Services(SupervisorProcess):
    """An application that runs."""

    label = "Application"

    # Invariant: `_by_pid` has the name of each service whose state is "running" or "stopping", by its supervisor's PID.
    def __init__(self, services: tuple[Service, ...], parent: PID) -> None:
        super().__init__(parent)
        self._services = {service.name: service for service in services}
        self._levels = levels({service.name: service.requires for service in services})
        self._states: dict[str, ServiceState] = dict.fromkeys(self._services, "stopped")
        self._by_pid: dict[PID, str] = {}
        self._starting: dict[PID, str] = {}
        self._stopping = False

    def state(self) -> dict[str, ServiceState]:
        """As `SupervisorProcess.state`: that of each service."""
        return dict(self._states)

    async def start_children(self) -> None:
        """Start level by level, all of a level at the same time; a failure lets its level finish, and no more."""
        for level in self._levels:
            outcomes = Channel[Error | None](len(level))
            for name in level:
                self._states[name] = "starting"
                actors.start_soon(self._start, self._services[name], outcomes)
            failed = [error for _ in level if (error := await self._outcome(outcomes)) is not None]
            if failed:
                raise failed[0]

    async def _outcome(self, outcomes: Channel[Error | None]) -> Error | None:
        """How the next start went. A start can take long, so a request to stop is not left to wait for it."""
        while (picked := await actors.select(outcomes, self.events.channel)).channel is not outcomes:
            event = picked.value
            if isinstance(event, Cancel) or (isinstance(event, Exit) and event.pid == self.parent):
                raise Stop("shutdown")
            self.events.keep(event)
        outcome: Error | None = picked.value
        return outcome

    async def _start(self, service: Service, outcomes: Channel[Error | None]) -> None:
        try:
            pid, _ = await launch(service.spec())
            self._starting[pid] = service.name
            try:
                await until_ready(pid, service.start_timeout)
            finally:
                del self._starting[pid]
        except Error as error:
            if self._stopping:  # it was terminated
                return
            self._states[service.name] = "failed"
            if error.details.get("reason") != "failed_to_start_child":  # else its supervisor has reported it
                error = errors.failed_to_start(service.name, error)
                reports.start_failed(service.name, error)
            await outcomes.send(error)
            return
        if self._stopping:  # it was ready just when it was terminated
            return
        self._by_pid[pid] = service.name
        self._states[service.name] = "running"
        reports.started(service.name, pid)
        await outcomes.send(None)

    async def stop_children(self) -> None:
        """Stop in reverse, level by level, all of a level at the same time; each takes the time that it may."""
        self._stopping = True
        for pid, name in list(self._starting.items()):
            # It would not hear a request before it has started.
            await actors.terminate(pid, "the application stops")
            await self.events.exit_of(pid)
            self._states[name] = "stopped"
        for level in reversed(self._levels):
            stopping = [pid for pid, name in self._by_pid.items() if name in level]
            for pid in stopping:
                self._states[self._by_pid[pid]] = "stopping"
                await actors.cancel(pid, reason="shutdown")
            for pid in stopping:
                await self.events.exit_of(pid)
                self._states[self._by_pid.pop(pid)] = "stopped"

    async def child_ended(self, ended: Exit) -> None:
        """A service has ended for good: well, or badly, which ends the application if it is permanent."""
        name = self._by_pid.pop(ended.pid, None)
        if name is None:
            return
        error = ended.result.error
        last = None if error is None else error.details.get("exit")
        self._states[name] = "exited" if last is not None and is_clean(last) else "failed"
        if self._services[name].restart == "permanent":
            reports.child_ended(name, ended, restarts=False)
            raise Stop("shutdown", errors.service_failed(name, error))

    async def answer(self, verb: str, args: tuple[Any, ...]) -> Any:
        """Do what a handle asks."""
        return self.state() if verb == "status" else await super().answer(verb, args)
