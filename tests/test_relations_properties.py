"""Whole graphs of processes against a model of life and death: semantics 3, 4, 6, 17 to 23, 25, 26, 32 and 33.

The processes are puppets: each obeys the commands that the test puts into its queue, one after the other, whenever the
schedule lets it. The model has a ghost for each, which learns of what a puppet does in the step in which it does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import actors
from actors import (
    PID,
    Channel,
    Exit,
    GroupChange,
    Kernel,
    LinkDown,
    MonitorRef,
    Process,
    Queue,
    SpawnRequest,
    Wiring,
    process_entry,
)
from actors._kernel.process import ProcessKernel, Upgrade
from tests.moves import many
from tests.searching_scheduler import Cancelled, SearchingScheduler, Task

STRANGERS = (PID("n.1", "search", "never"), PID("m.0", "search", "1"), PID("elsewhere.1", "search", "1"))
Command = Callable[[], Awaitable[None]]


class Stop(Exception):
    """Ends a puppet's loop."""


@attrs.define(eq=False)
class Ghost:
    """What the model knows of a process. `text` is what the error or the value of its end must say."""

    pid: PID
    process: Process
    mode: str
    commands: Queue[Command] = attrs.field(factory=Queue)
    task_commands: Queue[Command] = attrs.field(factory=Queue)
    alive: bool = True
    exiting: tuple[str, str, bool] | None = None  # reason, text, forced
    outcome: tuple[str, str] | None = None  # how the main task ended, once it has
    running: bool = True  # the main task
    tasks: int = 0  # others
    next_code: str | None = None
    lives: int = 1
    begun: int = 0
    trapping: bool = False
    unwrap: bool = False
    links: list[PID] = attrs.field(factory=list)
    monitors: dict[MonitorRef, PID] = attrs.field(factory=dict)
    watchers: list[tuple[MonitorRef, PID]] = attrs.field(factory=list)
    names: set[str] = attrs.field(factory=set)
    groups: Counter[str] = attrs.field(factory=Counter)
    inbox: list[int] = attrs.field(factory=list)
    events: list[tuple[Any, ...]] = attrs.field(factory=list)
    deadlines: list[tuple[float, int]] = attrs.field(factory=list)


