"""Names and groups that programs and durable processes share, kept by the durable registry of their namespace."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator

import pytest

import actors
from actors import PID, Node
from temporal_bridge import TemporalBridge, TemporalClient, workflow
from temporal_bridge._workflow import cluster as _cluster
from tests.bridging import Outside, outside
from tests.cluster_entries import CLUSTER, WORKER, asks, cluster, frees, holder, sees
from tests.eventually import eventually
from tests.other_program import other_program


@pytest.fixture
def name() -> str:
    return f"n-{uuid.uuid4()}"


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, cluster, worker=WORKER, patience=90) as found:
        yield found


@pytest.fixture
async def there(temporal_address: str, here: Outside) -> AsyncGenerator[Node, None]:
    """Another node with a bridge of its own."""
    async with Node("there") as node, TemporalBridge(node, TemporalClient(temporal_address)):
        yield node


async def lookup(name: str) -> PID | None:
    try:
        return await actors.names.lookup(name, CLUSTER)
    except actors.Error as error:
        if error.kind != actors.NOT_FOUND:
            raise
        return None


async def members(group: str) -> list[PID]:
    return await actors.groups.members(group, CLUSTER)


async def has(node: Node, name: str) -> bool:
    return await node.execute(lookup, name) is not None


async def local_holder(name: str) -> None:
    await actors.names.register(name, CLUSTER)
    await actors.groups.join(name, CLUSTER)
    async for message in actors.inbox():
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.topic == "end":
            return


async def settled(node: Node, pid: PID) -> None:
    """Wait until a holder answers: it has its name and is in its group."""
    assert await node.call(pid, "ask", 1, timeout="30s") == 1


@pytest.mark.parametrize("on", ["trio", "green", WORKER])
async def test_name_and_group_of_one_node_are_seen_on_another_and_in_workflows(
    here: Outside, there: Node, name: str, on: str
) -> None:
    pid = await here.node.spawn(holder if on == WORKER else local_holder, name, on=on)
    await settled(here.node, pid)
    assert await there.execute(lookup, name) == pid
    assert await there.execute(members, name) == [pid]
    assert await here.node.execute(asks, name) == [pid, (actors.ALREADY_EXISTS, pid), [pid], 1]

    async def takes() -> None:
        await actors.names.register(name, CLUSTER)

    with pytest.raises(actors.Error, match="belongs to") as caught:
        await there.execute(takes)
    assert PID.parse(caught.value.details["pid"]) == pid


@pytest.mark.parametrize("durable", [False, True])
async def test_who_hears_of_a_death_finds_the_name_free(
    here: Outside, there: Node, name: str, durable: bool
) -> None:
    async def heir() -> tuple[str, PID | None, list[PID]]:
        pid = await actors.names.lookup(name, CLUSTER)
        await actors.monitor(pid)
        await actors.send(pid, "end")
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        found = await lookup(name)
        await actors.names.register(name, CLUSTER)
        return event.reason, found, await members(name)

    for _ in range(3):
        pid = await here.node.spawn(
            holder if durable else local_holder, name, on=WORKER if durable else "trio"
        )
        await settled(here.node, pid)
        assert await there.execute(heir) == ("normal", None, [])
    pid = await here.node.spawn(local_holder, name)
    await settled(here.node, pid)
    assert (await here.node.execute(frees, name))[0] == "normal"


async def test_name_of_a_workflow_that_was_terminated_can_be_taken_at_its_exit(
    here: Outside, there: Node, name: str
) -> None:
    pid = await here.node.spawn(holder, name)
    await settled(here.node, pid)

    async def heir() -> str:
        await actors.monitor(pid)
        await actors.terminate(pid)
        event = await actors.events().receive()
        await actors.names.register(name, CLUSTER)
        assert isinstance(event, actors.Exit)
        return event.reason

    assert await there.execute(heir) == "terminated"


async def test_durable_process_keeps_name_and_membership_when_it_continues_as_new(
    here: Outside, there: Node, name: str
) -> None:
    async def tells() -> list[object]:
        _, changes = await actors.groups.monitor(name, CLUSTER)
        pid = await actors.spawn(holder, name, 1)
        found: list[object] = [(await changes.receive()).change]
        await actors.send(pid, "turn")
        found.append((await changes.receive()).change)  # it joins once more
        assert await lookup(name) == pid
        await actors.send(pid, "end")
        return found + [(await changes.receive()).change for _ in range(2)]

    assert await here.node.execute(tells) == ["joined", "joined", "left", "left"]


async def test_of_two_nodes_that_register_at_once_one_wins(here: Outside, there: Node, name: str) -> None:
    won: list[PID] = []
    lost: list[str] = []

    async def tries() -> None:
        try:
            await actors.names.register(name, CLUSTER)
        except actors.Error as error:
            lost.append(error.details["pid"])
        else:
            won.append(actors.self_pid())
            await actors.listen("end").receive()

    for node in (here.node, there) * 5:
        await node.spawn(tries)

    async def all_have_tried() -> bool:
        return len(won) + len(lost) == 10

    await eventually(all_have_tried)
    assert lost == [str(won[0])] * 9


async def test_watch_of_a_group_tells_of_each_change_on_every_node_and_in_workflows(
    here: Outside, there: Node, name: str
) -> None:
    async def tells(report: PID) -> None:
        members, changes = await actors.groups.monitor(name, CLUSTER)
        await actors.send(report, "saw", len(members))
        for _ in range(4):
            change = await changes.receive()
            await actors.send(report, "saw", change.change, change.pid)

    async def joins_and_leaves() -> None:
        await actors.groups.join(name, CLUSTER)
        await actors.groups.leave(name, CLUSTER)

    async def main() -> tuple[list[object], list[object]]:
        saw = actors.listen("saw")
        await there.spawn(tells, actors.self_pid())
        found: list[object] = [await saw.receive()]
        seer = await actors.spawn_monitored(sees, name, actors.self_pid(), 4)
        await actors.listen("ready").receive()
        await actors.execute(joins_and_leaves)
        await there.execute(joins_and_leaves)
        found += [(await saw.receive())[0] for _ in range(4)]
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        assert event.pid == seer
        return found, event.result.unwrap()

    expected = [0, "joined", "left", "joined", "left"]
    assert await here.node.execute(main) == (expected, expected)


async def test_name_of_a_killed_program_is_free_within_seconds(
    temporal_address: str, here: Outside, name: str
) -> None:
    async with other_program(temporal_address) as other:
        assert await here.node.call(other.pids[0], "register", name, timeout="30s")
        assert await here.node.execute(lookup, name) == other.pids[0]
        await other.kill()

        async def is_free() -> bool:
            return not await has(here.node, name)

        await eventually(is_free)


async def test_registry_that_continues_as_new_all_the_time_loses_nothing(
    here: Outside, there: Node, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One that is long already would not replay with this, which upgrades earlier than it did.
    await here.node.terminate(PID(here.bridge.namespace, "temporal", "everproc-cluster"))
    monkeypatch.setattr(_cluster, "should_upgrade", lambda: workflow.history_length() > 40)

    async def member() -> None:
        for number in range(5):
            await actors.names.register(f"{name}-{actors.self_pid()}-{number}", CLUSTER)
            await actors.groups.join(name, CLUSTER)
        await actors.inbox().receive()

    async def main() -> tuple[int, list[PID], list[str]]:
        before, changes = await actors.groups.monitor(name, CLUSTER)
        assert before == []
        pids = [await node.spawn(member) for node in (here.node, there) for _ in range(3)]
        seen = [await changes.receive() for _ in range(30)]
        found = await members(name)
        for pid in pids:
            assert await actors.names.lookup(f"{name}-{pid}-4", CLUSTER) == pid
            await actors.send(pid, "end")
        left = [(await changes.receive()).change for _ in range(30)]
        assert sorted(change.pid for change in seen) == sorted(found) == sorted(pids * 5)
        return len(found), await members(name), sorted(set(left))

    assert await here.node.execute(main) == (30, [], ["left"])


async def test_registry_that_was_terminated_begins_anew(here: Outside, there: Node, name: str) -> None:
    pid = await here.node.spawn(local_holder, name)
    await settled(here.node, pid)
    await here.node.terminate(PID(here.bridge.namespace, "temporal", "everproc-cluster"))
    assert not await has(there, name)
    await settled(there, await there.spawn(local_holder, name))
    assert await has(here.node, name)
