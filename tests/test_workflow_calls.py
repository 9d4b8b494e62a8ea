"""Calls from durable processes to local ones: answered with their delivery, or by signal, and always once (W26)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from temporalio.api.enums.v1 import EventType

import actors
from actors import PID, Error, Kernel
from actors.wire import Call, Envelope
from temporal_bridge._client.inbound_calls import Delivery, InboundCalls
from temporal_bridge._wire.converter import MsgpackConverter
from tests.bridging import Outside, cached_or_evicted
from tests.eventually import eventually
from tests.workflow_entries import WORKER, call_it, call_many, call_then_receive, wf

here = cached_or_evicted(wf, worker=WORKER)


async def kinds(here: Outside, pid: PID) -> list[str]:
    return [EventType.Name(event.event_type) for event in await here.history(pid)]


async def answering() -> None:
    async for message in actors.inbox():
        await actors.reply(message, message.payload)


async def gated() -> None:
    """Answers calls once it is told to, the latest first."""
    go = actors.listen("go")
    await go.receive()
    asked: list[actors.Message] = []
    while (picked := await actors.select(actors.inbox(), default=True)).channel is not None:
        asked.append(picked.value)
    for message in reversed(asked):
        await actors.reply(message, message.payload)
    await actors.listen("stop").receive()


async def watched(here: Outside, pid: PID) -> int | None:
    """How many watch a local process."""
    return (await here.node.describe(pid)).watchers


async def waits_for_signals(here: Outside, pid: PID) -> bool:
    """Whether a delivery of its calls has come back without answers: from then on it watches over the node."""
    return "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED" in await kinds(here, pid)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery waits for its answers however busy the machine is."""
    monkeypatch.setattr("temporal_bridge._client.inbound_calls.SOON", 5.0)


@pytest.mark.usefixtures("patient")
async def test_w26_call_of_a_local_process_costs_one_event(here: Outside) -> None:
    local = await here.node.spawn(answering)
    pid = await here.node.spawn(call_many, local, 10, 1)
    assert await here.result(pid) == list(range(10))
    found = await kinds(here, pid)
    assert found.count("EVENT_TYPE_MARKER_RECORDED") == 10
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" not in found
    assert "EVENT_TYPE_TIMER_STARTED" not in found
    await eventually(partial(is_zero, here, local))


@pytest.mark.usefixtures("patient")
async def test_w26_calls_at_once_share_deliveries_and_each_gets_its_own_answer(here: Outside) -> None:
    local = await here.node.spawn(answering)
    pid = await here.node.spawn(call_many, local, 100, 100)
    assert await here.result(pid) == list(range(100))
    assert (await kinds(here, pid)).count("EVENT_TYPE_MARKER_RECORDED") < 50


async def test_w26_answer_that_is_not_ready_at_once_comes_by_signal(here: Outside) -> None:
    local = await here.node.spawn(gated)
    pid = await here.node.spawn(call_many, local, 5, 5)
    await eventually(partial(waits_for_signals, here, pid))
    await here.node.send(local, "go")
    assert await here.result(pid) == list(range(5))
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" in await kinds(here, pid)
    await eventually(partial(is_zero, here, local))


async def test_w26_what_was_sent_before_the_reply_is_there_when_the_reply_is(here: Outside) -> None:
    async def sends_first() -> None:
        async for message in actors.inbox():
            assert message.sender is not None
            await actors.send(message.sender, "first", message.payload)
            await actors.reply(message, message.payload)

    local = await here.node.spawn(sends_first)
    pid = await here.node.spawn(call_then_receive, local, 5)
    assert await here.result(pid) == [[number, number] for number in range(5)]


async def test_w26_target_that_ends_before_it_replies_fails_the_call_with_its_reason(here: Outside) -> None:
    async def dies() -> None:
        await actors.inbox().receive()
        raise Error("no", kind=actors.CONFLICT)

    pid = await here.node.spawn(call_it, await here.node.spawn(dies), 1)
    assert await here.result(pid) == ["UNAVAILABLE", "error"]


async def test_w26_call_of_a_process_that_is_gone_is_not_found(here: Outside) -> None:
    local = await here.node.spawn(answering)
    await here.node.terminate(local)
    assert await here.result(await here.node.spawn(call_it, local, 1)) == ["NOT_FOUND", "noproc"]


async def test_w26_call_that_a_full_mailbox_refuses_is_unavailable(here: Outside) -> None:
    bounded = here.node.spawner(options={"mailbox.max": 1})
    local = await bounded.spawn(gated)
    await here.node.send(local, "fills it")
    assert await here.result(await here.node.spawn(call_it, local, 1)) == ["UNAVAILABLE", None]


