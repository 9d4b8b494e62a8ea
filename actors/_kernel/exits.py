"""The order in which a process exits (semantics 4): its PID, its names and groups, its monitors, its links."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from actors._kernel.groups import Groups
from actors._kernel.links import Links
from actors._kernel.names import Names
from actors._kernel.process import Process
from actors._kernel.routing import Routing
from actors._kernel.wiring import Instruments
from actors._scheduling.scheduler import current_process
from actors._values.errors import CANCELED, Error
from actors._values.events import Cancel, Exit, MonitorRef, Reason, Result
from actors._values.pid import PID


class Exits:
    """How the processes of one kernel exit, and how many have: by reason in `count`, their messages in `delivered`."""

    __slots__ = ("count", "delivered", "_groups", "_instruments", "_links", "_names", "_routing")

    def __init__(
        self, routing: Routing, links: Links, names: Names, groups: Groups, instruments: Instruments
    ) -> None:
        self.count: Counter[str] = Counter()
        self.delivered = 0
        self._routing = routing
        self._links = links
        self._names = names
        self._groups = groups
        self._instruments = instruments

    def finalize(self, process: Process, reason: Reason, result: Result) -> None:
        """Take a process out of the table, release what it holds, and notify its monitors and links, in this order."""
        process.alive = False
        process.reductions = 0
        self._routing.table.pop(process.pid.id, None)  # it is gone if its spawn was interrupted
        if process.names is not None:
            self._names.forget(process)
        if self._groups.joins:
            self._groups.forget(process.pid)
        self.count[reason] += 1
        self.delivered += process.mailbox.accepted
        if reason != "normal":
            crash_report(process, reason, result)
        cluster = self._routing.wiring.cluster
        if cluster is not None and cluster.holds(process.pid):
            cluster.release(process, lambda: self._notify(process, reason, result))
        elif process.watchers is not None or process.links is not None:
            self._notify(process, reason, result)
        if process.monitors is not None:
            monitors, process.monitors = process.monitors, None
            for ref, pid in monitors.items():
                self.unwatch(pid, ref)
        if self._instruments.on_exit is not None:
            self._instruments.on_exit(process)

    def _notify(self, process: Process, reason: Reason, result: Result) -> None:
        watchers, process.watchers = process.watchers, None
        for ref, on_exit in (watchers or {}).items():
            on_exit(Exit(process.pid, ref, reason, result))
        links, process.links = process.links, None
        for peer in links or ():
            self._links.signal_link_down(peer, process.pid, reason, result)

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """Forget a watch; fine when it has fired."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            if found.watchers is not None:
                found.watchers.pop(ref, None)
        elif (host := self._routing.route(target)) is not None:
            host.unwatch(target, ref)


def force_end(target: Process, reason: str) -> None:
    """Terminate a process, whatever it does."""
    text = f"terminated: {reason}" if reason else "terminated"
    target.end("terminated", Error(text, kind=CANCELED, details={"reason": reason}))


def request_stop(target: Process, by: PID | None, reason: str, deadline: float | None) -> None:
    """Ask a process to stop: by an event if it reads events, else by ending its next await."""
    scheduler = target.scheduler
    if target.events_opened:
        due = None if deadline is None else _later(scheduler.now(), deadline)
        target.put_event(Cancel(by, reason, due))
    else:
        text = f"cancelled: {reason}" if reason else "cancelled"
        kind: Reason = "shutdown" if reason == "shutdown" else "cancelled"
        target.end(kind, Error(text, kind=CANCELED, details={"reason": reason}), forced=False)
    if deadline is not None:
        late = Error(
            f"terminated: it did not stop within {deadline:g} s of a cancel",
            kind=CANCELED,
            details={"reason": reason, "deadline": deadline},
        )
        target.own(scheduler.call_later(deadline, lambda: target.end("terminated", late)))


def _later(now: datetime, seconds: float) -> datetime:
    """The time after so many seconds, or the last one there is: a duration may be longer than the calendar."""
    return now + min(timedelta(seconds=seconds), datetime.max.replace(tzinfo=now.tzinfo) - now)


log = logging.getLogger("everproc")

_CLEAN: Final = ("normal", "shutdown")


def crash_report(process: Process, reason: Reason, result: Result) -> None:
    """Log an abnormal end: an error as such, others for information; for debugging only if somebody watches for it."""
    if reason in _CLEAN:
        return
    watched = bool(process.watchers) or any(_traps_links(process, peer) for peer in process.links or ())
    level = logging.DEBUG if watched else logging.ERROR if reason == "error" else logging.INFO
    if log.isEnabledFor(level):
        assert result.error is not None
        _log(process, level, f"ended with reason={reason}", result.error, reason == "error")


def report_unhandled(process: Process, error: Error) -> None:
    """Log an error that a process raised when its end had another reason already, so that nobody else hears of it."""
    _log(process, logging.ERROR, "raised this beside the reason of its end", error, True)


def _log(process: Process, level: int, what: str, error: Error, traceback: bool) -> None:
    raised = error.__cause__ if error.__cause__ is not None and error.kind == "INTERNAL" else error
    told_by = current_process.set(process)  # so that the record says which process it is about
    log.log(
        level,
        "process %s (%s), spawned by %s, %s: %s",
        process.pid,
        process.entry.id,
        process.parent or "code outside any process",
        what,
        error,
        exc_info=raised if traceback else None,
    )
    current_process.reset(told_by)


def _traps_links(process: Process, peer: PID) -> bool:
    """Whether a linked process is told: the others die too, and what they die of would be lost with them."""
    found = process.kernel.find(peer)
    return isinstance(found, Process) and found.options.trap_links
