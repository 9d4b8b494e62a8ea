"""How long the rest of a program waits for a green host that is never idle: a TCP echo in the same node."""

from __future__ import annotations

import statistics
from time import perf_counter

import trio
import trio.testing

import actors
from benchmarks._harness import Figure

TOKENS = 100
"""Messages that go round the ring at once, so that there is always somebody who can run."""


async def member(after: actors.PID) -> None:
    async for message in actors.inbox():
        await actors.send(after, "token", message.payload)


async def ring(size: int) -> None:
    """Processes that pass on messages for ever; this one closes the circle."""
    last = actors.self_pid()
    for _ in range(size - 1):
        last = await actors.spawn(member, last, on="green")
    for token in range(TOKENS):
        await actors.send(last, "token", token)
    await member(last)


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)


def latency(n: int, seconds: float) -> float:
    """The median of the milliseconds from sending some bytes to having them back."""

    async def main() -> float:
        taken: list[float] = []
        async with actors.Node() as node, trio.open_nursery() as nursery:
            await node.spawn(ring, n, on="green")
            while node.statistics().processes < n:
                await trio.lowlevel.checkpoint()
            listeners = await nursery.start(trio.serve_tcp, echo, 0)
            client = await trio.testing.open_stream_to_socket_listener(listeners[0])
            ends = perf_counter() + seconds
            while len(taken) < 50 or perf_counter() < ends:
                start = perf_counter()
                await client.send_all(b"x" * 100)
                await client.receive_some()
                taken.append(perf_counter() - start)
            await client.aclose()
            nursery.cancel_scope.cancel()
        return statistics.median(taken) * 1000

    return trio.run(main)


FIGURES = (
    Figure(
        "echo",
        "a TCP echo beside a ring of green processes that is never idle: median latency",
        "ms",
        latency,
        sizes=(10_000, 1000, 100_000),
        quick_sizes=(10_000, 1000, 30_000),
        n="processes",
        less=True,
        first=10,
        whole=True,
    ),
)
