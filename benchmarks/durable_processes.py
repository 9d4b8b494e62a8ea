"""The durable processes that are measured, and the worker that runs them."""

from __future__ import annotations

import actors
from supervision import Server, handle_call

bench = actors.Namespace("bench")

WORKER = "bench:worker"


@bench.process(worker=WORKER)
async def counting(count: int) -> int:
    """Ends when it has had so many messages."""
    for _ in range(count):
        await actors.inbox().receive()
    return count


@bench.process(worker=WORKER)
async def same(value: int) -> int:
    """Returns its argument."""
    return value


@bench.process(worker=WORKER)
async def asking(local: actors.PID, count: int, at_once: int) -> None:
    """Calls a local process again and again, so many times at once."""
    numbers = iter(range(count))
    done = actors.Channel[None](at_once)

    async def ask() -> None:
        for number in numbers:
            await actors.call(local, "number", number)
        await done.send(None)

    for _ in range(at_once):
        actors.start_soon(ask)
    for _ in range(at_once):
        await done.receive()


@bench.process(worker=WORKER)
async def waiting() -> None:
    """Waits for a message for ever."""
    await actors.inbox().receive()


@bench.process(worker=WORKER)
class Adding(Server):
    """Adds numbers."""

    def init(self) -> None:
        self.sum = 0

    @handle_call
    def add(self, number: int) -> int:
        self.sum += number
        return self.sum
