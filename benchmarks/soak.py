"""Kills workers, nodes and the server at random moments under a load of numbered messages, and checks what is promised.

    python -m benchmarks.soak --seconds 60 --seed 1

Rounds of durable processes and of local ones on three nodes exchange numbers; each receiver checks that those of every
sender come in order, each once. Some continue as new all the while, some end, some sit on a node that is killed; all
are monitored. Meanwhile the workers are SIGKILLed one after the other, the server is SIGKILLed and started again, and
functions fail. In the end every history that is left is replayed. The closing lines say what held, and how often.
"""

from __future__ import annotations

import argparse
import math
import random
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial

import trio

import actors
from actors import PID, Error, Exit, Node
from benchmarks.soak_processes import WORKER, dies, durable, exchange, keeper, soak, upgrading, watches
from benchmarks.soak_server import SoakServer
from temporal_bridge import TemporalBridge, TemporalClient, Worker

COUNT = 20
PEERS = 6
PAUSE = "20ms"
OPTIONS = {"temporal.workflow.task_timeout": "2s"}
PATIENCE = 300


async def serve(address: str, queue: str, name: str) -> None:
    """The program that is killed: a node, with a worker or with a process that starts others."""
    async with Node(name) as node:
        runs = name.startswith("worker")
        worker = Worker(WORKER, task_queue=queue, entries=[soak], max_cached_workflows=50, run=runs)
        client = TemporalClient(address, connect_timeout="60s")  # the server may just be down
        async with TemporalBridge(node, client, worker):
            if not runs:
                await node.spawn(keeper, name)
            print("ready", flush=True)
            await trio.sleep_forever()


