"""Calls of durable processes from outside: updates, with exactly one outcome each (semantics 16)."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

import actors
from actors import INVALID, NOT_FOUND, PID, TIMEOUT, UNAVAILABLE, Error, Message, Node, ReplyTo, wire
from actors.wire import CallOutcome, SequenceNumber
from temporal_bridge import EmbeddedServer, TemporalBridge, TemporalClient, Worker
from temporal_bridge._client.signal_workflow import send_signal
from temporal_bridge._client.update_workflow import send_update
from temporal_bridge._wire import signals
from temporal_bridge.devserver.server import DYNAMIC_CONFIG
from tests.bridging import Outside, cached_or_evicted, outside
from tests.call_entries import WORKER, adder, calls, hears, hoarder
from tests.eventually import eventually
from tests.test_workflow_replay import check_replay

here = cached_or_evicted(calls, worker=WORKER)


async def ends_and_replays(here: Outside, pid: PID) -> Any:
    """Stop it, and have its history replayed by a fresh worker's code."""
    await here.node.send(pid, "stop")
    found = await here.result(pid)
    await check_replay(here, pid)
    return found


async def kinds(here: Outside, pid: PID) -> Counter[str]:
    """How many events of each kind its history has."""
    return Counter(event.WhichOneof("attributes") or "" for event in await here.history(pid))


UPDATED = "workflow_execution_update_completed_event_attributes"
SIGNALED = "workflow_execution_signaled_event_attributes"


async def test_call_from_outside_is_an_update_and_its_reply_the_result(here: Outside) -> None:
    pid = await here.node.spawn(adder)
    assert [await here.node.call(pid, "add", number) for number in (1, 2, 3)] == [1, 3, 6]

    async def body() -> Any:
        return await actors.call(pid, "add", 4)

    assert await here.node.execute(body, on="trio") == 10
    found = await kinds(here, pid)
    assert (found[UPDATED], found[SIGNALED]) == (4, 0)
    assert found["marker_recorded_event_attributes"] == 0
    assert await ends_and_replays(here, pid) == 10


async def test_call_comes_after_what_its_caller_sent_before(here: Outside) -> None:
    pid = await here.node.spawn(hears)

    async def body() -> PID:
        for number in range(20):
            await actors.send(pid, "sent", number)
            assert await actors.call(pid, "called", number) == 2 * number + 2
        await actors.send(pid, "stop")
        return actors.self_pid()

    caller = await here.node.execute(body, on="trio")
    heard = await here.result(pid)
    assert heard == [
        *([topic, number, caller] for number in range(20) for topic in ("sent", "called")),
        ["stop", None, caller],
    ]


async def test_call_comes_after_messages_that_are_still_on_their_way(here: Outside) -> None:
    pid = await here.node.spawn(hears)

    async def body() -> None:
        for number in range(200):
            actors.start_soon(actors.send, pid, "sent", number)
        await actors.sleep("1ms")  # they are in the outbox, and most have not been accepted
        assert await actors.call(pid, "called", timeout="20s") == 201
        await actors.send(pid, "stop")

    await here.node.execute(body, on="trio")
    heard = await here.result(pid)
    assert [topic for topic, *_ in heard] == [*["sent"] * 200, "called", "stop"]


async def test_more_calls_at_once_than_the_server_has_updates_all_get_their_own_reply(here: Outside) -> None:
    pid = await here.node.spawn(hoarder)
    answers: list[int] = []

    async def ask(number: int) -> None:
        answers.append(await actors.call(pid, "ask", number, timeout="30s"))
        assert answers[-1] == number

    async def body() -> None:
        await actors.send(pid, "answer", 50)
        for number in range(50):
            await actors.spawn_monitored(ask, number)
        for _ in range(50):
            assert (await actors.events().receive()).reason == "normal"

    await here.node.execute(body, on="trio")
    assert sorted(answers) == list(range(50))
    assert await ends_and_replays(here, pid) == []


async def test_calls_of_several_nodes_beyond_the_limit_of_updates_are_each_taken_once(
    here: Outside, temporal_address: str
) -> None:
    """The server refuses the eleventh update, and sometimes takes it nevertheless."""
    pid = await here.node.spawn(hoarder)
    await here.node.send(pid, "answer", 24)
    answers: list[int] = []

    async def ask(node: Node, number: int) -> None:
        answers.append(await node.call(pid, "ask", number, timeout="30s"))

    async with AsyncExitStack() as stack:
        nodes: list[Node] = []
        for _ in range(6):
            node = await stack.enter_async_context(Node("another"))
            away = Worker(WORKER, task_queue=here.task_queue, run=False)
            await stack.enter_async_context(TemporalBridge(node, TemporalClient(temporal_address), away))
            nodes.append(node)
        async with trio.open_nursery() as nursery:
            for number in range(24):
                nursery.start_soon(ask, nodes[number % 6], number)
    assert sorted(answers) == list(range(24))
    assert await ends_and_replays(here, pid) == []


