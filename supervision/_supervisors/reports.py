"""The reports of supervisors in the log `everproc.supervision`, as OTP's supervisor and progress reports.

A failure is an ERROR with the error's traceback; a start is a DEBUG line. Each record carries `report`, OTP's word for
what happened, and `child`, its id, for handlers that want more than the text.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Literal

import actors
from actors import PID, Error, Exit, kernel_of, running_process

Report = Literal[
    "progress", "start_error", "child_terminated", "shutdown_error", "reached_max_restart_intensity"
]

log = logging.getLogger("everproc.supervision")


def started(child: Hashable, pid: PID) -> None:
    """A child runs."""
    if log.isEnabledFor(logging.DEBUG):
        _log(logging.DEBUG, "progress", child, f"runs as {pid}", None)


def detached(child: Hashable, pid: PID) -> None:
    """A durable child was left running."""
    if log.isEnabledFor(logging.DEBUG):
        _log(logging.DEBUG, "progress", child, f"is left running as {pid}", None)


def start_failed(child: Hashable, error: Error) -> None:
    """A child could not be started or restarted."""
    cause = error.__cause__ if isinstance(error.__cause__, Error) else error  # the error says the id again
    _log(logging.ERROR, "start_error", child, f"failed to start: {cause.message}", cause)


def child_ended(child: Hashable, ended: Exit, *, restarts: bool) -> None:
    """A child has ended by itself."""
    if restarts:
        kernel_of(running_process()).instruments.counters["restarts"] += 1
    cause = ended.result.error
    text = f"({ended.pid}) ended with reason={ended.reason}" + (f": {cause.message}" if cause else "")
    _log(
        logging.ERROR,
        "child_terminated",
        child,
        f"{text}; {'restarting it' if restarts else 'not restarted'}",
        cause,
    )


def stopped_badly(child: Hashable, ended: Exit) -> None:
    """A child that was stopped has ended in another way than it was asked to."""
    cause = ended.result.error
    text = f"({ended.pid}) was stopped and ended with reason={ended.reason}" + (
        f": {cause.message}" if cause else ""
    )
    _log(logging.ERROR, "shutdown_error", child, text, cause)


def too_many_restarts(child: Hashable, limit: int, within: float) -> None:
    """The supervisor gives up."""
    text = f"would be restarted more often than max_restarts={limit} times within {within:g} s: the supervisor ends"
    _log(logging.ERROR, "reached_max_restart_intensity", child, text, None)


def unexpected(what: object) -> None:
    """A message that a supervisor has no use for; it is dropped."""
    log.error("supervisor %s dropped an unexpected message: %r", actors.self_pid(), what)


def _log(level: int, report: Report, child: Hashable, text: str, error: Error | None) -> None:
    # The traceback that helps is that of what user code raised, which an Error of kind INTERNAL has as its cause.
    cause = error.__cause__ if error is not None and error.__cause__ is not None else error
    log.log(
        level,
        "supervisor %s: child %r %s",
        actors.self_pid(),
        child,
        text,
        exc_info=cause,
        extra={"report": report, "child": child},
    )
