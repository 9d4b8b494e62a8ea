"""Messages and calls of durable processes, on a real server: W22 to W27 and W37 of the seed map."""

from __future__ import annotations

from functools import partial
from typing import Any

import actors
from actors import PID
from tests.bridging import Outside, cached_or_evicted
from tests.eventually import eventually
from tests.workflow_entries import (
    WORKER,
    call_by_hand,
    call_it,
    collect,
    collect_numbers,
    echo,
    exchange,
    handlers,
    send_and_wait,
    send_to,
    send_to_self,
    silent,
    two_topics,
    wf,
    whole_messages,
    worker_pool,
)

here = cached_or_evicted(wf, worker=WORKER)


async def test_w22_inbox_yields_topic_payload_and_sender_in_order(here: Outside) -> None:
    async def body() -> tuple[PID, PID]:
        pid = await actors.spawn(collect, 3)
        await actors.send(pid, "a")
        await actors.send(pid, "b", 1)
        await actors.send(pid, "c", 1, 2)
        return pid, actors.self_pid()

    pid, me = await here.as_process(body)
    assert await here.result(pid) == [["a", None, me], ["b", 1, me], ["c", (1, 2), me]]


async def test_w22_signal_of_a_plain_client_is_a_message_without_sender(here: Outside) -> None:
    pid = await here.node.spawn(collect, 2)
    await here.portal.call(lambda: here.handle(pid).signal("paid", {"amount": 3}))
    await here.portal.call(lambda: here.handle(pid).signal("shipped", args=[1, "x"]))
    assert await here.result(pid) == [["paid", {"amount": 3}, None], ["shipped", (1, "x"), None]]


async def test_w23_select_over_topics_takes_each_message_once_in_order(here: Outside) -> None:
    pid = await here.node.spawn(two_topics)
    for topic, value in (("add", 1), ("take", 2), ("add", 3)):
        await here.node.send(pid, topic, value)
    await here.node.send(pid, "done")
    found = await here.result(pid)
    assert sorted(found) == [["add", 1], ["add", 3], ["take", 2]]
    assert [value for topic, value in found if topic == "add"] == [1, 3]


async def test_w24_listen_with_messages_gives_whole_messages(here: Outside) -> None:
    async def body() -> tuple[PID, PID]:
        pid = await actors.spawner().with_message("job", 0).spawn(whole_messages, 2)
        await actors.send(pid, "job", {"x": 1})
        return pid, actors.self_pid()

    pid, me = await here.as_process(body)
    assert await here.result(pid) == [["job", 0, me], ["job", {"x": 1}, me]]


async def test_w25_handlers_answer_the_senders_and_a_failed_reply_breaks_nothing(here: Outside) -> None:
    async def quits_early(pid: PID) -> None:
        await actors.send(pid, "good", "nobody waits for this")

    async def body(pid: PID) -> list[Any]:
        await actors.spawn_monitored(quits_early, pid)
        await actors.events().receive()
        await actors.send(pid, "good", 1)
        await actors.send(pid, "bad", 2)
        found = [await actors.inbox().receive(), await actors.inbox().receive()]
        await actors.send(pid, "good", "last")
        await actors.send(pid, "bad", "last")
        return sorted([message.topic, message.payload, message.sender == pid] for message in found)

    pid = await here.node.spawn(handlers)
    assert await here.as_process(body, pid) == [["ack", 1, True], ["nak", 2, True]]
    assert await here.result(pid) == {"ack": 1, "nak": 1, "lost": 1}


async def test_w26_request_and_reply_with_select_and_after(here: Outside) -> None:
    target = await here.node.spawn(echo)
    assert await here.node.execute(call_by_hand, target) == ["question", False]


async def test_w26_call_from_a_durable_process_to_a_durable_one(here: Outside) -> None:
    target = await here.node.spawn(echo)
    assert await here.node.execute(call_it, target, {"q": 1}) == {"q": 1}