@pytest.mark.parametrize("first", ["update", "message"])
async def test_call_that_was_refused_as_an_update_and_taken_nevertheless_is_delivered_once(
    here: Outside, first: str
) -> None:
    """The server may refuse an update, which then goes as a message, and find later that the worker has taken it."""
    pid = await here.node.spawn(hoarder)
    caller = ReplyTo(PID(here.node.name, "trio", "1"), 7)
    item = wire.to_envelope(Message("ask", 1, reply_to=caller))

    async def by_message() -> None:
        signal = signals.signal_of([wire.refused_envelope(item)], SequenceNumber("another", 1))
        await here.portal.call(send_signal, here.client, pid.id, signal, here.new_id())

    async def by_update() -> None:
        key = wire.call_key(caller)
        answer, _ = await here.portal.call(send_update, here.client, pid.id, key, item)
        assert answer is CallOutcome.DEFERRED

    async with trio.open_nursery() as nursery:
        if first == "update":
            nursery.start_soon(by_update)
            await eventually(partial(has_accepted, here, pid))
            await by_message()
        else:
            await by_message()
            await by_update()
    assert await ends_and_replays(here, pid) == [1]


@pytest.mark.parametrize("upgrades", [0, 1, 2])
async def test_reply_to_a_call_that_was_refused_as_an_update_and_taken_and_answered_arrives(
    here: Outside, monkeypatch: pytest.MonkeyPatch, upgrades: int
) -> None:
    pid = await here.node.spawn(adder)

    async def refused(*args: Any) -> tuple[Any, str | None]:
        await send_update(*args)
        for _ in range(upgrades):
            run_id = (await here.handle(pid).describe()).run_id
            await here.handle(pid).signal("upgrade", None)
            while (await here.handle(pid).describe()).run_id == run_id:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return CallOutcome.REFUSED, None

    monkeypatch.setattr("temporal_bridge._client.calls_as_updates.send_update", refused)
    assert await here.node.call(pid, "add", 2, timeout="20s") == 2
    monkeypatch.undo()
    assert await here.node.call(pid, "add", 3) == 5
    assert await ends_and_replays(here, pid) == 5


async def test_more_calls_than_a_run_takes_as_updates_go_on_as_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DYNAMIC_CONFIG, "history.maxTotalUpdates", "20")
    async with (
        EmbeddedServer(database=False) as server,
        outside(server.address, calls, worker=WORKER) as here,
    ):
        pid = await here.node.spawn(adder)
        assert [await here.node.call(pid, "add", 1) for _ in range(50)] == list(range(1, 51))
        assert (await kinds(here, pid))[UPDATED] == 20
        assert await ends_and_replays(here, pid) == 50


async def test_call_that_finds_nobody_is_not_found(here: Outside) -> None:
    nobody = PID("default", "temporal", here.new_id())
    letters = here.node.dead_letters()
    with pytest.raises(Error, match="does not exist") as caught:
        await here.node.call(nobody, "add", 1)
    assert (await letters.channel.receive()).message.topic == "add"
    assert caught.value.kind == NOT_FOUND
    ended = await here.node.spawn(adder)
    await here.node.send(ended, "stop")
    await here.result(ended)
    with pytest.raises(Error, match="ended") as caught:
        await here.node.call(ended, "add", 1)
    assert (caught.value.kind, caught.value.details["reason"]) == (UNAVAILABLE, "normal")


@pytest.mark.parametrize("end", ["fail", "stop", "terminate", "cancel"])
async def test_end_of_the_target_is_the_outcome_of_an_open_call(here: Outside, end: str) -> None:
    pid = await here.node.spawn(adder if end == "fail" else hoarder)

    async def end_it() -> None:
        if end == "fail":
            return
        await eventually(partial(has_accepted, here, pid))
        if end == "stop":
            await here.node.send(pid, "stop")
        elif end == "terminate":
            await here.node.terminate(pid)
        else:
            await here.node.cancel(pid)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_it)
        with pytest.raises(Error) as caught:
            await here.node.call(pid, "fail" if end == "fail" else "ask", 1, timeout="20s")
    assert caught.value.kind == UNAVAILABLE
    expected = {"fail": "error", "stop": "normal", "terminate": "terminated", "cancel": "cancelled"}
    assert caught.value.details["reason"] == expected[end]
    if end == "fail":
        cause = caught.value.__cause__
        assert isinstance(cause, Error)
        assert cause.message == "ValueError: asked to fail"


async def has_accepted(here: Outside, pid: PID) -> bool:
    return (await kinds(here, pid))["workflow_execution_update_accepted_event_attributes"] > 0


async def test_end_of_a_target_whose_successor_has_its_id_is_the_outcome_all_the_same(here: Outside) -> None:
    """As a supervisor restarts it."""
    name = here.new_id()
    spawner = here.node.spawner(name=name)
    pid = await spawner.spawn(hoarder)

    async def replace() -> None:
        await eventually(partial(has_accepted, here, pid))
        await here.node.terminate(pid)
        assert await spawner.spawn(hoarder) == pid

    async with trio.open_nursery() as nursery:
        nursery.start_soon(replace)
        with pytest.raises(Error, match="terminated"):
            await here.node.call(pid, "ask", 1, timeout="20s")


