"""Workers that are killed at random moments: nothing is lost, doubled or out of order."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_out_of_order_when_workers_are_killed() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "1", "--seed", "3"]
    command += [
        "--processes",
        "6",
        "--keep-server",
    ]  # one round; longer ones, and killed servers, are for the soak
    run = subprocess.run(command, capture_output=True, text=True, timeout=290, check=False)
    assert run.stdout.endswith("nothing lost, doubled or out of order\n"), run.stdout + run.stderr
    assert run.returncode == 0
