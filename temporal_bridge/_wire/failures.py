"""Errors and exits across Temporal's borders: `actors.Error` as application failures, and failures as `Error`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final, cast, get_args

from temporalio.client import ActivityFailureError, WorkflowExecution, WorkflowFailureError
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)

from actors import CANCELED, INTERNAL, KINDS, NOT_FOUND, TIMEOUT, UNAVAILABLE, Error, Reason, Result
from actors.wire import MOST_CAUSES, is_json, pack, short_text, shortened, unpack
from temporal_bridge._wire.converter import PlainJSON

_MARK: Final = "everproc"
_END: Final = "everproc_end"
_TIMEOUTS = {
    TimeoutType.START_TO_CLOSE: "start_to_close",
    TimeoutType.SCHEDULE_TO_START: "schedule_to_start",
    TimeoutType.SCHEDULE_TO_CLOSE: "schedule_to_close",
    TimeoutType.HEARTBEAT: "heartbeat",
}


def to_failure(error: BaseException, reason: Reason = "error", most: int = MOST_CAUSES) -> ApplicationError:
    """An error as the failure that carries it: its kind is the failure's type, which retry policies name.

    It is shortened to what the server takes, with at most as many errors of its chain as `most` says.

    Whatever in `details` cannot be serialised is carried as its text, so that a failure always arrives. All of it is
    JSON, so that every client and worker of Temporal's can read it.
    """
    own = shortened(Error.of(error))
    raised = own.__cause__ if own is not error and own.__cause__ is not None else own
    facts = _facts(own, reason)
    if not own.message:
        facts["silent"] = True  # the SDK puts words of its own where there are none
    failure = ApplicationError(
        own.message,
        PlainJSON(facts),
        type=own.kind,
        non_retryable=own.retryable is False,
        # What was raised on purpose is not the worker's to warn of.
        category=ApplicationErrorCategory.UNSPECIFIED
        if not isinstance(error, Error)
        else ApplicationErrorCategory.BENIGN,
    )
    if own.__cause__ is not None and most > 1:
        failure.__cause__ = _cause(own.__cause__, most - 1)
    return failure.with_traceback(raised.__traceback__)  # shown in Temporal's UI


def _facts(error: Error, reason: Reason) -> dict[str, Any]:
    return {_MARK: 1, "reason": reason, "retryable": error.retryable, **_written(error.details)}


def to_details(error: Error) -> PlainJSON:
    """An error as what a termination says of itself, besides its text."""
    error = shortened(error)
    return PlainJSON({**_facts(error, "error"), "kind": error.kind})


def to_memo(error: Error, reason: Reason) -> dict[str, Any]:
    """The end of a process whose execution closes as cancelled, which has no room for it."""
    error = shortened(error)
    return {_END: PlainJSON({**_facts(error, reason), "kind": error.kind, "message": error.message})}


async def exit_in_memo(execution: WorkflowExecution) -> tuple[Reason, Error] | None:
    """The end that `to_memo` has written, if it has."""
    found: Any = await execution.memo_value(_END, None)
    if not isinstance(found, dict) or _MARK not in found:
        return None
    facts = cast("dict[str, Any]", found)
    return _own(CancelledError(str(facts.get("message", ""))), str(facts.get("kind")), facts)


def _cause(cause: BaseException, most: int) -> BaseException:
    """The cause as a failure. The wrapped original of an INTERNAL error is told by its type and text."""
    if isinstance(cause, FailureError):
        return cause
    if isinstance(cause, Error):
        return to_failure(cause, most=most)
    return ApplicationError(short_text(str(cause)), type=type(cause).__name__)


def _written(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details as JSON where that holds them exactly, else packed."""
    plain: dict[str, Any] = {}
    for key, value in details.items():
        try:
            pack(value)
            plain[str(key)] = value
        except Error:
            plain[str(key)] = repr(value)
    return {"details": plain} if is_json(plain) else {"packed": b64encode(pack(plain)).decode()}


