"""Restarts that race with requests and with the end, under many schedules."""

from __future__ import annotations

from typing import Any

import actors
from actors import Error
from actors.testing import Faults, explore
from supervision import (
    ChildSpec,
    DynamicSupervisor,
    Server,
    Supervisor,
    TaskSupervisor,
    call,
    handle_call,
    ready,
    start,
    start_server,
)
from supervision._children.restart import Strategy


class Lives:
    """Who runs: a child must never run twice at a time, and in the end none must."""

    def __init__(self) -> None:
        self.alive: dict[str, int] = {}

    async def worker(self, name: str) -> None:
        self.alive[name] = self.alive.get(name, 0) + 1
        assert self.alive[name] == 1, f"{name} runs twice"
        try:
            ready()
            await actors.sleep("1d")
        finally:
            self.alive[name] -= 1

    def spec(self, name: str, **settings: Any) -> ChildSpec:
        return ChildSpec(name, self.worker, (name,), wait_ready=True, **settings)


async def kill_some(sup: Any, times: int) -> None:
    for _ in range(times):
        try:
            for child in await sup.which_children():
                if child.pid is not None:
                    await actors.terminate(child.pid)
                    break
        except Error:
            return  # the supervisor has ended meanwhile


async def bother(sup: Any, name: str) -> None:
    for verb in (sup.terminate_child, sup.restart_child, sup.terminate_child, sup.restart_child):
        try:
            await verb(name)
        except Error as error:
            assert error.details.get("reason") in (  # noqa: PT017
                "running",
                "restarting",
                "not_found",
                "noproc",
                "normal",
                "shutdown",
            )


async def race(strategy: Strategy) -> None:
    lives = Lives()
    specs = [lives.spec("a"), lives.spec("b", restart="transient"), lives.spec("c")]
    sup = await start(Supervisor(specs, strategy=strategy, max_restarts=100))
    actors.start_soon(kill_some, sup, 3)
    actors.start_soon(bother, sup, "b")
    actors.start_soon(kill_some, sup, 2)
    await actors.sleep("1ms")
    await kill_some(sup, 1)
    await sup.stop()
    assert set(lives.alive.values()) == {0}


@explore(max_examples=60)
async def test_no_child_of_one_for_one_runs_twice_or_outlives_its_supervisor() -> None:
    await race("one_for_one")


@explore(max_examples=60)
async def test_no_child_of_one_for_all_runs_twice_or_outlives_its_supervisor() -> None:
    await race("one_for_all")


@explore(max_examples=60)
async def test_no_child_of_rest_for_one_runs_twice_or_outlives_its_supervisor() -> None:
    await race("rest_for_one")


@explore(max_examples=60)
async def test_supervisor_that_gives_up_takes_all_with_it() -> None:
    actors.set_options(trap_links=True)
    lives = Lives()
    inner = Supervisor([lives.spec("a"), lives.spec("b")], max_restarts=1, strategy="one_for_all")
    sup = await start(Supervisor([ChildSpec("inner", inner), lives.spec("c")], max_restarts=2))
    (_, child) = await sup.which_children()
    assert child.pid is not None
    for _ in range(4):
        actors.start_soon(kill_some, Supervisor.at(child.pid), 1)
    await actors.sleep("1s")
    try:
        await sup.stop()
    except Error as error:
        assert error.details["reason"] in ("noproc", "shutdown")  # noqa: PT017
    assert set(lives.alive.values()) == {0}


@explore(max_examples=60)
async def test_dynamic_children_end_with_their_supervisor() -> None:
    lives = Lives()
    sup = await start(DynamicSupervisor(max_restarts=100))

    async def begin(name: str) -> None:
        try:
            await sup.start_child(lives.spec(name))
        except Error as error:
            assert error.details["reason"] in ("normal", "noproc")  # noqa: PT017

    for name in "abcd":
        actors.start_soon(begin, name)
    actors.start_soon(kill_some, sup, 3)
    await begin("e")
    await sup.stop()
    assert set(lives.alive.values()) <= {0}


@explore(max_examples=60)
async def test_task_always_has_its_result_however_soon_it_ends() -> None:
    async def quick(number: int) -> int:
        return number

    tasks = await start(TaskSupervisor())
    started = [await tasks.start_task(quick, number) for number in range(3)]
    assert await tasks.await_many(started) == [0, 1, 2]
    assert [n async for n in tasks.map(quick, range(5), max_concurrency=2)] == list(range(5))
    await tasks.stop()


class Fragile(Server):
    def init(self) -> None:
        self.n = 0

    @handle_call
    def add(self) -> int:
        self.n += 1
        return self.n


@explore(max_examples=60, faults=Faults(kill=1))
async def test_call_of_a_server_that_may_be_killed_gives_its_reply_or_its_end() -> None:
    actors.set_options(trap_links=True)
    try:
        pid = await start_server(Fragile)
        assert await call(pid, Fragile.add) == 1
        assert await call(pid, Fragile.add) == 2
    except Error as error:
        assert error.kind in (actors.UNAVAILABLE, actors.NOT_FOUND, actors.CANCELED)  # noqa: PT017
