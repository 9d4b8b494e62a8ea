"""The order in which a process exits (semantics 4): its PID, its names and groups, its monitors, its links."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from actors._kernel import links_and_monitors as relations
from actors._kernel.crash_report import crash_report
from actors._kernel.groups import Groups
from actors._kernel.names import Names
from actors._kernel.process import Process
from actors._kernel.routing import Routing
from actors._kernel.wiring import Instruments
from actors._values.errors import CANCELED, Error
from actors._values.events import Cancel, Exit, MonitorRef, Reason, Result
from actors._values.pid import PID


class Exits:
    """How the processes of one kernel exit, and how many have: by reason in `count`, their messages in `delivered`."""

    __slots__ = ("count", "delivered", "_groups", "_instruments", "_names", "_routing")

    def __init__(self, routing: Routing, names: Names, groups: Groups, instruments: Instruments) -> None:
        self.count: Counter[str] = Counter()
        self.delivered = 0
        self._routing = routing
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
            self.signal_link_down(peer, process.pid, reason, result)

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """Forget a watch; fine when it has fired."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            if found.watchers is not None:
                found.watchers.pop(ref, None)
        elif (host := self._routing.route(target)) is not None:
            host.unwatch(target, ref)

    def signal_link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """Notify the other end of a link that `by` has exited."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            relations.link_down(found, by, reason, result)
            return
        host = self._routing.route(target)
        if host is not None:
            host.link_down(target, by, reason, result)


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
