"""How long the import takes (P18)."""

from __future__ import annotations

from benchmarks._harness import Figure, Peer


def fresh(module: str) -> float:
    """Milliseconds that an interpreter takes to import a module, by its own clock; the least of five."""
    import subprocess
    import sys

    program = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    taken = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    return min(taken) * 1000


def ours(n: int, seconds: float) -> float:
    return fresh("actors")


def of_trio(n: int, seconds: float) -> float:
    return fresh("trio")


FIGURES = (
    Figure(
        "P18",
        "import actors",
        "ms",
        ours,
        (Peer("P18", "import trio", of_trio, 1.5, 1.2),),
        less=True,
    ),
)
