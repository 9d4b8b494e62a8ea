"""Signals to workflows as RPCs, which wait only for as long as a workflow takes to close its run."""

from __future__ import annotations

import asyncio
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from temporal_bridge._wire.failures import too_many_signals
from temporal_bridge._wire.signals import Signal

_PAUSES: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
"""Seconds between the first tries."""

_TOO_MANY: Final = "limit for signal events"


async def try_signal(client: Client, workflow_id: str, signal: Signal, request_id: str) -> bool:
    """`send_signal` in a single try: whether the server has taken it. Why it has not, another try will tell."""
    try:
        request = await _request(client, workflow_id, signal, request_id)
        await client.workflow_service.signal_workflow_execution(request, retry=False)
    except Exception:  # noqa: BLE001 - see above
        return False
    return True


async def send_signal(client: Client, workflow_id: str, signal: Signal, request_id: str) -> None:
    """Signal a workflow. The server takes a request once, however often it is asked.

    A run that closes although it has been signalled, as one does that continues as new, turns signals away until it has
    closed: with RESOURCE_EXHAUSTED, for which Temporal's client waits a second. The new run is there in milliseconds,
    so we ask again ourselves first.

    Raises:
        Error: kind UNAVAILABLE, when its run has taken all the signals that the server allows.
        RPCError: as `WorkflowHandle.signal`.
    """
    request = await _request(client, workflow_id, signal, request_id)
    for pause in _PAUSES:
        try:
            await client.workflow_service.signal_workflow_execution(request, retry=False)
        except RPCError as error:
            if _TOO_MANY in error.message:
                raise too_many_signals(workflow_id) from error
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
            if error.status is not RPCStatusCode.RESOURCE_EXHAUSTED:
                break
            await asyncio.sleep(pause)
        else:
            return
    await client.workflow_service.signal_workflow_execution(request, retry=True)


async def _request(
    client: Client, workflow_id: str, signal: Signal, request_id: str
) -> SignalWorkflowExecutionRequest:
    """Waits only for a codec."""
    context = WorkflowSerializationContext(client.namespace, workflow_id)
    request = SignalWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        signal_name=signal.name,
        identity=client.identity,
        request_id=request_id,
    )
    if signal.args:
        request.input.payloads.extend(await client.data_converter.with_context(context).encode(signal.args))
    for name, payload in signal.header.items():
        request.header.fields[name].CopyFrom(payload)
    return request