def _read(facts: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = facts.get("details", {})
    if "packed" in facts:
        try:
            found = unpack(b64decode(facts["packed"]))
        except (
            Error,
            TypeError,
            ValueError,
        ) as error:  # of a class that is not registered here, or a stranger's
            found = {"unreadable": str(error)}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def too_many_signals(workflow_id: str) -> Error:
    """The error of a send to a process whose run has taken all the signals that the server allows."""
    return Error(
        f"the durable process {workflow_id!r} has taken as many signals as Temporal allows for one run (10,000 by"
        " default): have it `upgrade()` when `temporal_bridge.workflow.should_upgrade()` says so, in time",
        kind=UNAVAILABLE,
        details={"workflow_id": workflow_id},
    )


def from_failure(failure: BaseException) -> Error:
    """The `Error` for whatever Temporal raised: one of ours unchanged, a foreign one by what it is."""
    return exit_of(failure)[1]


def exit_of(failure: BaseException) -> tuple[Reason, Error]:
    """Why a durable process ended, and its error."""
    if isinstance(failure, Error):
        return "error", failure
    if isinstance(failure, WorkflowFailureError | ActivityError | ActivityFailureError | ChildWorkflowError):
        cause = failure.__cause__
        if isinstance(cause, TimeoutError):
            return "timed_out", _timed_out(failure, cause)
        return exit_of(cause) if cause is not None else ("error", Error(str(failure), kind=INTERNAL))
    if isinstance(failure, TimeoutError):
        return "timed_out", _timed_out(failure, failure)
    if isinstance(failure, TerminatedError):
        facts: Any = failure.details[0] if failure.details else None
        own = cast("dict[str, Any]", facts) if isinstance(facts, dict) and _MARK in facts else {}
        if own.get("kind") in KINDS:
            return _own(failure, own["kind"], own)
        return "terminated", Error(_with_reason("terminated", failure), kind=CANCELED)
    if isinstance(failure, CancelledError):
        return "cancelled", Error(_with_reason("cancelled", failure), kind=CANCELED)
    if isinstance(failure, ApplicationError):
        return _application(failure)
    return "error", Error.of(failure)


def _with_reason(what: str, failure: FailureError) -> str:
    """Where nobody has given a reason, the server and the SDK say the same in a word or two of theirs."""
    own = failure.message.lower() in ("", what, f"workflow {what}", f"activity {what}")
    return what if own else f"{what}: {failure.message}"


def _timed_out(failure: BaseException, timeout: TimeoutError) -> Error:
    """A workflow has one kind of timeout, which the server reports as if it were an activity's."""
    if isinstance(failure, WorkflowFailureError | ChildWorkflowError):
        text, which = "the durable process exceeded its execution_timeout or run_timeout", "workflow"
    else:
        which = _TIMEOUTS.get(timeout.type, "unknown") if timeout.type is not None else "unknown"
        what = f"function {failure.activity_type}" if isinstance(failure, ActivityError) else "the function"
        text = f"{what} exceeded its {which}_timeout"
    return _with_cause(Error(text, kind=TIMEOUT, details={"timeout_type": which}), timeout)


def _application(failure: ApplicationError) -> tuple[Reason, Error]:
    facts: Any = failure.details[0] if failure.details else None
    if isinstance(facts, dict) and _MARK in facts and failure.type in KINDS:
        reason, error = _own(failure, failure.type, cast("dict[str, Any]", facts))
        return reason, _with_cause(error, failure)
    if failure.type in KINDS:
        kind, text, details = failure.type, failure.message, {}
    else:
        missing = failure.type == "NotFoundError"
        kind = NOT_FOUND if missing else INTERNAL
        text = f"{failure.type}: {failure.message}" if failure.type and not missing else failure.message
        details = {"type": failure.type} if failure.type else {}
    error = Error(
        text,
        kind=kind,
        retryable=False if failure.non_retryable else None,
        details={**details, **({"values": list(failure.details)} if failure.details else {})},
    )
    return "error", _with_cause(error, failure)


def _own(failure: FailureError, kind: str, facts: Mapping[str, Any]) -> tuple[Reason, Error]:
    """What `to_failure` wrote; whatever else a stranger may have put there is left out."""
    retryable, reason = facts.get("retryable"), facts.get("reason")
    error = Error(
        "" if facts.get("silent") is True else failure.message,
        kind=kind,
        retryable=retryable if isinstance(retryable, bool) else None,
        details=_read(facts),
    )
    return cast("Reason", reason) if isinstance(reason, str) and reason in get_args(
        Reason
    ) else "error", error


def _with_cause(error: Error, failure: FailureError) -> Error:
    if failure.cause is not None:
        error.__cause__ = from_failure(failure.cause)
    return error


def gone_with_node(text: str) -> Result:
    """The result of a process that can no longer be watched."""
    return Result(error=Error(text, kind=UNAVAILABLE))
