"""The crash report: an exception that ends a process never disappears."""

from __future__ import annotations

import logging

from actors._events import Reason, Result
from actors._process import Process

log = logging.getLogger("everproc")


def crash_report(process: Process, reason: Reason, result: Result) -> None:
    """Log the error of a process: as an error if nobody watches for it, else for debugging only."""
    if reason != "error":
        return
    watched = bool(process.watchers or process.links)
    error = result.error
    assert error is not None
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
