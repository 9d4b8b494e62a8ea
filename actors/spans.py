"""Traces by OpenTelemetry, whose context variable is where the running task's cause is. Needs the extra `otel`.

A span `spawn ENTRY` leads to `process ENTRY`, `send TOPIC` and `call TOPIC` to `receive TOPIC`, which lasts until its
task looks for the next message, and `function ENTRY` is a function. Programs use `actors.telemetry.trace`; this is for
hosts that make spans in another way (`Spans`), as that of durable processes, which are replayed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import Context as Variables
from typing import Any, Protocol

from opentelemetry import context as running
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagate import get_global_textmap
from opentelemetry.propagators.textmap import CarrierValT
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from actors._channels.observers import Carrier, MailboxObserver
from actors._kernel.entries import Entry
from actors._kernel.process import Process
from actors._scheduling.scheduler import current_process
from actors._values.messages import Message
from actors._values.pid import PID, Dest

__all__ = ["Attributes", "LiveSpans", "Span", "SpanTracing", "Spans", "carried", "carrier_of"]

Attributes = Mapping[str, str]


class Span(Protocol):
    """A span that goes on, or is over already where spans have no length."""

    @property
    def context(self) -> Context:
        """In which it is the current one."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """It is over."""


class Spans(Protocol):
    """Makes spans."""

    def start(self, name: str, kind: SpanKind, parent: Context, attributes: Attributes) -> Span:
        """A new span."""
        ...


def carrier_of(context: Context) -> Carrier:
    """A cause as it travels."""
    carrier: MutableMapping[str, CarrierValT] = {}
    get_global_textmap().inject(carrier, context)
    return {key: value for key, value in carrier.items() if isinstance(value, str)}


def carried(carrier: Carrier, context: Context) -> Context:
    """A context with the cause that has travelled."""
    return get_global_textmap().extract(carrier, context)


class LiveSpans:
    """Spans of a node, by a tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    def start(self, name: str, kind: SpanKind, parent: Context, attributes: Attributes) -> Span:
        """As `Spans.start`."""
        span = self.tracer.start_span(name, parent, kind, attributes)
        return _LiveSpan(span, trace.set_span_in_context(span, parent))


class _LiveSpan:
    def __init__(self, span: trace.Span, context: Context) -> None:
        self._span = span
        self.context = context

    def end(self, error: BaseException | None = None) -> None:
        if error is not None:
            self._span.record_exception(error)
            self._span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        self._span.end()


class SpanTracing:
    """A `Tracing` that makes spans."""

    def __init__(self, spans: Spans) -> None:
        self.spans = spans

    def spawning(self, entry: Entry, host: str) -> AbstractContextManager[None]:
        """As `Tracing.spawning`."""
        return self._block(f"spawn {entry.id}", SpanKind.PRODUCER, {"everproc.host": host})

    def calling(self, dest: Dest, topic: str) -> AbstractContextManager[None]:
        """As `Tracing.calling`."""
        return self._block(f"call {topic}", SpanKind.CLIENT, {"everproc.dest": str(dest)})

    def function(self, entry: Entry) -> AbstractContextManager[None]:
        """As `Tracing.function`."""
        return self._block(f"function {entry.id}", SpanKind.INTERNAL, {})

    @contextmanager
    def _block(self, name: str, kind: SpanKind, attributes: Attributes) -> Generator[None, None, None]:
        before = running.get_current()
        span = self.spans.start(name, kind, before, attributes)
        running.attach(span.context)
        try:
            yield
        except Exception as error:
            span.end(error)
            raise
        except BaseException:  # a cancellation is no error
            span.end()
            raise
        else:
            span.end()
        finally:
            running.attach(before)  # not `detach`: what has been attached inside need not have been detached

    def sent(self, dest: PID, message: Message) -> Carrier:
        """As `Tracing.sent`."""
        return carrier_of(self.cause_of(dest, message))

    def cause_of(self, dest: PID, message: Message) -> Context:
        """The cause of a message that is being sent: its span, or that of its call."""
        context = running.get_current()
        if message.reply_to is not None:
            return context
        attributes = {"everproc.dest": str(dest)}
        span = self.spans.start(f"send {message.topic}", SpanKind.PRODUCER, context, attributes)
        span.end()
        return span.context

    def lend(self, context: Variables) -> None:
        """As `Tracing.lend`."""
        context.run(running.attach, running.get_current())

    # Processes

    def observer(self, process: Process) -> MailboxObserver:
        """As `Tracing.observer`."""
        return _Tap(self, self.spans, process)

    def body(
        self, process: Process, function: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """As `Tracing.body`."""

        async def traced(*args: Any) -> Any:
            span = self.spans.start(
                f"process {process.entry.id}",
                SpanKind.INTERNAL,
                running.get_current(),
                _about(process),
            )
            observer = process.mailbox.observer
            running.attach(span.context)
            error: Exception | None = None
            try:
                return await function(*args)
            except Exception as raised:
                error = raised
                raise
            finally:
                if isinstance(observer, _Tap):
                    observer.close(error)
                span.end(error)
                del error

        return traced


class _Tap:
    """Follows the messages of one process: by the object, which is alive as long as it waits."""

    def __init__(self, tracing: SpanTracing, spans: Spans, process: Process) -> None:
        self._tracing = tracing
        self._spans = spans
        self._process = process
        self._arriving: Context | None = None
        self._causes: dict[int, Context] = {}
        self._open: dict[object, tuple[Span, Context]] = {}  # by task, with what was its cause before

    def arriving(self, carrier: Carrier | None) -> None:
        self._arriving = None if carrier is None else carried(carrier, Context())

    def delivered(self, message: Message) -> None:
        arriving, self._arriving = self._arriving, None
        self._causes[id(message)] = arriving or self._tracing.cause_of(self._process.pid, message)

    def dropped(self, message: Message) -> None:
        self._causes.pop(id(message), None)

    def received(self, message: Message) -> None:
        self.waiting()
        before = running.get_current()
        cause = self._causes.pop(id(message), None)
        parent = before if cause is None else _within(before, cause)
        span = self._spans.start(f"receive {message.topic}", SpanKind.CONSUMER, parent, _about(self._process))
        running.attach(span.context)
        self._open[_task()] = (span, before)

    def waiting(self) -> None:
        if self._open and (entry := self._open.pop(_task(), None)) is not None:
            span, before = entry
            span.end()
            running.attach(before)

    def close(self, error: BaseException | None) -> None:
        """The process ends: with an error, it is that of the message that was handled."""
        mine = _task()
        for task, (span, _) in self._open.items():
            span.end(error if task is mine else None)
        self._open.clear()
        self._causes.clear()


def _task() -> object:
    return current_process.get().scheduler.running()


def _within(context: Context, cause: Context) -> Context:
    """A context with another cause, and its other values as they were."""
    return Context({**context, **cause})


def _about(process: Process) -> Attributes:
    return {"everproc.pid": str(process.pid), "everproc.entry": process.entry.id}
