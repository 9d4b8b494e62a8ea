"""Kills workers, nodes and the server at random moments under a load of numbered messages, and checks what is promised.

    python -m benchmarks.soak --seconds 60 --seed 1

Rounds of durable processes and of local ones on three nodes exchange numbers; each receiver checks that those of every
sender come in order, each once. Some continue as new all the while, some end, some sit on a node that is killed; all
are monitored. Meanwhile the workers and the server are SIGKILLed and started again, a few times in each round, and
functions fail. In the end every history that is left is replayed. The closing lines say what held, and how often. Where
something did not, the logs of all programs and the server's database are kept, and the report says where.
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

import actors
from actors import Error, Node
from benchmarks.soak_findings import Findings
from benchmarks.soak_processes import WORKER
from benchmarks.soak_programs import Program, Programs, log_to, serve
from benchmarks.soak_round import Load, Round
from benchmarks.soak_server import SoakServer
from temporal_bridge import TemporalBridge, TemporalClient, Worker

log = logging.getLogger("everproc.soak")

WORKER_KILLS = 3
SERVER_KILLS = 2
"""In a round, of each; as many for each fifty processes, with which it takes longer."""


class Soak:
    """The rounds, and the killing meanwhile. Everything is written to `directory`.

    The server is away for some seconds whenever it is killed; None if it is not to be killed.
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
                self.findings.violation(f"ended by {signal.Signals(number).name}")
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
        number, times = 0, max(1, self._load.processes // 50)
        while not number or (trio.current_time() < ends and not self.findings.violations):
            name = f"dropped-{number}-{uuid.uuid4().hex[:8]}"
            async with programs.running(name) as dropped, trio.open_nursery() as nursery:
                for worker in workers:
                    nursery.start_soon(
                        self._restart, worker.name, worker.restart, number, times * WORKER_KILLS
                    )
                if self._away is not None:
                    restart = partial(server.restart, self._away)
                    nursery.start_soon(self._restart, "server", restart, number, times * SERVER_KILLS)
                await Round(self.findings, self._seed, number, self._load).run(node, name, dropped)
                nursery.cancel_scope.cancel()
            number += 1
            log.info("round %d is over", number)

    async def _restart(
        self, name: str, restart: Callable[[], Awaitable[None]], number: int, kills: int
    ) -> None:
        """Kill something at random moments of a round, so many times: if there were no end, a slow machine had none."""
        moments = random.Random(f"{self._seed}/{name}/{number}")
        for _ in range(kills):
            await trio.sleep(moments.uniform(1.0, 20.0))
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
    parser.add_argument("--processes", type=int, default=100, help="that exchange at once (default: 100)")
    parser.add_argument(
        "--numbers",
        type=int,
        default=20,
        help="that each sends to each of its peers in a round (default: 20)",
    )
    parser.add_argument("--pause", default="20ms", help="of each between two of them (default: 20ms)")
    parser.add_argument("--keep-server", action="store_true", help="do not kill the server")
    parser.add_argument(
        "--away", type=float, default=0, help="how many seconds a killed server is away (default: 0)"
    )
    parser.add_argument(
        "--logs",
        type=Path,
        metavar="DIRECTORY",
        help="where logs and the server's database are written, and kept (default: a temporary directory, which is kept"
        " when something did not hold)",
    )
    parser.add_argument("--serve", nargs=3, metavar=("ADDRESS", "QUEUE", "NAME"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve is not None:
        log_to(None)
        trio.run(serve, *parsed.serve)
        return 0
    if not math.isfinite(parsed.seconds) or parsed.seconds <= 0:
        parser.error(f"--seconds {parsed.seconds}: expected more than 0")
    for name in ("processes", "numbers"):
        if getattr(parsed, name) < 1:
            parser.error(f"--{name} {getattr(parsed, name)}: expected 1 or more")
    try:
        actors.seconds(parsed.pause, "--pause")
    except Error as refusal:
        parser.error(str(refusal))
    if not math.isfinite(parsed.away) or parsed.away < 0:
        parser.error(f"--away {parsed.away}: expected 0 or more")
    directory: Path = parsed.logs or Path(tempfile.mkdtemp(prefix="everproc-soak-"))
    directory.mkdir(parents=True, exist_ok=True)
    log_to(directory / "soak.log")
    away: float | None = None if parsed.keep_server else parsed.away
    soaking = Soak(parsed.seed, Load(parsed.processes, parsed.numbers, parsed.pause), away, directory)
    findings = soaking.findings
    try:
        trio.run(soaking.run, parsed.seconds)
    except* Error as errors:
        log.exception("the soak has failed")
        for error in _leaves(errors):
            findings.violation(repr(error))
    print(findings.report())
    if findings.violations:
        print(f"the logs of all programs, and the server's database: {directory}")
    elif parsed.logs is None:
        shutil.rmtree(directory)
    return 1 if findings.violations else 0


def _leaves(group: BaseExceptionGroup[Error]) -> list[BaseException]:
    """The errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
