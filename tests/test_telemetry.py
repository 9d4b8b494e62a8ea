"""What a program tells of itself: whose a log record is, and figures."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Generator
from typing import Any

import pytest
import trio
import trio.testing
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import actors
from actors import PID, Error, Node, metrics, telemetry
from supervision import ChildSpec, Supervisor, start
from tests.bridging import outside
from tests.traced_entries import WORKER, logs, till, traced

log = logging.getLogger("tests.telemetry")


@pytest.fixture(autouse=True)
def annotated() -> Generator[None, None, None]:
    before = logging.getLogRecordFactory()
    telemetry.annotate_logs()
    yield
    logging.setLogRecordFactory(before)


def field(record: logging.LogRecord, name: str) -> Any:
    return getattr(record, name)


async def ended(node: Node, pid: PID) -> None:
    """Wait for the end of a process without being told of it, so that its crash is reported."""
    while True:
        try:
            await node.describe(pid)
        except Error:
            return
        await trio.testing.wait_all_tasks_blocked()


@pytest.mark.parametrize("host", ["trio", "green"])
async def test_record_of_a_process_says_which_one_and_in_what_context(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        log.warning("working")

    async with Node("log") as node:
        pid = await node.spawner(context={"user": 7}, on=host).spawn(work)
        await ended(node, pid)
    (record,) = caplog.records
    assert (field(record, "actor_pid"), field(record, "actor_context")) == (str(pid), {"user": 7})
    assert field(record, "actor_entry").endswith("work")


@pytest.mark.parametrize("host", ["trio", "green"])
async def test_crash_report_is_a_record_of_the_process_that_crashed(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def crash() -> None:
        raise ValueError("a bug")

    async with Node("log") as node:
        pid = await node.spawn(crash, on=host)
        await ended(node, pid)
    (record,) = caplog.records
    assert (record.name, field(record, "actor_pid")) == ("everproc", str(pid))


async def test_record_of_a_function_has_the_context_of_its_call(caplog: pytest.LogCaptureFixture) -> None:
    async def function() -> None:
        log.warning("called")

    async def work() -> None:
        await actors.funcs.Executor(context={"step": 2}).call(function)

    async with Node("log") as node:
        await node.execute(work)
    (record,) = caplog.records
    assert (field(record, "actor_pid"), field(record, "actor_context")) == ("-", {"step": 2})


async def test_record_of_a_durable_process_says_which_one(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with outside(temporal_address, traced, worker=WORKER) as here:
        pid = await here.node.spawner(context={"user": 7}).spawn(logs)
        await here.portal.call(here.handle(pid).result)
    (record,) = (record for record in caplog.records if record.name == "tests.traced_entries")
    assert (field(record, "actor_pid"), field(record, "actor_entry")) == (str(pid), "traced:logs")
    assert field(record, "actor_context") == {"user": 7}


def test_record_outside_any_process_has_the_fields_too_also_when_asked_twice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry.annotate_logs()
    log.warning("outside")
    assert (field(caplog.records[0], "actor_pid"), field(caplog.records[0], "actor_entry")) == ("-", "-")
    line = logging.Formatter("%(actor_pid)s %(actor_entry)s %(actor_context)s %(message)s")
    assert line.format(caplog.records[0]) == "- - {} outside"


async def scrape(url: str) -> tuple[dict[tuple[str, frozenset[tuple[str, str]]], float], str]:
    """What Prometheus reads: the value for each name and labels; and the text."""

    def read() -> str:
        with urllib.request.urlopen(url) as answer:
            assert answer.headers["content-type"].startswith("text/plain")
            return str(answer.read(), "utf-8")

    text = await trio.to_thread.run_sync(read)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}, text


def by(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


async def test_endpoint_tells_of_processes_messages_exits_and_restarts() -> None:
    async def idle() -> None:
        await trio.sleep_forever()

    async def fail() -> None:
        await actors.inbox().receive()
        raise Error("again")

    async def supervised() -> None:
        supervisor = await start(Supervisor([ChildSpec("fails", fail, name="fails")]))
        await actors.monitor("fails")
        await actors.send("fails", "now")
        await actors.events().receive()
        while not actors.kernel_of(actors.running_process()).instruments.counters["restarts"]:
            await actors.sleep("1ms")
        await supervisor.stop()

    entry = f"{__name__}:test_endpoint_tells_of_processes_messages_exits_and_restarts.<locals>.idle"
    async with Node("figures") as node, metrics.endpoint(node, port=0) as url:
        await node.spawn(idle)
        pid = await node.spawn(idle)
        for _ in range(3):
            await node.send(pid, "unread")
        await node.send("nobody", "lost")
        await node.execute(supervised)
        samples, _ = await scrape(url)
    assert samples["everproc_processes", by(entry=entry, host="trio")] == 2
    assert samples["everproc_mailbox_messages", by(entry=entry, host="trio")] == 3
    assert samples["everproc_mailbox_longest", by(entry=entry, host="trio")] == 3
    assert samples["everproc_dead_letters_total", by()] == 1
    assert samples["everproc_restarts_total", by()] == 1
    assert samples["everproc_exits_total", by(reason="error")] == 1
    assert samples["everproc_messages_total", by()] >= 4
    assert samples["everproc_calls", by()] == 0


async def test_endpoint_tells_of_batches_and_adds_the_figures_of_temporals_sdk(temporal_address: str) -> None:
    async with Node("figures") as node, metrics.endpoint(node, port=0) as url:
        async with outside(temporal_address, traced, worker=WORKER, node=node) as here:
            pid = await node.spawn(till)
            await node.send(pid, "pay", 3, None)
            await node.send(pid, "close")
            await here.portal.call(here.handle(pid).result)
            samples, text = await scrape(url)
        without, _ = await scrape(url)
    assert samples["everproc_batches_total", by()] == 2
    assert samples["everproc_batched_messages_total", by()] == 2
    assert samples["everproc_outbox_messages", by()] == 0
    assert "temporal_request_total" in text
    assert not [name for name, _ in without if name.startswith("temporal_")]


async def test_endpoint_serves_nothing_else_and_ends_with_its_block() -> None:
    async with Node("figures") as node:
        async with metrics.endpoint(node, port=0) as url:
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                await scrape(url.removesuffix("metrics"))
            refused.value.close()  # it is the response, too
            with pytest.raises(Error, match="an endpoint for its metrics already"):
                await metrics.endpoint(node).__aenter__()
            port = int(url.split(":")[2].split("/")[0])
            with pytest.raises(Error, match=f"port={port}"):
                async with Node("other") as other, metrics.endpoint(other, port=port):
                    pass
        with pytest.raises(urllib.error.URLError):
            await scrape(url)
        async with metrics.endpoint(node, port=0) as url:
            await scrape(url)


async def test_a_collector_can_join_a_registry_of_ones_own() -> None:
    registry = CollectorRegistry()
    async with Node("figures") as node:
        registry.register(metrics.NodeCollector(node))
        assert registry.get_sample_value("everproc_spawned_total") == 0
        await node.execute(nothing)
        assert registry.get_sample_value("everproc_spawned_total") == 1


async def nothing() -> None: ...