async def test_late_reply_vanishes_and_frees_the_update(here: Outside) -> None:
    pid = await here.node.spawn(hoarder)

    async def body() -> None:
        for number in range(12):  # more than the server would keep open
            with pytest.raises(Error, match="no reply within") as caught:
                await actors.call(pid, "ask", number, timeout="200ms")
            assert caught.value.kind == TIMEOUT
        await actors.send(pid, "answer")
        await actors.sleep("300ms")
        assert (await actors.select(actors.inbox(), default=True)).channel is None
        with pytest.raises(Error, match="no reply within"):
            await actors.call(pid, "ask", 12, timeout="200ms")

    await here.node.execute(body, on="trio")
    assert await ends_and_replays(here, pid) == [12]


async def test_call_times_out_while_no_worker_is_there_and_is_not_heard_after_what_followed(
    temporal_address: str,
) -> None:
    queue = f"q-{uuid.uuid4()}"
    away = Worker(WORKER, task_queue=queue, run=False)
    async with Node("caller") as node:
        async with TemporalBridge(node, TemporalClient(temporal_address), away):
            pid = await node.spawn(hears)
            with pytest.raises(Error, match="no reply within") as caught:
                await node.call(pid, "called", 1, timeout="500ms")
            assert caught.value.kind == TIMEOUT
            await node.send(pid, "sent", 2)
            await node.send(pid, "stop")
        here = Worker(WORKER, task_queue=queue, entries=[calls])
        async with TemporalBridge(node, TemporalClient(temporal_address), here):
            exits: list[Any] = []

            async def wait() -> None:
                await actors.monitor(pid)
                exits.append(await actors.events().receive())

            with trio.fail_after(20):
                await node.execute(wait, on="trio")
    topics = [topic for topic, *_ in exits[0].result.unwrap()]
    assert topics in (["sent", "stop"], ["called", "sent", "stop"])


async def test_open_call_is_answered_after_an_upgrade(here: Outside) -> None:
    """One was taken from the mailbox and kept as a message to the process itself, the other is unread."""
    pid = await here.node.spawn(adder, 5)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await here.node.call(pid, "add", 1, timeout="20s"))

    async with trio.open_nursery() as nursery:
        await here.node.send(pid, "upgrade")
        for _ in range(4):
            nursery.start_soon(ask)
        await here.node.send(pid, "upgrade")
    assert sorted(answers) == [6, 7, 8, 9]


async def test_every_call_is_executed_once_under_a_stream_across_many_upgrades(here: Outside) -> None:
    pid = await here.node.spawn(adder)
    seen: list[int] = []

    async def ask() -> None:
        for _ in range(25):
            total = await actors.call(pid, "add", 1, timeout="30s")
            seen.append(total)
            if total % 12 == 0:  # eight times, among calls of the others
                await actors.send(pid, "upgrade")

    async def body() -> None:
        ends = actors.events()
        for _ in range(4):
            await actors.spawn_monitored(ask)
        for _ in range(4):
            event = await ends.receive()
            assert event.reason == "normal", event

    await here.node.execute(body, on="trio")
    assert sorted(seen) == list(range(1, 101))
    assert await ends_and_replays(here, pid) == 100


async def test_open_call_survives_a_restart_of_the_worker(temporal_address: str) -> None:
    queue = f"q-{uuid.uuid4()}"
    here = Worker(WORKER, task_queue=queue, entries=[calls])
    away = Worker(WORKER, task_queue=queue, run=False)
    answers: list[int] = []

    async def has_answer() -> bool:
        return bool(answers)

    async with Node("caller") as node, TemporalBridge(node, TemporalClient(temporal_address), away):
        pid = PID("default", "temporal", str(uuid.uuid4()))

        async def ask() -> None:
            answers.append(await node.call(pid, "ask", 1, timeout="30s"))

        async with trio.open_nursery() as nursery:
            async with Node("first") as first, TemporalBridge(first, TemporalClient(temporal_address), here):
                await node.spawner(name=pid.id).spawn(hoarder)
                nursery.start_soon(ask)
                await eventually(partial(is_waiting, first, pid))
            async with Node("next") as second, TemporalBridge(second, TemporalClient(temporal_address), here):
                await second.send(pid, "answer")
                await eventually(has_answer)
    assert answers == [1]


async def is_waiting(node: Node, pid: PID) -> bool:
    return (await node.describe(pid)).handled == 1


# Other Temporal clients


async def test_any_temporal_client_can_execute_an_update(here: Outside) -> None:
    pid = await here.node.spawn(adder)
    handle = here.handle(pid)

    async def update(name: str, *args: Any) -> Any:
        return await here.portal.call(lambda: handle.execute_update(name, args=list(args)))

    assert await update("add", 2) == 2
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await update("@exit", 2)
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == INVALID
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await update("stop")  # ends without a reply
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == UNAVAILABLE
    assert await here.result(pid) == 2


async def test_call_with_what_cannot_travel_is_refused_at_the_call(here: Outside) -> None:
    pid = await here.node.spawn(adder)
    with pytest.raises(Error, match="cannot be serialised") as caught:
        await here.node.call(pid, "add", object())
    assert caught.value.kind == INVALID
