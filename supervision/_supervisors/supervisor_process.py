"""What all supervisors have in common: a process that answers requests and hears of its children's ends.

It awaits nothing but calls of `actors`, so it runs on every host. `static_children.py` and
`dynamic_children.py` say what is done with the children.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any, Final

import actors
from actors import CANCELED, PID, TIMEOUT, Cancel, Error, Exit, Message, Reason, Result
from supervision._children.child_events import ChildEvents
from supervision._children.child_spec import ChildSpec
from supervision._children.errors import Ignore, failed_to_start
from supervision._children.exit import exit_as
from supervision._children.requests import FOREVER, STARTED, TOPIC, Request, unknown_request
from supervision._children.restart import is_reported_when_stopped
from supervision._children.start import fail_to_start, launch, until_ready
from supervision._supervisors import reports

_PATIENCE: Final = "5s"
"""How long a durable child may take to answer, and to stop when its spec does not say."""

LOST_CONTACT: Final = 1.0
"""Seconds until a durable child is looked for again that could not be watched any more: it may well live."""


class Stop(Exception):
    """Unwinds to the loop, which stops the children and ends the supervisor with that reason."""

    def __init__(self, reason: Reason, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.error = error


class SupervisorProcess(ABC):
    """A supervisor that runs. One request or one end of a child at a time, each to its completion."""

    label: str
    """What it is called where people look at the process."""

    def __init__(self, parent: PID) -> None:
        self.parent = parent

    async def run(self) -> None:
        """The body of the process."""
        # Before anything can die, and before the starter hears anything.
        actors.set_options(trap_links=True, label=self.label, state=self.state)
        self._requests = actors.listen(TOPIC, messages=True)
        self.events = ChildEvents()
        await actors.monitor(
            self.parent
        )  # a link does not tell of a normal end, and an orphan has to stop (OTP)
        try:
            try:
                await self.start_children()
            except Error as error:
                await self.stop_children()
                await fail_to_start(self._requests, self.parent, error)
            while True:
                await self._step()
        except Stop as stop:
            await self.stop_children()
            if stop.reason != "normal":
                await exit_as(stop.reason, stop.error)

    async def _step(self) -> None:
        # Events first: whoever saw a child end and then asks must not be told that it runs. A storm of crashes does not
        # lock requests out: a child that was just restarted has not run yet when its supervisor looks again.
        event = self.events.kept()
        if event is None:
            picked = await actors.select(self.events.channel, self._requests, actors.inbox())
            if isinstance(picked.value, Message):
                await self._message(picked.value)
                return
            self.events.keep(picked.value)
            event = self.events.kept()
        match event:
            case Cancel():
                if event.reason == "shutdown":
                    raise Stop("shutdown")
                cancelled = Error("cancelled", kind=CANCELED, details={"reason": event.reason})
                raise Stop("cancelled", cancelled)
            case Exit(pid=pid) if pid == self.parent:
                raise Stop("shutdown")
            case Exit():
                await self.child_ended(event)
            case None:
                pass

    async def _message(self, message: Message) -> None:
        request = message.payload
        if message.topic == TOPIC and message.reply_to is not None:
            await actors.reply(message, await self._answered(request))
        elif message.topic == TOPIC and isinstance(request, Request) and message.sender == actors.self_pid():
            await self.answer(request.verb, request.args)
        else:
            reports.unexpected(message)

    async def _answered(self, request: object) -> Result:
        if request == STARTED:
            return Result(actors.self_pid())
        if not isinstance(request, Request):
            return Result(error=unknown_request(request))
        try:
            return Result(await self.answer(request.verb, request.args))
        except Error as error:
            return Result(error=error)

    async def answer(self, verb: str, args: tuple[Any, ...]) -> Any:
        """Do what a handle asks; this one knows `stop`, which is answered by the end of the process."""
        if verb == "stop":
            raise Stop(*args)
        raise unknown_request(verb)

    @abstractmethod
    def state(self) -> Any:
        """Its children, as it tells those who ask or look at it."""

    @abstractmethod
    async def start_children(self) -> None:
        """Start those children that are there from the beginning.

        Raises:
            Error: when one cannot be started; the loop then stops those that were.
        """

    @abstractmethod
    async def stop_children(self) -> None:
        """Stop all children, whatever they do."""

    @abstractmethod
    async def child_ended(self, ended: Exit) -> None:
        """React to the end of a process that was monitored: a child, or nobody that is known."""

    # Requests to itself

    async def remind(self, request: Request, delay: float = 0.0) -> None:
        """Have a request answered after those that wait already, or after `delay` seconds."""
        if delay:
            actors.start_soon(self._remind_later, request, timedelta(seconds=delay))
        else:
            await actors.send(actors.self_pid(), TOPIC, request)

    async def _remind_later(self, request: Request, delay: timedelta) -> None:
        await actors.sleep(delay)
        await self.remind(request)

    # The process of one child

    async def start_process(self, spec: ChildSpec) -> PID | None:
        """Start it; None when it ignored its start.

        Raises:
            Error: with the reason `failed_to_start_child`, or `already_started` as its own start raised it.
        """
        try:
            pid, waits = await launch(spec)
            if waits:
                await self._until_ready(spec, pid)
        except Ignore:
            return None
        except Error as error:
            if error.details.get("reason") == "already_started":
                raise
            raise failed_to_start(spec.id, error) from error
        reports.started(spec.id, pid)
        return pid

    async def _until_ready(self, spec: ChildSpec, pid: PID) -> None:
        try:
            await until_ready(pid, _PATIENCE if spec.durable else FOREVER)
        except Error as error:
            failure = error
        else:
            return
        if spec.durable:
            if failure.kind == TIMEOUT and "reason" not in failure.details:
                return  # it exists, and begins when a worker is there: this program need not be its worker
            await actors.unmonitor(pid)
            raise failure
        # The monitor was there from the start, the call perhaps only after the end: then it does not know why.
        raise (await self.events.exit_of(pid)).result.error or failure

    async def detach(self, spec: ChildSpec, pid: PID) -> None:
        """Stop it because this supervisor stops; a durable one may be left running."""
        if spec.shutdown == "detach":
            await actors.unmonitor(pid)
            reports.detached(spec.id, pid)
        else:
            await self.stop_process(spec, pid)

    async def stop_process(self, spec: ChildSpec, pid: PID) -> None:
        """Stop it as its spec says (`supervisor:shutdown/1`); returns when it has ended."""
        brutal = spec.shutdown == "brutal_kill"
        if brutal:
            await actors.terminate(pid, "brutal_kill")
        else:
            patience = _PATIENCE if spec.shutdown == "detach" else spec.shutdown
            deadline = None if patience == "infinity" else patience
            await actors.cancel(pid, deadline, "shutdown")
        # Its end is awaited by the monitor, not by the link: a child that has unlinked itself cannot hang us.
        ended = await self.events.exit_of(pid)
        if is_reported_when_stopped(brutal, ended.reason):
            reports.stopped_badly(spec.id, ended)
