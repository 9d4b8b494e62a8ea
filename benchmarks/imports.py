"""How long the import takes (P18), with bytecode, as an installer leaves it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from benchmarks._harness import Figure, Peer


def fresh(module: str) -> float:
    """Milliseconds that an interpreter takes to import a module, by its own clock; the least of five."""
    program = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"

    def run() -> float:
        command = [sys.executable, "-c", program]
        return float(subprocess.run(command, capture_output=True, check=True, env=environment).stdout)

    with tempfile.TemporaryDirectory() as directory:
        # A checkout has none where the environment says so, and would be compiled each time.
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": directory, "PYTHONDONTWRITEBYTECODE": ""}
        run()
        return min(run() for _ in range(5)) * 1000


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
        quick_rounds=1,
    ),
)
