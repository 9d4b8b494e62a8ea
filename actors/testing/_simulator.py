"""The simulator: real process functions on a virtual clock, under a schedule that something else decides."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

from actors._kernel.entries import process_entry
from actors._kernel.host import SpawnRequest
from actors._kernel.kernel import Kernel
from actors._kernel.process import Process
from actors._kernel.wiring import Wiring
from actors._runtime.trampoline import GreenTask, Trampoline
from actors._scheduling.scheduler import Scheduler
from actors._values.durations import seconds
from actors._values.errors import CANCELED, Error
from actors._values.events import Exit, MonitorRef, Reason, Result
from actors._values.messages import Message
from actors._values.pid import PID
from actors.testing import _faults as faults
from actors.testing._decisions import Fault, Recorder
from actors.testing._failures import Failure, deadlock, livelock, lost_processes, unwatched_crash
from actors.testing._faults import Faults
from actors.testing._functions import SimulatedFunctions
from actors.testing._network import Network, Way
from actors.testing._search import Policy
from actors.testing._trace import Trace, short

START = datetime(2000, 1, 1, tzinfo=UTC)
GRACE = 5.0
HOST = "simulation"


class _Ready:
    """The run queue: the simulator says whose turn it is."""

    def __init__(self) -> None:
        self.tasks: list[GreenTask] = []
        self.turn = 0

    def append(self, task: GreenTask, /) -> None:
        self.tasks.append(task)

    def popleft(self) -> GreenTask:
        return self.tasks.pop(self.turn)

    def __len__(self) -> int:
        return len(self.tasks)


class SimulatedScheduler(Trampoline):
    """Runs the processes of all simulated nodes. Each operation of a process is a point where others may go first."""

    def __init__(self, simulator: Simulator) -> None:
        self.queue = _Ready()
        Trampoline.__init__(self, self.queue)
        self.simulator = simulator
        self.clock = 0.0
        self.ahead = 0.0
        self._random = random.Random(0)

    def time(self) -> float:
        """As `Scheduler.time`: virtual seconds since the start."""
        return self.clock

    def now(self) -> datetime:
        """As `Scheduler.now`: from a fixed date on, ahead of the clock by what faults have added."""
        return START + timedelta(seconds=self.clock + self.ahead)

    def random_bytes(self, count: int) -> bytes:
        """As `Scheduler.random_bytes`: the same in each run."""
        return self._random.randbytes(count)

    def unwind(self, task: GreenTask) -> None:
        """Throw a task away. Its awaits yield, as it is cancelled, so that one that swallows its end comes back."""
        task.cancelled = True
        self._current = task
        try:
            task.context.run(task.coroutine.close)
        except BaseException:  # noqa: BLE001 - it was in the middle of something when its world ended
            if getcoroutinestate(task.coroutine) != CORO_CLOSED:
                _never_free(task)
        finally:
            self._current = None

    async def checkpoint(self) -> None:  # type: ignore[override]  # awaited like the generator it replaces
        """As `Scheduler.checkpoint`; the budget stays spent, so that each operation comes by here."""
        self.running().process.reductions = 0
        await Trampoline.checkpoint(self)


class SimulatedKernel(Kernel):
    """The kernel of a simulated node: it writes down what happens, and takes every host's name for its own."""

    def __init__(self, node: str, simulator: Simulator) -> None:
        Kernel.__init__(self, node, Wiring(HOST))
        self._simulator = simulator

    async def spawn(self, request: SpawnRequest, on: str | None) -> PID:
        """As `Kernel.spawn`, on the node that `on` names, else on this one, whatever the host is called."""
        kernel = self._simulator.node(on) or self
        pid = kernel.spawn_here(request, HOST, self._simulator.scheduler)
        self._simulator.fresh.add(pid)
        return pid

    def spawn_here(
        self, request: SpawnRequest, host: str, scheduler: Scheduler, pid: PID | None = None
    ) -> PID:
        """As `Kernel.spawn_here`."""
        pid = Kernel.spawn_here(self, request, host, scheduler, pid)
        process = self.table[pid.id]
        process.reductions = 0  # each of its operations lets others go first, if the schedule says so
        parent = None if request.parent is None else request.parent.pid
        self._simulator.trace.add(short(parent), "spawns", pid, request.entry.id)
        return pid

    def deliver(self, process: Process, message: Message) -> bool:
        """As `Kernel.deliver`."""
        self._simulator.trace.add(
            short(message.sender), "sends", message.topic, message.payload, "to", process.pid
        )
        return Kernel.deliver(self, process, message)

    def receive_reply(self, call: int, payload: Any) -> bool:
        """As `Kernel.receive_reply`."""
        waits = Kernel.receive_reply(self, call, payload)
        self._simulator.trace.add("reply", "comes" if waits else "is late", payload)
        return waits

    def finalize(self, process: Process, reason: Reason, result: Result) -> None:
        """As `Kernel.finalize`. A crash that nobody watches for fails the run."""
        why = () if result.error is None else (str(result.error),)
        self._simulator.trace.add(short(process.pid), f"ends: {reason}", *why)
        if reason == "error" and not process.watchers and not process.links:
            self._simulator.fail(unwatched_crash(process, result))
        Kernel.finalize(self, process, reason, result)


