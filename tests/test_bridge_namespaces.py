"""Processes in another namespace of the server: started by an option, and reached by their PIDs like any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import actors
from actors import NOT_FOUND, PID, Error
from temporal_bridge import EmbeddedServer, TemporalClient
from tests.bridging import Outside, next_event, next_exit, outside
from tests.delivery_worker import echoes, is_linked
from tests.outside_entries import app, echo_calls, hello, own_info, sleeper, wait_for_finish
from tests.test_bridge_delivery import programs


@asynccontextmanager
async def two_namespaces() -> AsyncGenerator[tuple[Outside, Outside]]:
    """A node in each of the two namespaces of a server; both have the worker `out:worker`, run in the second."""
    with trio.fail_after(60):
        async with (
            EmbeddedServer(database=False, namespace="orders") as server,
            actors.Node("there") as there,
            outside(
                server.address,
                app,
                node=there,
                client=TemporalClient(server.address, namespace="orders"),
            ) as second,
            actors.Node("here") as here,
            outside(
                server.address,
                node=here,
                worker="out:worker",
                task_queue=second.task_queue,
                run=False,
            ) as first,
        ):
            yield first, second


IN_ORDERS = {"temporal.workflow.namespace": "orders"}


async def test_w15_namespace_of_a_spawn_is_where_the_process_runs() -> None:
    async def body(here: Outside) -> list[Any]:
        actors.set_options(trap_links=True)
        spawner = actors.spawner(options=IN_ORDERS)
        found: list[Any] = [(await spawner.execute(own_info)).namespace]
        pid = await spawner.with_message("finish", "x").spawn_monitored(wait_for_finish)
        found += [pid.node, (await next_exit()).result.value]
        called = await spawner.spawn_linked(echo_calls)
        found.append(await actors.call(called, "x", 7))
        found.append((await actors.describe(called)).pid == called)
        # The same id in the namespace of the bridge is another process.
        twin = PID("default", "temporal", called.id)
        found.append(await actors.send(twin, "stop"))
        await actors.monitor(twin)
        found.append((await next_exit()).reason)
        found.append(await actors.terminate(twin))
        await actors.terminate(called, "enough")
        found.append((await next_event()).reason)
        return found

    async with two_namespaces() as (here, _):
        assert await here.node.execute(body, here, on="trio") == [
            *("orders", "orders", "x", 7, True),
            *(False, "noproc", False, "terminated"),
        ]
        with pytest.raises(Error, match="Namespace nowhere is not found") as raised:
            await here.node.spawner(options={"temporal.workflow.namespace": "nowhere"}).spawn(hello)
        assert raised.value.kind == NOT_FOUND
        assert not await here.node.send(PID("nowhere", "temporal", "x"), "a")


async def test_durable_process_does_not_end_one_of_its_targets_id_in_its_own_namespace() -> None:
    async with two_namespaces() as (here, there):
        victim = await there.node.spawn(sleeper)
        found = await there.node.execute("out:terminate_it", PID("default", "temporal", victim.id))
        assert found is False
        assert (await there.node.describe(victim)).status == "running"
        assert await here.node.terminate(victim)


async def test_feed_of_each_namespace_tells_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> Any:
        pids = [await actors.spawner(options=IN_ORDERS).spawn_monitored(sleeper) for _ in range(3)]
        for pid in pids:
            await actors.terminate(pid)
        return [(await next_exit()).reason for _ in pids]

    monkeypatch.setattr("temporal_bridge._client.watches.MOST_POLLS", 0)
    async with two_namespaces() as (here, _):
        assert await here.node.execute(body, on="trio") == ["terminated"] * 3


async def test_processes_of_another_namespace_and_program_answer_link_and_watch() -> None:
    async def body() -> Any:
        actors.set_options(trap_links=True)
        echo = actors.listen("echo")
        spawner = actors.spawner(options=IN_ORDERS)
        pid = await spawner.spawn_monitored(echoes)
        for number in range(3):
            await actors.send(pid, "x", number)
        answers = [await echo.receive() for _ in range(3)]
        linked = await spawner.spawn(is_linked, actors.self_pid())
        await actors.listen("linked").receive()
        await actors.terminate(linked)
        down = await next_event()
        await actors.terminate(pid)
        return answers, down.pid == linked, down.reason, (await next_exit()).reason

    with trio.fail_after(60):
        async with (
            EmbeddedServer(database=False, namespace="orders") as server,
            programs(server.address, "orders") as (node, _),
        ):
            assert await node.execute(body, on="trio") == ([0, 1, 2], True, "terminated", "terminated")
