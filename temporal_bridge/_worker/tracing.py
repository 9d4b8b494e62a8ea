"""Traces of durable processes: the SDK's own interceptor, and beside its spans those of messages, as in a node.

A durable process is replayed, so its spans have no length, and are made outside it, and only when it runs for the first
time. What it does on replay has the cause that came with the message. See the SDK's `TracingInterceptor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from actors import Kernel
from temporal_bridge._workflow.tracing import EXTERN, MakeSpan

if TYPE_CHECKING:
    from temporalio.client import Interceptor


# OpenTelemetry is imported where it is used: it need not be installed.


def tracing_interceptors(kernel: Kernel) -> list[Interceptor]:
    """The interceptors of a bridge: one if its node is traced."""
    if kernel.instruments.tracing is None:
        return []
    from opentelemetry import trace
    from opentelemetry.context import Context
    from temporalio.contrib.opentelemetry import TracingInterceptor
    from temporalio.worker import WorkflowInterceptorClassInput

    from actors.spans import LiveSpans, SpanTracing, carried, carrier_of

    tracing = kernel.instruments.tracing
    assert isinstance(tracing, SpanTracing)
    assert isinstance(tracing.spans, LiveSpans)
    tracer = tracing.spans.tracer

    def make_span(
        name: str, kind: int, cause: Mapping[str, str], attributes: Mapping[str, str], time: int
    ) -> Mapping[str, str]:
        parent = carried(cause, Context())
        span = tracer.start_span(name, parent, trace.SpanKind(kind), attributes, start_time=time)
        span.end(end_time=time)
        return carrier_of(trace.set_span_in_context(span, parent))

    class Interceptor(TracingInterceptor):
        def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> Any:
            externs = cast("dict[str, MakeSpan]", input.unsafe_extern_functions)  # pyright: ignore[reportUnknownMemberType]
            externs[EXTERN] = make_span
            return super().workflow_interceptor_class(input)

    return [Interceptor(tracer)]
