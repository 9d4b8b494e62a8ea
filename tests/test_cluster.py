"""Names and groups that nodes share (semantics 4, 32 and 33): the registry, and how processes ask it, on every host.

Between programs, and with durable processes: `test_bridge_cluster.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

import actors
from actors import PID, Cluster, Registry, kernel_of
from actors._cluster import registry as limits
from tests.hosts import exit_of, forever, me, next_exit, on_every_host, settle

CLUSTER = "cluster"


async def registry(kept: Any = None) -> None:
    """Keeps names and groups, and goes on as another when it is told to."""
    keeper = Registry(kept)
    turns = actors.listen("turn")
    await keeper.serve(lambda: bool(turns.unread))  # type: ignore[attr-defined]
    await turns.receive()
    await actors.upgrade(registry, keeper.kept())


async def with_cluster() -> PID:
    """Give the running kernel a registry."""
    kernel = kernel_of(me())
    pid = await actors.spawn(registry)

    async def start() -> None:
        raise AssertionError("it runs")

    kernel.wiring.cluster = Cluster(kernel, partial(kernel.transmit, pid), start)
    return pid


async def turn(keeper: PID) -> None:
    """Have the registry continue as another."""
    await actors.send(keeper, "turn")
    await settle()


async def holds(*names: str) -> None:
    for name in names:
        await actors.names.register(name, CLUSTER)
    await actors.inbox().receive()


async def joins(*groups: str) -> None:
    for group in groups:
        await actors.groups.join(group, CLUSTER)
    await forever()


@on_every_host
async def test_without_a_connection_the_cluster_is_refused_with_what_to_do() -> None:
    kernel_of(me()).wiring.cluster = None
    for ask in (
        actors.names.register("a", CLUSTER),
        actors.names.lookup("a", CLUSTER),
        actors.names.unregister("a", CLUSTER),
        actors.groups.join("a", CLUSTER),
        actors.groups.leave("a", CLUSTER),
        actors.groups.members("a", CLUSTER),
        actors.groups.broadcast("a", "topic", scope=CLUSTER),
        actors.groups.monitor("a", CLUSTER),
    ):
        with pytest.raises(actors.Error, match="open a temporal_bridge") as caught:
            await ask
        assert caught.value.kind == actors.UNAVAILABLE


@on_every_host
async def test_name_of_the_cluster_is_found_and_is_no_name_of_the_node() -> None:
    await with_cluster()
    pid = await actors.spawn(holds, "one", "two")
    await settle()
    assert await actors.names.lookup("one", CLUSTER) == pid
    assert await actors.names.lookup("two", CLUSTER) == pid
    with pytest.raises(actors.Error, match="not registered on this node"):
        await actors.names.lookup("one")
    assert not await actors.send("one", "topic")


@on_every_host
async def test_name_of_the_cluster_that_nobody_has_is_not_found() -> None:
    await with_cluster()
    with pytest.raises(actors.Error, match="name='nobody' is not registered in the cluster") as caught:
        await actors.names.lookup("nobody", CLUSTER)
    assert caught.value.kind == actors.NOT_FOUND
    assert await actors.names.unregister("nobody", CLUSTER) is False


@on_every_host
async def test_taken_name_of_the_cluster_is_refused_with_its_holder_and_granted_to_the_holder() -> None:
    await with_cluster()
    pid = await actors.spawn(holds, "taken", "taken")
    await settle()
    with pytest.raises(actors.Error, match="name='taken' belongs to") as caught:
        await actors.names.register("taken", CLUSTER)
    assert caught.value.kind == actors.ALREADY_EXISTS
    assert PID.parse(caught.value.details["pid"]) == pid


@on_every_host
async def test_of_many_that_register_one_name_at_once_one_wins() -> None:
    await with_cluster()
    owner = actors.self_pid()

    async def tries() -> None:
        try:
            await actors.names.register("chair", CLUSTER)
        except actors.Error as error:
            await actors.send(owner, "refused", actors.self_pid(), PID.parse(error.details["pid"]))
        else:
            await actors.send(owner, "won", actors.self_pid())
        await forever()

    for _ in range(10):
        await actors.spawn(tries)
    refused = actors.listen("refused")
    winner = await actors.listen("won").receive()
    assert [(await refused.receive())[1] for _ in range(9)] == [winner] * 9
    assert await actors.names.lookup("chair", CLUSTER) == winner


@on_every_host
async def test_name_of_the_cluster_is_free_when_its_holder_has_told_of_its_end() -> None:
    await with_cluster()
    for how in ("end", "terminate"):
        pid = await actors.spawn_monitored(holds, "short")
        await settle()
        await (actors.send(pid, "end") if how == "end" else actors.terminate(pid))
        await next_exit()
        with pytest.raises(actors.Error, match="not registered"):
            await actors.names.lookup("short", CLUSTER)
        await actors.names.register("short", CLUSTER)
        assert await actors.names.unregister("short", CLUSTER) is True


@on_every_host
async def test_name_whose_holder_died_without_a_word_is_free_for_who_asks() -> None:
    await with_cluster()
    kernel = kernel_of(me())
    pid = await actors.spawn(holds, "left behind")
    await settle()
    cluster, kernel.wiring.cluster = kernel.wiring.cluster, None  # so that nothing is freed at its death
    await actors.terminate(pid)
    kernel.wiring.cluster = cluster
    await actors.names.register("left behind", CLUSTER)
    assert await actors.names.lookup("left behind", CLUSTER) == actors.self_pid()


@on_every_host
async def test_a_later_process_with_the_same_pid_has_names_of_its_own() -> None:
    keeper = await with_cluster()
    kernel = kernel_of(me())
    assert kernel.wiring.cluster is not None
    await actors.names.register("mine", CLUSTER)
    await actors.names.register("old", CLUSTER)

    async def start() -> None: ...

    kernel.wiring.cluster = Cluster(kernel, partial(kernel.transmit, keeper), start, incarnation="later")
    await actors.names.register("mine", CLUSTER)
    assert await actors.names.lookup("mine", CLUSTER) == actors.self_pid()
    with pytest.raises(actors.Error, match="not registered"):
        await actors.names.lookup("old", CLUSTER)


@on_every_host
async def test_group_of_the_cluster_counts_joins_in_order_and_death_undoes_them() -> None:
    await with_cluster()
    first = await actors.spawn_monitored(joins, "g", "g")
    await settle()
    second = await actors.spawn(joins, "g")
    await settle()
    assert await actors.groups.members("g", CLUSTER) == [first, first, second]
    assert await actors.groups.members("g") == []
    await actors.terminate(first)
    await next_exit()
    assert await actors.groups.members("g", CLUSTER) == [second]
    await actors.groups.join("g", CLUSTER)
    await actors.groups.leave("g", CLUSTER)
    with pytest.raises(actors.Error, match="is not in group='g'") as caught:
        await actors.groups.leave("g", CLUSTER)
    assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_broadcast_in_the_cluster_reaches_each_member_once() -> None:
    await with_cluster()
    owner = actors.self_pid()

    async def member() -> None:
        await actors.groups.join("g", CLUSTER)
        await actors.groups.join("g", CLUSTER)
        async for message in actors.inbox():
            await actors.send(owner, message.topic, actors.self_pid(), message.payload)

    pids = {await actors.spawn(member) for _ in range(3)}
    await settle()
    assert await actors.groups.broadcast("g", "news", 1, scope=CLUSTER) == 3
    news = actors.listen("news")
    assert {await news.receive() for _ in range(3)} == {(pid, 1) for pid in pids}
    await settle()
    assert (await actors.select(news, default=True)).channel is None


@on_every_host
async def test_monitor_of_a_cluster_group_gives_the_members_and_each_change_with_nothing_lost() -> None:
    await with_cluster()

    async def comes_and_goes() -> None:
        for _ in range(5):
            await actors.groups.join("busy", CLUSTER)
            await actors.groups.leave("busy", CLUSTER)

    for _ in range(10):
        await actors.spawn(comes_and_goes)
    for _ in range(3):
        await actors.sleep("0s")
    members, changes = await actors.groups.monitor("busy", CLUSTER)
    await settle()
    count = len(members)
    while (picked := await actors.select(changes, default=True)).channel is not None:
        count += 1 if picked.value.change == "joined" else -1
    assert count == 0
    assert await actors.groups.members("busy", CLUSTER) == []


@on_every_host
async def test_closed_monitor_of_a_cluster_group_gets_no_more_and_is_forgotten() -> None:
    await with_cluster()
    _, changes = await actors.groups.monitor("g", CLUSTER)
    assert kernel_of(me()).calls.waiting == 1
    changes.close()
    await actors.groups.join("g", CLUSTER)
    assert [change async for change in changes] == []
    assert kernel_of(me()).calls.waiting == 0


@on_every_host
async def test_what_a_registry_keeps_survives_its_upgrade() -> None:
    keeper = await with_cluster()
    pid = await actors.spawn_monitored(holds, "kept")
    await actors.spawn(joins, "g", "g")
    await settle()
    members, changes = await actors.groups.monitor("g", CLUSTER)
    for _ in range(3):
        await turn(keeper)
    assert await actors.names.lookup("kept", CLUSTER) == pid
    assert await actors.groups.members("g", CLUSTER) == members
    await actors.groups.join("g", CLUSTER)
    assert (await changes.receive()).pid == actors.self_pid()
    cluster, kernel_of(me()).wiring.cluster = kernel_of(me()).wiring.cluster, None
    await actors.terminate(pid)  # its monitor was kept too
    kernel_of(me()).wiring.cluster = cluster
    await next_exit()
    await settle()
    with pytest.raises(actors.Error, match="not registered"):
        await actors.names.lookup("kept", CLUSTER)


@on_every_host
async def test_registry_that_does_not_answer_is_unavailable() -> None:
    kernel = kernel_of(me())

    async def start() -> None: ...

    kernel.wiring.cluster = Cluster(kernel, partial(kernel.transmit, await actors.spawn(forever)), start)
    with pytest.raises(actors.Error, match="out of reach: its registry did not answer within 20 s") as caught:
        await actors.names.register("x", CLUSTER)
    assert caught.value.kind == actors.UNAVAILABLE
    # A process that has what cannot be freed ends all the same.
    assert (await exit_of(holds, "x")).reason == "error"


@on_every_host
async def test_full_registry_refuses_and_keeps_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_ENTRIES", 3)
    await with_cluster()
    for name in ("a", "b"):
        await actors.names.register(name, CLUSTER)
    await actors.groups.join("g", CLUSTER)
    for ask in (actors.names.register("c", CLUSTER), actors.groups.join("g", CLUSTER)):
        with pytest.raises(actors.Error, match="takes no more") as caught:
            await ask
        assert caught.value.kind == actors.RATE_LIMITED
    await actors.names.unregister("a", CLUSTER)
    await actors.names.register("c", CLUSTER)


@on_every_host
async def test_strange_messages_to_a_registry_harm_nobody() -> None:
    keeper = await with_cluster()
    for payload in ((), (1,), ("", 2), ("", "x", "y")):
        for topic in ("register", "join", "forget", "anything"):
            await actors.send(keeper, topic, *payload)
            with pytest.raises(actors.Error) as caught:
                raise await actors.call(keeper, topic, *payload)
            assert caught.value.kind == actors.INVALID
    assert await actors.names.unregister("x", CLUSTER) is False
