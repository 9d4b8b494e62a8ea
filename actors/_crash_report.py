"""The crash report: an exception that ends a process never disappears."""

from __future__ import annotations

import logging

from actors._events import Reason, Result
from actors._pid import PID
from actors._process import Process
from actors._scheduler import caller

log = logging.getLogger("everproc")


def crash_report(process: Process, reason: Reason, result: Result) -> None:
    """Log the error of a process: as an error if nobody watches for it, else for debugging only."""
    if reason != "error":
        return
    watched = bool(process.watchers) or any(_traps_links(process, peer) for peer in process.links or ())
    error = result.error
    assert error is not None
    told_by = caller.set(process)  # so that the record says which process it is about
    log.log(
        logging.DEBUG if watched else logging.ERROR,
        "process %s (%s), spawned by %s, ended with reason=%s: %s",
        process.pid,
        process.entry.id,
        process.parent or "code outside any process",
        reason,
        error,
        exc_info=error.__cause__ if error.__cause__ is not None and error.kind == "INTERNAL" else error,
    )
    caller.reset(told_by)


def _traps_links(process: Process, peer: PID) -> bool:
    """Whether a linked process is told: the others die too, and what they die of would be lost with them."""
    found = process.kernel.find(peer)
    return isinstance(found, Process) and found.options.trap_links
