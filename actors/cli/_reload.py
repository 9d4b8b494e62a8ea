"""Running a program again whenever its files have changed: `everproc run --reload`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from actors.cli._output import Output
from actors.cli._program import PARENT_PIPE

_LOOKS: Final = 0.3
"""Seconds between two looks at the files. Modification times, so that nothing has to be installed for it."""

_LEFT_OUT: Final = ("__pycache__", "node_modules", "venv", "site-packages")


def run_again(output: Output) -> int:
    """Run this very command without `--reload` in a child process, and again after each change; its exit status."""
    command = [sys.executable, "-m", "actors.cli", *(arg for arg in sys.argv[1:] if arg != "--reload")]
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    reading, writing = os.pipe()
    try:
        while True:
            seen = _files()
            # A session of its own: Ctrl-C reaches us alone, and we tell it once. The pipe tells it when we are killed.
            child = subprocess.Popen(
                command,
                start_new_session=True,
                pass_fds=(reading,),
                env={**os.environ, PARENT_PIPE: str(reading)},
            )
            try:
                ended = _until_change(child, seen, asked, output)
            finally:
                _stop(child, asked)
            if ended is not None:
                return ended
    finally:
        os.close(reading)
        os.close(writing)
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_change(
    child: subprocess.Popen[bytes], seen: dict[str, int], asked: list[int], output: Output
) -> int | None:
    """Wait; None when the files have changed, else the exit status. One that failed waits for a change to mend it."""
    told = False
    while True:
        if asked:
            _stop(child, asked)
            return child.returncode
        if child.poll() == 0:
            return 0
        if child.poll() is not None and not told:
            output.note(f"ended with status {child.returncode}; it runs again when a file has changed")
            told = True
        now = _files()
        if now != seen:
            changed = sorted({name for name, _ in seen.items() ^ now.items()})
            output.note(f"{', '.join(changed[:3])} changed: running again")
            return None
        time.sleep(_LOOKS)


def _stop(child: subprocess.Popen[bytes], asked: list[int]) -> None:
    """Stop the child in order; the second time that we are asked, at once."""
    if child.poll() is None:
        child.terminate()
    while child.poll() is None:
        if len(asked) > 1:
            child.kill()
        time.sleep(0.02)


def _files() -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in _walk(Path()) if path.exists()}


def _walk(directory: Path) -> Iterator[Path]:
    for entry in os.scandir(directory):
        if entry.name.startswith(".") or entry.name in _LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        elif entry.name.endswith((".py", ".toml")):
            yield Path(entry.path)
