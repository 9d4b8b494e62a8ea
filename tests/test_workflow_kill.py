"""Workers, nodes and the server that are killed at random moments: nothing is lost, doubled or out of order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HELD = "nothing lost, doubled or out of order; every monitor fired once; every history replays\n"


@pytest.mark.timeout(
    900
)  # of several programs, each started anew: a round ends by itself, or says why it does not
def test_nothing_is_lost_doubled_or_out_of_order_when_workers_are_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "1", "--seed", "3", "--processes", "8"]
    command += ["--load", "5", "--keep-server", "--logs", str(tmp_path)]  # one round
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as soak:
        try:
            said, _ = soak.communicate()
        finally:
            soak.terminate()  # if it is still there: it ends the programs that it has started
    logs = "".join(f"\n{path.name}:\n{path.read_text()[-5000:]}" for path in sorted(tmp_path.glob("*.log")))
    assert said.endswith(HELD), said + logs
    assert soak.returncode == 0