async def test_w26_call_from_a_durable_process_to_a_local_one_and_back(here: Outside) -> None:
    async def answering() -> Any:
        pid = await actors.spawn_monitored(call_it, actors.self_pid(), "from inside")
        message = await actors.inbox().receive()
        assert message.sender == pid
        await actors.reply(message, [message.payload])
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        return event.result.value

    async def asking() -> Any:
        return await actors.call(await actors.spawn(echo), "ask", 7, timeout="20s")

    assert await here.as_process(answering) == ["from inside"]
    assert await here.as_process(asking) == 7


async def test_w26_call_from_code_outside_any_process(here: Outside) -> None:
    pid = await here.node.spawn(echo)
    assert await here.node.call(pid, "ask", 1, 2, timeout="20s") == (1, 2)


async def test_w26_call_from_a_durable_process_times_out_and_a_late_reply_vanishes(here: Outside) -> None:
    target = await here.node.spawn(silent)
    assert await here.node.execute(call_it, target, 1, "100ms") == ["TIMEOUT", None]


async def test_w26_call_of_a_missing_process_is_not_found_at_once(here: Outside) -> None:
    missing = PID("default", "temporal", here.new_id("missing"))
    assert await here.node.execute(call_it, missing, 1) == ["NOT_FOUND", "noproc"]


async def test_w26_call_ends_with_the_target(here: Outside) -> None:
    async def body() -> Any:
        target = await actors.spawn(silent)
        pid = await actors.spawn_monitored(call_it, target, 1)
        await eventually(partial(asked, here, target))
        await actors.send(target, "stop")
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        assert event.pid == pid
        return event.result.value

    async def asked(here: Outside, target: PID) -> bool:
        return any(
            event.workflow_execution_signaled_event_attributes.signal_name == "ask"
            for event in await here.history(target)
        )

    assert await here.as_process(body) == ["UNAVAILABLE", "normal"]


async def test_w27_messages_between_durable_processes_both_ways_in_order(here: Outside) -> None:
    target = await here.node.spawn(echo)
    assert await here.node.execute(exchange, target, 30) == list(range(30))
    assert await here.node.send(target, "stop")
    assert await here.result(target) == "stopped"


async def test_w27_send_to_itself(here: Outside) -> None:
    assert await here.node.execute(send_to_self) == [1, True, True, 2]


async def test_w27_send_to_a_missing_target_is_false_and_the_sender_lives_on(here: Outside) -> None:
    missing = PID("default", "temporal", here.new_id("missing"))
    closed = await here.node.spawn(collect, 0)
    assert await here.result(closed) == []
    ended = PID(here.node.kernel.name, "trio", "999")
    for target in (missing, closed, ended):
        assert await here.node.execute(send_to, target) is False


async def test_w27_send_to_local_processes_both_ways_in_order(here: Outside) -> None:
    async def body() -> list[Any]:
        pid = await actors.spawn_monitored(exchange, actors.self_pid(), 30)
        found = []
        for _ in range(30):
            message = await actors.inbox().receive()
            assert message.sender == pid
            found.append(message.payload)
            await actors.send(pid, "n", message.payload)
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        assert event.result.value == found
        return found

    assert await here.as_process(body) == list(range(30))


async def test_messages_sent_before_the_end_arrive_although_nobody_waited_for_them(here: Outside) -> None:
    async def body() -> list[Any]:
        await actors.spawn(exchange_without_waiting, actors.self_pid())
        numbers = actors.listen("n")
        return [await numbers.receive() for _ in range(20)]

    async def exchange_without_waiting(target: PID) -> None:
        await actors.execute(send_and_wait, target, 20)

    assert await here.as_process(body) == list(range(20))
    target = await here.node.spawn(collect_numbers, 20)
    await here.node.execute(send_and_wait, target, 20)
    assert await here.result(target) == list(range(20))


async def test_messages_between_processes_gather_into_few_events(here: Outside) -> None:
    target = await here.node.spawn(collect_numbers, 1000)
    await here.node.execute(send_and_wait, target, 1000)
    assert sorted(await here.result(target)) == list(range(1000))  # of tasks side by side
    events = await here.history(target)
    signals = [event for event in events if event.HasField("workflow_execution_signaled_event_attributes")]
    assert len(signals) <= 3


async def test_w37_worker_pool_over_channels(here: Outside) -> None:
    assert await here.node.execute(worker_pool, 20) == [job * job for job in range(20)]
