"""What a program tells of itself: whose a log record is, and figures."""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import Any

import pytest
import trio.testing

import actors
from actors import PID, Error, Node, telemetry
from tests.bridging import outside
from tests.traced_entries import WORKER, logs, traced

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
