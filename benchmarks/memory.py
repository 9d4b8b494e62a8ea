"""Memory: an idle process, and a million of them (P8, P9)."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import trio
import trio.testing

import actors
from benchmarks import _erlang
from benchmarks._harness import Figure, Peer


def resident() -> int:
    """Bytes of this program that are in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


async def idle() -> None:
    await actors.inbox().receive()


def bytes_per_process(host: str, n: int) -> float:
    async def main() -> float:
        async with actors.Node() as node:
            for _ in range(1000):  # what the first ones need is not theirs
                await node.spawn(idle, on=host)
            await trio.testing.wait_all_tasks_blocked()
            before = resident()
            for _ in range(n):
                await node.spawn(idle, on=host)
            await trio.testing.wait_all_tasks_blocked()
            return (resident() - before) / n

    return trio.run(main)


def green(n: int, seconds: float) -> float:
    return bytes_per_process("green", n)


def on_trio(n: int, seconds: float) -> float:
    return bytes_per_process("trio", n)


def task(n: int, seconds: float) -> float:
    async def scoped() -> None:
        with trio.CancelScope():
            await trio.sleep_forever()

    async def main() -> float:
        async with trio.open_nursery() as nursery:
            for _ in range(1000):
                nursery.start_soon(scoped)
            await trio.testing.wait_all_tasks_blocked()
            before = resident()
            for _ in range(n):
                nursery.start_soon(scoped)
            await trio.testing.wait_all_tasks_blocked()
            taken = (resident() - before) / n
            nursery.cancel_scope.cancel()
        return taken

    return trio.run(main)


def alive_at_once(n: int, seconds: float) -> float:
    """Peak memory, in GiB, of a million green processes that are alive at once and each answer once, measured on n."""

    async def answer() -> None:
        message = await actors.inbox().receive()
        await actors.reply(message, message.payload)

    async def main() -> None:
        pids = [await actors.spawn(answer, on="green") for _ in range(n)]
        for number, pid in enumerate(pids):
            assert await actors.call(pid, "number", number) == number

    async def execute() -> None:
        await actors.execute(main, on="green")

    actors.run(execute)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 * 1_000_000 / n


SIZES = (30_000, 10_000, 100_000)

FIGURES = (
    Figure(
        "P8",
        "memory of an idle green process",
        "B",
        green,
        (Peer("P8", "Erlang/OTP process", _erlang.memory, missing=_erlang.missing),),
        SIZES,
        n="processes",
        less=True,
        first=2600,
        aim=1500,
    ),
    Figure(
        "P8t",
        "memory of an idle trio process",
        "B",
        on_trio,
        (Peer("P8t", "trio task with a scope", task, 1.7, 1.3),),
        SIZES,
        (10_000, 3000, 30_000),
        n="processes",
        less=True,
    ),
    Figure(
        "P9",
        "a million green processes alive at once, each answering once: peak memory",
        "GiB",
        alive_at_once,
        sizes=(1_000_000, 100_000, 300_000),
        quick_sizes=(30_000, 10_000, 100_000),
        n="processes",
        most_rounds=2,
        quick_rounds=1,
        less=True,
        first=3,
        aim=2,
    ),
)