async def test_w26_call_that_times_out_leaves_nothing_behind(here: Outside) -> None:
    local = await here.node.spawn(gated)
    pid = await here.node.spawn(call_it, local, 1, "100ms")
    assert await here.result(pid) == ["TIMEOUT", None]
    await eventually(partial(is_zero, here, local))
    assert await here.node.send(local, "go")  # its late reply has nobody to go to
    assert await here.node.send(local, "stop")
    await eventually(partial(has_ended, here, local))


async def is_zero(here: Outside, local: PID) -> bool:
    return await watched(here, local) == 0


async def has_ended(here: Outside, local: PID) -> bool:
    return local not in [each.pid for each in here.node.processes()]


# The node's part by itself.

CALLER = PID("default", "temporal", "caller")


class Desk:
    """The callers of a kernel with one process that answers nothing by itself."""

    def __init__(self, node: actors.Node, target: PID, sent: int | None = 0) -> None:
        self.target = target
        self.sent = sent
        self.exits: list[tuple[PID, Envelope]] = []
        self.kernel: Kernel = node.kernel
        converter = MsgpackConverter()
        self.callers = InboundCalls(
            self.kernel, converter, lambda _: self.sent, lambda *exit: self.exits.append(exit)
        )

    async def deliver(self, *numbers: int, seen: int = 0, again: bool = False) -> list[Any]:
        delivery = Delivery(seen)
        calls = [Call(CALLER, number) for number in numbers]
        if not again:
            for call in calls:
                await self.callers.begin(call, self.target, delivery)
        return await self.callers.answers(delivery, calls, [True] * len(calls))


@pytest.fixture
async def desk(autojump_clock: trio.testing.MockClock) -> AsyncGenerator[Desk, None]:
    async with actors.Node("desk") as node:
        yield Desk(node, await node.spawn(actors.sleep, "1h"))


async def test_answer_is_given_again_when_its_delivery_is_made_again(desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        found: list[Any] = []

        async def deliver() -> None:
            found.append(await desk.deliver(1, 2))

        nursery.start_soon(deliver)
        await trio.testing.wait_all_tasks_blocked()
        assert desk.callers.reply(Call(CALLER, 2), "two", 10)
        assert desk.callers.reply(Call(CALLER, 1), "one", 10)
    assert found == [[["@reply", "one"], ["@reply", "two"]]]
    assert await desk.deliver(1, 2, again=True) == found[0]


async def test_answer_after_the_moment_does_not_go_with_a_delivery(desk: Desk) -> None:
    assert await desk.deliver(1) == [True]
    assert not desk.callers.reply(Call(CALLER, 1), "late", 10)
    assert not desk.callers.reply(Call(CALLER, 1), "twice", 10)


@pytest.mark.parametrize("sent", [None, 4])
async def test_answer_does_not_overtake_what_its_caller_has_not_seen(desk: Desk, sent: int | None) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(desk.deliver, 1, seen=3))
        await trio.testing.wait_all_tasks_blocked()
        desk.sent = sent
        assert not desk.callers.reply(Call(CALLER, 1), "one", 10)


async def test_answers_that_are_too_much_for_one_delivery_go_by_themselves(desk: Desk) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.deliver, 1, 2)
        await trio.testing.wait_all_tasks_blocked()
        assert desk.callers.reply(Call(CALLER, 1), "one", 1_500_000)
        assert not desk.callers.reply(Call(CALLER, 2), "two", 1_500_000)


async def test_end_of_the_target_goes_with_the_delivery_or_by_itself_but_once(desk: Desk) -> None:
    assert await desk.deliver(1) == [True]
    async with trio.open_nursery() as nursery:
        found: list[Any] = []

        async def deliver() -> None:
            found.extend(await desk.deliver(2))

        nursery.start_soon(deliver)
        await trio.testing.wait_all_tasks_blocked()
        await desk.kernel.terminate(None, desk.target, "")
    assert [answer[:2] for answer in found] == [["@exit", "terminated"]]
    assert [(pid, item.values[1:3]) for pid, item in desk.exits] == [(CALLER, [1, "terminated"])]


async def test_call_that_nobody_waits_for_is_not_told_of_the_end(desk: Desk) -> None:
    assert await desk.deliver(1) == [True]
    desk.callers.forget(Call(CALLER, 1))
    await desk.kernel.terminate(None, desk.target, "")
    await trio.testing.wait_all_tasks_blocked()
    assert desk.exits == []
