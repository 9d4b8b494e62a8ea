"""The command `everproc` as users run it: a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs

T = TypeVar("T")

COMMAND = Path(sys.executable).with_name("everproc")


def environment(runtime: Path, **others: str) -> dict[str, str]:
    """That of the tests, without the settings of whoever runs them, and with sockets of its own."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "EVERPROC_"))
    }
    return {**own, "XDG_RUNTIME_DIR": str(runtime), "COLUMNS": "200", **others}


@attrs.frozen
class Shell:
    """Where commands are run."""

    directory: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        return subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        """What a command that succeeds shows with `--json`."""
        done = self.run(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str) -> Generator[subprocess.Popen[str], None, None]:
        """A command that goes on; it is killed when it still runs at the end."""
        log = self.directory / "program.log"
        with (
            log.open("a") as written,
            subprocess.Popen(
                [str(COMMAND), *arguments],
                cwd=self.directory,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=written,
                text=True,
            ) as program,
        ):
            try:
                yield program
            finally:
                if program.poll() is None:
                    program.kill()

    def log(self) -> str:
        """What the programs that `running` has run have written to stderr."""
        return (self.directory / "program.log").read_text()

    def sockets(self) -> list[str]:
        """The files of control sockets."""
        return [path.name for path in Path(self.environment["XDG_RUNTIME_DIR"], "everproc").glob("*")]


def until(look: Callable[[], T | None]) -> T:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + 60
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found
