"""Where the code of durable processes runs: in Temporal's sandbox, or without it."""

from __future__ import annotations

from typing import Final

from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

import actors

PASSED_THROUGH: Final = (
    "actors",
    "temporal_bridge",
    "supervision",
    "attrs",
    "attr",
    "msgpack",
    "trio",
    "outcome",
    "opentelemetry",
)
"""What is not imported again for each workflow: our packages, and what they need."""


def workflow_runner(sandbox: bool) -> WorkflowRunner:
    """What a worker, or a replay, runs durable processes with."""
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    # Only a module that is loaded already passes through, and some of `actors` are loaded when they are named.
    for name in actors.__all__:
        getattr(actors, name)
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    )
