"""Erlang/OTP as a peer, where `erl` is installed. It gets one scheduler thread, as ours is one thread."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from benchmarks._harness import rate

SOURCE = Path(__file__).parent / "everproc_peer.erl"


def missing() -> str | None:
    """Why there is no Erlang here."""
    return None if shutil.which("erl") else "erl is not installed: apt-get install erlang-base"


def run(function: str, argument: int) -> float:
    """What a function of `everproc_peer.erl` prints."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["erlc", "-o", directory, str(SOURCE)], check=True, capture_output=True)
        command = ["erl", "+S", "1:1", "+P", "2000000", "-noshell", "-pa", directory]
        command += ["-run", "everproc_peer", function, str(argument), "-run", "init", "stop"]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def round_trips(n: int, seconds: float) -> float:
    return rate(lambda count: run("round_trips", count), seconds, 100_000)


def memory(n: int, seconds: float) -> float:
    return run("memory", n)
