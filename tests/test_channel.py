"""Channels and select (semantics 15, 28 to 30)."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Channel, ChannelClosed, Picked, select
from tests.hosts import exit_of, forever, me, on_every_host, settle


async def send(channel: Channel[Any], *values: object) -> None:
    for value in values:
        await channel.send(value)


async def receive_into(seen: list[Any], channel: Channel[Any]) -> None:
    async for value in channel:
        seen.append(value)  # noqa: PERF401 - whoever looks at `seen` is to see what has come so far


async def select_into(seen: list[Any], *cases: Any) -> None:
    seen.append(await select(*cases))


async def ended_by(seen: list[Any], function: Any, *args: Any) -> None:
    """Note the exception of a call."""
    try:
        await function(*args)
    except ChannelClosed as error:
        seen.append(type(error))


# Handing over and buffering


@on_every_host
async def test_unbuffered_send_waits_for_its_receiver() -> None:
    channel = Channel[int]()
    sent: list[str] = []

    async def sender() -> None:
        await channel.send(1)
        sent.append("sent")

    actors.start_soon(sender)
    await settle()
    assert sent == []
    assert await channel.receive() == 1
    await settle()
    assert sent == ["sent"]


@on_every_host
async def test_unbuffered_receiver_that_waits_gets_the_value() -> None:
    channel = Channel[str]()
    seen: list[str] = []
    actors.start_soon(receive_into, seen, channel)
    await settle()
    await channel.send("a")
    await settle()
    assert seen == ["a"]


@on_every_host
async def test_buffered_channel_takes_as_many_values_as_its_capacity_without_a_receiver() -> None:
    channel = Channel[int](capacity=3)
    await send(channel, 1, 2, 3)
    late: list[Any] = []
    actors.start_soon(select_into, late, channel.sending(4))
    await settle()
    assert late == []
    assert [await channel.receive() for _ in range(4)] == [1, 2, 3, 4]
    await settle()
    assert late == [Picked(channel, None, True)]


@on_every_host
async def test_values_of_senders_that_wait_follow_those_in_the_buffer_in_order() -> None:
    channel = Channel[int](capacity=2)
    for value in range(6):
        actors.start_soon(send, channel, value)
        await settle()
    assert [await channel.receive() for _ in range(6)] == [0, 1, 2, 3, 4, 5]


@on_every_host
async def test_receivers_are_served_in_the_order_in_which_they_came() -> None:
    channel = Channel[int]()
    seen: list[tuple[str, int]] = []

    async def receiver(name: str) -> None:
        seen.append((name, await channel.receive()))

    for name in "abc":
        actors.start_soon(receiver, name)
        await settle()
    await send(channel, 1, 2, 3)
    await settle()
    assert sorted(seen) == [("a", 1), ("b", 2), ("c", 3)]


@on_every_host
async def test_none_is_a_value_like_any_other() -> None:
    channel = Channel[Any](capacity=1)
    await channel.send(None)
    assert await channel.receive() is None


@on_every_host
async def test_channel_connects_two_processes() -> None:
    channel = Channel[actors.PID]()

    async def child() -> None:
        await channel.send(actors.self_pid())

    assert await actors.spawn(child) == await channel.receive()


# Closing


@on_every_host
async def test_receive_on_a_closed_channel_raises_once_it_is_drained() -> None:
    channel = Channel[int](capacity=2)
    await send(channel, 1, 2)
    channel.close()
    assert channel.closed
    assert [await channel.receive(), await channel.receive()] == [1, 2]
    with pytest.raises(ChannelClosed):
        await channel.receive()


@on_every_host
async def test_iteration_gives_what_is_buffered_and_ends_when_the_channel_is_closed() -> None:
    channel = Channel[int](capacity=3)
    await send(channel, 1, 2, 3)
    channel.close()
    assert [value async for value in channel] == [1, 2, 3]


@on_every_host
async def test_send_on_a_closed_channel_raises() -> None:
    channel = Channel[int](capacity=1)
    channel.close()
    with pytest.raises(ChannelClosed):
        await channel.send(1)


@on_every_host
async def test_close_wakes_each_receiver_and_sender_that_waits() -> None:
    empty, full = Channel[int](), Channel[int](capacity=1)
    await full.send(1)
    seen: list[type] = []
    for _ in range(3):
        actors.start_soon(ended_by, seen, empty.receive)
        actors.start_soon(ended_by, seen, full.send, 2)
    await settle()
    empty.close()
    full.close()
    await settle()
    assert seen == [ChannelClosed] * 6
    assert [value async for value in full] == [1]


@on_every_host
async def test_closing_twice_is_fine() -> None:
    channel = Channel[int]()
    channel.close()
    channel.close()
    assert channel.closed


@on_every_host
async def test_close_during_iteration_ends_it() -> None:
    channel = Channel[int]()
    seen: list[Any] = []

    async def reader() -> None:
        await receive_into(seen, channel)
        seen.append("over")

    actors.start_soon(reader)
    await channel.send(1)
    await settle()
    channel.close()
    await settle()
    assert seen == [1, "over"]


# Select


@on_every_host
async def test_select_takes_the_first_ready_case_in_the_order_given() -> None:
    one, two = Channel[int](capacity=1), Channel[int](capacity=1)
    await one.send(1)
    await two.send(2)
    assert await select(two, one) == Picked(two, 2, True)
    assert await select(two, one) == Picked(one, 1, True)
    assert await select(two, one.sending(3), two.sending(4)) == Picked(one, None, True)
    assert await one.receive() == 3


@on_every_host
async def test_select_with_default_returns_at_once_when_no_case_is_ready() -> None:
    channel = Channel[int]()
    assert await select(channel, channel.sending(1), default=True) == Picked(None, None, True)
    assert await select(default=True) == Picked(None, None, True)


@on_every_host
async def test_select_with_default_takes_a_ready_case() -> None:
    channel = Channel[int](capacity=1)
    assert (await select(channel, channel.sending(1), default=True)).channel is channel
    assert await select(channel, default=True) == Picked(channel, 1, True)


@on_every_host
async def test_select_waits_for_the_first_case_that_becomes_ready() -> None:
    one, two, three = Channel[int](), Channel[int](), Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, one, two, three.sending(3))
    await settle()
    assert seen == []
    await two.send(2)
    await settle()
    assert seen == [Picked(two, 2, True)]


@on_every_host
async def test_select_that_waits_sends_when_a_receiver_comes() -> None:
    one, two = Channel[int](), Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, one, two.sending(2))
    await settle()
    assert await two.receive() == 2
    await settle()
    assert seen == [Picked(two, None, True)]


@on_every_host
async def test_losing_cases_are_as_if_never_tried() -> None:
    one, two, three = Channel[int](), Channel[int](), Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, one, two.sending(2), three)
    await settle()
    await one.send(1)
    await settle()
    assert len(seen) == 1
    assert await select(two, default=True) == Picked(None, None, True), "the value was sent although it lost"
    assert await select(three.sending(3), default=True) == Picked(None, None, True), (
        "a receiver was left behind"
    )


@on_every_host
async def test_two_cases_that_become_ready_at_once_take_one_value() -> None:
    one, two = Channel[int](), Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, one, two)
    await settle()
    actors.start_soon(send, two, 2)
    actors.start_soon(send, one, 1)
    await settle()
    (picked,) = seen
    assert picked in (Picked(one, 1, True), Picked(two, 2, True))
    assert await select(one, two) == (Picked(two, 2, True) if picked.channel is one else Picked(one, 1, True))


@on_every_host
async def test_select_picks_a_channel_that_is_closed_and_drained_with_ok_false() -> None:
    channel = Channel[int](capacity=1)
    await channel.send(1)
    channel.close()
    assert await select(channel) == Picked(channel, 1, True)
    assert await select(channel) == Picked(channel, None, False)


@on_every_host
async def test_select_that_waits_learns_that_a_channel_is_closed() -> None:
    one, two = Channel[int](), Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, one, two)
    await settle()
    two.close()
    await settle()
    assert seen == [Picked(two, None, False)]


@on_every_host
async def test_select_raises_when_a_send_case_finds_its_channel_closed() -> None:
    channel, other = Channel[int](), Channel[int]()
    seen: list[Any] = []
    actors.start_soon(ended_by, seen, select, other, channel.sending(1))
    await settle()
    channel.close()
    await settle()
    assert seen == [ChannelClosed]
    with pytest.raises(ChannelClosed):
        await select(other, channel.sending(1))
    assert await select(other, default=True) == Picked(None, None, True)


@on_every_host
async def test_select_may_have_one_channel_twice() -> None:
    channel = Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, channel, channel)
    await settle()
    await channel.send(1)
    await settle()
    assert seen == [Picked(channel, 1, True)]
    assert await select(channel.sending(2), default=True) == Picked(None, None, True)


@on_every_host
async def test_select_does_not_hand_a_value_to_itself() -> None:
    channel = Channel[int]()
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, channel, channel.sending(1))
    await settle()
    assert seen == []
    assert await channel.receive() == 1
    await settle()
    assert seen == [Picked(channel, None, True)]


@on_every_host
async def test_two_selects_that_send_and_receive_on_one_channel_meet() -> None:
    channel = Channel[int]()
    seen: list[Picked] = []
    for value in (1, 2):
        actors.start_soon(select_into, seen, channel, channel.sending(value))
        await settle()
    assert seen == [Picked(channel, 1, True), Picked(channel, None, True)]


@on_every_host
async def test_select_over_a_listener_gives_payloads_and_over_the_inbox_messages() -> None:
    ticks = actors.listen("tick")
    await actors.send(actors.self_pid(), "tick", 1)
    await actors.send(actors.self_pid(), "other", 2)
    assert (await select(ticks, actors.inbox())).value == 1
    assert (await select(ticks, actors.inbox())).value.topic == "other"
    seen: list[Picked] = []
    actors.start_soon(select_into, seen, ticks, actors.inbox())
    await settle()
    await actors.send(actors.self_pid(), "tick", 3)
    await settle()
    assert seen == [Picked(ticks, 3, True)]


# Cancellation (semantics 30)


@on_every_host
async def test_cancel_while_parked_in_select_on_three_channels_leaves_them_as_they_were() -> None:
    one, two, three = Channel[int](), Channel[int](), Channel[int]()

    async def child() -> None:
        await select(one, two.sending(2), three)

    pid = await actors.spawn(child)
    await settle()
    await actors.terminate(pid)
    await settle()
    for case in (one.sending(1), two, three.sending(3)):
        assert await select(case, default=True) == Picked(None, None, True)


@on_every_host
async def test_value_sent_to_a_cancelled_receiver_goes_to_the_next_one() -> None:
    channel = Channel[int]()
    seen: list[int] = []
    first = await actors.spawn(receive_into, seen, channel)
    await settle()
    actors.start_soon(receive_into, seen, channel)
    await settle()
    await actors.terminate(first)
    await channel.send(1)
    await settle()
    assert seen == [1]


@on_every_host
async def test_value_handed_over_before_the_cancel_is_received() -> None:
    channel = Channel[int]()
    seen: list[int] = []

    async def child() -> None:
        seen.append(await channel.receive())
        await forever()

    pid = await actors.spawn(child)
    await settle()
    await channel.send(1)
    await actors.terminate(pid)
    await settle()
    assert seen == [1]


@on_every_host
async def test_cancelled_sender_has_not_sent() -> None:
    channel = Channel[int]()
    pid = await actors.spawn(send, channel, 1)
    await settle()
    await actors.terminate(pid)
    await settle()
    assert await select(channel, default=True) == Picked(None, None, True)


# Fairness (semantics 15)


@on_every_host
async def test_busy_receiver_lets_others_run() -> None:
    channel = Channel[int](capacity=10_000)
    await send(channel, *range(10_000))
    reductions: list[int] = []

    async def other() -> None:
        while True:
            reductions.append(1)
            await actors.sleep("0s")

    pid = await actors.spawn(other)
    for _ in range(10_000):
        await channel.receive()
    await actors.terminate(pid)
    assert len(reductions) > 10


@on_every_host
async def test_busy_sender_and_select_let_others_run() -> None:
    channel = Channel[int](capacity=10_000)
    reductions: list[int] = []

    async def other() -> None:
        while True:
            reductions.append(1)
            await actors.sleep("0s")

    pid = await actors.spawn(other)
    await send(channel, *range(10_000))
    after_send = len(reductions)
    for _ in range(10_000):
        await select(channel)
    await actors.terminate(pid)
    assert after_send > 10
    assert len(reductions) - after_send > 10


@on_every_host
async def test_busy_receiver_can_be_terminated() -> None:
    channel = Channel[int](capacity=1_000_000)
    count = 0

    async def busy() -> None:
        nonlocal count
        while True:
            await channel.send(1)
            await channel.receive()
            count += 1
            if count == 100:
                await actors.spawn(killer, actors.self_pid())

    async def killer(pid: actors.PID) -> None:
        await actors.terminate(pid)

    event = await exit_of(busy)
    assert event.reason == "terminated"
    assert count < 2000


@on_every_host
async def test_process_that_is_being_ended_raises_at_its_next_call_even_if_a_value_is_there() -> None:
    channel = Channel[int](capacity=1)
    await channel.send(1)
    got: list[int] = []

    async def child() -> None:
        me().kernel.cancel_here(me(), None, "", None)
        got.append(await channel.receive())

    event = await exit_of(child)
    assert event.reason == "cancelled"
    assert got == []
    assert await channel.receive() == 1


# Channels that the runtime fills


@on_every_host
async def test_inbox_events_and_timers_take_no_values_by_hand() -> None:
    for channel in (actors.inbox(), actors.events(), actors.listen("topic"), actors.every("1s")):
        filled: Channel[Any] = channel
        with pytest.raises(actors.Error, match="filled"):
            await filled.send("by hand")
        with pytest.raises(actors.Error, match="filled"):
            filled.sending("by hand")


@on_every_host
async def test_inbox_and_events_cannot_be_closed() -> None:
    for channel in (actors.inbox(), actors.events()):
        opened: Channel[Any] = channel
        with pytest.raises(actors.Error, match="closed"):
            opened.close()
    await actors.send(actors.self_pid(), "topic", 1)
    assert (await actors.inbox().receive()).payload == 1
