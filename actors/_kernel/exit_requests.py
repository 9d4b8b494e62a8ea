"""How a process is asked, and how it is forced, to end (semantics 25 and 26)."""

from __future__ import annotations

from datetime import datetime, timedelta

from actors._kernel.process import Process
from actors._values.errors import CANCELED, Error
from actors._values.events import Cancel, Reason
from actors._values.pid import PID


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
