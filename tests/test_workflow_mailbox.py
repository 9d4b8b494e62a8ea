"""Bounded mailboxes of durable processes (semantics 13), on a real server."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

import actors
from actors import INVALID, PID, UNAVAILABLE, DeadLetter, Error
from actors.wire import CallOutcome
from temporal_bridge._client.update_workflow import send_update
from tests.bridging import Outside, cached_or_evicted
from tests.eventually import eventually
from tests.mailbox_entries import (
    WORKER,
    begets,
    calls_it,
    keeps,
    keeps_over_a_slow_upgrade,
    mailboxes,
    sends_to_a_name,
)
from tests.test_workflow_replay import check_replay

here = cached_or_evicted(mailboxes, worker=WORKER)


KEPT = {"reject": [0, 1], "drop_newest": [0, 1], "drop_oldest": [3, 4]}
LOST = {"reject": [2, 3, 4], "drop_newest": [2, 3, 4], "drop_oldest": [0, 1, 2]}


def bounded(here: Outside, limit: int, overflow: str = "reject") -> actors.Spawner:
    return here.node.spawner(options={"mailbox.max": limit, "mailbox.overflow": overflow})


async def begun(here: Outside, spawner: actors.Spawner, *target: Any) -> PID:
    """A process that waits for its first word."""
    pid = await spawner.spawn(*(target or (keeps,)))
    await eventually(partial(listens, here, pid))
    return pid


async def listens(here: Outside, pid: PID) -> bool:
    return "turn" in (await here.node.describe(pid)).topics


async def has_turned(here: Outside, pid: PID, run: str) -> bool:
    found = await here.node.describe(pid)
    return found.details["run_id"] != run and "turn" in found.topics


async def has_unread(here: Outside, pid: PID, count: int) -> bool:
    return (await here.node.describe(pid)).mailbox == count


async def kept(here: Outside, pid: PID) -> list[Any]:
    """What it gives, after which its history is replayed."""
    await here.node.send(pid, "go")
    found = await here.result(pid)
    await check_replay(here, pid)
    return [payload for _, payload in found]


@pytest.mark.parametrize("overflow", list(KEPT))
async def test_bounded_mailbox_keeps_so_many_and_the_node_is_told_of_the_others(
    here: Outside, overflow: str
) -> None:
    letters = here.node.dead_letters()
    pid = await begun(here, bounded(here, 2, overflow))
    assert all([await here.node.send(pid, "n", number) for number in range(5)])
    assert await kept(here, pid) == KEPT[overflow]
    told = [await letters.channel.receive() for _ in range(3)]
    assert [(letter.pid, letter.message.payload) for letter in told] == [(pid, n) for n in LOST[overflow]]


@pytest.mark.parametrize("overflow", list(KEPT))
async def test_bound_counts_what_waits_over_upgrades(here: Outside, overflow: str) -> None:
    pid = await begun(here, bounded(here, 2, overflow))
    for numbers in ((0, 1, 2), (3, 4)):
        for number in numbers:
            await here.node.send(pid, "n", number)
        run = (await here.describe(pid)).run_id
        await here.node.send(pid, "turn")
        await eventually(partial(has_turned, here, pid, run))
    assert await kept(here, pid) == KEPT[overflow]


@pytest.mark.parametrize("overflow", list(KEPT))
async def test_child_of_a_durable_process_has_a_bound(here: Outside, overflow: str) -> None:
    pid = await here.node.spawn(begets, {"mailbox.max": 2, "mailbox.overflow": overflow}, 5)
    child = await child_of(here, pid)
    await eventually(partial(listens, here, child))
    await here.node.send(pid, "begun")
    sent, found = await here.result(pid)
    assert sent == [True] * 5
    assert [payload for _, payload in found] == KEPT[overflow]
    await check_replay(here, pid)


async def child_of(here: Outside, pid: PID) -> PID:
    found: list[PID] = []

    async def has_started() -> bool:
        for event in await here.history(pid):
            started = event.child_workflow_execution_started_event_attributes
            if started.workflow_execution.workflow_id:
                found.append(PID(pid.node, pid.host, started.workflow_execution.workflow_id))
        return bool(found)

    await eventually(has_started)
    return found[0]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mailbox.max": 0}, "mailbox.max=0 is not valid: expected a whole number of 1 or more"),
        ({"mailbox.overflow": "reject"}, "mailbox.overflow='reject' is not valid: expected mailbox.max"),
        ({"mailbox.max": 1, "mailbox.overflow": "explode"}, "mailbox.overflow='explode' is not valid"),
        ({"mailbox.maximum": 1}, "option='mailbox.maximum' is not valid"),
    ],
)
async def test_bad_bound_is_refused_at_the_spawn(here: Outside, options: dict[str, Any], named: str) -> None:
    with pytest.raises(Error) as caught:
        await here.node.spawner(options=options).spawn(keeps)
    assert caught.value.kind == INVALID
    assert caught.value.message.startswith(named)
    kind, message = await here.node.execute(begets, options, 0)
    assert (kind, message) == (INVALID, caught.value.message)


# Calls


async def full(here: Outside, overflow: str = "reject") -> PID:
    pid = await begun(here, bounded(here, 1, overflow))
    await here.node.send(pid, "n", 0)
    await eventually(partial(has_unread, here, pid, 1))
    return pid


async def events(here: Outside, pid: PID) -> int:
    return len(await here.history(pid))


async def test_call_to_a_full_mailbox_fails_at_once_and_leaves_no_trace_in_its_history(here: Outside) -> None:
    letters = here.node.dead_letters()
    pid = await full(here)
    before = await events(here, pid)
    with pytest.raises(Error) as caught:
        await here.node.call(pid, "ask", 1, timeout="30s")
    assert caught.value.kind == UNAVAILABLE
    assert caught.value.message == f"the mailbox of {pid} is full: there is no room for call 'ask'"
    letter = await letters.channel.receive()
    assert (letter.pid, letter.message.topic, letter.message.payload) == (pid, "ask", 1)
    assert await events(here, pid) == before
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await here.portal.call(lambda: here.handle(pid).execute_update("ask", 1))
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == UNAVAILABLE
    assert await kept(here, pid) == [0]


@pytest.mark.parametrize("overflow", list(KEPT))
async def test_each_call_beyond_the_bound_fails_at_once(here: Outside, overflow: str) -> None:
    """Of many calls at once some go as updates, and some as messages."""
    pid = await begun(here, bounded(here, 1, overflow))
    outcomes: list[str] = []

    async def ask(number: int) -> None:
        try:
            await here.node.call(pid, "ask", number, timeout="30s")
        except Error as error:
            outcomes.append(error.message)

    async def all_but_one() -> bool:
        return len(outcomes) == 7

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(ask, number)
        await eventually(all_but_one)
        assert set(outcomes) == {f"the mailbox of {pid} is full: there is no room for call 'ask'"}
        assert len(await kept(here, pid)) == 1
    assert "ended (normal)" in outcomes[7]


@pytest.mark.parametrize("overflow", ["reject", "drop_newest"])
async def test_call_of_a_durable_process_to_a_full_durable_one_fails_at_once(
    here: Outside, overflow: str
) -> None:
    pid = await full(here, overflow)
    caller = await here.node.spawn(calls_it, pid)
    assert await here.result(caller) == [
        UNAVAILABLE,
        f"the mailbox of {pid} is full: there is no room for call 'ask'",
    ]
    await check_replay(here, caller)
    assert await kept(here, pid) == [0]


async def test_call_that_was_refused_as_an_update_and_dropped_nevertheless_fails_too(
    here: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await full(here, "drop_newest")

    async def refused(*args: Any) -> tuple[Any, str | None]:
        with pytest.raises(Error, match="full"):
            await send_update(*args)
        return CallOutcome.REFUSED, None

    monkeypatch.setattr("temporal_bridge._client.calls_as_updates.send_update", refused)
    with pytest.raises(Error, match="full"):
        await here.node.call(pid, "ask", 1, timeout="30s")
    assert await kept(here, pid) == [0]


async def test_call_that_comes_while_a_full_process_upgrades_fails(here: Outside) -> None:
    absent = await here.node.spawner(options={"temporal.workflow.task_queue": "nobody's"}).spawn(keeps)
    pid = await begun(here, bounded(here, 1), keeps_over_a_slow_upgrade, absent)
    await here.node.send(pid, "n", 0)
    await here.node.send(pid, "turn")
    await eventually(partial(is_between, here, pid))
    caller = await here.node.spawn(calls_it, pid)
    assert (await here.result(caller))[0] == UNAVAILABLE
    assert await kept(here, pid) == [0]
    await here.node.terminate(absent)


async def is_between(here: Outside, pid: PID) -> bool:
    """Whether the old code has begun to look at another process."""
    return any(
        event.activity_task_scheduled_event_attributes.activity_id for event in await here.history(pid)
    )


async def test_dead_letter_that_could_not_have_been_written_is_told_all_the_same(here: Outside) -> None:
    letters = here.node.dead_letters()
    pid = await here.node.spawn(sends_to_a_name)
    assert await here.result(pid) is False
    letter = await letters.channel.receive()
    assert isinstance(letter, DeadLetter)
    assert letter.pid.id == "nobody"
    assert "cannot be serialised" in str(letter.message.payload)
