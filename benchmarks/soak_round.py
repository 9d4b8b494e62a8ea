"""A round of the soak: processes that exchange numbers, processes on a node that is dropped, and what has to hold."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import trio

import actors
from actors import PID, Error, Exit, Node
from benchmarks.soak_findings import Findings, watch_for_stillness
from benchmarks.soak_processes import (
    LONG,
    WORDS,
    WORKER,
    Books,
    Tally,
    dies,
    durable,
    exchange,
    found,
    hold,
    patiently,
    upgrading,
    watches,
)
from benchmarks.soak_programs import Program, Programs
from supervision import call, start_server, stop_server

PEERS = 3
OPTIONS = {"temporal.workflow.task_timeout": "5s"}
SERVERS = 4


@attrs.frozen
class Load:
    """How many processes exchange numbers, how many of them send at once, and for how many seconds."""

    processes: int
    turns: int
    seconds: float


class Round:
    """One round. `number` and the seed say who sends to whom.

    `loaded` is set when the processes are about to be told to end.
    """

    def __init__(self, findings: Findings, seed: int, number: int, load: Load, programs: Programs) -> None:
        self._findings = findings
        self._random = random.Random(f"{seed}/{number}")
        self._load = load
        self._programs = programs
        self._per_kind = max(2, load.processes // 4)
        self.loaded = trio.Event()

    async def run(self, node: Node) -> None:
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
                nursery.start_soon(partial(node.execute, self._drop_some, on="trio"))
                nursery.start_soon(partial(node.execute, self._exchange, on="trio"))
            watching.cancel_scope.cancel()

    # The nodes that are dropped

    async def _drop_some(self) -> None:
        """Drop one node after the other, until the processes of the exchange are told to end."""
        while True:
            name = f"dropped-{uuid.uuid4().hex[:8]}"
            self._findings.step("drop", f"{name} to start")
            async with self._programs.running(name) as program:
                if not await self._drop(name, program) or self.loaded.is_set():
                    break
        self._findings.step("drop", "nothing: it is done")

    async def _drop(self, name: str, program: Program) -> bool:
        """Processes on a node that is killed: each monitor fires once, and their names are free again.

        Whether the round is to go on.
        """
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
                    await actors.monitor(watcher)
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
                return False  # as in `_take_exits`
            findings.ended(event.pid)
            if event.result.value != ["noconnection", {}]:
                on = watchers[event.pid]
                findings.violation(f"{event.pid} on {on} saw {event.result}, expected noconnection")
        findings.counts["monitors of dropped nodes"] += len(watchers)
        for each in sitting:
            findings.step("drop", f"the name {each} to be free")
            await _taken(each)
            findings.step("drop", f"the group {each} to be empty")
            while await patiently(partial(actors.groups.members, each, scope="cluster")):
                await actors.sleep("500ms")
        findings.counts["names and groups freed"] += len(sitting)
        return True

    # The exchange

    async def _exchange(self) -> None:
        """A process of this program that starts the others, and takes their exits."""
        findings = self._findings
        names = [f"{kind}{number}" for kind in "dlab" for number in range(self._per_kind)]
        turning = [f"u{number}" for number in range(max(1, self._per_kind // 8))]
        servers: list[PID] = []
        for _ in range(SERVERS):
            findings.step("exchange", "a server to start")
            start = partial(start_server, Tally, on=WORKER, name=f"tally-{uuid.uuid4()}", options=OPTIONS)
            servers.append(await patiently(start))
        peers, books = self._acquainted([*names, *turning], servers)
        pids: dict[str, PID] = {}
        for name in names:
            if name[0] == "d":
                findings.step("exchange", f"durable {name} to be spawned")
                pids[name] = await _spawned(durable, books[name])
            elif name[0] == "l":
                pids[name] = await actors.spawn(exchange, books[name], on="trio")
        for kind in "ab":
            those = [name for name in names if name[0] == kind]
            asked = [books[name] for name in those]
            findings.step("exchange", f"the name of node-{kind}")
            keeper = await found(f"node-{kind}")
            findings.step("exchange", f"{keeper} to start processes")
            pids.update(zip(those, await actors.call(keeper, "exchange", asked, timeout=LONG), strict=True))
        for name in turning:
            findings.step("exchange", f"durable {name} to be spawned")
            pids[name] = await _spawned(upgrading, books[name])
        expected = {pid: ("normal", name) for name, pid in pids.items()}
        ending: dict[PID, tuple[str, str]] = {}
        for reason in ("normal", "error"):
            for _ in range(2):
                findings.step("exchange", "a durable process to be spawned that is about to end")
                ending[await _spawned(dies, reason, actors.self_pid())] = (reason, reason)
        watchers: dict[PID, tuple[str, str]] = {}
        watching = actors.listen("watching")
        for pid, (reason, _) in ending.items():
            findings.step("exchange", f"a durable process to watch {pid}")
            watchers[await _spawned(watches, pid, actors.self_pid())] = ("normal", reason)
            await watching.receive()
        expected |= ending
        findings.pending.update({pid: name for pid, (_, name) in expected.items()})
        for pid, (_, name) in expected.items():
            for _ in range(2):
                findings.step("exchange", f"the monitor of {name} {pid}")
                await actors.monitor(pid)
        turns = set(self._random.sample(list(pids), min(self._load.turns, len(pids))))
        for name, pid in pids.items():
            findings.step("exchange", f"{name} {pid} to be told its peers")
            await actors.send(pid, "peers", [pids[other] for other in peers[name]], name in turns)
        for pid in ending:
            findings.step("exchange", f"{pid} to be told to end")
            await actors.send(pid, "end")
        if not await self._take_exits(ending, WORDS):
            return
        for watcher in watchers:  # which has ended, or is about to
            findings.pending[watcher] = "watcher of a durable process"
            for _ in range(2):
                await actors.monitor(watcher)
        if not await self._take_exits(watchers):
            return
        findings.step("exchange", "the time to be over")
        await actors.sleep(timedelta(seconds=self._load.seconds))
        self.loaded.set()
        for name, pid in pids.items():
            findings.step("exchange", f"{name} {pid} to be told to end")
            await actors.send(pid, "end")
        calls = findings.counts["calls"]
        if not await self._take_exits({pid: expected[pid] for pid in pids.values()}):
            return
        counted = 0
        for server in servers:
            findings.step("exchange", f"server {server} to tell its count, and to stop")
            counted += await call(server, Tally.total, timeout=LONG)
            await stop_server(server)
        calls = findings.counts["calls"] - calls
        if counted != calls:
            findings.violation(f"the servers had {counted} calls, of {calls} that were answered")
        findings.counts["rounds"] += 1
        expected |= watchers
        findings.counts["processes"] += len(expected)
        findings.counts["monitors"] += 2 * len(expected)
        findings.step("exchange", "nothing: it is done")

    def _acquainted(
        self, names: list[str], servers: list[PID]
    ) -> tuple[dict[str, list[str]], dict[str, Books]]:
        """To whom each sends, and with what it begins; as many send to each."""
        order = self._random.sample(names, len(names))
        steps = self._random.sample(range(1, len(order)), min(PEERS, len(order) - 1))
        peers = {
            name: [order[(place + step) % len(order)] for step in steps] for place, name in enumerate(order)
        }
        books = {
            name: Books(name, {order[place - step]: 0 for step in steps}, servers[place % len(servers)])
            for place, name in enumerate(order)
        }
        return peers, books

    async def _take_exits(self, expected: dict[PID, tuple[str, str]], words: int = 0) -> bool:
        """Two of each: it has two monitors. So many words of it come before. Whether the round is to go on."""
        findings = self._findings
        exits: Counter[PID] = Counter()
        heard, words_of = actors.listen("word"), Counter[PID]()
        findings.step("exchange", "the processes to end")
        for _ in range(2 * len(expected)):
            event = await actors.events().receive()
            if not isinstance(event, Exit):
                return False  # a cancel: the round is over, because of what another part has found
            if event.pid not in expected:
                name = findings.pending.get(event.pid, "a process")
                findings.violation(f"{name} {event.pid} ended too early with {event.reason}: {event.result}")
                return False
            while (word := await actors.select(heard, default=True)).channel is heard:
                words_of[word.value] += 1
            if words_of[event.pid] != words:
                findings.violation(
                    f"{words_of[event.pid]} of the {words} words of {event.pid} came before its end"
                )
            exits[event.pid] += 1
            reason, value = expected[event.pid]
            found, counts = event.result.value or (None, {})
            wrong = event.reason != reason or (reason == "normal" and found != value)
            if wrong and exits[event.pid] == 1:
                findings.violation(f"{value} {event.pid} ended with reason={event.reason}: {event.result}")
                return False  # others will follow that waited for it
            if exits[event.pid] > 2:
                findings.violation(f"a monitor of {value} fired twice: {event}")
            elif exits[event.pid] == 2:
                findings.counts.update(counts)
                findings.ended(event.pid)
        late = await actors.select(actors.events(), actors.after("500ms"))
        if isinstance(late.value, Exit):
            findings.violation(f"a monitor fired twice: {late.value}")
        return True


async def _spawned(target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    """A durable process; by its name it is started once, however often that is asked."""
    spawner = actors.spawner(name=f"{target.__name__}-{actors.uuid4()}", options=OPTIONS)
    return await patiently(partial(spawner.spawn, target, *args))


async def _taken(name: str) -> None:
    """Take a name whose holder is dead, as soon as the registry knows."""
    while True:
        try:
            await hold(name)
        except Error as error:
            if error.kind != actors.ALREADY_EXISTS:
                raise
        else:
            await patiently(partial(actors.names.unregister, name, scope="cluster"))
            return
        await actors.sleep("500ms")