class Model:
    """The promises, as a small machine without tasks or queues."""

    def __init__(self) -> None:
        self.ghosts: dict[PID, Ghost] = {}
        self.deaths: list[tuple[PID, str, str]] = []

    def living(self, pid: PID | None) -> Ghost | None:
        ghost = None if pid is None else self.ghosts.get(pid)
        return ghost if ghost is not None and ghost.alive else None

    def holder(self, node: str, name: str) -> Ghost | None:
        here = (ghost for ghost in self.ghosts.values() if ghost.pid.node == node)
        return next((ghost for ghost in here if name in ghost.names), None)

    def end(self, ghost: Ghost, reason: str, text: str, forced: bool = True) -> None:
        if ghost.exiting is None or (forced and not ghost.exiting[2]):
            ghost.exiting = (reason, text, forced)

    def monitor(self, ghost: Ghost, ref: MonitorRef, target: PID) -> None:
        other = self.living(target)
        if other is None:
            ghost.events.append(("EXIT", target, ref, "noproc"))
        else:
            ghost.monitors[ref] = target
            other.watchers.append((ref, ghost.pid))

    def unmonitor(self, ghost: Ghost, dest: MonitorRef | PID) -> None:
        for ref, target in list(ghost.monitors.items()):
            if dest in (ref, target):
                del ghost.monitors[ref]
                self.ghosts[target].watchers.remove((ref, ghost.pid))
        ghost.events = [
            event for event in ghost.events if event[0] != "EXIT" or (event[1] != dest and event[2] != dest)
        ]

    def link(self, ghost: Ghost, target: PID) -> None:
        if target == ghost.pid or target in ghost.links:
            return
        other = self.living(target)
        ghost.links.append(target)
        if other is None:
            self.link_down(ghost, target, "noproc")
        else:
            other.links.append(ghost.pid)

    def unlink(self, ghost: Ghost, target: PID) -> None:
        if target in ghost.links:
            ghost.links.remove(target)
            self.ghosts[target].links.remove(ghost.pid)
        ghost.events = [event for event in ghost.events if event[:2] != ("LINK_DOWN", target)]

    def link_down(self, ghost: Ghost, peer: PID, reason: str) -> None:
        ghost.links.remove(peer)
        if reason == "normal":
            return
        if ghost.trapping:
            ghost.events.append(("LINK_DOWN", peer, reason))
        else:
            self.end(ghost, "link_down", f"linked process {peer} ended: {reason}")

    def cancel(self, ghost: Ghost, by: PID | None, text: str, due: tuple[float, int] | None) -> None:
        if ghost.unwrap:
            ghost.events.append(("CANCEL", by, text))
        else:
            self.end(ghost, "cancelled", f"cancelled: {text}", forced=False)
        if due is not None:
            ghost.deadlines.append(due)

    def task_ended(self, ghost: Ghost, main: bool, end: tuple[Any, BaseException | None, bool]) -> None:
        value, error, cancelled = end
        unwound = cancelled or isinstance(error, Upgrade)
        if main:
            ghost.running = False
            if unwound:
                ghost.outcome = ("unwound", "")
            else:
                ghost.outcome = ("normal", value) if error is None else ("error", f"RuntimeError: {error}")
        else:
            ghost.tasks -= 1
            if error is not None and not unwound and (ghost.outcome is None or ghost.outcome[0] != "error"):
                self.end(ghost, "error", f"RuntimeError: {error}")
        if ghost.running or ghost.tasks:
            return
        assert ghost.outcome is not None
        if ghost.exiting is not None and (ghost.exiting[2] or ghost.outcome[0] == "unwound"):
            self.die(ghost, *ghost.exiting[:2])
        elif ghost.next_code is not None and ghost.exiting is None and ghost.outcome[0] != "error":
            ghost.mode, ghost.next_code = ghost.next_code, None
            ghost.outcome, ghost.running = None, True
            ghost.lives += 1
        else:
            self.die(ghost, *ghost.outcome)

    def die(self, ghost: Ghost, reason: str, text: str) -> None:
        ghost.alive = False
        ghost.names.clear()
        ghost.groups.clear()
        ghost.deadlines.clear()
        self.deaths.append((ghost.pid, reason, text))
        for ref, owner in ghost.watchers:
            watcher = self.ghosts[owner]
            del watcher.monitors[ref]
            if watcher is not ghost:
                watcher.events.append(("EXIT", ghost.pid, ref, reason))
        for peer in ghost.links:
            self.link_down_at(peer, ghost.pid, reason)
        for ref, target in ghost.monitors.items():
            self.ghosts[target].watchers.remove((ref, ghost.pid))
        ghost.watchers, ghost.links, ghost.monitors, ghost.events = [], [], {}, []

    def link_down_at(self, target: PID, peer: PID, reason: str) -> None:
        self.link_down(self.ghosts[target], peer, reason)


