"""Long life: upgrades that carry everything, limits of the server, messages by the thousand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
import trio
from temporalio.client import WorkflowExecutionStatus

import actors
from actors import INVALID, PID, Error, Exit
from tests.bridging import Outside, outside
from tests.eventually import eventually
from tests.workflow_entries import (
    WORKER,
    collect_numbers,
    hoards,
    keeps_everything,
    sends_large,
    stubborn_turns,
    takes_all,
    takes_lengths,
    takes_turns,
    upgrades_badly,
    upgrades_with_child,
    waits,
    wf,
)


@pytest.fixture(params=[1000, 2], ids=["cached", "evicted"])
async def here(request: pytest.FixtureRequest, temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(
        temporal_address, wf, worker=WORKER, patience=60, max_cached_workflows=request.param
    ) as found:
        yield found


async def result(here: Outside, pid: PID) -> Any:
    return await here.portal.call(here.handle(pid).result)


async def was_told(here: Outside, pid: PID) -> bool:
    """Whether a process that upgrades has told this one that it has."""
    return any("linked" in str(event) for event in await here.history(pid))


async def test_upgrade_keeps_unread_messages_and_topics_in_order(here: Outside) -> None:
    spawner = here.node.spawner()
    for number in range(6):
        spawner = spawner.with_message("n", number)
    pid = await spawner.spawn(takes_turns, 5, [])
    assert await result(here, pid) == list(range(6))


async def test_upgrade_keeps_monitors_links_names_context_topics_and_events(here: Outside) -> None:
    async def body() -> Any:
        child = await actors.spawn(waits)
        other = await actors.spawn(waits)
        pid = await actors.spawner(context={"tenant": "t-1"}).spawn_monitored(keeps_everything, child, other)
        for target in (child, other):
            await eventually(partial(was_told, here, target))
        await actors.send(pid, "topic", "for the listener")
        await actors.send(child, "finish", 1)
        await actors.terminate(other)
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        return child, other, pid, event.result.unwrap()

    child, other, pid, found = await here.node.execute(body, on="trio")
    assert found == {
        "events": sorted([["EXIT", child, "normal"], ["LINK_DOWN", other, "terminated"]]),
        "name": True,
        "context": {"tenant": "t-1"},
        "topic": "for the listener",
        "inbox": True,
        "pid": pid,
        "suggested": False,
    }


async def test_upgrade_leaves_children_alive_that_may_outlive_their_parent(here: Outside) -> None:
    for options in ({}, {"temporal.workflow.parent_close_policy": "abandon"}):
        found = await here.node.execute(upgrades_with_child, options)
        assert found == [True, "normal", "alive"], options


@pytest.mark.parametrize(
    ("kind", "text"),
    [("anonymous", "declare it with @app.process"), ("large", "more than"), ("odd", "cannot be serialised")],
)
async def test_upgrade_to_what_cannot_be_ends_the_process_with_a_clear_error(
    here: Outside, kind: str, text: str
) -> None:
    with pytest.raises(Error, match=text) as caught:
        await here.node.execute(upgrades_badly, kind)
    assert caught.value.kind == INVALID


async def test_deadline_of_a_cancel_holds_across_upgrades(here: Outside) -> None:
    pid = await here.node.spawn(stubborn_turns)
    await here.node.cancel(pid, deadline="500ms")

    async def body() -> str:
        await actors.monitor(pid)
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        return event.reason

    assert await here.node.execute(body, on="trio") == "terminated"


@pytest.mark.timeout(120)
async def test_no_message_is_lost_doubled_or_late_under_a_stream_across_many_upgrades(here: Outside) -> None:
    senders, each = 4, 50

    async def send(pid: PID, name: str) -> None:
        for number in range(1, each + 1):
            assert await actors.send(pid, "m", number, name)

    # While a run closes, the server turns messages away, and Temporal's client waits a second before it tries again.
    pid = await here.node.spawn(takes_all, 20, senders * each)
    for sender in range(senders):
        await here.node.spawn(send, pid, f"s{sender}", on="trio")
    seen, last = await result(here, pid)
    assert seen == senders * each
    assert last == {f"s{sender}": each for sender in range(senders)}
    first = here.client.get_workflow_handle(pid.id)
    assert (await here.portal.call(first.describe)).status is WorkflowExecutionStatus.COMPLETED


async def test_ten_thousand_messages_in_flight_take_few_events(here: Outside) -> None:
    pid = await here.node.spawn(collect_numbers, 10_000)

    async def send_all() -> None:
        for number in range(10_000):
            actors.start_soon(actors.send, pid, "n", number)
        await actors.sleep("1ms")
        await actors.monitor(pid)
        await actors.events().receive()

    await here.node.execute(send_all, on="trio")
    assert sorted(await result(here, pid)) == list(range(10_000))
    assert len(await here.history(pid)) < 100


async def test_message_that_is_too_large_is_refused_and_large_ones_do_not_add_up(here: Outside) -> None:
    pid = await here.node.spawn(takes_lengths, 4)
    refused, taken = await here.node.execute(sends_large, pid)
    assert refused[0] == INVALID
    assert "more than the" in refused[1]
    assert taken == [True] * 4
    assert await result(here, pid) == [1_500_000] * 4
    with pytest.raises(Error, match="more than the"):
        await here.node.send(pid, "n", b"x" * 3_000_000)


async def test_upgrade_with_more_than_a_new_run_can_be_given_goes_on_in_the_old_one(here: Outside) -> None:
    pid = await here.node.spawn(hoards, 5)
    for _ in range(5):
        await here.node.send(pid, "n", b"x" * 1_000_000)
    await here.node.send(pid, "go")
    with trio.fail_after(30):
        assert await result(here, pid) == 5_000_000
