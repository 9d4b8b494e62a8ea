"""Ten thousand messages on their way at once, in every direction: none is lost, doubled or late (semantics 7, 9)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

import actors
from actors import PID, Node
from temporal_bridge import TemporalBridge, TemporalClient
from tests.bridging import Outside, next_exit, outside
from tests.flood_entries import WORKER, flood, receive_in_order, receives, send_at_once, sends
from tests.other_program import other_program

MANY = 10_000
ECHOED = 500  # by one that sends each back before it takes the next


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, flood, worker=WORKER, patience=110) as found:
        yield found


@pytest.mark.parametrize(
    ("sender", "receiver"), [("green", WORKER), (WORKER, "green"), (WORKER, WORKER)], ids=lambda on: on[:5]
)
async def test_messages_in_flight_between_durable_and_local_processes(
    here: Outside, sender: str, receiver: str
) -> None:
    async def main() -> list[object]:
        to = await actors.spawn_monitored(
            receives if receiver == WORKER else receive_in_order, MANY, on=receiver
        )
        await actors.spawn_monitored(sends if sender == WORKER else send_at_once, to, MANY, on=sender)
        return [(await next_exit()).result.unwrap() for _ in range(2)]

    assert sorted(map(str, await here.node.execute(main))) == [str(MANY), "True"]


async def test_messages_in_flight_to_a_process_of_another_program_and_back(temporal_address: str) -> None:
    async def main() -> int:
        echo = other.pids[0]
        received = await actors.spawn_monitored(sends_and_receives, echo, on="green")
        event = await next_exit()
        assert event.pid == received
        count: int = event.result.unwrap()
        return count

    async def sends_and_receives(echo: PID) -> int:
        assert await send_at_once(echo, ECHOED)
        return await receive_in_order(ECHOED)

    async with (
        other_program(temporal_address) as other,
        Node("here") as node,
        TemporalBridge(node, TemporalClient(temporal_address)),
    ):
        assert await node.execute(main) == ECHOED
