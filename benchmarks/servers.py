"""Calls of a `Server` (P10)."""

from __future__ import annotations

import importlib
from time import perf_counter
from typing import Any

import actors
from benchmarks._harness import Figure, Peer, module_missing, rate
from benchmarks.messages import pykka_asks


def supervision() -> Any:
    """The package; not every checkout has all of it."""
    return importlib.import_module("supervision")


def missing() -> str | None:
    return None if hasattr(supervision(), "Server") else "supervision has no Server yet"


def calls(n: int, seconds: float) -> float:
    """Calls per second of one green `Server`, by n green processes at once."""
    otp = supervision()

    class Counter(otp.Server):  # type: ignore[name-defined]
        def init(self, first: int = 0) -> None:
            self.n = first

        @otp.handle_call  # type: ignore[untyped-decorator]
        def increment(self, by: int) -> int:
            self.n += by
            return self.n

    async def caller(server: actors.PID, count: int) -> None:
        for _ in range(count):
            await otp.call(server, Counter.increment, 1)

    async def main(count: int) -> float:
        server = await otp.start_server(Counter, on="green")
        events = actors.events()
        start = perf_counter()
        for _ in range(n):
            await actors.spawn_monitored(caller, server, count // n, on="green")
        for _ in range(n):
            await events.receive()
        return (perf_counter() - start) * count / (count // n * n)

    async def execute(count: int) -> float:
        return float(await actors.execute(main, count, on="green"))

    return rate(lambda count: float(actors.run(execute, count)), seconds)


FIGURES = (
    Figure(
        "P10",
        "calls of a green Server",
        "/s",
        calls,
        (Peer("P10", "Pykka ask", pykka_asks, 8, 15, module_missing("pykka")),),
        (1, 10, 100),
        n="callers",
        missing=missing,
    ),
)
