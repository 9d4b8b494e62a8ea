"""Messages and events in one channel, in their order of arrival."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Cancel, Error, Exit, LinkDown, Message
from tests.hosts import forever, me, next_exit, on_every_host, settle


async def nothing() -> None:
    pass


async def ends_after(topic: str) -> None:
    """Send its parent a message, and end."""
    parent = me().parent
    assert parent is not None
    await actors.send(parent, topic)


def what(came: Message | Exit | LinkDown | Cancel) -> str:
    return came.topic if isinstance(came, Message) else came.kind


async def all_waiting() -> list[str]:
    found: list[str] = []
    while (picked := await actors.select(actors.incoming(), default=True)).channel is not None:
        found.append(what(picked.value))
    return found


@on_every_host
async def test_messages_and_events_come_in_their_order_of_arrival() -> None:
    for topic in ("a", "b", "c"):
        await actors.send(actors.self_pid(), f"before {topic}")
        await actors.spawn_monitored(ends_after, topic)
        await settle()
    await actors.send(actors.self_pid(), "last")
    assert await all_waiting() == [
        *("before a", "a", "EXIT"),
        *("before b", "b", "EXIT"),
        *("before c", "c", "EXIT"),
        "last",
    ]


@on_every_host
async def test_whoever_waits_gets_what_comes_first_be_it_a_message_or_an_event() -> None:
    await actors.spawn_monitored(nothing)
    assert what(await actors.incoming().receive()) == "EXIT"
    await actors.spawn(ends_after, "hello")
    assert what(await actors.incoming().receive()) == "hello"
    await actors.spawn_monitored(nothing)
    picked = await actors.select(actors.after("1h"), actors.incoming())
    assert what(picked.value) == "EXIT"
    await actors.spawn(ends_after, "again")
    picked = await actors.select(actors.after("1h"), actors.incoming())
    assert (picked.channel, what(picked.value)) == (actors.incoming(), "again")


@on_every_host
async def test_it_is_iterated_like_any_channel_and_nobody_closes_it() -> None:
    await actors.send(actors.self_pid(), "one")
    async for came in actors.incoming():
        assert what(came) == "one"
        break
    with pytest.raises(Error, match="cannot be closed"):
        actors.incoming().close()


@on_every_host
async def test_inbox_and_events_give_what_was_not_received_from_both() -> None:
    actors.incoming()
    await actors.send(actors.self_pid(), "one")
    await actors.spawn_monitored(nothing)
    await settle()
    await actors.send(actors.self_pid(), "two")
    assert what(await next_exit()) == "EXIT"
    assert what(await actors.inbox().receive()) == "one"
    assert await all_waiting() == ["two"]


@on_every_host
async def test_whoever_waits_at_inbox_gets_no_event_from_both() -> None:
    got: list[str] = []

    async def reader() -> None:
        while True:
            got.append(what(await actors.inbox().receive()))

    async def both() -> None:
        while True:
            got.append(f"both {what(await actors.incoming().receive())}")

    actors.start_soon(reader)
    await settle()
    actors.start_soon(both)
    await settle()
    await actors.spawn_monitored(nothing)
    await settle()
    await actors.send(actors.self_pid(), "hello")
    await settle()
    assert got == ["both EXIT", "hello"]


@on_every_host
async def test_wait_for_both_that_is_cancelled_leaves_all_as_it_was() -> None:
    picked = await actors.select(actors.incoming(), actors.after("1s"))
    assert picked.channel is not actors.incoming()
    await actors.send(actors.self_pid(), "one")
    await actors.spawn_monitored(nothing)
    await settle()
    assert await all_waiting() == ["one", "EXIT"]


@on_every_host
async def test_unmonitor_takes_back_an_exit_that_waits_among_messages() -> None:
    actors.incoming()
    await actors.send(actors.self_pid(), "one")
    pid = await actors.spawn_monitored(nothing)
    await settle()
    await actors.send(actors.self_pid(), "two")
    await actors.unmonitor(pid)
    assert await all_waiting() == ["one", "two"]


@on_every_host
async def test_listener_that_takes_messages_away_holds_up_no_event() -> None:
    actors.incoming()
    for topic in ("a", "b", "a"):
        await actors.send(actors.self_pid(), topic)
    await actors.spawn_monitored(nothing)
    await settle()
    actors.listen("a")
    assert await all_waiting() == ["b", "EXIT"]


@on_every_host
async def test_process_that_reads_both_is_asked_to_stop_by_an_event() -> None:
    async def stops(report: Any) -> None:
        async for came in actors.incoming():
            if isinstance(came, Cancel):
                await actors.send(report, "stopped", came.reason)
                return

    pid = await actors.spawn(stops, actors.self_pid())
    other = await actors.spawn(forever)
    await settle()
    await actors.cancel(pid, reason="enough")
    assert (await actors.inbox().receive()).payload == "enough"
    await actors.terminate(other)
