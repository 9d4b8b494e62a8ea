"""The programs of a soak that are killed: nodes with a worker, and nodes with a process that starts others."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from actors import UNAVAILABLE, Error, Node
from benchmarks.soak_findings import Findings
from benchmarks.soak_processes import WORKER, keeper, soak
from benchmarks.soak_server import SERVER_LOG
from temporal_bridge import TemporalBridge, TemporalClient, Worker

log = logging.getLogger("everproc.soak")

RUNS_BOTH = "node-b"
FEW = 10
"""A node that runs durable processes too, only so many of which it keeps. What they send to its own local ones goes by
local activities, which are done again when the server has lost the task. It is not killed, but forgets all the time:
with more of them it would soon have all, and no kill of a worker would matter."""

OPTIONS = {"sticky_queue_schedule_to_start_timeout": "2s"}
"""A task that waits for a worker that is dead is given to the other."""


FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"

TROUBLE = re.compile(
    r" (ERROR|CRITICAL) (?!everproc\.temporal:)|^Traceback|is suspended until code|Failing workflow task"
    r"(?!.*Fetching history failed: Status { code: (Unavailable|Unknown|Cancelled|DeadlineExceeded|Internal),)",
    re.MULTILINE,
)
"""What nobody may log, whatever is killed. Only to Temporal's own logger it is an error that a server is out of reach;
but a workflow task that fails, as when it does not replay, is a warning there, and so is one for which a server that is
out of reach has no history."""


def log_to(file: Path | None) -> None:
    """Write the log to a file, or to stderr."""
    logging.basicConfig(level=logging.INFO, format=FORM, filename=file)


def troubles(directory: Path) -> list[str]:
    """The first of what the programs have logged that tells of trouble, of each."""
    found: list[str] = []
    for file in sorted(directory.glob("*.log")):
        text = file.read_text(errors="replace")
        first = TROUBLE.search(text) if file.name != SERVER_LOG else None
        if first is not None:
            begins = text.rfind("\n", 0, first.start()) + 1
            found.append(f"{file.name} tells of trouble: {text[begins : first.start() + 1000]}")
    return found


async def serve(address: str, queue: str, name: str) -> None:
    """What such a program does."""
    async with Node(name) as node, AsyncExitStack() as stack:
        is_worker = name.startswith("worker")
        worker = Worker(
            WORKER,
            task_queue=queue,
            entries=[soak],
            max_cached_workflows=100 if is_worker else FEW,
            run=is_worker or name == RUNS_BOTH,
            options=OPTIONS,
        )
        while True:
            try:
                await stack.enter_async_context(TemporalBridge(node, TemporalClient(address), worker))
                break
            except Error as error:  # as whoever runs a program starts it again
                if error.kind != UNAVAILABLE:
                    raise
                log.warning("%s; trying again", error)
            await trio.sleep(0.5)
        if not is_worker:
            await node.spawn(keeper, name)
        print("ready", flush=True)
        await trio.sleep_forever()


class Program:
    """One that runs. Only `kill` and `restart` may end it. What it logs goes to a file of its name."""

    def __init__(self, programs: Programs, name: str) -> None:
        self._programs = programs
        self.name = name
        self._process: trio.Process | None = None
        self._killed = False

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        known = self._programs
        command = [sys.executable, "-m", "benchmarks.soak", "--serve", known.address, known.queue, self.name]
        with (known.logs / f"{self.name}.log").open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is for us
            )
        self._killed = False
        known.nursery.start_soon(self._await_end, self._process)
        assert self._process.stdout is not None
        await self._process.stdout.receive_some()

    async def _await_end(self, process: trio.Process) -> None:
        status = await process.wait()
        if not self._killed:
            self._programs.findings.violation(
                f"program {self.name} has ended by itself, with {status}: see its log"
            )

    async def kill(self) -> None:
        """SIGKILL it; fine when it has not been started."""
        if self._process is None:
            return
        with trio.CancelScope(shield=True):
            self._killed = True
            self._process.kill()
            await self._process.wait()

    async def restart(self) -> None:
        """SIGKILL it, and start another of its name."""
        with trio.CancelScope(shield=True):
            await self.kill()
            await self.start()


@attrs.frozen
class Programs:
    """Starts them. What they log is in `logs`."""

    address: str
    queue: str
    logs: Path
    findings: Findings
    nursery: trio.Nursery

    @asynccontextmanager
    async def running(self, name: str) -> AsyncGenerator[Program, None]:
        """A program, which is killed in the end; one that ends by itself is a violation."""
        program = Program(self, name)
        try:
            await program.start()
            yield program
        finally:
            await program.kill()
