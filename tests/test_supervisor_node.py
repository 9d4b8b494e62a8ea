"""Supervision trees and the end of their node."""

import trio
import trio.testing

import actors
from supervision import ChildSpec, Supervisor, start


def test_leaving_a_node_stops_the_children_of_a_supervisor_in_its_order() -> None:
    ended: list[str] = []

    async def child(name: str) -> None:
        try:
            await actors.inbox().receive()
        finally:
            ended.append(name)

    async def tree() -> None:
        specs = [ChildSpec(name, child, args=(name,)) for name in ("first", "second", "third")]
        await start(Supervisor(specs))
        await actors.inbox().receive()

    async def main() -> None:
        async with actors.Node("tree") as node:
            await node.spawn(tree)
            await trio.sleep(1)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert ended == ["third", "second", "first"]
