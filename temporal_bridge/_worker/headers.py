"""Headers: `outgoing` is added to whatever leaves, what comes in is put into `incoming`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import temporalio.client
import temporalio.worker
import temporalio.workflow
from temporalio.api.common.v1 import Payload

from temporal_bridge._wire import signals


def _with(headers: Mapping[str, Payload]) -> dict[str, Payload]:
    return {**headers, **(signals.outgoing.get() or {})}


class HeaderInterceptor(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Given to a client once, it serves the client and all of its workers."""

    def intercept_client(
        self, next: temporalio.client.OutboundInterceptor
    ) -> temporalio.client.OutboundInterceptor:
        """As the SDK asks."""
        return _Client(next)

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        """As the SDK asks."""
        return _Activity(next)

    def workflow_interceptor_class(
        self, input: temporalio.worker.WorkflowInterceptorClassInput
    ) -> type[temporalio.worker.WorkflowInboundInterceptor]:
        """As the SDK asks."""
        return _Workflow


class _Client(temporalio.client.OutboundInterceptor):
    async def start_workflow(
        self, input: temporalio.client.StartWorkflowInput
    ) -> temporalio.client.WorkflowHandle[Any, Any]:
        input.headers = _with(input.headers)
        return await super().start_workflow(input)


class _Activity(temporalio.worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        signals.incoming.set(signals.facts_of(input.headers, "a call"))
        return await super().execute_activity(input)


class _Workflow(temporalio.worker.WorkflowInboundInterceptor):
    def init(self, outbound: temporalio.worker.WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound))

    async def handle_signal(self, input: temporalio.worker.HandleSignalInput) -> None:
        signals.incoming.set(signals.facts_of(input.headers, f"signal name={input.signal!r}"))
        await super().handle_signal(input)

    def handle_update_validator(self, input: temporalio.worker.HandleUpdateInput) -> None:
        signals.incoming.set(signals.facts_of(input.headers, f"update name={input.update!r}"))
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: temporalio.worker.HandleUpdateInput) -> Any:
        signals.incoming.set(signals.facts_of(input.headers, f"update name={input.update!r}"))
        return await super().handle_update_handler(input)


class _WorkflowOutbound(temporalio.worker.WorkflowOutboundInterceptor):
    def continue_as_new(self, input: temporalio.worker.ContinueAsNewInput) -> Any:
        input.headers = _with(input.headers)
        super().continue_as_new(input)

    async def signal_child_workflow(self, input: temporalio.worker.SignalChildWorkflowInput) -> None:
        input.headers = _with(input.headers)
        await super().signal_child_workflow(input)

    async def signal_external_workflow(self, input: temporalio.worker.SignalExternalWorkflowInput) -> None:
        input.headers = _with(input.headers)
        await super().signal_external_workflow(input)

    def start_activity(
        self, input: temporalio.worker.StartActivityInput
    ) -> temporalio.workflow.ActivityHandle[Any]:
        input.headers = _with(input.headers)
        input.disable_eager_execution = input.disable_eager_execution or not signals.eager.get()
        return super().start_activity(input)

    async def start_child_workflow(
        self, input: temporalio.worker.StartChildWorkflowInput
    ) -> temporalio.workflow.ChildWorkflowHandle[Any, Any]:
        input.headers = _with(input.headers)
        return await super().start_child_workflow(input)

    def start_local_activity(
        self, input: temporalio.worker.StartLocalActivityInput
    ) -> temporalio.workflow.ActivityHandle[Any]:
        input.headers = _with(input.headers)
        return super().start_local_activity(input)
