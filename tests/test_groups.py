"""Process groups (semantics 4 and 33)."""

from __future__ import annotations

import pytest

import actors
from tests.hosts import exit_of, forever, next_exit, on_every_host, settle

GROUP = "workers"


async def joins(*groups: str) -> None:
    for group in groups:
        await actors.groups.join(group)
    await forever()


def changes_of(channel: actors.Channel[actors.GroupChange]) -> list[tuple[str, actors.PID]]:
    assert isinstance(channel, actors.Queue)
    return [(change.change, change.pid) for change in channel.remove(lambda _: True)]


@on_every_host
async def test_group_nobody_joined_has_no_members() -> None:
    assert await actors.groups.members(GROUP) == []


@on_every_host
async def test_member_is_in_as_often_as_it_joined_and_leaving_undoes_one_join() -> None:
    me = actors.self_pid()
    for _ in range(3):
        await actors.groups.join(GROUP)
    assert await actors.groups.members(GROUP) == [me, me, me]
    await actors.groups.leave(GROUP)
    assert await actors.groups.members(GROUP) == [me, me]
    await actors.groups.leave(GROUP)
    await actors.groups.leave(GROUP)
    assert await actors.groups.members(GROUP) == []


@on_every_host
async def test_leaving_a_group_without_being_in_raises() -> None:
    with pytest.raises(actors.Error, match=f"group='{GROUP}'") as caught:
        await actors.groups.leave(GROUP)
    assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_members_come_in_the_order_in_which_they_joined() -> None:
    pids = []
    for _ in range(5):
        pids.append(await actors.spawn(joins, GROUP))
        await settle()
    assert await actors.groups.members(GROUP) == pids


@on_every_host
async def test_death_undoes_all_joins_before_exit_arrives() -> None:
    async def child() -> None:
        for group in (GROUP, GROUP, "others"):
            await actors.groups.join(group)

    await exit_of(child)
    assert await actors.groups.members(GROUP) == []
    assert await actors.groups.members("others") == []


@on_every_host
async def test_broadcast_reaches_each_member_once() -> None:
    owner = actors.self_pid()

    async def member(times: int) -> None:
        for _ in range(times):
            await actors.groups.join(GROUP)
        async for message in actors.inbox():
            await actors.send(owner, "got", actors.self_pid(), message.topic, message.payload)

    pids = [await actors.spawn(member, times) for times in (1, 2, 3)]
    await settle()
    assert await actors.groups.broadcast(GROUP, "news", 1, 2) == 3
    await settle()
    got = [(await actors.inbox().receive()).payload for _ in range(3)]
    assert sorted(got) == sorted((pid, "news", (1, 2)) for pid in pids)
    assert (await actors.select(actors.inbox(), default=True)).channel is None


@on_every_host
async def test_broadcast_to_a_group_without_members_reaches_nobody() -> None:
    assert await actors.groups.broadcast(GROUP, "news") == 0


@on_every_host
async def test_monitor_gives_the_members_and_then_each_change() -> None:
    first = await actors.spawn(joins, GROUP, GROUP)
    await settle()
    members, changes = await actors.groups.monitor(GROUP)
    assert members == [first, first]
    second = await actors.spawn(joins, GROUP)
    await settle()
    await actors.terminate(first)
    await settle()
    await actors.groups.join(GROUP)
    await actors.groups.leave(GROUP)
    me = actors.self_pid()
    assert changes_of(changes) == [
        ("joined", second),
        ("left", first),
        ("left", first),
        ("joined", me),
        ("left", me),
    ]


@on_every_host
async def test_members_and_changes_of_a_busy_group_add_up() -> None:
    async def comes_and_goes() -> None:
        for _ in range(20):
            await actors.groups.join(GROUP)
            await actors.sleep("0s")
            await actors.groups.leave(GROUP)

    for _ in range(20):
        await actors.spawn(comes_and_goes)
    await actors.sleep("0s")
    count, changes = await actors.groups.monitor(GROUP)
    await settle()
    left = sum(1 if change == "joined" else -1 for change, _ in changes_of(changes))
    assert len(count) + left == 0


@on_every_host
async def test_closed_monitor_gets_no_more_changes() -> None:
    _, changes = await actors.groups.monitor(GROUP)
    changes.close()
    await actors.groups.join(GROUP)
    assert [change async for change in changes] == []


@on_every_host
async def test_monitor_of_a_group_ends_with_its_process() -> None:
    channels: list[actors.Channel[actors.GroupChange]] = []

    async def watcher() -> None:
        _, changes = await actors.groups.monitor(GROUP)
        channels.append(changes)

    await exit_of(watcher)
    await actors.groups.join(GROUP)
    (channel,) = channels
    assert channel.closed
    assert changes_of(channel) == []


@on_every_host
async def test_groups_of_one_name_and_process_names_are_apart() -> None:
    await actors.names.register(GROUP)
    assert await actors.groups.members(GROUP) == []
    assert not await actors.send("not a name, but a group", "topic")


@on_every_host
async def test_a_thousand_members_die_and_all_changes_are_told() -> None:
    for _ in range(1000):
        await actors.spawn_monitored(joins, GROUP)
    await settle()
    members, changes = await actors.groups.monitor(GROUP)
    for pid in members:
        await actors.terminate(pid)
    for _ in members:
        await next_exit()
    assert sorted(pid for change, pid in changes_of(changes) if change == "left") == sorted(members)
    assert await actors.groups.members(GROUP) == []
