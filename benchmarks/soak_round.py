"""A round of the soak: processes that exchange numbers, processes on a node that is dropped, and what has to hold."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import trio

import actors
from actors import PID, Error, Exit, Node
from benchmarks.soak_findings import Findings, watch_for_stillness
from benchmarks.soak_processes import (
    WORKER,
    dies,
    durable,
    exchange,
    found,
    patiently,
    register,
    upgrading,
    watches,
)
from benchmarks.soak_programs import Program

PEERS = 6
OPTIONS = {"temporal.workflow.task_timeout": "5s"}
LONG = "30m"
"""A call's time. What goes wrong is found otherwise, and a slow machine is not wrong."""


@attrs.frozen
class Load:
    """How many processes exchange how many numbers, and how long each waits between two of them."""

    processes: int
    numbers: int
    pause: str


class Round:
    """One round. `number` and the seed say who sends to whom."""

    def __init__(self, findings: Findings, seed: int, number: int, load: Load) -> None:
        self._findings = findings
        self._random = random.Random(f"{seed}/{number}")
        self._load = load
        self._per_kind = max(2, load.processes // 4)

    async def run(self, node: Node, name: str, dropped: Program) -> None:
        """Until all has ended as it has to, or something has not."""
        self._findings.waits.clear()
        self._findings.pending.clear()

        async def until_violated(cancel_scope: trio.CancelScope) -> None:
            await self._findings.violated.wait()
            cancel_scope.cancel()

        async with trio.open_nursery() as watching:
            watching.start_soon(watch_for_stillness, self._findings, node)
            watching.start_soon(until_violated, watching.cancel_scope)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(node.execute, self._drop, name, dropped, on="trio"))
                nursery.start_soon(partial(node.execute, self._exchange, on="trio"))
            watching.cancel_scope.cancel()

    # The node that is dropped

    async def _drop(self, name: str, program: Program) -> None:
        """Processes on a node that is killed: each monitor fires once, and their names are free again."""
        findings = self._findings
        findings.step("drop", f"the name of {name}")
        sitting = [f"{name}-{number}" for number in range(3)]
        there = await found(name)
        findings.step("drop", f"{there} to start processes")
        pids: list[PID] = await actors.call(there, "sit", sitting, timeout=LONG)
        for pid in pids:
            findings.step("drop", f"{pid} to take its name")
            await actors.call(pid, "ask", 1, timeout=LONG)
        watching = actors.listen("watching")
        watchers: dict[PID, str] = {}
        for pid in pids:
            for on in (WORKER, "trio"):
                me = actors.self_pid()
                if on == WORKER:
                    watcher = await _spawned(watches, pid, me)
                    await patiently(partial(actors.monitor, watcher))
                else:
                    watcher = await actors.spawn_monitored(watches, pid, me, on=on)
                watchers[watcher] = on
                findings.pending[watcher] = f"watcher of {pid}"
                findings.step("drop", f"{watcher} on {on} to monitor {pid}")
                await watching.receive()
        await actors.sleep(f"{self._random.randint(0, 3000)}ms")
        await program.kill()
        findings.counts["nodes dropped"] += 1
        findings.step("drop", "the watchers of the dropped node to end")
        for _ in watchers:
            event = await actors.events().receive()
            if not isinstance(event, Exit):
                return  # as in `_take_exits`
            findings.ended(event.pid)
            if event.result.value != "noconnection":
                on = watchers[event.pid]
                findings.violation(f"{event.pid} on {on} saw {event.result}, expected noconnection")
        findings.counts["monitors of dropped nodes"] += len(watchers)
        for each in sitting:
            findings.step("drop", f"the name {each} to be free")
            await _taken(each)
        findings.counts["names freed"] += len(sitting)
        findings.step("drop", "nothing: it is done")

    # The exchange

    async def _exchange(self) -> None:
        """A process of this program that starts the others, and takes their exits."""
        findings, numbers, pause = self._findings, self._load.numbers, self._load.pause
        names = [f"{kind}{number}" for kind in "dlab" for number in range(self._per_kind)]
        turning = [f"u{number}" for number in range(max(1, self._per_kind // 8))]
        peers, senders = self._acquainted(names, turning)
        pids: dict[str, PID] = {}
        for name in names:
            if name[0] == "d":
                findings.step("exchange", f"durable {name} to be spawned")
                pids[name] = await _spawned(durable, name, numbers, senders[name], pause)
            elif name[0] == "l":
                pids[name] = await actors.spawn(exchange, name, numbers, senders[name], pause, on="trio")
        for kind in "ab":
            those = [name for name in names if name[0] == kind]
            asked = [[name, numbers, senders[name], pause] for name in those]
            findings.step("exchange", f"the name of node-{kind}")
            keeper = await found(f"node-{kind}")
            findings.step("exchange", f"{keeper} to start processes")
            pids.update(zip(those, await actors.call(keeper, "exchange", asked, timeout=LONG), strict=True))
        for name in turning:
            findings.step("exchange", f"durable {name} to be spawned")
            pids[name] = await _spawned(upgrading, name, numbers, senders[name])
        expected = {pid: ("normal", name) for name, pid in pids.items()}
        ending: dict[PID, tuple[str, str]] = {}
        for reason in ("normal", "error"):
            for _ in range(2):
                findings.step("exchange", "a durable process to be spawned that is about to end")
                ending[await _spawned(dies, reason)] = (reason, reason)
        expected |= ending
        findings.pending.update({pid: name for pid, (_, name) in expected.items()})
        for pid, (_, name) in expected.items():
            for _ in range(2):
                findings.step("exchange", f"the monitor of {name} {pid}")
                await patiently(partial(actors.monitor, pid))
        for name in names:
            findings.step("exchange", f"{name} {pids[name]} to be told its peers")
            await actors.send(pids[name], "peers", [pids[other] for other in peers[name]])
        for pid in ending:
            findings.step("exchange", f"{pid} to be told to end")
            await actors.send(pid, "end")
        await self._take_exits(expected)
        findings.counts["rounds"] += 1
        findings.counts["processes"] += len(expected)
        findings.counts["messages"] += numbers * PEERS * len(names)
        findings.counts["monitors"] += 2 * len(expected)
        findings.step("exchange", "nothing: it is done")

    def _acquainted(
        self, names: list[str], turning: list[str]
    ) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Who sends to whom, and who gets from whom."""
        everybody = [*names, *turning]
        peers = {
            name: self._random.sample([other for other in everybody if other != name], PEERS)
            for name in names
        }
        senders: dict[str, list[str]] = {name: [] for name in everybody}
        for name, to in peers.items():
            for other in to:
                senders[other].append(name)
        return peers, senders

    async def _take_exits(self, expected: dict[PID, tuple[str, str]]) -> None:
        """Two of each: it has two monitors."""
        findings = self._findings
        exits: Counter[PID] = Counter()
        findings.step("exchange", "the processes to end")
        for _ in range(2 * len(expected)):
            event = await actors.events().receive()
            if not isinstance(event, Exit):
                return  # a cancel: the round is over, because of what another part has found
            exits[event.pid] += 1
            reason, value = expected[event.pid]
            wrong = event.reason != reason or (reason == "normal" and event.result.value != value)
            if wrong and exits[event.pid] == 1:
                findings.violation(f"{value} {event.pid} ended with reason={event.reason}: {event.result}")
                return  # others will follow that waited for it
            if exits[event.pid] > 2:
                findings.violation(f"a monitor of {value} fired twice: {event}")
            elif exits[event.pid] == 2:
                findings.ended(event.pid)
        late = await actors.select(actors.events(), actors.after("500ms"))
        if isinstance(late.value, Exit):
            findings.violation(f"a monitor fired twice: {late.value}")


async def _spawned(target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    """A durable process; by its name it is started once, however often that is asked."""
    spawner = actors.spawner(name=f"{target.__name__}-{actors.uuid4()}", options=OPTIONS)
    return await patiently(partial(spawner.spawn, target, *args))


async def _taken(name: str) -> None:
    """Take a name whose holder is dead, as soon as the registry knows."""
    while True:
        try:
            await register(name)
        except Error as error:
            if error.kind != actors.ALREADY_EXISTS:
                raise
        else:
            await patiently(partial(actors.names.unregister, name, scope="cluster"))
            return
        await actors.sleep("500ms")