class Simulator:
    """One run of a program."""

    def __init__(
        self,
        recorder: Recorder,
        policy: Policy | None,
        plan: tuple[Fault, ...],
        limits: Faults,
        nodes: tuple[str, ...],
        functions: Mapping[str, Callable[..., Any]],
        max_steps: int,
    ) -> None:
        self.trace = Trace()
        self.recorder = recorder
        self.failure: Failure | None = None
        self.exit: Exit | None = None
        self.scheduler = SimulatedScheduler(self)
        self.invariants: list[Callable[[], object]] = []
        self._policy = policy
        self._plan = list(plan)
        self._limits = limits
        self._max_steps = max_steps
        self._idle_since = 0
        self.fresh: set[PID] = set()
        self._network = Network(self.fresh)
        self._graveyard: list[Process] = []
        self._functions = SimulatedFunctions(self, functions)
        self._nodes = {name: self._open(name) for name in ("main", *nodes)}

    def _open(self, name: str, incarnation: int = 0) -> SimulatedKernel:
        kernel = SimulatedKernel(f"{name}.{incarnation}", self)
        kernel.wiring.schedulers[HOST] = self.scheduler
        kernel.wiring.remote_host = self._network
        kernel.wiring.functions = self._functions
        self._network.kernels[kernel.name] = kernel
        return kernel

    def node(self, name: str | None) -> SimulatedKernel | None:
        """A simulated node by the name that `on=` gives; one that was dropped starts again, as a new incarnation."""
        kernel = self._nodes.get(name or "")
        if kernel is not None and kernel.name not in self._network.kernels:
            base, _, incarnation = kernel.name.rpartition(".")
            kernel = self._nodes[base] = self._open(base, int(incarnation) + 1)
        return kernel

    def fail(self, failure: Failure) -> None:
        """Note why the run fails; the first reason counts."""
        if self.failure is None:
            self.failure = failure

    # The run

    def run(self, main: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        """Run a program from its first process to the end of its last."""
        kernel = self._nodes["main"]
        pid = kernel.spawn_here(SpawnRequest(process_entry(main, "main"), args), HOST, self.scheduler)
        kernel.table[pid.id].watchers = {MonitorRef(kernel.pid, 0): self._ended}
        try:
            while self.exit is None and self.failure is None:
                self._step()
            if self.failure is None:
                self._stop()
        finally:  # also when Hypothesis breaks off the run
            for process in self.alive() + self._graveyard:
                _close(process)

    def _ended(self, event: Exit) -> None:
        self.exit = event

    def alive(self) -> list[Process]:
        """The processes of all nodes."""
        return [process for kernel in self._network.kernels.values() for process in kernel.table.values()]

    def _step(self) -> None:
        """Let one thing happen: a task runs until its next operation, something arrives, or time goes on."""
        ready = self.scheduler.queue.tasks
        ways = self._network.open_ways()
        candidates: list[GreenTask | Way] = [*ready, *ways] if ways else list(ready)
        if not candidates:
            self._wait()
            return
        self.trace.step += 1
        self.fresh.clear()
        if self.trace.step > self._max_steps or self.trace.step - self._idle_since > self._max_steps // 2:
            self.fail(livelock(self.trace.step, self.alive()))
            return
        if self._plan:
            self._meet_faults()
            if len(ready) + len(self._network.ways) != len(candidates):
                return  # a fault has changed who can run
        index = self.recorder.choose(len(candidates), lambda: self._propose(candidates))
        if index < len(ready):
            self.scheduler.queue.turn = index
            self.trace.add(short(ready[index].process.pid), "runs")
            self.scheduler.run(1)
        else:
            way = ways[index - len(ready)]
            self.trace.add("network", "delivers", str(way))
            self._network.arrive(way)
        self._check()

    def _propose(self, candidates: list[GreenTask | Way]) -> int:
        return 0 if self._policy is None else self._policy.choose(candidates)

    def _wait(self) -> None:
        """Nobody can run: the clock goes to the next timer."""
        due = self.scheduler.timers.next()
        if due == float("inf"):
            self.fail(deadlock(self.alive()))
            return
        if due > self.scheduler.clock:
            self.scheduler.clock = self.trace.time = due
            self._idle_since = self.trace.step
        self.scheduler.fire_timers()
        self._check()

    def _check(self) -> None:
        for invariant in self.invariants:
            try:
                holds = invariant()
            except AssertionError as error:
                self.fail(Failure("invariant", f"an invariant does not hold: {error}"))
            else:
                if holds is False:
                    name = getattr(invariant, "__name__", repr(invariant))
                    self.fail(Failure("invariant", f"the invariant {name} does not hold"))

    def _stop(self) -> None:
        """Leave the nodes, as `Node` does: cancel what is left, wait, terminate. What is alive then is lost."""
        for process in self.alive():
            process.kernel.cancel_here(process, None, "shutdown", None)
        self._drain(self.scheduler.clock + GRACE)
        for process in self.alive():
            process.end("terminated", Error("terminated: the simulation is over", kind=CANCELED))
        self._drain(self.scheduler.clock)
        if self.alive():
            self.fail(lost_processes(self.alive()))

    def _drain(self, until: float) -> None:
        while self.alive() and self.failure is None:
            if self.scheduler.queue.tasks or self._network.ways:
                self._step()
            elif self.scheduler.timers.next() <= until:
                self._wait()
            else:
                self.scheduler.clock = self.trace.time = max(until, self.scheduler.clock)
                return

    # Faults

    def _meet_faults(self) -> None:
        for fault in [fault for fault in self._plan if fault.step <= self.trace.step]:
            if fault.kind in (faults.FAIL, faults.SLOW):
                continue  # the next call of a function meets it
            self._plan.remove(fault)
            self._meet(fault)

    def _meet(self, fault: Fault) -> None:
        if fault.kind == faults.JUMP:
            self.scheduler.ahead += seconds(self._limits.jump_by, "jump_by")
            self._happened(fault, 0, "the clock jumps")
        elif fault.kind == faults.KILL:
            victims = [process for process in self.alive() if self._killable(process)]
            if victims:
                index = fault.victim % len(victims)
                self._happened(fault, index, f"kills {short(victims[index].pid)}")
                victims[index].end("terminated", Error("terminated: killed by the simulation", kind=CANCELED))
        elif fault.kind == faults.DROP:
            names = [name for name in self._network.kernels if not name.startswith("main.")]
            if names:
                index = fault.victim % len(names)
                self._happened(fault, index, f"drops node {names[index]}")
                self._drop(names[index])

    def _drop(self, node: str) -> None:
        processes = self._network.drop(node)
        self._graveyard.extend(processes)
        dead = set(processes)
        queue = self.scheduler.queue
        queue.tasks[:] = [task for task in queue.tasks if task.process not in dead]

    def _killable(self, process: Process) -> bool:
        first = process.pid.id == "1" and process.kernel is self._nodes["main"]
        return not first and not self._functions.owns(process) and self._limits.killable(process.entry.id)

    def take_fault(self, kind: str) -> bool:
        """Whether a call of a function meets a fault of this kind now."""
        for fault in self._plan:
            if fault.kind == kind and fault.step <= self.trace.step:
                self._plan.remove(fault)
                self._happened(fault, 0, f"{kind}s a call")
                return True
        return False

    @property
    def slow_by(self) -> float:
        """How long a slow call takes, in seconds."""
        return seconds(self._limits.slow_by, "slow_by")

    def _happened(self, fault: Fault, victim: int, what: str) -> None:
        self.recorder.fault(Fault(self.trace.step, fault.kind, victim))
        self.trace.add("FAULT", what)


def _never_free(task: GreenTask) -> None:
    """Keep the coroutine of a task that swallows its end: to free it would unwind it again, in a loop without end.

    A reference that nothing holds, since Python frees at its exit whatever a module holds.
    """
    import ctypes  # for few runs that fail

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(task.coroutine))


def _close(process: Process) -> None:
    """Unwind what will never run again, without letting it do anything."""
    scheduler = process.scheduler
    assert isinstance(scheduler, SimulatedScheduler)
    for task in process.tasks:
        assert isinstance(task, GreenTask)
        scheduler.unwind(task)
