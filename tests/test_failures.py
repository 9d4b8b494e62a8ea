"""Errors as Temporal's failures, and failures as errors and exits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.failure.v1 import Failure
from temporalio.client import WorkflowFailureError
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
    RetryState,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)

from actors import CANCELED, INTERNAL, KINDS, NOT_FOUND, PID, TIMEOUT, Error
from temporal_bridge._wire.converter import JSONConverter, MsgpackConverter
from temporal_bridge._wire.failures import exit_of, from_failure, to_failure


def across(error: BaseException, reader: PayloadConverter | None = None, **settings: Any) -> BaseException:
    """What arrives on the other side of a border."""
    failure = Failure()
    DefaultFailureConverter().to_failure(to_failure(error, **settings), MsgpackConverter(), failure)
    return DefaultFailureConverter().from_failure(failure, reader or MsgpackConverter())


def chain(error: BaseException | None) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while isinstance(error, Error):
        found.append((error.kind, error.message))
        error = error.__cause__
    return found


def test_error_arrives_with_kind_retryable_details_and_causes() -> None:
    details = {"a": (1, {2}), "when": datetime(2026, 1, 1, tzinfo=UTC), "pid": PID("n", "trio", "1")}
    error = Error("no", kind="CONFLICT", retryable=True, details=details)
    error.__cause__ = Error.wrap(KeyError("deep"), "looking")
    for reader in (MsgpackConverter(), JSONConverter()):
        found = from_failure(across(error, reader))
        assert (found.kind, found.message, found.retryable, found.details) == (
            "CONFLICT",
            "no",
            True,
            details,
        )
        assert chain(found) == [
            ("CONFLICT", "no"),
            ("INTERNAL", "looking: KeyError: 'deep'"),
            ("INTERNAL", "KeyError: 'deep'"),
        ]


def test_any_other_exception_is_internal_with_its_type_and_text() -> None:
    found = from_failure(across(ValueError("a bug")))
    assert (found.kind, found.message, found.retryable) == (INTERNAL, "ValueError: a bug", True)
    assert found.details == {"type": "ValueError"}


def test_details_that_cannot_be_serialised_arrive_as_their_text() -> None:
    found = from_failure(across(Error("no", details={"good": 1, "bad": Unprintable()})))
    assert found.details == {"good": 1, "bad": "<unprintable>"}


class Unprintable:
    def __repr__(self) -> str:
        return "<unprintable>"


def test_every_client_of_temporal_can_read_our_failures() -> None:
    plain = DataConverter.default.payload_converter
    for details in ({}, {"a": [1, None]}, {"a": (1, 2)}):
        found = across(Error("no", kind="INVALID", details=details), plain)
        assert isinstance(found, ApplicationError)
        assert (found.type, found.message, found.non_retryable) == ("INVALID", "no", True)
        assert found.details[0]["reason"] == "error"


@pytest.mark.parametrize("kind", KINDS)
def test_kind_decides_whether_temporal_retries_unless_the_error_says_so(kind: str) -> None:
    assert to_failure(Error("x", kind=kind)).non_retryable is (Error("x", kind=kind).retryable is False)
    assert to_failure(Error("x", kind=kind, retryable=False)).non_retryable
    assert not to_failure(Error("x", kind=kind, retryable=True)).non_retryable
    assert to_failure(Error("x", kind=kind)).type == kind


def test_reason_of_an_end_arrives() -> None:
    for reason in ("error", "terminated", "link_down", "shutdown"):
        failure = WorkflowFailureError(cause=across(Error("x", kind=CANCELED), reason=reason))
        assert exit_of(failure)[0] == reason


def activity_error(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "failed",
        scheduled_event_id=5,
        started_event_id=6,
        identity="",
        activity_type="app:charge",
        activity_id="1",
        retry_state=RetryState.TIMEOUT,
    )
    error.__cause__ = cause
    return error


def child_error(cause: BaseException) -> ChildWorkflowError:
    error = ChildWorkflowError(
        "failed",
        namespace="default",
        workflow_id="w",
        run_id="r",
        workflow_type="t",
        initiated_event_id=1,
        started_event_id=2,
        retry_state=None,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("which", "told"),
    [
        (TimeoutType.START_TO_CLOSE, "start_to_close"),
        (TimeoutType.SCHEDULE_TO_START, "schedule_to_start"),
        (TimeoutType.SCHEDULE_TO_CLOSE, "schedule_to_close"),
        (TimeoutType.HEARTBEAT, "heartbeat"),
        (None, "unknown"),
    ],
)
def test_a08_timeout_of_an_activity_tells_which(which: TimeoutType | None, told: str) -> None:
    reason, error = exit_of(activity_error(TimeoutError("t", type=which, last_heartbeat_details=[])))
    assert (reason, error.kind, error.retryable) == ("timed_out", TIMEOUT, True)
    assert error.details == {"timeout_type": told}
    assert error.message == f"function app:charge exceeded its {told}_timeout"


def test_timeout_of_a_workflow_is_one_of_the_workflow() -> None:
    for wrap in (lambda cause: WorkflowFailureError(cause=cause), child_error):
        reason, error = exit_of(
            wrap(TimeoutError("t", type=TimeoutType.START_TO_CLOSE, last_heartbeat_details=[]))
        )
        assert (reason, error.kind, error.details) == ("timed_out", TIMEOUT, {"timeout_type": "workflow"})


def test_timeout_keeps_the_last_failure_as_its_cause() -> None:
    timeout = TimeoutError("t", type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[])
    timeout.__cause__ = ApplicationError("declined", type="UNAVAILABLE")
    assert chain(from_failure(activity_error(timeout)))[1] == ("UNAVAILABLE", "declined")


def test_terminated_and_cancelled_are_exits_of_their_own() -> None:
    assert exit_of(WorkflowFailureError(cause=TerminatedError("enough")))[0] == "terminated"
    reason, error = exit_of(WorkflowFailureError(cause=CancelledError("stop")))
    assert (reason, error.kind) == ("cancelled", CANCELED)


@pytest.mark.parametrize("word", ["Terminated", ""])
def test_end_without_a_reason_is_told_in_one_word(word: str) -> None:
    assert from_failure(TerminatedError(word)).message == "terminated"
    assert from_failure(CancelledError("Workflow cancelled")).message == "cancelled"
    assert from_failure(TerminatedError("enough")).message == "terminated: enough"


def test_a14_foreign_failures_are_told_by_their_type() -> None:
    for failure, kind, text, retryable in (
        (ApplicationError("x", type="OutOfStock"), INTERNAL, "OutOfStock: x", True),
        (ApplicationError("x", type="OutOfStock", non_retryable=True), INTERNAL, "OutOfStock: x", False),
        (ApplicationError("x"), INTERNAL, "x", True),
        (ApplicationError("x", type="NOT_FOUND"), NOT_FOUND, "x", False),
        (ApplicationError("no such activity", type="NotFoundError"), NOT_FOUND, "no such activity", False),
    ):
        error = from_failure(activity_error(failure))
        assert (error.kind, error.message, error.retryable) == (kind, text, retryable)
    details = from_failure(ApplicationError("x", {"a": 1}, 2, type="Own")).details
    assert details == {"type": "Own", "values": [{"a": 1}, 2]}


def test_senseless_facts_of_a_stranger_are_no_reason_to_crash() -> None:
    for facts in (
        {"everproc": 1},
        {"everproc": 1, "retryable": "x", "details": 5, "reason": 7},
        {"everproc": 1, "packed": "!"},
    ):
        error = from_failure(ApplicationError("x", facts, type="INVALID"))
        assert (error.kind, error.message) == ("INVALID", "x")


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.text(), st.sampled_from(KINDS), st.none() | st.booleans()), min_size=1, max_size=6)
)
def test_whole_chain_of_causes_arrives_in_order(links: list[tuple[str, str, bool | None]]) -> None:
    first: Error | None = None
    for message, kind, retryable in reversed(links):
        error = Error(message, kind=kind, retryable=retryable)
        error.__cause__ = first
        first = error
    assert first is not None
    found = from_failure(across(first))
    assert chain(found) == chain(first)
    assert found.retryable == first.retryable
