"""Local processes of two programs: they send, call, monitor and link as those of one."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

import actors
from actors import PID, Node
from temporal_bridge import TemporalBridge, TemporalClient
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
        assert await actors.call(pid, "ask", 1, timeout="20s") == 1  # the watch is there by then
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
