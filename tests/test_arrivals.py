"""What comes to a node in deliveries: once, whichever bridge of its program brings it, and whatever is beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

import actors
from actors import PID, Message, Node, wire
from actors.wire import Envelope
from temporal_bridge import TemporalBridge, TemporalClient
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.temporal_host import TemporalHost
from temporal_bridge._nodes.nodes_host import NodesHost
from temporal_bridge._worker.system_activities import Activities


@pytest.fixture
async def bridges(temporal_address: str) -> AsyncGenerator[tuple[Node, Portal, list[Activities]], None]:
    """A node, and the activities of two bridges of its program."""
    async with (
        Node("here") as node,
        Node("beside") as beside,
        TemporalBridge(node, TemporalClient(temporal_address)),
        TemporalBridge(beside, TemporalClient(temporal_address)),
        Portal("test") as portal,
    ):
        found: list[Activities] = []
        for kernel in (node.kernel, beside.kernel):
            host, nodes = kernel.wiring.routes["temporal"], kernel.wiring.remote_host
            assert isinstance(host, TemporalHost)
            assert isinstance(nodes, NodesHost)
            found.append(Activities(kernel, portal, host, nodes))
        yield node, portal, found


def number(number: int, target: PID) -> list[object]:
    return wire.to_row(wire.to_envelope(Message("n", number))._replace(target=str(target)))


async def collects(count: int) -> list[int]:
    numbers = actors.listen("n")
    return [await numbers.receive() for _ in range(count)]


async def test_delivery_that_is_made_again_by_another_bridge_of_the_program_is_not_taken_twice(
    bridges: tuple[Node, Portal, list[Activities]],
) -> None:
    # As when a workflow task is executed again, by the worker of another bridge than the first time.
    node, portal, (first, second) = bridges

    async def main() -> list[int]:
        pid = actors.self_pid()
        rows = [number(1, pid), number(2, pid)]
        for activities, mark, some in (
            (first, ["s", 1, 0], rows),
            (second, ["s", 1, 0], [*rows, number(3, pid)]),
        ):
            taken = await actors.in_trio(portal.call, activities.deliver, node.name, mark, some)
            assert taken == [True] * len(some)
        return await collects(3)

    assert await node.execute(main) == [1, 2, 3]


async def test_bad_item_of_a_delivery_takes_none_of_the_others_with_it(
    bridges: tuple[Node, Portal, list[Activities]],
) -> None:
    node, portal, (activities, _) = bridges

    async def main() -> list[int]:
        pid = actors.self_pid()
        bad = [
            list(Envelope(wire.REPLY, [], None, None, str(pid))),
            list(Envelope(wire.MONITOR, ["no pid", 1], None, None, str(pid))),
            list(Envelope("n", [0], "no pid", None, str(pid))),
            list(Envelope("n", [0], None, None, "no pid")),
        ]
        rows = [number(1, pid), *bad, number(2, pid)]
        taken = await actors.in_trio(portal.call, activities.deliver, node.name, ["s", 1, 0], rows)
        assert taken == [True, False, False, False, False, True]
        return await collects(2)

    assert await node.execute(main) == [1, 2]
