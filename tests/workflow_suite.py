"""The behaviour suite inside workflows: each test is one workflow on a real server, with a kernel on its scheduler.

The body of the test and the processes it spawns all run in that workflow, beside the durable process that hosts them:
they share its loop, its replay and its eviction. The time of the test is virtual, as on the other hosts: it passes only
while nothing can run. The first jumps of the clock wait for a timer of Temporal's, so that a test is several workflow
tasks; later ones are made at once. Workflows that live by real timers and children are tested in `test_workflow_*.py`.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeVar
from unittest import mock

import trio

import actors
from actors import (
    PID,
    Error,
    Exit,
    Kernel,
    Namespace,
    Node,
    Queue,
    SpawnRequest,
    Timer,
    Wiring,
    process_entry,
)
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from temporal_bridge._workflow.scheduler import WorkflowScheduler

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
REAL_JUMPS = 20

T = TypeVar("T")
Body = Callable[[], Awaitable[None]]
suite = Namespace("suite")
bodies: dict[int, Body] = {}
outcomes: dict[int, Exit] = {}
gated: set[int] = set()
"""The tests that wait for `go`: once, before the first jump of their clock, or at the end if it never jumps."""
parked: set[int] = set()
"""Those of them that have come to their gate."""
_numbers = count(1)


class SuiteScheduler(WorkflowScheduler):
    """The workflow scheduler with a virtual clock."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.gate_open = number not in gated
        self._clock = 0.0
        self._jumps = 0
        self._armed = False

    def call_later(self, delay: float, function: Callable[[], None]) -> Timer:
        self.check_evicted()
        timer: Timer = self.timers.add(self._clock + delay, function)
        self._arm()
        return timer

    def _arm(self) -> None:
        if self._armed or not self.timers:
            return
        self._armed = True
        if not self.gate_open:
            parked.add(self.number)
            return
        self._jumps += 1
        if self._jumps <= REAL_JUMPS:
            self.loop.call_later(0.001, self._jump, context=self.context)
        else:
            self.loop.call_soon(self._jump_when_idle, context=self.context)

    def open_gate(self) -> None:
        """Let time pass."""
        self.gate_open = True
        if self._armed:
            self._armed = False
            self._arm()

    def _jump_when_idle(self) -> None:
        if self.ready:
            self.loop.call_soon(self._jump_when_idle, context=self.context)
        else:
            self._jump()

    def _jump(self) -> None:
        self._armed = False
        if self.evicted or not self.timers:
            return
        self._clock = max(self._clock, self.timers.next())
        self.timers.fire(self._clock)
        self._arm()

    def time(self) -> float:
        return self._clock

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._clock)


@suite.process()
async def run_body(number: int) -> None:
    """Run the test of a number as a process; its exit goes to `outcomes`, where an exception stays what it is."""
    scheduler = SuiteScheduler(number)
    kernel = Kernel("suite.0", Wiring("workflow"))
    kernel.wiring.schedulers["workflow"] = scheduler
    exits: Queue[Exit] = Queue()
    ended: Queue[None] = Queue()
    opened: Queue[None] = Queue()

    async def gatekeeper() -> None:
        await actors.listen("go").receive()
        scheduler.open_gate()
        opened.put(None)

    async def first() -> None:
        await actors.spawn_monitored(bodies[number])
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        exits.put(event)

    if not scheduler.gate_open:
        actors.start_soon(gatekeeper)
    try:
        kernel.spawn_here(SpawnRequest(process_entry(first), ()), "workflow", scheduler)
        event = await exits.receive()
        if not scheduler.gate_open:
            parked.add(number)
            await opened.receive()
        kernel.instruments.on_exit = lambda _: None if kernel.table else ended.put(None)
        for process in list(kernel.table.values()):
            process.end("terminated", Error("the test is over"))
        if kernel.table:
            await ended.receive()
        outcomes[number] = event
    except GeneratorExit:
        scheduler.evict()
        raise


class WorkflowSuite:
    """Runs tests in workflows of a node that lives in a thread."""

    def __init__(self, node: Node, worker: str, token: trio.lowlevel.TrioToken) -> None:
        self._node = node
        self._worker = worker
        self._token = token

    def run(self, body: Body) -> None:
        """Run a test, and raise what it raised."""
        trio.from_thread.run(self.execute, body, trio_token=self._token)

    def run_here(self, function: Callable[[WorkflowSuite], Awaitable[T]]) -> T:
        """Run a function in the thread of the node."""
        return trio.from_thread.run(function, self, trio_token=self._token)

    async def execute(self, body: Body) -> None:
        number, pid = await self._start(body)
        await self._finish(number, pid)

    async def execute_gated(self, body: Body, come: Callable[[int], Awaitable[None]]) -> None:
        """As `execute`, with a gate, which opens when `come` has returned, which is given the test's number."""
        number, pid = await self._start(body, gate=True)
        await come(number)
        await self._node.send(pid, "go")
        await self._finish(number, pid)

    async def _start(self, body: Body, gate: bool = False) -> tuple[int, PID]:
        number = next(_numbers)
        bodies[number] = body
        if gate:
            gated.add(number)
        return number, await self._node.spawn(run_body, number, on=self._worker)

    async def _finish(self, number: int, pid: PID) -> None:
        async def watch() -> Exit:
            await actors.monitor(pid)
            event = await actors.events().receive()
            assert isinstance(event, Exit)
            return event

        event: Exit = await self._node.execute(watch, on="trio")
        event.result.unwrap()
        error = outcomes.pop(number).result.error
        if error is not None:
            raise error.__cause__ or error


@contextmanager
def workflow_suite(address: str, **settings: Any) -> Generator[WorkflowSuite, None, None]:
    """A node with a worker for tests, in a thread of its own."""
    opened: list[tuple[WorkflowSuite, trio.lowlevel.TrioToken]] = []
    ready = threading.Event()
    stopping = trio.Event()

    async def main() -> None:
        try:
            async with Node("suite") as node:
                # A worker of its own: that of another suite on this server has other settings.
                name = f"suite-{uuid.uuid4()}"
                worker = Worker(f"suite:{name}", task_queue=name, entries=[suite], sandbox=False, **settings)
                async with TemporalBridge(node, TemporalClient(address), worker):
                    token = trio.lowlevel.current_trio_token()
                    opened.append((WorkflowSuite(node, worker.id, token), token))
                    ready.set()
                    await stopping.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=trio.run, args=(main,), name="workflow-suite")
    # A test with thousands of processes may take longer for one workflow task than the two seconds of Temporal's
    # deadlock detection, on a busy machine; the worker reads this when it is made.
    with mock.patch.dict(os.environ, {"TEMPORAL_DEBUG": "1"}):
        thread.start()
        ready.wait()
    assert opened, "the node of the suite did not start"
    runner, token = opened[0]
    try:
        yield runner
    finally:
        token.run_sync_soon(stopping.set)
        thread.join()
