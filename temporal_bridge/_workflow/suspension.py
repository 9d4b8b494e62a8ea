"""Suspension: a process whose code does not fit its history or its arguments waits for code that does (promise 46).

What a workflow raises that is no failure of Temporal's fails the workflow task, not the workflow: Temporal tries the
task again until one succeeds. So a deployment that does not fit loses no process, and going back to code that fits, or
forward, continues it.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from temporalio import workflow

from actors import Error
from temporal_bridge._wire.extern_functions import extern_function
from temporal_bridge._workflow.dead_letters import TELL

log = logging.getLogger("everproc.bridge")

_MOST_REPORTED: Final = 10_000

_reported: dict[tuple[str, str], None] = {}
"""Which processes this program has reported, and why: a task is tried again and again, the log has one line."""


class Suspended(Exception):
    """Fails the workflow task of a process that its code does not fit; the message says what to do."""


def suspension(error: Error) -> Suspended:
    """The suspension of the running process because of `error`; logged once for each reason, by a worker."""
    info = workflow.info()
    if extern_function(TELL) is not None and _is_first(info.workflow_id, error.message):
        log.error(
            "durable process %s (%s) is suspended until code is deployed that fits it: %s",
            info.workflow_id,
            info.workflow_type,
            error.message,
        )
    suspended = Suspended(f"suspended: {error.message}")
    suspended.__cause__ = error
    return suspended


def _is_first(process: str, reason: str) -> bool:
    key = (process, reason)
    if key in _reported:
        return False
    if len(_reported) >= _MOST_REPORTED:
        del _reported[next(iter(_reported))]
    _reported[key] = None
    return True


class _OneLine(logging.Filter):
    """Keeps of the SDK's records about suspended processes one for each process and reason, in our words.

    The SDK logs each failed attempt twice: a traceback in Python, and the debug output of its types in Rust.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged; it is rewritten here."""
        if record.exc_info is not None and isinstance(record.exc_info[1], Suspended):
            return False
        text = record.getMessage()
        if "Failing workflow task" not in text:
            return True
        if "suspended: " in text:
            return False
        found = _NONDETERMINISM.search(text)
        if found is None:
            return True
        record.msg = "durable process of run %s is suspended until code is deployed that fits its history: %s"
        record.args = (found["run"], f"Nondeterminism error: {found['text']}")
        record.levelno, record.levelname = logging.ERROR, "ERROR"
        return _is_first(found["run"], found["text"])


_NONDETERMINISM: Final = re.compile(
    r'message: "(?:\[TMPRL1100\] )?Nondeterminism error: (?P<text>(?:[^"\\]|\\.)*)".*\'run_id\': \'(?P<run>[^\']+)',
    re.DOTALL,
)
_LOGGERS: Final = ("temporalio.worker._workflow_instance", "everproc.temporal")
_one_line: Final = _OneLine()


def quiet_log() -> None:
    """Let the log have one line for a suspended process, and not two for each attempt of its task."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_one_line)  # fine when it was added before
