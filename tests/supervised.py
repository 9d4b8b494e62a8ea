"""What the tests of supervisors and servers share: a stage with workers whose life is written down."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import actors
from actors import PID, Error, Exit
from supervision import Child, ChildSpec, Ignore, SupervisorHandle, ready


class Stage:
    """Writes down what its workers do."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.broken: set[str] = set()
        """The workers that cannot start."""
        self.ignoring: set[str] = set()

    def spec(self, name: str, start: Any = None, /, **settings: Any) -> ChildSpec:
        """A worker, which starts and stops as the stage says."""
        settings.setdefault("args", (name,) if start is None else ())
        settings.setdefault("wait_ready", start is None)
        return ChildSpec(name, start or self.worker, **settings)

    async def worker(self, name: str) -> None:
        if name in self.broken:
            self.journal.append(f"broken {name}")
            raise Error(f"{name} is broken", kind=actors.UNAVAILABLE)
        if name in self.ignoring:
            raise Ignore
        self.journal.append(f"start {name}")
        ready()
        try:
            async for message in actors.inbox():
                if message.topic == "return":
                    return
                if message.topic == "crash":
                    raise Error("asked to crash", kind=actors.INTERNAL)
        finally:
            self.journal.append(f"stop {name}")

    async def stubborn(self) -> None:
        """Takes notice of no request to stop."""
        actors.events()
        actors.set_options(trap_links=True)
        ready()
        try:
            await actors.sleep("1d")
        finally:
            self.journal.append("stop stubborn")

    def told(self) -> list[str]:
        """What happened since the last time."""
        told, self.journal[:] = list(self.journal), []
        return told


async def end_of(pid: PID) -> Exit:
    """The end of a process."""
    ref = await actors.monitor(pid)
    async for event in actors.events():
        if isinstance(event, Exit) and event.ref == ref:
            return event
    raise AssertionError("events never close")


async def end(pid: PID | None, how: str = "crash") -> Exit:
    """Have a worker end: `return`, `crash`, `shutdown` or `kill`; returns when it has."""
    assert pid is not None
    ref = await actors.monitor(pid)
    if how == "shutdown":
        await actors.cancel(pid, reason="shutdown")
    elif how == "kill":
        await actors.terminate(pid)
    else:
        await actors.send(pid, how)
    async for event in actors.events():
        if isinstance(event, Exit) and event.ref == ref:
            return event
    raise AssertionError("events never close")


async def children(sup: SupervisorHandle) -> dict[Any, Child]:
    """The children by id, in start order."""
    return {child.id: child for child in reversed(await sup.which_children())}


async def pid_of(sup: SupervisorHandle, name: str) -> PID:
    pid = (await children(sup))[name].pid
    assert pid is not None
    return pid


async def statuses(sup: SupervisorHandle) -> dict[Any, str]:
    return {name: child.status for name, child in (await children(sup)).items()}


async def reason_of(awaitable: Awaitable[Any]) -> tuple[str, Any]:
    """The kind and OTP's word of the error that a call raises."""
    try:
        await awaitable
    except Error as error:
        return error.kind, error.details.get("reason")
    raise AssertionError("no error was raised")
