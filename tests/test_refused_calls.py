"""A reply that is an error is raised at the caller, by every kind of call (semantics 16)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

import actors
from supervision import Refused, Server, call, handle_call


class Shop(Server):
    def init(self) -> None:
        self.left = 1

    @handle_call
    def buy(self, count: int) -> int:
        if count > self.left:
            raise Refused("sold out", kind=actors.CONFLICT, details={"left": self.left})
        self.left -= count
        return self.left


CASES: dict[str, tuple[str, tuple[Any, ...], str]] = {
    "refused": ("buy", (5,), actors.CONFLICT),
    "no such call": ("sell", (1,), actors.NOT_FOUND),
    "wrong arguments": ("buy", (1, 2), actors.INVALID),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_call_raises_in_a_process_and_from_outside(case: str) -> None:
    topic, payload, kind = CASES[case]

    async def refused(ask: Callable[..., Awaitable[Any]], pid: actors.PID) -> None:
        with pytest.raises(actors.Error) as caught:
            await ask(pid, topic, *payload)
        assert caught.value.kind == kind
        if case == "refused":
            assert (caught.value.message, dict(caught.value.details)) == ("sold out", {"left": 1})

    async def main() -> None:
        async with actors.Node() as node:
            pid = await node.spawn(Shop)

            async def inside() -> None:
                await refused(actors.call, pid)
                await refused(call, pid)

            await node.execute(inside)
            await refused(node.call, pid)
            assert await node.call(pid, "buy", 1) == 0  # the server continues

    trio.run(main)


def test_reply_of_a_plain_process_that_is_an_error_is_raised_at_the_caller() -> None:
    async def refuses() -> None:
        async for message in actors.inbox():
            await actors.reply(message, actors.Error("closed", kind=actors.UNAVAILABLE))

    async def main() -> None:
        pid = await actors.spawn(refuses)
        with pytest.raises(actors.Error, match="closed") as caught:
            await actors.call(pid, "open")
        assert caught.value.kind == actors.UNAVAILABLE

    actors.run(main)
