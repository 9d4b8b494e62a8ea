"""Updates of workflows as RPCs: what the server will not take as one, it says at once."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.update.v1 import Input, Meta, Outcome, Request, UpdateRef, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    PollWorkflowExecutionUpdateRequest,
    UpdateWorkflowExecutionRequest,
    UpdateWorkflowExecutionResponse,
)
from temporalio.client import Client
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from actors.wire import CallOutcome, Envelope
from temporal_bridge._wire import signals
from temporal_bridge._wire.failures import from_failure

_BY_MESSAGE: Final = (
    RPCStatusCode.RESOURCE_EXHAUSTED,  # too many updates at once, or a run that is about to close
    RPCStatusCode.FAILED_PRECONDITION,  # too many in the life of the run
    RPCStatusCode.UNIMPLEMENTED,
)
"""Refusals of an update that say nothing against a signal."""

_TOO_LATE: Final = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
"""Nothing is known: the same request again finds out, it is the same update."""

_AGAIN: Final = 0.05
"""Seconds until an update that the server has dropped is brought again."""

_PAUSES: Final = (0.1, 0.3, 0.6, 1.0, 2.0)
"""Seconds between the tries while the server has no room."""

_DONE: Final = WaitPolicy(lifecycle_stage=Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED)


async def send_update(client: Client, workflow_id: str, key: str, item: Envelope) -> tuple[Any, str | None]:
    """Update a workflow: what the update returned, or why not, and the run that took it if one did.

    The server refuses an eleventh update with RESOURCE_EXHAUSTED, for which Temporal's client would ask again for ten
    seconds. So we ask ourselves, for four; only a server that is away has the client's patience. What was
    refused may have been taken all the same, as `refused_envelope` tells.

    Raises:
        Error: what the update failed with.
        RPCError: as `WorkflowHandle.start_update`.
    """
    context = WorkflowSerializationContext(client.namespace, workflow_id)
    converter = client.data_converter.with_context(context)
    request = UpdateWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        request=Request(meta=Meta(update_id=key, identity=client.identity), input=Input(name=item.topic)),
        wait_policy=_DONE,
    )
    if item.values:
        request.request.input.args.payloads.extend(await converter.encode(item.values))
    header = signals.to_header({"from": item.sender, "call": item.call, "cause": item.cause})
    for name, payload in header.items():
        request.request.input.header.fields[name].CopyFrom(payload)
    answer = await _brought(client, request)
    if isinstance(answer, CallOutcome):
        return answer, None
    run_id = answer.update_ref.workflow_execution.run_id
    outcome = answer.outcome if answer.HasField("outcome") else await _outcome(client, answer.update_ref)
    if outcome is None:
        return CallOutcome.EXITED, run_id
    if outcome.HasField("failure"):
        failure = await converter.decode_failure(outcome.failure)
        if isinstance(failure, ApplicationError) and failure.type == "AcceptedUpdateCompletedWorkflow":
            return CallOutcome.EXITED, run_id
        raise from_failure(failure) from failure
    values = await converter.decode(outcome.success.payloads)
    return (values[0] if values else None), run_id


async def _brought(
    client: Client, request: UpdateWorkflowExecutionRequest
) -> UpdateWorkflowExecutionResponse | CallOutcome:
    """Bring an update until it is accepted, or the server does not take it."""
    patient = False
    pauses = iter(_PAUSES)
    while True:
        try:
            answer = await client.workflow_service.update_workflow_execution(request, retry=patient)
        except RPCError as refusal:
            if refusal.status is RPCStatusCode.NOT_FOUND:
                return CallOutcome.EXITED
            pause = next(pauses, None) if refusal.status is RPCStatusCode.RESOURCE_EXHAUSTED else None
            if pause is not None:
                await asyncio.sleep(pause)
            elif refusal.status in _BY_MESSAGE:
                return CallOutcome.REFUSED
            elif refusal.status is RPCStatusCode.UNAVAILABLE and "aborted" in refusal.message:
                # Its workflow task has failed or was lost: it was not taken. The same again is the same call.
                await asyncio.sleep(_AGAIN)
            elif refusal.status not in _TOO_LATE:
                if patient:
                    raise
                patient = True
        else:
            if answer.stage >= Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED:
                return answer


async def _outcome(client: Client, update: UpdateRef) -> Outcome | None:
    """Wait for that of an update that was accepted; None when its run was deleted."""
    request = PollWorkflowExecutionUpdateRequest(
        namespace=client.namespace, update_ref=update, identity=client.identity, wait_policy=_DONE
    )
    while True:
        try:
            answer = await client.workflow_service.poll_workflow_execution_update(request, retry=True)
        except RPCError as refusal:
            if refusal.status is RPCStatusCode.NOT_FOUND:
                return None
            if refusal.status not in _TOO_LATE:
                raise
        else:
            if answer.HasField("outcome"):
                return answer.outcome
