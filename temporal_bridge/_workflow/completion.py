"""The end of a durable process, as Temporal is told of it: a value, a cancellation, or a failure."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from temporalio import workflow

from actors import Entry, Error, Exit, Process, Reason
from temporal_bridge._wire.converter import payload_size
from temporal_bridge._wire.failures import to_failure, to_memo
from temporal_bridge._workflow.determinism import explained

log = logging.getLogger("everproc.bridge")


def completion(process: Process, entry: Entry, event: Exit, asked_to_stop: bool) -> Any:
    """The result of the workflow; raises what its end is in Temporal's words.

    Args:
        process: the one that has ended.
        entry: whose code it ended in.
        event: how.
        asked_to_stop: whether somebody has asked Temporal to cancel it.
    """
    reason, error = event.reason, event.result.error
    if reason == "cancelled" and asked_to_stop:
        raise asyncio.CancelledError
    if error is None:
        try:
            payload_size(workflow.payload_converter(), [event.result.value], f"the result of {entry.id}")
        except Error as unserialisable:
            reason, error = "error", unserialisable
    if error is None:
        return event.result.value
    if not workflow.unsafe.is_replaying():
        _report(process, entry, reason, error)
    # A durable parent would see no more of such a child than that it was cancelled: to it the child fails.
    if reason == "shutdown" and asked_to_stop and workflow.info().parent is None:
        workflow.upsert_memo(to_memo(error, reason))
        raise asyncio.CancelledError
    if reason == "error" and entry.on_crash == "suspend" and error.__cause__ is not None:
        raise error.__cause__  # fails the task, which is tried again until mended code is deployed
    raise to_failure(explained(error), reason)


def result_size(event: Exit) -> int:
    """The bytes of the result; 0 of one that cannot be written, of which `completion` says what is wrong."""
    try:
        return payload_size(workflow.payload_converter(), [event.result.value], "the result")
    except Error:
        return 0


def _report(process: Process, entry: Entry, reason: Reason, error: Error) -> None:
    log.log(
        logging.WARNING if reason == "error" else logging.INFO,
        "durable process %s (%s), spawned by %s, ended with reason=%s: %s",
        process.pid,
        entry.id,
        process.parent or "code outside any process",
        reason,
        error,
        exc_info=error.__cause__,
    )
