"""Suspension: a process whose code does not fit its history or its arguments waits for code that does (promise 46).

What a workflow raises that is no failure of Temporal's fails the workflow task, not the workflow: Temporal tries the
task again until one succeeds. So a deployment that does not fit loses no process, and going back to code that fits, or
forward, continues it.
"""

from __future__ import annotations

import logging
from typing import Final

from temporalio import workflow

from actors import Error
from temporal_bridge._wire.extern_functions import extern_function
from temporal_bridge._wire.sdk_log import SUSPENDED, is_first_report
from temporal_bridge._workflow.dead_letters import TELL

log = logging.getLogger("everproc.bridge")


class Suspended(Exception):
    """Fails the workflow task of a process that its code does not fit; the message says what to do."""


def suspension(error: Error) -> Suspended:
    """The suspension of the running process because of `error`; logged once for each reason, by a worker."""
    info = workflow.info()
    if extern_function(TELL) is not None and is_first_report(info.workflow_id, error.message):
        log.error(
            "durable process %s (%s) is suspended until code is deployed that fits it: %s",
            info.workflow_id,
            info.workflow_type,
            error.message,
        )
    suspended = Suspended(f"{SUSPENDED}{error.message}")
    suspended.__cause__ = error
    return suspended


class _NoTraceback(logging.Filter):
    """For the SDK's logger of workflows: each attempt of a suspended process would be a traceback there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        return record.exc_info is None or not isinstance(record.exc_info[1], Suspended)


_LOGGER: Final = "temporalio.worker._workflow_instance"
_no_traceback: Final = _NoTraceback()


def quiet_log() -> None:
    """Let the log have one line for a suspended process; `sdk_log.py` sees to what the core of the SDK logs of it."""
    logging.getLogger(_LOGGER).addFilter(_no_traceback)  # fine when it was added before
