"""Traces: one for each cause, however many processes it goes through, local and durable."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, Tracer

import actors
from actors import PID, Error, Node, telemetry
from supervision import Server, call, handle_call, start_server
from tests.bridging import outside
from tests.traced_entries import WORKER, desk, sends_twice, till, till_desk, traced


@attrs.frozen
class Spans:
    """What a node's spans are kept in."""

    tracer: Tracer
    exporter: InMemorySpanExporter
    provider: TracerProvider

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def way_to(self, name: str) -> list[str]:
        """The names of the spans from the root down to the only one of this name."""
        by_id = {span.context.span_id: span for span in self.all}
        way = [self.one(name)]
        while (parent := way[0].parent) is not None:
            way.insert(0, by_id[parent.span_id])
        return [span.name for span in way]


@asynccontextmanager
async def traced_node() -> AsyncGenerator[tuple[Node, Spans], None]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with Node("traced") as node:
        telemetry.trace(node, provider)
        yield node, Spans(provider.get_tracer("test"), exporter, provider)


async def test_request_is_one_trace_through_local_process_workflow_and_activity(
    temporal_address: str,
) -> None:
    async with traced_node() as (node, spans), outside(temporal_address, traced, worker=WORKER, node=node):
        pid = await node.spawn(desk)
        with spans.tracer.start_as_current_span("GET /order", kind=SpanKind.SERVER):
            assert await node.call(pid, "order", 7, timeout="10s") == "charged 7"
    request = spans.one("GET /order")
    assert spans.way_to("RunActivity:traced:charge") == [
        "GET /order",
        "call order",
        "receive order",
        "spawn traced:order",
        "StartWorkflow:traced:order",
        "StartActivity:traced:charge",
        "RunActivity:traced:charge",
    ]
    assert spans.way_to("RunWorkflow:traced:order")[-2] == "StartWorkflow:traced:order"
    assert {span.name for span in spans.all if span.context.trace_id != request.context.trace_id} == {
        "spawn tests.traced_entries:desk",
        "process tests.traced_entries:desk",
    }


async def test_durable_process_acts_in_the_trace_of_the_call_and_not_of_its_start(
    temporal_address: str,
) -> None:
    async with traced_node() as (node, spans), outside(temporal_address, traced, worker=WORKER, node=node):
        pid = await node.spawn(till, on=WORKER)
        local = await node.spawn(till_desk, pid)
        with spans.tracer.start_as_current_span("GET /till"):
            assert await node.call(local, "charge", 3, timeout="10s") == "charged 3"
        await node.send(pid, "close")
    assert spans.way_to("RunActivity:traced:charge") == [
        "GET /till",
        "call charge",
        "receive charge",
        "call pay",
        "receive pay",
        "StartActivity:traced:charge",
        "RunActivity:traced:charge",
    ]
    # And back: what the workflow sends has the same cause.
    assert spans.way_to("receive charged") == [
        *spans.way_to("receive pay"),
        "send charged",
        "receive charged",
    ]


async def test_replay_makes_no_span_again(temporal_address: str) -> None:
    async with (
        traced_node() as (node, spans),
        outside(temporal_address, traced, worker=WORKER, node=node, max_cached_workflows=0),
    ):
        with spans.tracer.start_as_current_span("twice"):
            pid = await node.spawn(till, on=WORKER)
            await node.execute(sends_twice, pid)
            await node.send(pid, "close")
            await node.execute(wait_for, pid)
    assert len(spans.named("RunWorkflow:traced:till")) == 1
    assert len(spans.named("StartActivity:traced:charge")) == 2
    assert len(spans.named("receive pay")) == 2


async def wait_for(pid: PID) -> None:
    await actors.monitor(pid)
    await actors.events().receive()


