"""What the server shows of executions: their age, and whether they are suspended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.client import WorkflowExecution as Listed

from actors import PID

_CAUSES: Final = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
)
"""Those of a worker. A task also fails for a signal that came while it completed, for one."""


async def last_task_failure(client: Client, target: PID) -> str | None:
    """Why the last workflow task of a process has failed; None unless it has, and none was done since."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=target.node, execution=WorkflowExecution(workflow_id=target.id), maximum_page_size=100
    )
    answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
    for event in answer.history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            return None
        if event.HasField("workflow_task_failed_event_attributes"):
            failed = event.workflow_task_failed_event_attributes
            if failed.cause not in _CAUSES:
                return None
            return failed.failure.message.removeprefix("suspended: ") or "its workflow task failed"
    return None


def is_listed_as_suspended(found: Listed) -> bool:
    """Whether a list of executions shows one as suspended: the server does from the second failed task on, or fifth."""
    problems = found.search_attributes.get("TemporalReportedProblems", ())
    return any(str(problem).removeprefix("cause=WorkflowTaskFailedCause") in _LISTED for problem in problems)


_LISTED: Final = ("WorkflowWorkerUnhandledFailure", "NonDeterministicError")


def age_of(found: Listed) -> timedelta:
    """The time since the start, up to the end."""
    return (found.close_time or datetime.now(UTC)) - found.start_time


def quoted(text: str) -> str:
    """As a string of the server's list queries."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
