"""Durable children: adopted by their supervisor, and not owned (semantics 38)."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import trio

import actors
from actors import INVALID, PID, Error, Node
from supervision import (
    ChildSpec,
    Counts,
    DynamicSupervisor,
    Server,
    Supervisor,
    SupervisorHandle,
    call,
    handle_call,
    start,
)
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from tests.bridging import Outside, outside
from tests.call_entries import adder, calls
from tests.eventually import eventually
from tests.server_entries import WORKER, Counter, Picky, servers


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, servers, calls, worker=WORKER) as found:
        yield found


async def inside(here: Outside, body: Callable[[], Awaitable[Any]]) -> Any:
    async def process() -> Any:
        return await body()

    return await here.node.execute(process, on="trio")


async def child_of(supervisor: SupervisorHandle, id: str = "counter") -> PID:
    (found,) = [child.pid for child in await supervisor.which_children() if child.id == id]
    assert found is not None
    return found


async def status(here: Outside, pid: PID) -> str:
    found = (await here.describe(pid)).status
    assert found is not None
    return found.name


async def run_id(here: Outside, pid: PID) -> str | None:
    return (await here.describe(pid)).run_id


async def test_child_is_started_and_left_running_when_its_supervisor_stops(here: Outside) -> None:
    name = here.new_id("counter")
    spec = ChildSpec("counter", Counter, args=(5,), on=WORKER, name=name)
    assert spec.shutdown == "detach"

    async def body() -> PID:
        supervisor = await start(Supervisor([spec]))
        pid = await child_of(supervisor)
        assert await call(pid, Counter.increment, 2) == 7
        assert await supervisor.count_children() == Counts(1, 1, 0, 1)
        await supervisor.stop()
        return pid

    pid = await inside(here, body)
    assert pid == PID("default", "temporal", name)
    assert await status(here, pid) == "RUNNING"


async def test_next_supervisor_attaches_to_the_one_that_runs(here: Outside) -> None:
    async def body() -> None:
        root = here.new_id("root")
        spec = ChildSpec("counter", Counter, args=(5,))
        first = await start(Supervisor([spec]), name=root)
        pid = await child_of(first)
        assert pid.id == f"{root}/counter"
        await call(pid, Counter.increment, 2)
        run = await run_id(here, pid)
        await first.stop()
        second = await start(Supervisor([spec]), name=root)
        assert await child_of(second) == pid
        assert await call(pid, Counter.increment, 2) == 9
        assert await run_id(here, pid) == run
        await second.stop()

    await inside(here, body)


async def test_crash_of_the_supervisor_does_not_reach_it(here: Outside) -> None:
    async def body() -> None:
        spec = ChildSpec("counter", Counter, on=WORKER, name=here.new_id())
        root = Supervisor([ChildSpec("inner", Supervisor([spec]), name="inner")])
        outer = await start(root)
        inner = await actors.names.lookup("inner")
        pid = await child_of(Supervisor.at(inner))
        await call(pid, Counter.increment, 3)
        await actors.terminate(inner)
        await eventually(partial(has_other, inner))
        assert await child_of(Supervisor.at("inner")) == pid
        assert await call(pid, Counter.increment, 0) == 3
        await outer.stop()

    await inside(here, body)


async def has_other(before: PID) -> bool:
    try:
        return await actors.names.lookup("inner") != before
    except Error:
        return False


@pytest.mark.parametrize("end", ["crash", "terminate"])
async def test_failed_one_is_restarted_under_its_name(here: Outside, end: str) -> None:
    async def body() -> None:
        spec = ChildSpec("counter", Counter, on=WORKER, name=here.new_id())
        supervisor = await start(Supervisor([spec]))
        pid = await child_of(supervisor)
        await call(pid, Counter.increment, 3)
        run = await run_id(here, pid)
        if end == "crash":
            with pytest.raises(Error):
                await call(pid, Counter.crash)
        else:
            await here.node.terminate(pid)

        async def is_another() -> bool:
            return await run_id(here, pid) != run

        await eventually(is_another)
        assert await call(pid, Counter.increment, 0) == 0
        assert await child_of(supervisor) == pid
        await supervisor.stop()

    await inside(here, body)


async def test_restart_types_hold(here: Outside) -> None:
    async def body() -> None:
        specs = [
            ChildSpec(restart, adder, on=WORKER, name=here.new_id(restart), restart=restart)
            for restart in ("permanent", "transient", "temporary")
        ]
        supervisor = await start(Supervisor(specs))
        pids = [await child_of(supervisor, spec.id) for spec in specs]  # type: ignore[arg-type]
        runs = [await run_id(here, pid) for pid in pids]
        for pid in pids:
            await actors.send(pid, "stop")

        async def settled() -> bool:
            found = {child.id: child.status for child in await supervisor.which_children()}
            again = await run_id(here, pids[0]) != runs[0]
            return again and found == {"permanent": "running", "transient": "stopped"}

        await eventually(settled)
        assert [await run_id(here, pid) for pid in pids[1:]] == runs[1:]
        await supervisor.stop()

    await inside(here, body)


@pytest.mark.parametrize("shutdown", ["5s", "infinity", "brutal_kill"])
async def test_child_with_a_shutdown_of_another_kind_is_stopped(here: Outside, shutdown: Any) -> None:
    async def body() -> PID:
        spec = ChildSpec("counter", Counter, on=WORKER, name=here.new_id(), shutdown=shutdown)
        supervisor = await start(Supervisor([spec]))
        pid = await child_of(supervisor)
        actors.set_options(trap_links=True)
        await actors.link(pid)
        await actors.monitor(pid)
        await supervisor.stop()
        ends = [await actors.events().receive() for _ in range(2)]
        reason = "terminated" if shutdown == "brutal_kill" else "shutdown"
        assert sorted([end.kind, end.reason] for end in ends) == [["EXIT", reason], ["LINK_DOWN", reason]]
        return pid

    pid = await inside(here, body)
    assert await status(here, pid) == ("TERMINATED" if shutdown == "brutal_kill" else "CANCELED")


async def test_terminate_child_stops_it_and_restart_child_starts_another(here: Outside) -> None:
    async def body() -> None:
        spec = ChildSpec("counter", Counter, on=WORKER, name=here.new_id())
        supervisor = await start(Supervisor([spec]))
        pid = await child_of(supervisor)
        await call(pid, Counter.increment, 3)
        await supervisor.terminate_child("counter")
        assert await status(here, pid) != "RUNNING"
        assert await supervisor.restart_child("counter") == pid
        assert await call(pid, Counter.increment, 0) == 0
        await supervisor.stop()

    await inside(here, body)


async def test_dynamic_supervisor_leaves_them_running_too(here: Outside) -> None:
    async def body() -> list[PID]:
        supervisor = await start(DynamicSupervisor(), name=here.new_id("pool"))
        pids = [await supervisor.start_child(ChildSpec(f"c{number}", Counter)) for number in range(3)]
        assert {child.pid for child in await supervisor.which_children()} == set(pids)
        await supervisor.stop()
        return [pid for pid in pids if pid is not None]

    pids = await inside(here, body)
    assert [await status(here, pid) for pid in pids] == ["RUNNING"] * 3


async def test_failed_start_is_the_supervisors_failed_start(here: Outside) -> None:
    async def body() -> None:
        spec = ChildSpec("picky", Picky, args=("fail",), name=here.new_id())
        with pytest.raises(Error, match="failed to start: no disk") as caught:
            await start(Supervisor([spec]))
        assert caught.value.details["reason"] == "failed_to_start_child"
        ignored = ChildSpec("picky", Picky, args=("ignore",), name=here.new_id())
        supervisor = await start(Supervisor([ignored]))
        (child,) = await supervisor.which_children()
        assert (child.pid, child.status) == (None, "stopped")
        await supervisor.stop()

    await inside(here, body)


async def test_child_that_could_not_be_found_again_is_refused(here: Outside) -> None:
    async def body() -> None:
        with pytest.raises(Error, match="needs a name by which it is found") as caught:
            await start(Supervisor([ChildSpec("counter", Counter, on=WORKER)]))
        assert caught.value.kind == INVALID

    await inside(here, body)


async def test_supervisor_itself_lives_in_memory(here: Outside) -> None:
    async def body() -> None:
        with pytest.raises(Error, match="a host in memory") as caught:
            await start(Supervisor([]), on=WORKER)
        assert caught.value.kind == INVALID

    await inside(here, body)


class Local(Server):
    @handle_call
    def nothing(self) -> None: ...


def test_detach_is_for_durable_children() -> None:
    with pytest.raises(Error, match="is for a durable child") as caught:
        ChildSpec("local", Local, shutdown="detach")
    assert caught.value.details["reason"] == "bad_combination"


PROGRAM = """
import sys, trio, actors
from supervision import ChildSpec, Supervisor, start, call
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from tests.server_entries import Counter, servers

