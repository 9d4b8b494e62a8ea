"""Kills workers at random moments under a load of numbered messages, and checks that none is lost, doubled or late.

    python -m benchmarks.soak --seconds 60 --seed 1

Rounds of durable processes, in a worker that is SIGKILLed again and again, and of local processes, in this program,
exchange numbers, everybody with everybody; each receiver checks that those of each sender come in order, each once.
Some continue as new all the while, and some end and are monitored. The closing lines say what held, and how often.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import uuid
from collections import Counter

import trio

import actors
from actors import PID, Error, Exit, Node
from benchmarks.soak_processes import WORKER, dies, durable, exchange, soak, upgrading
from temporal_bridge import EmbeddedServer, TemporalBridge, TemporalClient, Worker

COUNT = 20
DURABLE = 4
LOCAL = 3
OPTIONS = {"temporal.workflow.task_timeout": "2s"}


async def serve(address: str, queue: str) -> None:
    """The program that is killed."""
    async with Node("victim") as node:
        worker = Worker(WORKER, task_queue=queue, entries=[soak], max_cached_workflows=50)
        async with TemporalBridge(node, TemporalClient(address), worker):
            await trio.sleep_forever()


class Soak:
    """The rounds, the killing, and what was counted."""

    def __init__(self, seed: int, processes: int) -> None:
        self._random = random.Random(seed)
        self._processes = processes
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    async def run(self, seconds: float) -> None:
        """Rounds until the time is up; the last one is finished."""
        queue = f"soak-{uuid.uuid4()}"
        known = Worker(WORKER, task_queue=queue, run=False)
        async with (
            EmbeddedServer(database=False) as server,
            Node("soak") as node,
            TemporalBridge(node, TemporalClient(server.address), known),
            trio.open_nursery() as nursery,
        ):
            await nursery.start(self._kill, server.address, queue)
            ends = trio.current_time() + seconds
            while trio.current_time() < ends and not self.violations:
                with trio.move_on_after(300) as limit:
                    await node.execute(self._round, on="trio")
                if limit.cancelled_caught:
                    self.violations.append("a round did not end within 300 s: a message was lost")
            nursery.cancel_scope.cancel()
            await self._replay(server.address)

    async def _replay(self, address: str) -> None:
        """Replay every history that the rounds have left."""
        command = [sys.executable, "-m", "temporal_bridge.replay", "--import", "benchmarks.soak_processes"]
        run = await trio.run_process([*command, "--address", address], capture_stdout=True, check=False)
        self.counts["histories"] = int(run.stdout.split()[0] if run.returncode == 0 else 0)
        if run.returncode:
            self.violations.append(f"a history does not replay: {run.stdout.decode()[-2000:]}")

    async def _kill(
        self, address: str, queue: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        command = [sys.executable, "-m", "benchmarks.soak", "--serve", address, queue]
        task_status.started()
        while True:
            process = await trio.lowlevel.open_process(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                await trio.sleep(self._random.uniform(3.0, 9.0))
            finally:
                process.kill()
                with trio.CancelScope(shield=True):
                    await process.wait()
            self.counts["kills"] += 1

    async def _round(self) -> None:
        """A process of this program that starts the others, and takes their exits."""
        durable_ones, local_ones = DURABLE * self._processes, LOCAL * self._processes
        senders = durable_ones + local_ones
        spawner = actors.spawner(options=OPTIONS)
        exchanging: dict[PID, str] = {}
        for number in range(durable_ones):
            pid = await spawner.spawn_monitored(durable, f"d{number}", COUNT, senders - 1, "20ms")
            exchanging[pid] = f"d{number}"
        for number in range(local_ones):
            pid = await actors.spawn_monitored(exchange, f"l{number}", COUNT, senders - 1, "20ms", on="trio")
            exchanging[pid] = f"l{number}"
        turning = await spawner.spawn_monitored(upgrading, "u", COUNT, senders)
        ending = {
            await spawner.spawn_monitored(dies, reason): reason
            for reason in ("normal", "error")
            for _ in range(2)
        }
        for pid in exchanging:
            await actors.send(pid, "peers", [*(peer for peer in exchanging if peer != pid), turning])
        for pid in ending:
            await actors.monitor(pid)
            await actors.send(pid, "end")
        exits: Counter[PID] = Counter()
        for _ in range(len(exchanging) + 1 + 2 * len(ending)):
            event = await actors.events().receive()
            assert isinstance(event, Exit)
            exits[event.pid] += 1
            expected = ending.get(event.pid, "normal")
            if event.reason != expected:
                self.violations.append(f"{event.pid} ended with reason={event.reason}: {event.result.error}")
        late = await actors.select(actors.events(), actors.after("500ms"))
        if isinstance(late.value, Exit):
            self.violations.append(f"a monitor fired twice: {late.value}")
        if any(exits[pid] != 2 for pid in ending):
            self.violations.append(f"monitors did not fire once each: {exits}")
        self.counts["rounds"] += 1
        self.counts["processes"] += senders + 1 + len(ending)
        self.counts["messages"] += COUNT * senders * senders
        self.counts["exits"] += sum(exits.values())

    def report(self) -> str:
        """What held, for people."""
        lines = [f"{name}: {count}" for name, count in sorted(self.counts.items())]
        lines += [f"VIOLATION {text}" for text in self.violations]
        lines.append("nothing lost, doubled or out of order" if not self.violations else "FAILED")
        return "\n".join(lines)


def main() -> int:
    """The command: its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long rounds are started (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills (default: 0)")
    parser.add_argument("--scale", type=int, default=1, help="how many times the processes (default: 1)")
    parser.add_argument("--serve", nargs=2, metavar=("ADDRESS", "QUEUE"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve is not None:
        trio.run(serve, *parsed.serve)
        return 0
    soaking = Soak(parsed.seed, parsed.scale)
    try:
        trio.run(soaking.run, parsed.seconds)
    except* Error as errors:
        soaking.violations += [str(error) for error in errors.exceptions]
    print(soaking.report())
    return 1 if soaking.violations else 0


if __name__ == "__main__":
    sys.exit(main())
