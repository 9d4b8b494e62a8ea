"""The log of Temporal's SDK in our words: one line for each thing that happened, and the details at DEBUG."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from actors import INTERNAL

log = logging.getLogger("everproc.bridge")

CORE: Final = "everproc.temporal"
"""The logger that the core of the SDK, which is no Python, is forwarded to."""


class FunctionLog(logging.Filter):
    """For the SDK's logger of activities: a function that failed, or was stopped, is told in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; it is rewritten here."""
        facts: Mapping[str, Any] | None = getattr(record, "temporal_activity", None)
        if facts is None or record.exc_info is None or record.levelno < logging.WARNING:
            return True
        error = record.exc_info[1]
        if isinstance(error, ApplicationError):
            what = f"failed: {_text_of(error)}"
        elif activity.in_activity() and _timed_out():
            what = "exceeded its timeout, and was stopped"
        elif record.getMessage().startswith("Completing activity as failed"):
            record.levelno, record.levelname = logging.INFO, "INFO"
            what = "was cancelled, or nobody waited for it any more, and was stopped"
        else:
            return True
        log.debug("details of a call of %s", facts.get("activity_type"), exc_info=record.exc_info)
        record.msg = "function %s, called by %s, attempt %s, %s"
        record.args = (facts.get("activity_type"), facts.get("workflow_id"), facts.get("attempt"), what)
        record.exc_info = record.exc_text = None
        return logging.getLogger(record.name).isEnabledFor(record.levelno)


def _text_of(error: ApplicationError) -> str:
    """As the caller reads it."""
    return error.message if error.type == INTERNAL else f"{error.type}: {error.message}"


def _timed_out() -> bool:
    """Whether the time is over: of a function elsewhere the server says only that it has no such call any more."""
    details, info = activity.cancellation_details(), activity.info()
    if details is not None and details.timed_out:
        return True
    took = datetime.now(UTC) - info.started_time
    return info.start_to_close_timeout is not None and took >= info.start_to_close_timeout


class CoreLog(logging.Filter):
    """For the log of the core: without the debug output of its types, and without what is no concern of anybody."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; it is rewritten here."""
        found = _CORE.fullmatch(record.getMessage())
        if found is None:
            return True
        text, fields = found["text"], found["fields"] or ""
        log.debug("the core of the SDK says: %s %s", text, fields)
        if text.startswith(_NO_CONCERN):
            return False
        told = _MESSAGE.search(fields)
        if text.startswith("Failing workflow task"):
            message = "" if told is None else told["message"]
            if message.startswith(SUSPENDED):
                return False  # the process has said so itself
            run = _RUN.search(fields)
            of = f" of run {run['run']}" if run is not None else ""
            if _NONDETERMINISM in message:
                record.msg = "durable process%s is suspended until code is deployed that fits its history: %s"
                record.args = (of, f"{message:.300}")
                record.levelno, record.levelname = logging.ERROR, "ERROR"
                return is_first_report(of, message)
            text = f"a workflow task{of} failed, and is tried again"
        record.msg = "Temporal: %s%s"
        record.args = (text.removesuffix("."), f": {told['message']:.300}" if told is not None else "")
        return True


SUSPENDED: Final = "suspended: "
"""How the failure of the workflow task of a suspended process begins."""

_NONDETERMINISM: Final = "Nondeterminism error"

_MOST_REPORTED: Final = 10_000

_reported: dict[tuple[str, str], None] = {}
"""Which suspended processes this program has reported, and why: a task is tried again, and the log has one line."""


def is_first_report(process: str, reason: str) -> bool:
    """Whether the suspension of a process for a reason has not been reported yet; notes it."""
    key = (process, reason)
    if key in _reported:
        return False
    if len(_reported) >= _MOST_REPORTED:
        del _reported[next(iter(_reported))]
    _reported[key] = None
    return True


_CORE: Final = re.compile(r"\[sdk_core::[^\]]*\] (?P<text>.*?)(?: (?P<fields>\{.*\}))?", re.DOTALL)
_MESSAGE: Final = re.compile(r'message: \\?"(?P<message>(?:[^"\\]|\\.)*)\\?"')
_RUN: Final = re.compile(r"'run_id': '(?P<run>[^']+)'")
_NO_CONCERN: Final = (
    "Activity not found on completion",  # its caller has ended, or had given it up
    "Task not found when completing",  # as is the task of a workflow that was ended
    "Tried to complete untracked local activity",
    "Error while completing workflow activation",  # "Failing workflow task" has told it
)

_functions: Final = FunctionLog()
_core: Final = CoreLog()


def quiet_sdk_log() -> None:
    """Have the log of the SDK in our words."""
    activity.logger.base_logger.addFilter(_functions)  # fine when it was added before
    logging.getLogger(CORE).addFilter(_core)