async def body():
    sup = await start(Supervisor([ChildSpec("counter", Counter, args=(10,))]), name=sys.argv[3])
    (child,) = await sup.which_children()
    print(await call(child.pid, Counter.increment, 1, timeout="40s"), flush=True)
    await actors.sleep("1h")

async def main():
    async with actors.Node("program") as node:
        worker = Worker("servers:worker", task_queue=sys.argv[2], entries=[servers])
        async with TemporalBridge(node, TemporalClient(sys.argv[1]), worker):
            await node.execute(body, on="trio")

trio.run(main)
"""


def first_line(arguments: list[str]) -> str:
    """What the program says before it is killed."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            return program.stdout.readline().strip()
        finally:
            program.kill()


@pytest.mark.timeout(180)
async def test_program_that_is_killed_and_started_again_finds_its_durable_child_alive(
    here: Outside, temporal_address: str
) -> None:
    queue, name = f"q-{uuid.uuid4()}", here.new_id("root")
    pid = PID("default", "temporal", f"{name}/counter")
    with trio.fail_after(150):
        runs: list[str | None] = []
        for expected in ("11", "12"):
            said = await trio.to_thread.run_sync(first_line, [temporal_address, queue, name])
            assert said == expected
            runs.append(await run_id(here, pid))
            assert await status(here, pid) == "RUNNING"
    assert runs[0] == runs[1]


