"""Supervisors that start and stop many children (P17): the whole cost has to grow as their number does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import actors
from benchmarks._harness import Figure
from supervision import ChildSpec, DynamicSupervisor, Supervisor, start


async def idle() -> None:
    await actors.inbox().receive()


async def static(n: int) -> Any:
    return await start(Supervisor([ChildSpec(number, idle, on="green") for number in range(n)]))


async def dynamic(n: int) -> Any:
    supervisor = await start(DynamicSupervisor())
    spec = ChildSpec("child", idle, on="green", restart="temporary")
    for _ in range(n):
        await supervisor.start_child(spec)
    return supervisor


def microseconds(begin: Callable[[int], Awaitable[Any]], n: int) -> float:
    """What starting and stopping one of n green children takes."""

    async def main() -> float:
        started = perf_counter()
        supervisor = await begin(n)
        assert (await supervisor.count_children()).active == n
        await supervisor.stop()
        return (perf_counter() - started) / n * 1e6

    async def execute() -> float:
        return float(await actors.execute(main, on="green"))

    return float(actors.run(execute))


SIZES = (10_000, 1000, 100_000)
QUICK_SIZES = (3000, 1000, 10_000)

FIGURES = (
    Figure(
        "P17",
        "start and stop of a child, Supervisor",
        "µs",
        lambda n, seconds: microseconds(static, n),
        sizes=SIZES,
        quick_sizes=QUICK_SIZES,
        n="children",
        less=True,
    ),
    Figure(
        "P17d",
        "start and stop of a child, DynamicSupervisor",
        "µs",
        lambda n, seconds: microseconds(dynamic, n),
        sizes=SIZES,
        quick_sizes=QUICK_SIZES,
        n="children",
        less=True,
    ),
)
