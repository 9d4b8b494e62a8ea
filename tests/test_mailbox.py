"""The mailbox: the inbox, listeners and bounds (semantics 7, 10 to 14)."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import ChannelClosed, Message, select
from tests.hosts import clock, echo, forever, on_every_host, settle


async def send_all(dest: actors.PID, *messages: tuple[str, Any]) -> None:
    for topic, payload in messages:
        await actors.send(dest, topic, payload)


def unread(channel: actors.Channel[Any]) -> list[Any]:
    """What lies in a channel of the runtime, without receiving it."""
    assert isinstance(channel, actors.Queue)
    found = channel.remove(lambda _: True)
    channel.replace_all(found)
    return [value.payload if isinstance(value, Message) else value for value in found]


# Payloads and messages (semantics 12, 14)


@on_every_host
async def test_inbox_yields_topic_payload_and_sender() -> None:
    me = actors.self_pid()

    async def child() -> None:
        await actors.send(me, "greeting", "hello")

    pid = await actors.spawn(child)
    assert await actors.inbox().receive() == Message("greeting", "hello", pid)


@on_every_host
async def test_payload_of_one_value_is_the_value_of_several_a_tuple_of_none_none() -> None:
    me = actors.self_pid()
    await actors.send(me, "one", 1)
    await actors.send(me, "several", 1, "two", None)
    await actors.send(me, "none")
    await actors.send(me, "one tuple", (1, 2))
    await actors.send(me, "one none", None)
    payloads = [(await actors.inbox().receive()).payload for _ in range(5)]
    assert payloads == [1, (1, "two", None), None, (1, 2), None]


@on_every_host
async def test_local_payload_is_the_very_object_that_was_sent() -> None:
    payload = object()
    await actors.send(actors.self_pid(), "object", payload)
    assert (await actors.inbox().receive()).payload is payload


@on_every_host
async def test_messages_work_in_match() -> None:
    await actors.send(actors.self_pid(), "add", 1, 2)
    match await actors.inbox().receive():
        case Message("add", (1, 2), actors.PID()):
            pass
        case other:
            raise AssertionError(other)


# Order (semantics 7)


@on_every_host
async def test_messages_of_one_sender_arrive_in_order_across_topics() -> None:
    me = actors.self_pid()
    sent = [(f"topic {number % 7}", number) for number in range(2000)]
    await actors.spawn(send_all, me, *sent)
    received = [await actors.inbox().receive() for _ in sent]
    assert [(message.topic, message.payload) for message in received] == sent


@on_every_host
async def test_order_holds_for_each_of_many_senders() -> None:
    me = actors.self_pid()
    for sender in range(20):
        await actors.spawn(send_all, me, *((f"from {sender}", number) for number in range(300)))
    seen: dict[str, list[int]] = {}
    for _ in range(20 * 300):
        message = await actors.inbox().receive()
        seen.setdefault(message.topic, []).append(message.payload)
    assert len(seen) == 20
    assert all(numbers == list(range(300)) for numbers in seen.values())


# Topics (semantics 10)


@on_every_host
@pytest.mark.parametrize("topic", ["", "@", "@call", None, 1, b"topic", ["topic"]])
async def test_topic_that_is_empty_reserved_or_no_string_is_refused(topic: Any) -> None:
    pid = await actors.spawn(forever)
    for verb in (
        lambda: actors.send(pid, topic, 1),
        lambda: actors.call(pid, topic, 1),
        lambda: actors.groups.broadcast("group", topic, 1),
    ):
        with pytest.raises(actors.Error, match="topic=") as caught:
            await verb()
        assert caught.value.kind == actors.INVALID
    with pytest.raises(actors.Error, match="topic="):
        actors.listen(topic)
    with pytest.raises(actors.Error, match="topic="):
        actors.spawner().with_message(topic, 1)
    assert (await actors.describe(pid)).mailbox == 0


@on_every_host
async def test_any_other_string_is_a_topic() -> None:
    for topic in (" ", "a@b", "ümlaut", "line\nbreak", "x" * 10_000):
        await actors.send(actors.self_pid(), topic, 1)
        assert (await actors.inbox().receive()).topic == topic


# Listeners (semantics 11)


@on_every_host
async def test_listener_gets_its_topic_and_the_inbox_the_rest() -> None:
    me = actors.self_pid()
    prices = actors.listen("price")
    await send_all(me, ("price", 1), ("other", 2), ("price", 3), ("price.eur", 4))
    assert [await prices.receive(), await prices.receive()] == [1, 3]
    assert unread(actors.inbox()) == [2, 4]


@on_every_host
async def test_listener_yields_payloads_or_whole_messages_as_asked() -> None:
    me = actors.self_pid()
    payloads, messages = actors.listen("payload"), actors.listen("message", messages=True)
    await send_all(me, ("payload", 1), ("message", 2))
    assert await payloads.receive() == 1
    assert await messages.receive() == Message("message", 2, me)


@on_every_host
async def test_listen_takes_over_what_waits_in_the_inbox_in_order() -> None:
    me = actors.self_pid()
    await send_all(me, ("a", 1), ("b", 2), ("a", 3), ("b", 4))
    channel = actors.listen("a")
    await send_all(me, ("a", 5), ("b", 6))
    assert unread(channel) == [1, 3, 5]
    assert unread(actors.inbox()) == [2, 4, 6]


@on_every_host
async def test_listening_twice_to_one_topic_gives_the_same_channel() -> None:
    assert actors.listen("topic") is actors.listen("topic")
    assert actors.listen("whole", messages=True) is actors.listen("whole", messages=True)


@on_every_host
async def test_listening_twice_for_payloads_and_for_messages_is_refused() -> None:
    actors.listen("topic")
    with pytest.raises(actors.Error, match="messages=True") as caught:
        actors.listen("topic", messages=True)
    assert caught.value.kind == actors.INVALID


@on_every_host
async def test_unlisten_closes_the_channel_and_puts_unread_messages_back_in_order() -> None:
    me = actors.self_pid()
    one, two = actors.listen("one"), actors.listen("two")
    sent = [(topic, number) for number, topic in enumerate(["one", "two", "x", "two", "one", "x", "one"])]
    await send_all(me, *sent)
    actors.unlisten(two)
    assert unread(actors.inbox()) == [1, 2, 3, 5]
    actors.unlisten(one)
    assert unread(actors.inbox()) == list(range(7))
    assert one.closed
    with pytest.raises(ChannelClosed):
        await one.receive()


@on_every_host
async def test_order_across_topics_survives_listen_and_unlisten() -> None:
    me = actors.self_pid()
    await send_all(me, ("a", 1), ("b", 2), ("a", 3))
    actors.unlisten(actors.listen("a"))
    await send_all(me, ("b", 4))
    assert unread(actors.inbox()) == [1, 2, 3, 4]
    actors.unlisten(actors.listen("b"))
    assert unread(actors.inbox()) == [1, 2, 3, 4]


@on_every_host
async def test_unlisten_serves_whoever_waits_at_the_inbox() -> None:
    me = actors.self_pid()
    channel = actors.listen("topic")
    await send_all(me, ("topic", 1), ("topic", 2))
    seen: list[Message] = []

    async def reader() -> None:
        async for message in actors.inbox():
            seen.append(message)  # noqa: PERF401 - looked at while it goes on

    actors.start_soon(reader)
    await settle()
    actors.unlisten(channel)
    await settle()
    assert [message.payload for message in seen] == [1, 2]


@on_every_host
async def test_unlisten_tells_whoever_waits_at_the_channel() -> None:
    channel = actors.listen("topic")
    seen: list[str] = []

    async def reader() -> None:
        async for _ in channel:
            pass
        seen.append("over")

    actors.start_soon(reader)
    await settle()
    actors.unlisten(channel)
    await settle()
    assert seen == ["over"]


@on_every_host
async def test_unlistening_twice_is_fine() -> None:
    channel = actors.listen("topic")
    actors.unlisten(channel)
    actors.unlisten(channel)


@on_every_host
async def test_a_topic_can_be_listened_to_again() -> None:
    me = actors.self_pid()
    first = actors.listen("topic")
    await actors.send(me, "topic", 1)
    actors.unlisten(first)
    second = actors.listen("topic", messages=True)
    assert second is not first
    assert (await second.receive()).payload == 1


@on_every_host
async def test_unlisten_of_another_channel_is_refused() -> None:
    foreign: list[actors.Channel[Any]] = []

    async def child() -> None:
        foreign.append(actors.listen("topic"))
        await forever()

    await actors.spawn(child)
    await settle()
    for channel in (foreign[0], actors.inbox(), actors.events(), actors.Channel[int]()):
        with pytest.raises(actors.Error) as caught:
            actors.unlisten(channel)
        assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_messages_to_a_listener_that_its_user_closed_are_not_lost() -> None:
    me = actors.self_pid()
    channel = actors.listen("topic")
    channel.close()
    await actors.send(me, "topic", 1)
    assert unread(actors.inbox()) == [1]


# Bounds (semantics 13)


def bounded(limit: int, overflow: str | None = None) -> actors.Spawner:
    options: dict[str, Any] = {"mailbox.max": limit}
    if overflow is not None:
        options["mailbox.overflow"] = overflow
    return actors.spawner(options=options)


@on_every_host
async def test_mailbox_is_unbounded_by_default() -> None:
    pid = await actors.spawn(forever)
    for number in range(20_000):
        assert await actors.send(pid, "topic", number)
    assert (await actors.describe(pid)).mailbox == 20_000


@on_every_host
@pytest.mark.parametrize("overflow", [None, "reject"])
async def test_full_mailbox_that_rejects_makes_send_return_false(overflow: str | None) -> None:
    pid = await bounded(2, overflow).spawn(forever)
    assert [await actors.send(pid, "topic", number) for number in range(4)] == [True, True, False, False]
    assert (await actors.describe(pid)).mailbox == 2


async def collect(owner: actors.PID, go: str = "go") -> None:
    """Wait for a word, then send on all that is unread."""
    await actors.listen(go).receive()
    picked = await select(actors.inbox(), default=True)
    while picked.channel is not None:
        await actors.send(owner, "unread", picked.value.payload)
        picked = await select(actors.inbox(), default=True)
    await actors.send(owner, "end")


async def collected() -> list[Any]:
    unread: list[Any] = []
    async for message in actors.inbox():
        if message.topic == "end":
            break
        unread.append(message.payload)
    return unread


@on_every_host
async def test_full_mailbox_that_drops_the_oldest_keeps_the_latest() -> None:
    pid = await bounded(3, "drop_oldest").spawn(collect, actors.self_pid())
    await settle()
    assert all([await actors.send(pid, "topic", number) for number in range(10)])
    await actors.send(pid, "go")
    assert await collected() == [7, 8, 9]


@on_every_host
async def test_full_mailbox_that_drops_the_newest_keeps_the_first() -> None:
    pid = await bounded(3, "drop_newest").spawn(collect, actors.self_pid())
    await settle()
    assert all([await actors.send(pid, "topic", number) for number in range(10)])
    await actors.send(pid, "go")
    assert await collected() == [0, 1, 2]


@on_every_host
async def test_bound_counts_listeners_and_inbox_together_and_drops_the_oldest_of_all() -> None:
    me = actors.self_pid()

    async def child() -> None:
        one, two = actors.listen("one"), actors.listen("two")
        await actors.send(me, "ready")
        await actors.listen("go").receive()
        for channel in (one, two, actors.inbox()):
            await actors.send(me, "unread", unread(channel))

    pid = await bounded(3, "drop_oldest").spawn(child)
    await actors.inbox().receive()
    await send_all(pid, ("one", 1), ("two", 2), ("x", 3), ("x", 4), ("two", 5))
    assert (await actors.describe(pid)).mailbox == 3
    await actors.send(pid, "go")
    assert [(await actors.inbox().receive()).payload for _ in range(3)] == [[], [5], [3, 4]]


@on_every_host
async def test_message_for_a_receiver_that_waits_is_never_one_too_many() -> None:
    pid = await bounded(1).spawn(collect, actors.self_pid())
    await settle()
    assert await actors.send(pid, "topic", 1)
    assert not await actors.send(pid, "topic", 2)
    assert await actors.send(pid, "go")
    assert await collected() == [1]


@on_every_host
async def test_system_traffic_is_not_bounded() -> None:
    me = actors.self_pid()

    async def watcher(target: actors.PID) -> None:
        for _ in range(5):
            await actors.monitor(target)
        await actors.send(me, "watching")
        for _ in range(5):
            assert (await actors.events().receive()).kind == actors.EXIT
        await actors.send(me, "seen all")
        assert await actors.call(me, "question") == "answer"
        await actors.send(me, "answered")

    target = await actors.spawn(forever)
    pid = await bounded(1).spawn(watcher, target)
    assert (await actors.inbox().receive()).topic == "watching"
    assert await actors.send(pid, "fills it")
    assert not await actors.send(pid, "one too many")
    await actors.terminate(target)
    assert (await actors.inbox().receive()).topic == "seen all"
    await actors.reply(await actors.inbox().receive(), "answer")
    assert (await actors.inbox().receive()).topic == "answered"


@on_every_host
async def test_call_to_a_full_mailbox_that_rejects_fails_at_once() -> None:
    pid = await bounded(1).spawn(forever)
    await actors.send(pid, "fills it")
    before = clock()
    with pytest.raises(actors.Error, match="full") as caught:
        await actors.call(pid, "question")
    assert caught.value.kind == actors.UNAVAILABLE
    assert clock() == before


async def call_and_tell(target: actors.PID, owner: actors.PID) -> None:
    with pytest.raises(actors.Error, match="full") as caught:
        await actors.call(target, "question")
    await actors.send(owner, "told", caught.value.kind)


@on_every_host
@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
async def test_call_that_a_full_mailbox_drops_fails_at_once(overflow: str) -> None:
    pid = await bounded(1, overflow).spawn(forever)
    before = clock()
    if overflow == "drop_newest":
        await actors.send(pid, "fills it")
    await actors.spawn(call_and_tell, pid, actors.self_pid())
    await settle()
    if overflow == "drop_oldest":
        assert await actors.send(pid, "pushes the call out")
    assert (await actors.inbox().receive()).payload == actors.UNAVAILABLE
    assert clock() - before < 1


@on_every_host
async def test_room_that_is_made_by_receiving_can_be_used_again() -> None:
    pid = await bounded(2).spawn(echo)
    for number in range(100):
        assert await actors.send(pid, "topic", number)
        await settle()
    assert [(await actors.inbox().receive()).payload for _ in range(100)] == list(range(100))


@on_every_host
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mailbox.max": 0}, "mailbox.max=0"),
        ({"mailbox.max": -1}, "mailbox.max=-1"),
        ({"mailbox.max": 1.5}, "mailbox.max=1.5"),
        ({"mailbox.max": "10"}, "mailbox.max='10'"),
        ({"mailbox.max": True}, "mailbox.max=True"),
        ({"mailbox.max": 1, "mailbox.overflow": "explode"}, "mailbox.overflow='explode'"),
        ({"mailbox.max": 1, "mailbox.overflow": None}, "mailbox.overflow=None"),
        ({"mailbox.max": 1, "mailbox.overflow": ["reject"]}, "mailbox.overflow="),
        ({"mailbox.overflow": "reject"}, "mailbox.overflow='reject'"),
        ({"mailbox.maximum": 1}, "option='mailbox.maximum'"),
    ],
)
async def test_bad_mailbox_option_is_refused_at_the_spawn(options: dict[str, Any], named: str) -> None:
    with pytest.raises(actors.Error) as caught:
        await actors.spawner(options=options).spawn(forever)
    assert caught.value.kind == actors.INVALID
    assert named in str(caught.value)


# Large backlogs


@on_every_host
async def test_call_is_answered_although_the_caller_has_a_backlog_of_100_000_messages() -> None:
    me = actors.self_pid()
    for number in range(100_000):
        await actors.send(me, "backlog", number)
    pid = await actors.spawn(echo)
    for number in range(100):
        assert await actors.call(pid, "question", number) == number
    assert [(await actors.inbox().receive()).payload for _ in range(100_000)] == list(range(100_000))


@on_every_host
async def test_listener_takes_its_topic_out_of_a_backlog_of_100_000_messages() -> None:
    me = actors.self_pid()
    for number in range(100_000):
        await actors.send(me, "odd" if number % 2 else "even", number)
    odd = actors.listen("odd")
    assert [await odd.receive() for _ in range(50_000)] == list(range(1, 100_000, 2))
    assert (await actors.inbox().receive()).payload == 0
