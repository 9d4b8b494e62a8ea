"""The crash report: no exception disappears, and no abnormal end of a process."""

from __future__ import annotations

import logging
from typing import Final

from actors._kernel.process import Process
from actors._scheduling.scheduler import current_process
from actors._values.errors import Error
from actors._values.events import Reason, Result
from actors._values.pid import PID

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
