"""Long life: upgrades that carry everything, limits of the server, messages by the thousand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
import trio
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

import actors
from actors import INVALID, PID, UNAVAILABLE, Error, Exit
from temporal_bridge import EmbeddedServer
from temporal_bridge._workflow import durable_process as _workflow_body
from temporal_bridge.devserver import server as _embedded
from tests.bridging import Outside, cached_or_evicted, outside
from tests.eventually import eventually
from tests.workflow_entries import (
    WORKER,
    answers_later,
    collect_numbers,
    counts_cancels,
    ends,
    hoards,
    keeps_attributes,
    keeps_everything,
    leaves_a_ticker,
    send_and_wait,
    send_to,
    sends_large,
    should_but_cannot_upgrade,
    stubborn_turns,
    takes_all,
    takes_lengths,
    takes_turns,
    too_large,
    turns_while_watched,
    upgrades_badly,
    upgrades_when_it_should,
    upgrades_with_child,
    waits,
    wf,
)

here = cached_or_evicted(wf, worker=WORKER)


async def was_told(here: Outside, pid: PID) -> bool:
    """Whether a process that upgrades has told this one that it has."""
    return any("linked" in str(event) for event in await here.history(pid))


async def test_upgrade_keeps_unread_messages_and_topics_in_order(here: Outside) -> None:
    spawner = here.node.spawner()
    for number in range(6):
        spawner = spawner.with_message("n", number)
    pid = await spawner.spawn(takes_turns, 5, [])
    assert await here.result(pid) == list(range(6))


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
        "groups": [2, 1, 0],
        "context": {"tenant": "t-1"},
        "topic": "for the listener",
        "inbox": True,
        "pid": pid,
        "suggested": False,
    }


@pytest.mark.parametrize("unread", [True, False], ids=["unread", "already read"])
async def test_call_that_is_open_at_an_upgrade_is_answered_by_the_new_code(
    here: Outside, unread: bool
) -> None:
    """A question that was read is a local variable: the old code hands it on as an argument."""
    pid = await here.node.spawn(answers_later, unread)
    first = (await here.describe(pid)).run_id

    async def ask() -> Any:
        return await actors.call(pid, "ask", "who?", timeout="30s")

    async def body() -> Any:
        answers = actors.Channel[Any]()

        async def asking() -> None:
            await answers.send(await ask())

        actors.start_soon(asking)
        if unread:
            await eventually(partial(was_asked, here, pid))
            await actors.send(pid, "go")
        return await answers.receive()

    payload, answered_in = await here.node.execute(body, on="trio")
    assert payload == "who?"
    assert answered_in != first


async def was_asked(here: Outside, pid: PID) -> bool:
    return any("ask" in str(event) for event in await here.history(pid))


async def test_monitors_and_links_fire_once_after_many_upgrades(here: Outside) -> None:
    async def local() -> None:
        await actors.listen("ready").receive()
        raise Error("broken", kind="CONFLICT")

    target = await here.node.spawn(local, on="trio")
    pid = await here.node.spawn(turns_while_watched, target, 20)
    assert await here.result(pid) == [["EXIT", "LINK_DOWN"], True]
    exits = [event for event in await here.history(pid) if "@exit" in str(event)]
    assert len(exits) <= 1  # the node was asked twenty times, and knew that it was the same watch


async def test_others_monitor_and_link_a_process_across_its_upgrades(here: Outside) -> None:
    async def body() -> list[Any]:
        actors.set_options(trap_links=True)
        events = actors.events()
        pid = await actors.spawn(takes_turns, 5, [])
        await actors.monitor(pid)
        await actors.link(pid)
        for number in range(6):
            await actors.send(pid, "n", number)
        event = await events.receive()
        assert isinstance(event, Exit)
        return [event.reason, event.result.value]

    assert await here.node.execute(body, on="trio") == ["normal", list(range(6))]


async def test_timers_of_the_old_code_end_with_it_also_in_the_old_history(here: Outside) -> None:
    assert await here.node.execute(leaves_a_ticker) < 40


async def test_upgrade_keeps_search_attributes_and_memo(here: Outside) -> None:
    pid = await here.node.spawn(keeps_attributes)
    first = (await here.describe(pid)).run_id

    async def next_run() -> bool:
        return (await here.describe(pid)).run_id != first

    await eventually(next_run)
    found = await here.describe(pid)
    assert (await here.portal.call(found.memo))["stage"] == "first"
    assert found.typed_search_attributes[SearchAttributeKey.for_keyword("customer_id")] == "c-1"
    await here.node.send(pid, "finish")


@pytest.mark.parametrize("upgrade", [False, True], ids=["one run", "a run for each"])
@pytest.mark.parametrize("inside", [False, True], ids=["from outside", "from a workflow"])
async def test_each_cancel_reaches_events_once(here: Outside, upgrade: bool, inside: bool) -> None:
    pid = await here.node.spawn(counts_cancels, upgrade, [])
    for deadline in (None, "50s", None):
        if inside:
            assert await here.node.execute(ends, "cancel", pid, deadline)
        else:
            assert await here.node.cancel(pid, deadline=deadline, reason="please")
    found, quiet = await here.result(pid)
    assert [reason for reason, _, _ in found] == ["please"] * 3
    assert [deadline for _, _, deadline in found] == [False, True, False]
    assert all((by is not None) is inside for _, by, _ in found)
    assert quiet


async def test_cancel_by_another_tool_of_temporal_reaches_events_beside_ours(here: Outside) -> None:
    pid = await here.node.spawn(counts_cancels, False, [])
    await here.portal.call(partial(here.handle(pid).cancel, reason="stop [by {nonsense}]"))
    for _ in range(2):
        assert await here.node.cancel(pid, reason="please")
    found, quiet = await here.result(pid)
    assert sorted(found) == sorted([["stop [by {nonsense}]", None, False], *[["please", None, False]] * 2])
    assert quiet


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
async def test_no_message_is_lost_doubled_or_late_under_a_stream_across_a_hundred_upgrades(
    here: Outside,
) -> None:
    senders, each = 4, 50

    async def send(pid: PID, name: str) -> None:
        for number in range(1, each + 1):
            assert await actors.send(pid, "m", number, name)

    pid = await here.node.spawn(takes_all, 2, senders * each)
    for sender in range(senders):
        await here.node.spawn(send, pid, f"s{sender}", on="trio")
    seen, last = await here.result(pid)
    assert seen == senders * each
    assert last == {f"s{sender}": each for sender in range(senders)}
    assert len({run async for run in runs(here, pid)}) == senders * each // 2
    first = here.client.get_workflow_handle(pid.id)
    assert (await here.portal.call(first.describe)).status is WorkflowExecutionStatus.COMPLETED


async def runs(here: Outside, pid: PID) -> AsyncGenerator[str, None]:
    """The runs of a process, from the last to the first."""
    run: str | None = (await here.describe(pid)).run_id
    while run:
        yield run
        handle = here.client.get_workflow_handle(pid.id, run_id=run)
        first = (await here.portal.call(handle.fetch_history)).events[0]
        run = first.workflow_execution_started_event_attributes.continued_execution_run_id


async def test_ten_thousand_messages_in_flight_take_few_events(here: Outside) -> None:
    pid = await here.node.spawn(collect_numbers, 10_000)

    async def send_all() -> None:
        for number in range(10_000):
            actors.start_soon(actors.send, pid, "n", number)
        await actors.sleep("1ms")
        await actors.monitor(pid)
        await actors.events().receive()

    await here.node.execute(send_all, on="trio")
    assert sorted(await here.result(pid)) == list(range(10_000))
    assert len(await here.history(pid)) < 100


async def test_message_that_is_too_large_is_refused_and_large_ones_do_not_add_up(here: Outside) -> None:
    pid = await here.node.spawn(takes_lengths, 4)
    refused, taken = await here.node.execute(sends_large, pid)
    assert refused[0] == INVALID
    assert "more than the" in refused[1]
    assert taken == [True] * 4
    assert await here.result(pid) == [1_500_000] * 4
    with pytest.raises(Error, match="more than the"):
        await here.node.send(pid, "n", b"x" * 3_000_000)


async def test_ten_thousand_messages_from_a_durable_process_to_another_and_to_a_local_one(
    here: Outside,
) -> None:
    pid = await here.node.spawn(collect_numbers, 10_000)
    sender = await here.node.spawn(send_and_wait, pid, 10_000)
    assert sorted(await here.result(pid)) == list(range(10_000))
    assert len(await here.history(sender)) < 100

    async def body() -> list[Any]:
        numbers = actors.listen("n")
        await actors.spawn(send_and_wait, actors.self_pid(), 10_000)
        return [await numbers.receive() for _ in range(10_000)]

    assert sorted(await here.node.execute(body, on="trio")) == list(range(10_000))


@pytest.mark.parametrize(
    "what",
    ["result", "argument of a child", "argument of a function", "result of a function"],
)
async def test_what_is_larger_than_temporal_carries_ends_the_process_with_a_clear_error(
    here: Outside, what: str
) -> None:
    with pytest.raises(Error, match=r"takes 3000\d\d\d bytes, more than the") as caught:
        await here.node.execute(too_large, what)
    assert caught.value.kind == INVALID


async def test_reply_that_is_too_large_is_refused_and_another_can_be_given(here: Outside) -> None:
    pid = await here.node.spawn(too_large, "reply")
    assert await here.node.call(pid, "ask") == "it is too large"


async def test_should_upgrade_after_many_signals_and_many_bytes(
    here: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workflow_body, "MANY_SIGNALS", 5)
    pid = await here.node.spawn(upgrades_when_it_should)
    for _ in range(17):
        assert await here.node.send(pid, "n")
    await here.node.send(pid, "stop")
    assert await here.result(pid) in (2, 3, 4)  # more than five may have come before it looks
    monkeypatch.setattr(_workflow_body, "MANY_SIGNALS", 5000)
    pid = await here.node.spawn(upgrades_when_it_should)
    for _ in range(6):
        assert await here.node.send(pid, "n", b"x" * 1_500_000)
    await here.node.send(pid, "stop")
    assert await here.result(pid) >= 2  # what is carried counts in the next run too


async def test_should_upgrade_waits_for_children_that_would_not_survive_it(
    here: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_workflow_body, "MANY_SIGNALS", 1)
    pid = await here.node.spawn(should_but_cannot_upgrade)
    await here.node.send(pid, "go")
    assert await here.result(pid) == [False, True]


async def test_run_that_has_taken_all_its_signals_is_a_clear_error_to_its_senders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(_embedded.DYNAMIC_CONFIG, "history.maximumSignalsPerExecution", "3")
    async with (
        EmbeddedServer(database=False) as server,
        outside(server.address, wf, worker=WORKER) as here,
    ):
        pid = await here.node.spawn(waits)
        for _ in range(3):
            assert await here.node.send(pid, "n")
        with pytest.raises(Error, match=r"as many signals .*should_upgrade") as caught:
            await here.node.send(pid, "n")
        assert caught.value.kind == UNAVAILABLE
        with pytest.raises(Error, match=r"as many signals .*should_upgrade") as caught:
            await here.node.execute(send_to, pid)
        assert caught.value.kind == UNAVAILABLE


async def test_upgrade_with_more_than_a_new_run_can_be_given_goes_on_in_the_old_one(here: Outside) -> None:
    pid = await here.node.spawn(hoards, 5)
    for _ in range(5):
        await here.node.send(pid, "n", b"x" * 1_000_000)
    await here.node.send(pid, "go")
    with trio.fail_after(30):
        assert await here.result(pid) == 5_000_000
