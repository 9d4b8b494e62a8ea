"""Traces of durable processes: the SDK's own interceptor, and beside its spans those of messages, as in a node.

A durable process is replayed, so its spans have no length, and are made outside it, and only when it runs for the first
time. What it does on replay has the cause that came with the message. See the SDK's `TracingInterceptor`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from temporalio import workflow

from actors import Entry, Process
from temporal_bridge._wire.extern_functions import extern_function

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import SpanKind

    from actors.spans import SpanTracing

# OpenTelemetry is imported where it is used: it need not be installed.

EXTERN: Final = "__everproc_span"
"""The function outside by which a traced workflow has a span made."""


MakeSpan = Callable[[str, int, Mapping[str, str], Mapping[str, str], int], Mapping[str, str]]
"""From name, kind, cause, attributes and time in ns to the cause that the span is for others."""


def workflow_tracing() -> SpanTracing | None:
    """The tracing of the running workflow; None unless the bridge of its worker has one."""
    found = extern_function(EXTERN)
    if found is None:
        return None
    make_span: MakeSpan = found
    from actors.spans import Spans, SpanTracing, carried, carrier_of

    class WorkflowSpan:
        def __init__(self, context: Context) -> None:
            self.context = context

        def end(self, error: BaseException | None = None) -> None:
            """It has ended when it began."""

    class WorkflowSpans:
        def start(
            self, name: str, kind: SpanKind, parent: Context, attributes: Mapping[str, str]
        ) -> WorkflowSpan:
            if workflow.unsafe.is_replaying():
                return WorkflowSpan(parent)
            found = make_span(name, kind.value, carrier_of(parent), attributes, workflow.time_ns())
            return WorkflowSpan(carried(found, parent))

    class WorkflowTracing(SpanTracing):
        """The SDK makes the spans of the workflow itself, of its children and of its activities."""

        def spawning(self, entry: Entry, host: str) -> AbstractContextManager[None]:
            return nullcontext()

        def body(
            self, process: Process, function: Callable[..., Awaitable[Any]]
        ) -> Callable[..., Awaitable[Any]]:
            return function

    spans: Spans = WorkflowSpans()
    return WorkflowTracing(spans)