async def test_lost_contact_is_no_failure(temporal_address: str) -> None:
    """The bridge is closed and opened again under a supervisor."""
    queue, name = f"q-{uuid.uuid4()}", f"counter-{uuid.uuid4()}"
    found: list[Any] = []

    async def supervise(stop: trio.Event) -> None:
        supervisor = await start(
            Supervisor([ChildSpec("counter", Counter, on=WORKER, name=name)]), name="sup"
        )
        found.append(supervisor)
        await stop.wait()
        await supervisor.stop()

    with trio.fail_after(60):
        async with Node("program") as node, trio.open_nursery() as nursery:
            stop = trio.Event()
            worker = Worker(WORKER, task_queue=queue, entries=[servers])
            async with TemporalBridge(node, TemporalClient(temporal_address), worker):
                nursery.start_soon(partial(node.execute, supervise, stop, on="trio"))

                async def has_started() -> bool:
                    return bool(found)

                await eventually(has_started)
            async with TemporalBridge(node, TemporalClient(temporal_address), worker):

                async def look() -> list[Any]:
                    return [child.status for child in await Supervisor.at("sup").which_children()]

                async def runs_again() -> bool:
                    return bool(await node.execute(look, on="trio") == ["running"])

                await eventually(runs_again)
                assert await node.call(PID("default", "temporal", name), "increment", 1) == 1
                stop.set()
