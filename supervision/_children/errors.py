"""The errors of supervisors: OTP's word for each in `details["reason"]`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from actors import (
    ALREADY_EXISTS,
    CANCELED,
    CONFLICT,
    INTERNAL,
    NOT_FOUND,
    PID,
    UNAVAILABLE,
    Error,
    Reason,
)

IGNORE: Final = "ignore"
"""OTP's word, in the details of an `Ignore`."""


class Ignore(Error):
    """Raised by a process that does not want to run, before it says that it is ready: OTP's `ignore`.

    It is no failure. Its supervisor keeps the spec, without a process; `start` raises it to who started it.
    """

    def __init__(
        self,
        message: str = "this process does not want to be started",
        *,
        kind: str = CONFLICT,
        retryable: bool | None = None,
        details: dict[str, object] | None = None,
    ) -> None:
        # The reason says what it is where only the `Error` arrives.
        super().__init__(
            message, kind=kind, retryable=retryable, details={"reason": IGNORE, **(details or {})}
        )


def already_started(what: str, pid: PID) -> Error:
    """There is a running process under that id or name."""
    return Error(
        f"{what} runs already as {pid}",
        kind=ALREADY_EXISTS,
        retryable=False,
        details={"reason": "already_started", "pid": str(pid)},
    )


def already_present(child: Hashable) -> Error:
    """There is a spec with that id whose process is not running."""
    return Error(
        f"child id={child!r} is there already, and is not running: use restart_child, or delete_child first",
        kind=ALREADY_EXISTS,
        details={"reason": "already_present", "id": child},
    )


def not_found(child: object) -> Error:
    """There is no such child."""
    return Error(
        f"child {child!r} is not there: which_children() shows those that are",
        kind=NOT_FOUND,
        details={"reason": "not_found", "id": child},
    )


def running(child: Hashable, pid: PID) -> Error:
    """The child has to be stopped before."""
    return Error(
        f"child id={child!r} is running as {pid}: terminate_child first",
        kind=CONFLICT,
        details={"reason": "running", "id": child, "pid": str(pid)},
    )


def restarting(child: Hashable) -> Error:
    """The supervisor is trying to restart the child."""
    return Error(
        f"child id={child!r} is being restarted: terminate_child stops the attempts",
        kind=CONFLICT,
        details={"reason": "restarting", "id": child},
    )


def max_children(limit: int) -> Error:
    """A dynamic supervisor has as many children as it may."""
    return Error(
        f"there are max_children={limit} children already",
        kind=CONFLICT,
        details={"reason": "max_children", "max_children": limit},
    )


def failed_to_start(child: Hashable, cause: Error) -> Error:
    """A child could not be started; the cause is its own error."""
    error = Error(
        f"child id={child!r} failed to start: {cause.message}",
        kind=cause.kind,
        retryable=cause.retryable,
        details={"reason": "failed_to_start_child", "id": child, "cause": cause.details.get("reason")},
    )
    error.__cause__ = cause
    return error


def ended_before_ready(pid: PID, reason: Reason) -> Error:
    """A process ended without an error before it said that it was ready."""
    return Error(
        f"process {pid} ended ({reason}) before it was ready",
        kind=INTERNAL,
        retryable=False,
        details={"reason": reason, "pid": str(pid)},
    )


def too_many_restarts(child: Hashable) -> Error:
    """Why a supervisor has ended by itself: its parent decides what then."""
    return Error(
        f"child id={child!r} failed more often than max_restarts allows",
        kind=UNAVAILABLE,
        details={"reason": "reached_max_restart_intensity", "id": child},
    )


def significant_child_ended(child: Hashable, reason: Reason) -> Error:
    """Why a supervisor with `auto_shutdown` has ended; `details["exit"]` is the child's own reason."""
    return Error(
        f"significant child id={child!r} ended: {reason}",
        kind=CANCELED,
        details={"reason": "auto_shutdown", "id": child, "exit": reason},
    )


def service_failed(name: str, cause: Error | None) -> Error:
    """Why an application has ended by itself."""
    error = Error(
        f"service {name!r} has failed for good" + (f": {cause.message}" if cause is not None else ""),
        kind=UNAVAILABLE,
        details={"reason": "service_failed", "service": name},
    )
    error.__cause__ = cause
    return error
