"""Processes that start and end at once (P6, P7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter

import trio

import actors
from benchmarks._harness import Figure, Peer


async def empty() -> None:
    pass


def spawn(host: str, count: int) -> float:
    """Spawn `count` processes from one process, and wait until all have ended."""

    async def spawner() -> None:
        for _ in range(count):
            await actors.spawn(empty, on=host)

    async def main() -> float:
        async with actors.Node() as node:
            start = perf_counter()
            await node.execute(spawner, on=host)
            while node.statistics().processes:
                await trio.lowlevel.checkpoint()
            return perf_counter() - start

    return trio.run(main)


def batches(host: str, n: int, seconds: float) -> float:
    """Processes per second, n at a time."""
    elapsed, count = 0.0, 0
    spawn(host, 100)
    while elapsed < seconds:
        elapsed += spawn(host, n)
        count += n
    return count / elapsed


def green(n: int, seconds: float) -> float:
    return batches("green", n, seconds)


def on_trio(n: int, seconds: float) -> float:
    return batches("trio", n, seconds)


async def scoped() -> None:
    with trio.CancelScope():  # noqa: ASYNC100 - what entering and leaving it takes is the point
        pass


def start_soon(task: Callable[[], Awaitable[None]], n: int, seconds: float) -> float:
    async def main() -> float:
        start = perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(n):
                nursery.start_soon(task)
        return perf_counter() - start

    trio.run(main)
    elapsed, count = 0.0, 0
    while elapsed < seconds:
        elapsed += trio.run(main)
        count += n
    return count / elapsed


def tasks(n: int, seconds: float) -> float:
    return start_soon(empty, n, seconds)


def scoped_tasks(n: int, seconds: float) -> float:
    return start_soon(scoped, n, seconds)


SIZES = (10_000, 1000, 100_000)

FIGURES = (
    Figure(
        "P6",
        "green spawn and exit",
        "/s",
        green,
        (Peer("P6", "trio start_soon of an empty task", tasks, 0.7, 1.5),),
        SIZES,
        (10_000, 1000, 30_000),
    ),
    Figure(
        "P7",
        "trio process spawn and exit",
        "/s",
        on_trio,
        (
            Peer("P7", "trio start_soon of an empty task", tasks, 0.35, 0.6),
            Peer("P7", "trio start_soon of a task with a scope, as a process has", scoped_tasks),
        ),
        SIZES,
        (10_000, 1000, 30_000),
    ),
)
