"""Calls (semantics 16)."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import PID, Message, ReplyTo, kernel_of
from tests.hosts import clock, crash, echo, exit_of, forever, me, next_exit, on_every_host, settle

STRANGER = PID("other.0", "trio", "1")


async def answers_late(delay: str) -> None:
    """Answer each call after a while."""
    async for message in actors.inbox():
        await actors.sleep(delay)
        await actors.reply(message, "late")


async def nothing_is_left() -> bool:
    """Whether no call, message or event is left at the caller."""
    await actors.sleep("1h")
    picked = await actors.select(actors.inbox(), actors.events(), default=True)
    return picked.channel is None


@on_every_host
async def test_call_returns_the_reply_to_this_call() -> None:
    pid = await actors.spawn(echo)
    assert await actors.call(pid, "question", 1) == 1
    assert await actors.call(pid, "question", 1, "two") == (1, "two")
    assert await actors.call(pid, "question") is None
    assert await nothing_is_left()


@on_every_host
async def test_call_to_a_name_asks_whoever_has_it() -> None:
    async def server() -> None:
        await actors.names.register("server")
        await echo()

    await actors.spawn(server)
    await settle()
    assert await actors.call("server", "question", 1) == 1


@on_every_host
async def test_replies_find_their_calls_in_whatever_order_they_come() -> None:
    async def server() -> None:
        messages = [await actors.inbox().receive() for _ in range(100)]
        for message in reversed(messages):
            await actors.reply(message, message.payload)

    pid = await actors.spawn(server)
    got: dict[int, int] = {}

    async def caller(number: int) -> None:
        got[number] = await actors.call(pid, "question", number)

    for number in range(100):
        actors.start_soon(caller, number)
    await settle()
    assert got == {number: number for number in range(100)}


@on_every_host
async def test_call_arrives_as_a_message_with_its_sender() -> None:
    seen: list[Message] = []

    async def server() -> None:
        message = await actors.inbox().receive()
        seen.append(message)
        await actors.reply(message)

    await actors.call(await actors.spawn(server), "question", 1)
    (message,) = seen
    assert (message.topic, message.payload, message.sender) == ("question", 1, actors.self_pid())


@on_every_host
async def test_call_can_be_answered_from_a_listener_of_whole_messages() -> None:
    async def server() -> None:
        async for message in actors.listen("question", messages=True):
            await actors.reply(message, message.payload + 1)

    assert await actors.call(await actors.spawn(server), "question", 1) == 2


@on_every_host
async def test_call_can_be_answered_by_another_process() -> None:
    async def helper() -> None:
        question = (await actors.inbox().receive()).payload
        await actors.reply(question, "from the helper")

    async def server(helper: PID) -> None:
        await actors.send(helper, "do", await actors.inbox().receive())
        await forever()

    pid = await actors.spawn(server, await actors.spawn(helper))
    assert await actors.call(pid, "question") == "from the helper"


@on_every_host
async def test_call_to_a_process_that_does_not_exist_fails_at_once() -> None:
    dead = (await exit_of(crash)).pid
    before = clock()
    for dest in (dead, STRANGER, "nobody"):
        with pytest.raises(actors.Error, match="does not exist") as caught:
            await actors.call(dest, "question", timeout="24h")
        assert caught.value.kind == actors.NOT_FOUND
        assert caught.value.details["reason"] == "noproc"
    assert clock() == before


@on_every_host
async def test_call_fails_when_the_target_dies_before_it_replies() -> None:
    async def ends(how: str) -> None:
        await actors.inbox().receive()
        if how == "terminated":
            await actors.terminate(actors.self_pid())
        elif how == "error":
            raise actors.Error("broken", kind=actors.CONFLICT)

    before = clock()
    for how in ("normal", "terminated", "error"):
        pid = await actors.spawn(ends, how)
        with pytest.raises(actors.Error, match=how) as caught:
            await actors.call(pid, "question", timeout="24h")
        assert caught.value.kind == actors.UNAVAILABLE
        assert caught.value.details["reason"] == how
        if how == "error":
            assert isinstance(caught.value.__cause__, actors.Error)
            assert caught.value.__cause__.message == "broken"
    assert clock() == before


@on_every_host
async def test_call_to_a_dying_process_fails_with_its_death() -> None:
    async def lingers() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")

    pid = await actors.spawn(lingers)
    await settle()
    await actors.terminate(pid)
    before = clock()
    with pytest.raises(actors.Error, match="terminated") as caught:
        await actors.call(pid, "question", timeout="24h")
    assert caught.value.kind == actors.UNAVAILABLE
    assert clock() - before <= 1


@on_every_host
async def test_call_to_a_silent_process_times_out_after_five_seconds_or_as_told() -> None:
    pid = await actors.spawn(forever)
    for options, expected in (({}, 5), ({"timeout": "250ms"}, 0.25), ({"timeout": "0s"}, 0)):
        before = clock()
        with pytest.raises(actors.Error, match="no reply within") as caught:
            await actors.call(pid, "question", **options)
        assert caught.value.kind == actors.TIMEOUT
        assert clock() - before == pytest.approx(expected)


@on_every_host
async def test_late_reply_vanishes() -> None:
    seen: list[bool] = []

    async def server() -> None:
        message = await actors.inbox().receive()
        await actors.sleep("2s")
        seen.append(await actors.reply(message, "late"))
        await forever()

    pid = await actors.spawn(server)
    with pytest.raises(actors.Error, match="no reply"):
        await actors.call(pid, "question", timeout="1s")
    assert await nothing_is_left()
    assert seen == [False]


@on_every_host
async def test_late_reply_does_not_answer_the_next_call() -> None:
    pid = await actors.spawn(answers_late, "2s")
    with pytest.raises(actors.Error, match="no reply"):
        await actors.call(pid, "question", timeout="1s")
    before = clock()
    assert await actors.call(pid, "question", timeout="10s") == "late"
    assert clock() - before == pytest.approx(3)


@on_every_host
async def test_second_reply_vanishes() -> None:
    seen: list[bool] = []

    async def server() -> None:
        async for message in actors.inbox():
            for number in range(3):
                seen.append(await actors.reply(message, number))
                await settle()

    pid = await actors.spawn(server)
    assert await actors.call(pid, "question") == 0
    assert await nothing_is_left()
    assert seen == [True, False, False]
    assert await actors.call(pid, "question") == 0


@on_every_host
async def test_reply_at_the_very_moment_of_the_timeout_gives_one_outcome() -> None:
    pid = await actors.spawn(answers_late, "1s")
    for _ in range(5):
        try:
            assert await actors.call(pid, "question", timeout="1s") == "late"
        except actors.Error as error:
            if error.kind != actors.TIMEOUT:
                raise
        assert await nothing_is_left()


@on_every_host
async def test_reply_of_a_process_that_then_dies_counts() -> None:
    async def server() -> None:
        await actors.reply(await actors.inbox().receive(), "last words")

    for _ in range(20):
        assert await actors.call(await actors.spawn(server), "question") == "last words"


@on_every_host
async def test_call_leaves_no_monitor_and_no_call_behind() -> None:
    server, silent = await actors.spawn(echo), await actors.spawn(forever)
    await actors.call(server, "question")
    with pytest.raises(actors.Error, match="no reply"):
        await actors.call(silent, "question")

    async def caller(pid: PID) -> None:
        await actors.call(pid, "question", timeout="24h")

    pid = await actors.spawn(caller, silent)
    await settle()
    assert (await actors.describe(silent)).watchers == 1
    await actors.terminate(pid)
    await settle()
    assert (await actors.describe(silent)).watchers == 0
    assert (await actors.describe(server)).watchers == 0
    assert kernel_of(me()).calls.waiting == 0


@on_every_host
async def test_process_cannot_call_itself() -> None:
    await actors.names.register("myself")
    for dest in (actors.self_pid(), "myself"):
        with pytest.raises(actors.Error, match="itself") as caught:
            await actors.call(dest, "question")
        assert caught.value.kind == actors.INVALID


@on_every_host
async def test_two_processes_that_call_each_other_time_out() -> None:
    async def calls(peer: PID) -> None:
        await actors.call(peer, "question", timeout="1s")

    async def waits() -> None:
        peer = (await actors.inbox().receive()).payload
        await actors.call(peer, "question", timeout="1s")

    first = await actors.spawn_monitored(waits)
    second = await actors.spawn_monitored(calls, first)
    await actors.send(first, "peer", second)
    errors = [(await next_exit()).result.error for _ in range(2)]
    assert actors.TIMEOUT in {error.kind for error in errors if error is not None}


@on_every_host
async def test_reply_to_what_was_not_called_raises() -> None:
    await actors.send(actors.self_pid(), "sent", 1)
    message = await actors.inbox().receive()
    with pytest.raises(actors.Error, match="was sent, not called") as caught:
        await actors.reply(message, 1)
    assert caught.value.kind == actors.INVALID


@on_every_host
async def test_reply_to_a_caller_that_is_gone_returns_false() -> None:
    calls: list[Message] = []

    async def server() -> None:
        calls.append(await actors.inbox().receive())
        await forever()

    async def caller(pid: PID) -> None:
        await actors.call(pid, "question", timeout="24h")

    pid = await actors.spawn(caller, await actors.spawn(server))
    await settle()
    await actors.terminate(pid)
    await settle()
    assert not await actors.reply(calls[0], "to nobody")
    assert not await actors.reply(Message("topic", 1, STRANGER, ReplyTo(STRANGER, 1)), "to nobody")


@on_every_host
async def test_topics_of_calls_are_checked_before_anything_is_sent() -> None:
    pid = await actors.spawn(forever)
    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((pid, "@reserved"), {}),
        ((pid, "topic"), {"timeout": 5}),
        ((pid, "topic"), {"timeout": "soon"}),
        ((1, "topic"), {}),
    ]
    for args, options in wrong:
        with pytest.raises(actors.Error):
            await actors.call(*args, **options)
    assert (await actors.describe(pid)).mailbox == 0