def play(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what does not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


class Theatre:
    """The kernel, its puppets and the model; each public method is a move of the test or a command to a puppet."""

    def __init__(self) -> None:
        self.scheduler = SearchingScheduler()
        self.kernels: dict[str, Kernel] = {}
        self.nodes: dict[str, ProcessKernel] = {}
        for node in NODES:
            self.kernels[node] = Kernel(node, Wiring("search", self.nodes))
            self.nodes[node] = self.kernels[node]
            self.kernels[node].wiring.schedulers["search"] = self.scheduler
        self.model = Model()
        self.deaths: list[tuple[PID, str, str]] = []
        self.numbers = 0
        self.refs: list[MonitorRef] = []
        self.watched: dict[tuple[str, str], tuple[Counter[PID], Channel[GroupChange]]] = {}
        for node in NODES:
            for name in NAMES:
                self.watch_group(node, name)
        for node, mode in (("n.1", "die"), ("m.1", "linger"), ("n.1", "die")):
            self.birth(node, mode)

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def ghost(self, index: int) -> Ghost:
        """Who obeys: one of the living, unless all are dead."""
        ghosts = list(self.model.ghosts.values())
        ghosts = [ghost for ghost in ghosts if ghost.alive] or ghosts
        return ghosts[index % len(ghosts)]

    def target(self, index: int) -> PID:
        """Whom a command is about: one of the living, or of the dead, or one that never was."""
        living = [pid for pid, ghost in self.model.ghosts.items() if ghost.alive]
        dead = [pid for pid, ghost in self.model.ghosts.items() if not ghost.alive]
        if index < 6 and living:
            return living[index % len(living)]
        return [*STRANGERS, *dead][index % (len(dead) + len(STRANGERS))]

    def born(self, pid: PID, mode: str) -> Ghost:
        """A process was spawned: its ghost, and a coroner who sees what is true when the first exit is told."""
        assert pid not in self.model.ghosts
        kernel = self.kernels[pid.node]
        process = kernel.table[pid.id]
        ghost = self.model.ghosts[pid] = Ghost(pid, process, mode)
        play(kernel.watch(pid, MonitorRef(kernel.pid, kernel.next_number()), self.coroner))
        return ghost

    def coroner(self, event: Exit) -> None:
        """Semantics 4: the process takes no messages and has no name and no group any more when its exit is told."""
        pid = event.pid
        for kernel in self.kernels.values():
            assert kernel.find(pid) is pid
            assert pid not in [process.pid for process in kernel.table.values()]
            for name in NAMES:
                assert kernel.names.get(name) != pid
                assert pid not in kernel.groups.members(name)
        error = event.result.error
        self.deaths.append((pid, event.reason, event.result.value if error is None else error.message))

    # What the tasks of a puppet do

    async def obey(self, mode: str) -> str:
        ghost = self.me()
        ghost.begun += 1
        assert mode == ghost.mode
        try:
            await self.loop(ghost, ghost.commands)
        except Stop:
            return f"value {self.number()}"
        except Cancelled:
            if mode == "linger":
                await self.linger(ghost, ghost.commands)
            elif mode == "return":
                return f"value {self.number()}"
            elif mode == "crash":
                raise RuntimeError(f"crash {self.number()}") from None
            raise
        raise AssertionError

    async def help(self, mode: str) -> None:
        ghost = self.me()
        try:
            await self.loop(ghost, ghost.task_commands)
        except Stop:
            pass
        except Cancelled:
            if mode == "linger":
                await self.linger(ghost, ghost.task_commands)
            elif mode == "crash":
                raise RuntimeError(f"crash {self.number()}") from None
            raise

    def me(self) -> Ghost:
        return self.model.ghosts[actors.self_pid()]

    def holder(self, name: str) -> Ghost | None:
        """Who has a name on the node of the process that runs."""
        return self.model.holder(self.me().pid.node, name)

    async def loop(self, ghost: Ghost, commands: Queue[Command]) -> None:
        while True:
            command = await commands.receive()
            if ghost.process.exiting:
                await actors.sleep("0s")  # a cancelled process: this raises
                raise AssertionError
            ghost.process.reductions = (
                9  # so that what it does happens in the step in which the model is told
            )
            await command()

    async def linger(self, ghost: Ghost, commands: Queue[Command]) -> None:
        with actors.shield():
            while True:
                command = await commands.receive()
                ghost.process.reductions = 9
                try:
                    await command()
                except Stop:
                    return

    # Commands: each tells the model, and acts

    async def spawn(self, variant: str, mode: str) -> None:
        ghost = self.me()
        before = dict(ghost.process.monitors or {})
        if variant in NAMES:
            pid = await actors.spawner(name=variant).spawn(self.obey, mode)
            holder = self.holder(variant)
            if holder is not None:
                assert pid == holder.pid
                return
            child = self.born(pid, mode)
            child.names.add(variant)
            return
        pid = await getattr(actors, variant)(self.obey, mode)
        child = self.born(pid, mode)
        if "linked" in variant:
            self.model.link(ghost, pid)
        if "monitored" in variant:
            (ref,) = (ghost.process.monitors or {}).keys() - before
            self.refs.append(ref)
            self.model.monitor(ghost, ref, pid)
        assert child.begun == 0

    async def send(self, index: int) -> None:
        target, payload = self.target(index), self.number()
        other = self.model.living(target)
        if other is not None:
            other.inbox.append(payload)
        assert await actors.send(target, "topic", payload) == (other is not None)

    async def send_to_name(self, name: str) -> None:
        payload, other = self.number(), self.holder(name)
        if other is not None:
            other.inbox.append(payload)
        assert await actors.send(name, "topic", payload) == (other is not None)

    async def receive(self) -> None:
        ghost = self.me()
        if ghost.inbox:
            expected = ghost.inbox.pop(0)
            assert (await actors.inbox().receive()).payload == expected

    async def look(self) -> None:
        """Open the events, and receive one if there is any."""
        ghost = self.me()
        ghost.unwrap = True
        events = actors.events()
        if ghost.events:
            expected = ghost.events.pop(0)
            assert shown(await events.receive()) == expected

    async def link(self, index: int) -> None:
        self.model.link(self.me(), self.target(index))
        await actors.link(self.target(index))

    async def unlink(self, index: int) -> None:
        self.model.unlink(self.me(), self.target(index))
        await actors.unlink(self.target(index))

    async def monitor(self, index: int) -> None:
        ref = await actors.monitor(self.target(index))
        self.refs.append(ref)
        self.model.monitor(self.me(), ref, self.target(index))

    async def unmonitor_ref(self, index: int) -> None:
        if self.refs:
            ref = self.refs[index % len(self.refs)]
            self.model.unmonitor(self.me(), ref)
            await actors.unmonitor(ref)

    async def unmonitor_target(self, index: int) -> None:
        self.model.unmonitor(self.me(), self.target(index))
        await actors.unmonitor(self.target(index))

    async def terminate(self, index: int) -> None:
        await self.terminated(self.target(index), actors.terminate)

    async def cancel(self, index: int, deadline: str | None) -> None:
        await self.cancelled(self.target(index), self.me().pid, deadline)

    async def trap(self, trapping: bool) -> None:
        ghost = self.me()
        assert actors.set_options(trap_links=trapping).trap_links == ghost.trapping
        ghost.trapping = trapping

    async def register(self, name: str) -> None:
        ghost, holder = self.me(), self.holder(name)
        if holder is None or holder is ghost:
            await actors.names.register(name)
            ghost.names.add(name)
        else:
            with pytest.raises(actors.Error, match="belongs to") as raised:
                await actors.names.register(name)
            assert raised.value.kind == actors.ALREADY_EXISTS
            assert raised.value.details["pid"] == str(holder.pid)

    async def unregister(self, name: str) -> None:
        holder = self.holder(name)
        assert await actors.names.unregister(name) == (holder is not None)
        if holder is not None:
            holder.names.remove(name)

    async def join(self, group: str) -> None:
        self.me().groups[group] += 1
        await actors.groups.join(group)

    async def leave(self, group: str) -> None:
        ghost = self.me()
        if ghost.groups[group]:
            await actors.groups.leave(group)
            ghost.groups[group] -= 1
        else:
            with pytest.raises(actors.Error, match="is not in group"):
                await actors.groups.leave(group)

    async def upgrade(self, mode: str) -> None:
        ghost = self.me()
        if ghost.running:
            ghost.next_code = mode
        await actors.upgrade(self.obey, mode)

    async def start_soon(self, mode: str) -> None:
        self.me().tasks += 1
        actors.start_soon(self.help, mode)

    async def crash(self) -> None:
        raise RuntimeError(f"crash {self.number()}")

    async def stop(self) -> None:
        raise Stop

    # Moves

    def birth(self, node: str, mode: str) -> None:
        """A process that no process has spawned."""
        self.born(play(self.kernels[node].spawn(SpawnRequest(process_entry(self.obey), (mode,)), None)), mode)

    def tell(self, who: int, command: str, *arguments: Any) -> None:
        """Put a command into a puppet's queue; it obeys when it runs next."""
        self.ghost(who).commands.put(lambda: getattr(self, command)(*arguments))

    def tell_task(self, who: int, command: str, *arguments: Any) -> None:
        """The same for its other tasks."""
        self.ghost(who).task_commands.put(lambda: getattr(self, command)(*arguments))

    def do(self, who: int, command: str, *arguments: Any) -> None:
        """Have a puppet obey at once."""
        self.tell(who, command, *arguments)
        self.step(-1)

    def step(self, choice: int) -> None:
        if self.scheduler.runnable:
            task = self.scheduler.step(choice)
            if task.ended:
                self.ended(task)

    def ended(self, task: Task) -> None:
        assert isinstance(task.owner, Process)
        ghost = self.model.ghosts[task.owner.pid]
        main = task.function == self.obey
        error = task.end[1]
        if error is not None and not isinstance(error, RuntimeError | Upgrade):
            raise error
        self.model.task_ended(ghost, main, task.end)

    def watch_group(self, node: str, name: str) -> None:
        """Semantics 33: the members now, and after that each change."""
        if (node, name) in self.watched:
            self.watched[node, name][1].close()
        members, changes = self.kernels[node].groups.watch(name)
        self.watched[node, name] = Counter(members), changes

    def settle(self) -> None:
        while self.scheduler.runnable:
            self.step(0)

    def advance(self) -> None:
        dues = [(due, ghost) for ghost in self.model.ghosts.values() for due in ghost.deadlines]
        if dues:
            due, ghost = min(dues, key=lambda item: item[0])
            ghost.deadlines.remove(due)
            self.model.end(ghost, "terminated", "terminated: it did not stop within 5 s of a cancel")
            self.scheduler.advance()

    def terminate_from_outside(self, index: int) -> None:
        self.terminate_pid(self.target(index))

    def terminate_pid(self, pid: PID) -> None:
        play(self.terminated(pid, lambda target, text: self.kernels[NODES[0]].terminate(None, target, text)))

    def cancel_from_outside(self, index: int, deadline: str | None) -> None:
        play(self.cancelled(self.target(index), None, deadline))

    async def terminated(self, target: PID, terminate: Callable[[PID, str], Awaitable[bool]]) -> None:
        text = f"reason {self.number()}"
        other = self.model.living(target)
        if other is not None:
            self.model.end(other, "terminated", f"terminated: {text}")
        assert await terminate(target, text) == (other is not None)

    async def cancelled(self, target: PID, by: PID | None, deadline: str | None) -> None:
        text = f"reason {self.number()}"
        other = self.model.living(target)
        if other is not None:
            due = None if deadline is None else (self.scheduler.clock + 5.0, self.number())
            self.model.cancel(other, by, text, due)
        if by is None:
            asked = await self.kernels[NODES[0]].cancel(None, target, text, None if deadline is None else 5.0)
        else:
            asked = await actors.cancel(target, deadline, text)
        assert asked == (other is not None)

    # Promises

    def agree(self) -> None:
        ghosts = self.model.ghosts
        assert self.deaths == self.model.deaths  # exactly one exit for each death, in order, and why
        living = [ghost for ghost in ghosts.values() if ghost.alive]
        assert len(self.scheduler.timers) == sum(len(ghost.deadlines) for ghost in living)
        for node, kernel in self.kernels.items():
            here = [ghost for ghost in living if ghost.pid.node == node]
            assert [process.pid for process in kernel.table.values()] == [ghost.pid for ghost in here]
            statistics = kernel.statistics()
            assert statistics.processes == len(here)
            assert statistics.spawned == sum(pid.node == node for pid in ghosts)
            assert statistics.names == sum(len(ghost.names) for ghost in here)
            assert statistics.exits == Counter(reason for pid, reason, _ in self.deaths if pid.node == node)
            for name in NAMES:
                self.agree_on(node, name)
        for ghost in ghosts.values():
            process = ghost.process
            assert process.alive == ghost.alive
            if not ghost.alive:
                assert not any((process.links, process.monitors, process.watchers, process.names))
                continue
            assert self.kernels[ghost.pid.node].table[ghost.pid.id] is process  # also after an upgrade
            assert process.exiting == (ghost.exiting is not None)
            assert process.links is None or list(process.links) == ghost.links
            for peer in process.links or ():
                assert ghost.pid in (self.kernels[peer.node].table[peer.id].links or ())
            assert (process.monitors or {}) == ghost.monitors
            watchers = [ref for ref in process.watchers or () if ref.owner.host != "node"]
            assert watchers == [ref for ref, _ in ghost.watchers]
            assert (process.names or set()) == ghost.names
            assert process.mailbox.unread == len(ghost.inbox)
            events = process.events
            assert (0 if events is None else events.unread) == len(ghost.events)
            if ghost.events:
                assert shown(events.peek() if events is not None else None) == ghost.events[0]
            assert len(process.tasks) == ghost.running + ghost.tasks

    def agree_on(self, node: str, name: str) -> None:
        """Who has a name, and who is in a group."""
        kernel, holder = self.kernels[node], self.model.holder(node, name)
        assert kernel.names.get(name) == (None if holder is None else holder.pid)
        members = Counter(kernel.groups.members(name))
        here = {pid: ghost.groups[name] for pid, ghost in self.model.ghosts.items() if pid.node == node}
        assert members == +Counter(here)
        known, changes = self.watched[node, name]
        while changes.can_receive():
            change = changes.take()
            assert change.group == name
            known[change.pid] += 1 if change.change == "joined" else -1
        assert +known == members

    def clear(self) -> None:
        """Everything that is queued is what the model says, and after the last death nothing is left."""
        for ghost in self.model.ghosts.values():
            process = ghost.process
            if ghost.alive:
                inbox, events = process.mailbox.inbox, process.events
                assert [inbox.take().payload for _ in range(inbox.unread)] == ghost.inbox
                ghost.inbox = []
                if events is not None:
                    assert [shown(events.unwrap(events.take())) for _ in range(events.unread)] == ghost.events
                    ghost.events = []
        while living := [ghost for ghost in self.model.ghosts.values() if ghost.alive]:
            for ghost in living:
                self.terminate_pid(ghost.pid)
                for queue in (ghost.commands, ghost.task_commands):
                    queue.remove(lambda _: True)
                    queue.put(self.stop)
                for _ in range(ghost.tasks):
                    ghost.task_commands.put(self.stop)
            self.settle()
            self.agree()
        assert not any(kernel.table for kernel in self.kernels.values())
        assert not self.scheduler.timers


def shown(event: Any) -> tuple[Any, ...]:
    """An event in the words of the model."""
    if isinstance(event, Exit):
        return "EXIT", event.pid, event.ref, event.reason
    if isinstance(event, LinkDown):
        return "LINK_DOWN", event.pid, event.reason
    return "CANCEL", event.pid, event.reason


NODES = ("n.1", "m.1")
NAMES = ("x", "y")
MODES = ("die", "linger", "return", "crash")
WHO = range(6)
SPAWNS = ("spawn", "spawn_monitored", "spawn_linked", "spawn_linked_monitored")
COMMANDS: list[tuple[Any, ...]] = [
    *[("spawn", variant, mode) for variant in (*SPAWNS, "x") for mode in MODES],
    *[(verb, index) for verb in ("link", "monitor") for index in range(9)] * 3,
    *[
        (verb, index)
        for verb in ("unlink", "unmonitor_ref", "unmonitor_target", "send")
        for index in range(9)
    ],
    *[("terminate", index) for index in range(9)],
    *[("cancel", index, deadline) for index in range(9) for deadline in (None, "5s")],
    *[("trap", trapping) for trapping in (True, False)] * 4,
    *[(verb, name) for verb in ("register", "unregister", "join", "leave", "send_to_name") for name in NAMES]
    * 2,
    *[("register", name) for name in NAMES] * 2,
    *[("look",), ("receive",)] * 5,
    *[(verb, mode) for verb in ("upgrade", "start_soon") for mode in MODES] * 4,
    *[("crash",), ("stop",)] * 6,
]
MOVES: list[tuple[Any, ...]] = [
    *[("do", who, *command) for who in WHO for command in COMMANDS],
    *[("do", who, *command) for who in WHO for command in COMMANDS],
    *[("tell", who, *command) for who in WHO for command in COMMANDS],
    *[("tell_task", who, command) for who in WHO for command in ("crash", "stop")] * 8,
    *[("tell_task", who, "upgrade", mode) for who in WHO for mode in MODES] * 2,
    *[("step", choice) for choice in range(5)] * 200,
    *[("settle",)] * 40,
    *[("watch_group", node, name) for node in NODES for name in NAMES] * 5,
    *[("birth", node, mode) for node in NODES for mode in MODES] * 8,
    *[("advance",)] * 120,
    *[("terminate_from_outside", index) for index in WHO] * 6,
    *[("cancel_from_outside", index, deadline) for index in WHO for deadline in (None, "5s")] * 4,
]
Random(0).shuffle(MOVES)  # Hypothesis prefers the early ones of a long list


@settings(max_examples=15 * settings().max_examples)
@given(many(st.sampled_from(MOVES), 80))
def test_processes_live_and_die_as_promised(moves: list[tuple[Any, ...]]) -> None:
    """Semantics 4, 17 to 23, 25, 26, 32, 33: one exit for each monitor, with the real reason, after every message of
    the dead, and none after `unmonitor`; links symmetric, spreading an abnormal end unless trapped; names and groups
    free before the exit is told; the table holds exactly the living, and nothing of the dead is left anywhere."""
    theatre = Theatre()
    for move, *arguments in moves:
        getattr(theatre, move)(*arguments)
        theatre.agree()
    note("at the end everybody is terminated")
    theatre.clear()