@pytest.mark.parametrize("host", ["trio", "green"])
async def test_message_is_received_in_the_trace_it_was_sent_in(host: str) -> None:
    async def relay(to: PID) -> None:
        async for message in actors.inbox():
            await actors.send(to, "second", message.payload)

    async def end() -> None:
        seconds = actors.listen("second")
        await seconds.receive()

    async with traced_node() as (node, spans):
        last = await node.spawn(end, on=host)
        first = await node.spawn(relay, last, on=host)
        with spans.tracer.start_as_current_span("outside"):
            await node.send(first, "first", 1)
        await node.execute(wait_for, last)
    assert spans.way_to("receive second") == [
        "outside",
        "send first",
        "receive first",
        "send second",
        "receive second",
    ]


async def test_handling_of_a_message_ends_when_its_task_looks_for_the_next() -> None:
    async def handle() -> None:
        inbox = actors.inbox()
        await inbox.receive()
        await actors.execute(nothing)
        await actors.select(inbox, default=True)
        await actors.execute(nothing_more)

    async with traced_node() as (node, spans):
        pid = await node.spawn(handle)
        await node.send(pid, "work")
        await node.execute(wait_for, pid)
    assert spans.way_to(f"spawn {__name__}:nothing")[-2] == "receive work"
    assert spans.way_to(f"spawn {__name__}:nothing_more")[-2].endswith("handle")


async def nothing() -> None: ...


async def nothing_more() -> None: ...


async def test_child_is_spawned_in_the_trace_of_its_parent() -> None:
    async def parent() -> None:
        await actors.execute(nothing)

    async with traced_node() as (node, spans):
        with spans.tracer.start_as_current_span("outside"):
            await node.execute(parent)
    child = [span for span in spans.all if span.name.endswith(":nothing")]
    assert [span.name.split()[0] for span in child] == ["spawn", "process"]
    assert len({span.context.trace_id for span in spans.all}) == 1


async def test_call_of_a_function_is_a_span_and_what_it_does_is_inside() -> None:
    async def body() -> None:
        await actors.funcs.call(nothing)

    async with traced_node() as (node, spans):
        await node.execute(body)
    assert [name.split()[0] for name in spans.way_to(f"function {__name__}:nothing")] == [
        "spawn",
        "process",
        "function",
    ]


class Counter(Server):
    def init(self) -> None:
        self.n = 0

    @handle_call
    def increment(self) -> int:
        self.n += 1
        return self.n


async def test_call_of_a_server_is_a_span_with_the_time_of_its_handler_inside() -> None:
    async def client() -> None:
        pid = await start_server(Counter)
        await call(pid, Counter.increment)

    async with traced_node() as (node, spans):
        await node.execute(client)
    assert spans.way_to("receive increment")[-2:] == ["call increment", "receive increment"]


async def test_error_of_a_process_is_the_status_of_its_span_and_of_the_message_it_handled() -> None:
    async def fail() -> None:
        await actors.inbox().receive()
        raise Error("no luck")

    async with traced_node() as (node, spans):
        pid = await node.spawn(fail)
        await node.send(pid, "work")
        await node.execute(wait_for, pid)
    assert spans.one("receive work").status.status_code is StatusCode.ERROR
    (process,) = (span for span in spans.all if span.name.startswith("process") and "fail" in span.name)
    assert process.status.description == "Error: no luck"


async def test_message_that_is_dropped_leaves_nothing_behind() -> None:
    async def idle() -> None:
        await actors.listen("never").receive()

    async with traced_node() as (node, spans):
        options = {"mailbox.max": 1, "mailbox.overflow": "drop_oldest"}
        pid = await node.spawner(options=options).spawn(idle)
        for number in range(3):
            await node.send(pid, "work", number)
        assert len(spans.named("send work")) == 3
    assert spans.named("receive work") == []


async def test_tracing_a_node_twice_or_something_else_is_refused() -> None:
    async with traced_node() as (node, _):
        with pytest.raises(Error, match="is traced already"):
            telemetry.trace(node)
    with pytest.raises(Error, match="node='web'"):
        telemetry.trace("web")  # type: ignore[arg-type]