class Soak:
    """The rounds, the killing, and what was counted."""

    def __init__(self, seed: int, processes: int, restarts: bool) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._processes = processes
        self._restarts = restarts
        self._queue = f"soak-{uuid.uuid4()}"
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []

    async def run(self, seconds: float) -> None:
        """Rounds until the time is up; the last one is finished."""
        known = Worker(WORKER, task_queue=self._queue, run=False)
        with tempfile.TemporaryDirectory(prefix="everproc-soak-") as directory:
            async with SoakServer(directory) as server:
                async with (
                    Node("soak") as node,
                    TemporalBridge(node, TemporalClient(server.address), known),
                    trio.open_nursery() as nursery,
                    self._program(server.address, "node-a"),
                    self._program(server.address, "node-b"),
                ):
                    for name in ("worker-a", "worker-b"):
                        nursery.start_soon(self._kill_workers, server.address, name)
                    if self._restarts:
                        nursery.start_soon(self._kill_server, server)
                    await self._rounds(node, server, trio.current_time() + seconds)
                    nursery.cancel_scope.cancel()
                await self._replay(server.address)

    async def _rounds(self, node: Node, server: SoakServer, ends: float) -> None:
        while trio.current_time() < ends and not self.violations:
            with trio.move_on_after(PATIENCE) as limit:
                name = f"dropped-{uuid.uuid4()}"
                async with self._program(server.address, name) as dropped, trio.open_nursery() as nursery:
                    nursery.start_soon(partial(node.execute, self._drop, name, dropped, on="trio"))
                    await node.execute(self._round, on="trio")
            if limit.cancelled_caught:
                self.violations.append(f"a round did not end within {PATIENCE} s: something was lost")

    async def _replay(self, address: str) -> None:
        """Replay every history that the rounds have left."""
        command = [sys.executable, "-m", "temporal_bridge.replay", "--import", "benchmarks.soak_processes"]
        run = await trio.run_process([*command, "--address", address], capture_stdout=True, check=False)
        self.counts["histories replayed"] = int(run.stdout.split()[0] if run.returncode == 0 else 0)
        if run.returncode:
            self.violations.append(f"a history does not replay: {run.stdout.decode()[-2000:]}")

    # What goes wrong on purpose

    @asynccontextmanager
    async def _program(self, address: str, name: str) -> AsyncGenerator[trio.Process, None]:
        command = [sys.executable, "-m", "benchmarks.soak", "--serve", address, self._queue, name]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            assert process.stdout is not None
            if not await process.stdout.receive_some():
                raise Error(f"program {name} has ended while it started")
            yield process
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()

    async def _kill_workers(self, address: str, name: str) -> None:
        while True:
            async with self._program(address, name):
                await trio.sleep(self._random.uniform(5.0, 15.0))
            self.counts["workers killed"] += 1

    async def _kill_server(self, server: SoakServer) -> None:
        while True:
            await trio.sleep(self._random.uniform(10.0, 25.0))
            await server.restart()
            self.counts["servers killed"] += 1

    async def _drop(self, name: str, program: trio.Process) -> None:
        """Processes on a node that is killed: each monitor fires once, and their names are free again."""
        sitting = [f"{name}-{number}" for number in range(3)]
        pids: list[PID] = await actors.call(await _found(name), "sit", sitting, timeout="60s")
        for pid in pids:
            await actors.call(pid, "ask", 1, timeout="60s")  # it has its name
        watching = actors.listen("watching")
        watchers: dict[PID, str] = {}
        spawner = actors.spawner(options=OPTIONS)
        for pid in pids:
            for on in (WORKER, "trio"):
                spawning = spawner if on == WORKER else actors.spawner()
                watcher = await spawning.spawn_monitored(watches, pid, actors.self_pid(), on=on)
                watchers[watcher] = on
                await watching.receive()
        await actors.sleep(f"{self._random.randint(0, 3000)}ms")
        program.kill()
        self.counts["nodes dropped"] += 1
        for _ in watchers:
            event = await actors.events().receive()
            assert isinstance(event, Exit)
            if event.result.value != "noconnection":
                self.violations.append(
                    f"{event.pid} on {watchers[event.pid]} saw {event.result}, expected noconnection"
                )
        self.counts["monitors of dropped nodes"] += len(watchers)
        for each in sitting:
            await _registered(each)
        self.counts["names freed"] += len(sitting)

    # What has to hold

    async def _round(self) -> None:
        """A process of this program that starts the others, and takes their exits."""
        chosen = random.Random(f"{self._seed}/{self.counts['rounds']}")
        per_kind = max(2, self._processes // 4)
        names = [f"{kind}{number}" for kind in "dlab" for number in range(per_kind)]
        turning = [f"u{number}" for number in range(max(1, per_kind // 8))]
        peers = {
            name: chosen.sample([other for other in (*names, *turning) if other != name], PEERS)
            for name in names
        }
        senders: dict[str, list[str]] = {name: [] for name in (*names, *turning)}
        for name, to in peers.items():
            for other in to:
                senders[other].append(name)
        spawner = actors.spawner(options=OPTIONS)
        pids: dict[str, PID] = {}
        for name in names:
            if name[0] == "d":
                pids[name] = await spawner.spawn(durable, name, COUNT, senders[name], PAUSE)
            elif name[0] == "l":
                pids[name] = await actors.spawn(exchange, name, COUNT, senders[name], PAUSE, on="trio")
        for kind in "ab":
            those = [name for name in names if name[0] == kind]
            asked = [[name, COUNT, senders[name], PAUSE] for name in those]
            found = await actors.call(await _found(f"node-{kind}"), "exchange", asked, timeout="60s")
            pids.update(zip(those, found, strict=True))
        for name in turning:
            pids[name] = await spawner.spawn(upgrading, name, COUNT, senders[name])
        expected = {pids[name]: ("normal", name) for name in pids}
        ending = [await spawner.spawn(dies, reason) for reason in ("normal", "error") for _ in range(2)]
        expected |= {
            pid: (reason, reason) for pid, reason in zip(ending, ["normal"] * 2 + ["error"] * 2, strict=True)
        }
        for pid in expected:
            for _ in range(2):
                await actors.monitor(pid)
        for name in names:
            await actors.send(pids[name], "peers", [pids[other] for other in peers[name]])
        for pid in ending:
            await actors.send(pid, "end")
        await self._take_exits(expected)
        self.counts["rounds"] += 1
        self.counts["processes"] += len(expected)
        self.counts["messages"] += COUNT * PEERS * len(names)

    async def _take_exits(self, expected: dict[PID, tuple[str, str]]) -> None:
        exits: Counter[PID] = Counter()
        for _ in range(2 * len(expected)):
            event = await actors.events().receive()
            if not isinstance(event, Exit):  # a cancel: the round has taken too long
                missing = [f"{value} {pid}" for pid, (_, value) in expected.items() if exits[pid] < 2]
                self.violations.append(f"no end came of {', '.join(missing)}")
                return
            exits[event.pid] += 1
            reason, value = expected[event.pid]
            if event.reason != reason or (reason == "normal" and event.result.value != value):
                self.violations.append(
                    f"{value} {event.pid} ended with reason={event.reason}: {event.result}"
                )
        late = await actors.select(actors.events(), actors.after("500ms"))
        if isinstance(late.value, Exit):
            self.violations.append(f"a monitor fired twice: {late.value}")
        if any(exits[pid] != 2 for pid in expected):
            self.violations.append(f"monitors did not fire once each: {exits}")
        self.counts["exits"] += sum(exits.values())

    def report(self) -> str:
        """What held, for people."""
        lines = [f"{name}: {count}" for name, count in sorted(self.counts.items())]
        lines += [f"VIOLATION {text}" for text in self.violations]
        lines.append(
            "FAILED"
            if self.violations
            else "nothing lost, doubled or out of order; every monitor fired once; every history replays"
        )
        return "\n".join(lines)


async def _found(name: str) -> PID:
    """Who has a name of the cluster, which it may be about to take."""
    while True:
        try:
            return await actors.names.lookup(name, scope="cluster")
        except Error as error:
            if error.kind != actors.NOT_FOUND:
                raise
        await actors.sleep("100ms")


async def _registered(name: str) -> None:
    """Take a name whose holder is dead, as soon as the registry knows."""
    while True:
        try:
            await actors.names.register(name, scope="cluster")
        except Error as error:
            if error.kind != actors.ALREADY_EXISTS:
                raise
        else:
            await actors.names.unregister(name, scope="cluster")
            return
        await actors.sleep("500ms")


def main() -> int:
    """The command: its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long rounds are started (default: 60)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of who sends to whom and of the kills (default: 0)"
    )
    parser.add_argument("--processes", type=int, default=100, help="that exchange at once (default: 100)")
    parser.add_argument("--keep-server", action="store_true", help="do not kill the server")
    parser.add_argument("--serve", nargs=3, metavar=("ADDRESS", "QUEUE", "NAME"), help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve is not None:
        trio.run(serve, *parsed.serve)
        return 0
    if not math.isfinite(parsed.seconds) or parsed.seconds <= 0:
        parser.error(f"--seconds {parsed.seconds}: expected more than 0")
    soaking = Soak(parsed.seed, parsed.processes, restarts=not parsed.keep_server)
    try:
        trio.run(soaking.run, parsed.seconds)
    except* Error as errors:
        soaking.violations += [repr(error) for error in _leaves(errors)]
    print(soaking.report())
    return 1 if soaking.violations else 0


def _leaves(group: BaseExceptionGroup[Error]) -> list[BaseException]:
    """The errors in a group of groups."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main())
