"""What a program tells about itself: log records that say whose they are, traces, metrics. All off unless asked for.

actors.telemetry.annotate_logs()
async with actors.Node("web") as node:
    actors.telemetry.trace(node)                                   # extra `otel`
    async with actors.telemetry.metrics_endpoint(node) as url: ...  # extra `metrics`
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from actors._kernel.process import Process
from actors._runtime.node import Node
from actors._scheduling.scheduler import current_process
from actors._values.errors import CONFLICT, Error, invalid

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

__all__ = ["annotate_logs", "trace"]


def annotate_logs() -> None:
    """Give every log record `actor_pid`, `actor_entry` and `actor_context`, those of the process that logs.

        logging.basicConfig(format="%(asctime)s %(levelname)s %(actor_pid)s %(actor_entry)s %(message)s")
        actors.telemetry.annotate_logs()

    Outside any process they are `"-"`, `"-"`, and the context that is there, as in a function that a process called. It
    holds for all loggers and handlers of the program; twice is as good as once.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Annotated):
        logging.setLogRecordFactory(_Annotated(make))


class _Annotated:
    """Makes records as the factory before it, and adds who logs."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *args: Any, **named: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*args, **named)
        by = current_process.get()
        process = by if isinstance(by, Process) else None
        record.actor_pid = "-" if process is None else str(process.pid)
        record.actor_entry = "-" if process is None else process.entry.id
        record.actor_context = by.context
        return record


def trace(node: Node, tracer_provider: TracerProvider | None = None) -> None:
    """Trace the processes of a node with OpenTelemetry, and its durable ones in the same traces (extra `otel`).

    To be called before a bridge is opened and processes are spawned: of those that run already nothing is traced.

    Args:
        node: an open node.
        tracer_provider: where the spans go; OpenTelemetry's global one unless given.

    Raises:
        Error: kind CONFLICT, when the node is traced already, or the extra `otel` is not installed.
    """
    if not isinstance(node, Node):
        raise invalid("node", node, "an actors.Node")
    kernel = node.kernel
    if kernel.instruments.tracing is not None:
        raise Error(f"node {node.name} is traced already", kind=CONFLICT)
    try:
        from opentelemetry import trace as api

        # Imported when it is asked for: the extra need not be there.
        from actors.spans import LiveSpans, SpanTracing
    except ImportError as error:
        raise missing("otel", error) from error
    provider = tracer_provider if tracer_provider is not None else api.get_tracer_provider()
    kernel.trace(SpanTracing(LiveSpans(provider.get_tracer("everproc"))))


def missing(extra: str, error: ImportError) -> Error:
    """The error of a feature whose packages are not installed."""
    return Error(
        f"this needs packages that are not installed ({error.name}): pip install 'everproc[{extra}]'",
        kind=CONFLICT,
        details={"extra": extra},
    )
