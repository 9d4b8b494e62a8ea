"""Kills workers, nodes and the server at random moments under a load of numbered messages, and checks what is promised.

    python -m benchmarks.soak --seconds 60 --seed 1

Rounds of durable processes and of local ones on three nodes exchange numbers; each receiver checks that those of every
sender come in order, each once. They call durable servers, which check that each call comes once. Some continue as new
all the while, some end, some sit on nodes that are killed; all are monitored. Meanwhile the workers and the server are
SIGKILLed and started again at random moments, and functions fail. In the end every history that is left is replayed.
The closing lines say what held, and how often. Where something did not, the logs of all programs and the server's
database are kept, and the report says where.

The load paces itself. A few turns go round among the processes with their numbers, and only who has a turn sends. So
as many send at once as there are turns, be the processes ten or a thousand, and a server that is slower is asked less.
A round lasts so many seconds, not so many numbers; then the processes are told to end.
"""

from __future__ import annotations

import argparse
import logging
import math
import random
import shutil
import signal
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import trio

from actors import Node
from benchmarks.soak_findings import Findings
from benchmarks.soak_processes import WORKER
from benchmarks.soak_programs import Program, Programs, log_to, serve, troubles
from benchmarks.soak_round import Load, Round
from benchmarks.soak_server import SoakServer
from temporal_bridge import TemporalBridge, TemporalClient, Worker

log = logging.getLogger("everproc.soak")

WORKERS_LIVE = 12.0
SERVERS_LIVE = 30.0
"""Seconds, on the average, after which a worker that has started is killed, and the server."""


class Soak:
    """The rounds, and the killing meanwhile. Everything is written to `directory`.

    `away` is for how many seconds the server is away at most when it is killed; None if it is not to be killed.
    """

    def __init__(self, seed: int, load: Load, away: float | None, directory: Path) -> None:
        self._seed = seed
        self._load = load
        self._away = away
        self._directory = directory
        self._queue = f"soak-{uuid.uuid4()}"
        self.findings = Findings()

    async def run(self, seconds: float) -> None:
        """Rounds until the time is up; the last one is finished, unless somebody ends the program."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_told, nursery.cancel_scope)
            await self._run(seconds)
            nursery.cancel_scope.cancel()

    async def _until_told(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for number in signals:
                self.findings.told = signal.Signals(number).name
                scope.cancel()

    async def _run(self, seconds: float) -> None:
        known = Worker(WORKER, task_queue=self._queue, run=False)
        async with SoakServer(self._directory) as server, trio.open_nursery() as nursery:
            programs = Programs(server.address, self._queue, self._directory, self.findings, nursery)
            async with (
                Node("soak") as node,
                TemporalBridge(node, TemporalClient(server.address), known),
                programs.running("node-a"),
                programs.running("node-b"),
                programs.running("worker-a") as first,
                programs.running("worker-b") as second,
            ):
                workers = (first, second)
                await self._rounds(node, server, programs, workers, trio.current_time() + seconds)
            await self._replay(server.address)

    async def _rounds(
        self, node: Node, server: SoakServer, programs: Programs, workers: Sequence[Program], ends: float
    ) -> None:
        number = 0
        while not number or (trio.current_time() < ends and not self.findings.violations):
            this = Round(self.findings, self._seed, number, self._load, programs)
            async with trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(
                        self._kill, worker.name, worker.restart, number, WORKERS_LIVE, this.loaded
                    )
                if self._away is not None:
                    aways = random.Random(f"{self._seed}/away/{number}")
                    restart = partial(self._restart, server, aways, self._away)
                    nursery.start_soon(self._kill, "server", restart, number, SERVERS_LIVE, this.loaded)
                await this.run(node)
                nursery.cancel_scope.cancel()
            number += 1
            log.info("round %d is over", number)

    async def _restart(self, server: SoakServer, aways: random.Random, most: float) -> None:
        await server.restart(aways.uniform(0, most))

    async def _kill(
        self,
        name: str,
        restart: Callable[[], Awaitable[None]],
        number: int,
        lives: float,
        loaded: trio.Event,
    ) -> None:
        """Kill something at random moments of a round, and once while its processes end."""
        moments = random.Random(f"{self._seed}/{name}/{number}")
        last = False
        while not last:
            last = loaded.is_set()
            await trio.sleep(moments.expovariate(1 / lives))
            log.info("killing %s", name)
            await restart()
            log.info("%s is there again", name)
            self.findings.counts[f"{name.partition('-')[0]}s killed"] += 1

    async def _replay(self, address: str) -> None:
        """Replay every history that the rounds have left."""
        command = [sys.executable, "-m", "temporal_bridge.replay", "--import", "benchmarks.soak_processes"]
        run = await trio.run_process(
            [*command, "--address", address], capture_stdout=True, capture_stderr=True, check=False
        )
        self.findings.counts["histories replayed"] = int(run.stdout.split()[0] if run.returncode == 0 else 0)
        if run.returncode:
            said = (run.stdout + run.stderr).decode()
            self.findings.violation(f"a history does not replay: {said[-2000:]}")


def main() -> int:
    """The command: its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long rounds are begun (default: 60)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of who sends to whom and of the kills (default: 0)"
    )
    parser.add_argument(
        "--processes", type=int, default=100, help="that exchange at once, 8 or more (default: 100)"
    )
    parser.add_argument("--turns", type=int, default=32, help="how many of them send at once (default: 32)")
    parser.add_argument(
        "--load", type=float, default=40, help="for how many seconds of each round they send (default: 40)"
    )
    parser.add_argument("--keep-server", action="store_true", help="do not kill the server")
    parser.add_argument(
        "--away",
        type=float,
        default=15,
        help="how many seconds a killed server is away at most (default: 15); after ten, Temporal's clients give up",
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="DIRECTORY",
        help="a new directory for the logs and the server's database (default: a temporary one, which is kept only when"
        " something did not hold)",
    )
    parser.add_argument("--serve", nargs=3, metavar=("ADDRESS", "QUEUE", "NAME"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve is not None:
        log_to(None)
        trio.run(serve, *parsed.serve)
        return 0
    for name in ("seconds", "load"):
        if not math.isfinite(getattr(parsed, name)) or getattr(parsed, name) <= 0:
            parser.error(f"--{name} {getattr(parsed, name)}: expected more than 0")
    for name, least in (("processes", 8), ("turns", 1)):
        if getattr(parsed, name) < least:
            parser.error(f"--{name} {getattr(parsed, name)}: expected {least} or more")
    if not math.isfinite(parsed.away) or parsed.away < 0:
        parser.error(f"--away {parsed.away}: expected 0 or more")
    directory: Path = parsed.logs or Path(tempfile.mkdtemp(prefix="everproc-soak-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            parser.error(f"--logs {directory}: expected a new or an empty directory")
    except OSError as error:
        parser.error(f"--logs {directory}: {error.strerror}")
    log_to(directory / "soak.log")
    away: float | None = None if parsed.keep_server else parsed.away
    soaking = Soak(parsed.seed, Load(parsed.processes, parsed.turns, parsed.load), away, directory)
    findings = soaking.findings
    try:
        trio.run(soaking.run, parsed.seconds)
    except* Exception as errors:
        log.exception("the soak has failed")
        for each in _leaves(errors):
            findings.violation(repr(each))
    if not findings.violations:
        for trouble in troubles(directory):
            findings.violation(trouble)
    print(findings.report())
    if findings.violations:
        print(f"the logs of all programs, and the server's database: {directory}")
    elif parsed.logs is None:
        shutil.rmtree(directory)
    return 1 if findings.violations or findings.told else 0


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    """The errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
