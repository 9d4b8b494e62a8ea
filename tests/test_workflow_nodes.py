"""Durable processes and the local processes of other programs: reached, watched, and gone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import pytest

from actors import PID
from tests.bridging import Outside, outside
from tests.eventually import eventually
from tests.other_program import OtherProgram, other_program
from tests.workflow_entries import WORKER, call_it, ends, exchange, links, monitors, send_to, wf


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, wf, worker=WORKER, patience=90) as found:
        yield found


@pytest.fixture
async def other(temporal_address: str) -> AsyncGenerator[OtherProgram, None]:
    async with other_program(temporal_address) as found:
        yield found


async def holds(here: Outside, pid: PID) -> bool:
    """Whether a durable process watches over a node."""
    return any(
        event.activity_task_scheduled_event_attributes.activity_type.name == "@lease"
        for event in await here.history(pid)
    )


async def test_w27_messages_with_a_process_of_another_program_both_ways_in_order(
    here: Outside, other: OtherProgram
) -> None:
    assert await here.node.execute(exchange, other.pids[0], 30) == list(range(30))


async def test_w26_call_of_a_process_of_another_program(here: Outside, other: OtherProgram) -> None:
    assert await here.node.execute(call_it, other.pids[0], "ask") == "ask"


async def test_w31_exit_of_a_process_of_another_program(here: Outside, other: OtherProgram) -> None:
    pid = await here.node.spawn(monitors, other.pids[0])
    # Its inbox gets `monitored` and answers; then it is told to fail.
    await eventually(partial(holds, here, pid))
    await here.node.send(other.pids[0], "fail")
    assert await here.result(pid) == [[other.pids[0], "error", None, "CONFLICT"], True]


async def test_w32_death_of_a_process_of_another_program_reaches_a_durable_one_and_back(
    here: Outside, other: OtherProgram
) -> None:
    first, second = other.pids
    pid = await here.node.spawn(links, first, True)
    await eventually(partial(holds, here, pid))
    await here.node.send(first, "fail")
    found, reason, error = await here.result(pid)
    assert (found, reason, error.kind) == (first, "error", "CONFLICT")
    pid = await here.node.spawn(links, second, False)
    await eventually(partial(holds, here, pid))
    await here.node.terminate(pid)
    watcher = await here.node.spawn(monitors, second)
    (exit_, _) = await here.result(watcher)
    assert exit_[1] in ("link_down", "noproc")


async def test_w35_terminate_and_cancel_of_a_process_of_another_program(
    here: Outside, other: OtherProgram
) -> None:
    assert await here.node.execute(ends, "terminate", other.pids[0]) is True
    assert await here.node.execute(ends, "cancel", other.pids[1]) is True
    assert await here.node.execute(ends, "cancel", other.pids[1]) is False


async def test_killed_program_is_noconnection_to_monitors_and_links_within_seconds(
    here: Outside, other: OtherProgram
) -> None:
    watcher = await here.node.spawn(monitors, other.pids[0])
    linked = await here.node.spawn(links, other.pids[1], True)
    dragged = await here.node.spawn(links, other.pids[1], False)
    for pid in (watcher, linked, dragged):
        await eventually(partial(holds, here, pid))
    await other.kill()
    found = await here.result(watcher)
    assert found == [[other.pids[0], "noconnection", None, "UNAVAILABLE"], True]
    found, reason, error = await here.result(linked)
    assert (found, reason, error.kind) == (other.pids[1], "noconnection", "UNAVAILABLE")
    event = (await here.node.execute(monitors, dragged))[0]
    assert event[1] == "link_down"
    # Whoever comes later is told too: the node does not answer.
    sends = await here.node.spawn(send_to, other.pids[0])
    calls = await here.node.spawn(call_it, other.pids[0], 1, "30s")
    assert await here.result(sends) is False
    assert await here.result(calls) == ["UNAVAILABLE", "noconnection"]
