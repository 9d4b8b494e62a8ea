"""Local processes of two programs: they send, call, monitor and link as those of one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

import actors
from actors import PID, Node
from temporal_bridge import TemporalBridge, TemporalClient
from tests.eventually import eventually
from tests.other_program import OtherProgram, other_program


@asynccontextmanager
async def two_programs(address: str) -> AsyncGenerator[tuple[Node, OtherProgram], None]:
    with trio.fail_after(40):
        async with (
            other_program(address) as other,
            Node("here") as node,
            TemporalBridge(node, TemporalClient(address)),
        ):
            yield node, other


async def test_messages_and_calls_go_both_ways(temporal_address: str) -> None:
    async def main(pid: PID) -> list[object]:
        for number in range(20):
            assert await actors.send(pid, "x", number)
        came = [(await actors.inbox().receive()).payload for _ in range(20)]
        return [*came, await actors.call(pid, "ask", "answer", timeout="20s")]

    async with two_programs(temporal_address) as (node, other):
        assert await node.execute(main, other.pids[0]) == [*range(20), "answer"]


async def test_a_monitored_process_of_another_program_tells_how_it_ended(temporal_address: str) -> None:
    async def main(pid: PID) -> actors.Event:
        await actors.monitor(pid)
        await actors.send(pid, "fail")
        return await actors.events().receive()

    async with two_programs(temporal_address) as (node, other):
        event = await node.execute(main, other.pids[0])
    assert isinstance(event, actors.Exit)
    assert event.reason == "error"
    assert event.result.error is not None
    assert event.result.error.kind == actors.CONFLICT


@pytest.mark.parametrize("how", ["monitor", "link"])
async def test_a_killed_program_is_noconnection_and_the_bridge_lives_on(
    temporal_address: str, how: str
) -> None:
    async def main(other: OtherProgram) -> actors.Event:
        actors.set_options(trap_links=True)
        pid, second = other.pids
        if how == "monitor":
            await actors.monitor(pid)
        else:
            await actors.link(pid)
        assert await actors.call(second, "ask", 1, timeout="20s") == 1
        await actors.in_trio(other.kill)
        return await actors.events().receive()

    async with two_programs(temporal_address) as (node, other):
        event = await node.execute(main, other)
        assert isinstance(event, actors.Exit | actors.LinkDown)
        assert (event.pid, event.reason) == (other.pids[0], "noconnection")

        async def still_there() -> str:
            return "yes"

        assert await node.execute(still_there) == "yes"


async def test_a_monitor_is_in_place_when_monitor_returns(temporal_address: str) -> None:
    async with two_programs(temporal_address) as (node, other):

        async def main() -> actors.Event:
            pid = other.pids[0]
            for _ in range(5):  # each of them its own exit, and only one
                await actors.unmonitor(await actors.monitor(pid))
            refs = {await actors.monitor(pid) for _ in range(3)}
            await actors.terminate(pid)
            events = [await actors.events().receive() for _ in refs]
            assert {event.ref for event in events if isinstance(event, actors.Exit)} == refs
            assert (
                await actors.select(actors.events(), actors.after("200ms"))
            ).channel is not actors.events()
            return events[0]

        event = await node.execute(main)
        assert isinstance(event, actors.Exit)
        assert event.reason == "terminated"


async def test_exit_comes_after_all_messages_of_a_process_of_another_program(temporal_address: str) -> None:
    async def main(pid: PID) -> list[object]:
        await actors.monitor(pid)
        for number in range(50):
            await actors.send(pid, "x", number)
        await actors.send(pid, "fail")
        await actors.events().receive()
        return [(await actors.select(actors.inbox(), default=True)).value.payload for _ in range(50)]

    async with two_programs(temporal_address) as (node, other):
        assert await node.execute(main, other.pids[0]) == list(range(50))


async def test_process_of_another_program_can_be_described(temporal_address: str) -> None:
    async with two_programs(temporal_address) as (node, other):
        found = await node.describe(other.pids[0])
        assert (found.pid, found.status) == (other.pids[0], "running")
        missing = actors.PID(other.pids[0].node, "trio", "999")
        with pytest.raises(actors.Error) as caught:
            await node.describe(missing)
        assert caught.value.kind == actors.NOT_FOUND


async def test_send_does_not_wait_for_a_program_that_takes_nothing_in(temporal_address: str) -> None:
    async def main(other: OtherProgram) -> list[object]:
        pid = other.pids[0]
        await actors.send(pid, "x", 0)
        await actors.inbox().receive()
        other.stop()
        accepted = [await actors.send(pid, "x", number) for number in range(1, 200)]
        other.go_on()
        assert accepted == [True] * 199
        return [(await actors.inbox().receive()).payload for _ in accepted]

    async with two_programs(temporal_address) as (node, other):
        assert await node.execute(main, other) == list(range(1, 200))


async def test_server_that_answers_one_call_after_the_other_answers_many_in_a_batch(
    temporal_address: str,
) -> None:
    async def server() -> None:
        async for message in actors.inbox():
            assert await actors.reply(message, message.payload)

    async with two_programs(temporal_address) as (node, other):
        pid = await node.spawn(server)
        answers = await node.call(other.pids[0], "call at once", pid, 60, timeout="30s")
        assert answers == list(range(60))
        assert node.statistics().counters["batches"] < 30


async def test_message_that_was_accepted_for_a_dead_node_is_one_dead_letter(temporal_address: str) -> None:
    async with Node("here") as node, TemporalBridge(node, TemporalClient(temporal_address)):
        gone = actors.PID("somewhere.00000000", "trio", "1")
        letters = node.dead_letters()
        assert await node.send(gone, "x", 1) is True
        letter = await letters.channel.receive()
        assert (letter.pid, letter.message.payload) == (gone, 1)
        assert await node.send(gone, "x", 2) is False
        assert node.statistics().dead_letters == 2


async def test_message_that_was_accepted_for_a_missing_process_is_a_dead_letter(
    temporal_address: str,
) -> None:
    async with two_programs(temporal_address) as (node, other):
        missing = actors.PID(other.pids[0].node, "trio", "999")
        letters = node.dead_letters()
        assert await node.send(missing, "x", 1) is True
        assert (await letters.channel.receive()).pid == missing
        with pytest.raises(actors.Error) as caught:
            await node.call(missing, "x", timeout="20s")
        assert caught.value.details["reason"] == "noproc"


async def test_message_to_a_node_that_is_known_to_be_gone_does_not_wait(temporal_address: str) -> None:
    async with Node("here") as node, TemporalBridge(node, TemporalClient(temporal_address)):
        gone = actors.PID("somewhere.00000000", "trio", "1")
        letters = node.dead_letters()
        await node.send(gone, "x")
        await letters.channel.receive()
        with trio.fail_after(60):  # another ten seconds each, if the node were asked again
            for _ in range(20):
                assert await node.send(gone, "x") is False
            with pytest.raises(actors.Error) as caught:
                await node.call(gone, "x")
            assert caught.value.details["reason"] == "noconnection"


async def test_closing_the_bridge_is_noconnection_to_who_watches_other_programs(
    temporal_address: str,
) -> None:
    async with other_program(temporal_address) as other, Node("here") as node:
        reasons: list[str] = []

        async def watches() -> None:
            actors.set_options(trap_links=True)
            await actors.monitor(other.pids[0])
            await actors.link(other.pids[1])
            for _ in range(2):
                event = await actors.events().receive()
                assert isinstance(event, actors.Exit | actors.LinkDown)
                reasons.append(event.reason)

        async with TemporalBridge(node, TemporalClient(temporal_address)):
            pid = await node.spawn(watches)

            async def waits() -> bool:
                found = await node.describe(pid)
                return len(found.links) == 1 and len(found.monitors) == 1

            await eventually(waits)
            assert await node.call(other.pids[1], "ask", 1, timeout="20s") == 1
        await eventually(lambda: _ended(node, pid))
        assert reasons == ["noconnection"] * 2


async def _ended(node: Node, pid: PID) -> bool:
    return all(found.pid != pid for found in node.processes())
