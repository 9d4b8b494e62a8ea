"""Durable processes and functions together with workers, clients and tools that know nothing of Everproc."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

import actors
from actors import INTERNAL, NOT_FOUND, PID
from temporal_bridge import TemporalClient, Worker
from temporal_bridge._client.connection import connect
from tests.bridging import Outside, next_exit, outside
from tests.foreign import foreign_worker
from tests.outside_entries import (
    app,
    catch_function,
    collect,
    execute_foreign,
    foreign_process,
    run_function,
    wait_for_finish,
)

FAST = {"activity.retry_policy": {"initial_interval": 10, "maximum_attempts": 3}}


async def foreign(here: Outside, queue: str, order: dict[str, Any]) -> Any:
    """Run the foreign workflow and wait for its result."""

    async def execute() -> Any:
        return await here.client.execute_workflow(
            "ForeignWorkflow",
            order,
            id=here.new_id("foreign"),
            task_queue=queue,
            task_timeout=timedelta(seconds=5),
        )

    return await here.portal.call(execute)


async def test_foreign_workflow_calls_our_function_and_gets_value_or_error(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        queue = here.new_id("queue")
        async with foreign_worker(here.portal, here.client, queue):
            call = {"do": "call", "task_queue": here.task_queue}
            assert await foreign(here, queue, {**call, "activity": "out:echo", "args": [1, "x"]}) == [1, "x"]
            assert await foreign(here, queue, {**call, "activity": "out:succeeds_at", "args": [3]}) == 3
            found = await foreign(here, queue, {**call, "activity": "out:raises", "args": ["INVALID", "no"]})
            assert found == ["INVALID", "no", True]
            found = await foreign(here, queue, {**call, "activity": "out:nothing", "args": []})
            assert (found[0], found[2]) == ("NOT_FOUND", True)


async def test_foreign_workflow_runs_our_process_as_its_child(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        queue = here.new_id("queue")
        async with foreign_worker(here.portal, here.client, queue):
            order = {"do": "child", "task_queue": here.task_queue}
            assert await foreign(here, queue, {**order, "child": "out:hello", "args": ["x"]}) == {
                "hello": "x"
            }
            found = await foreign(here, queue, {**order, "child": "out:fail", "args": ["CONFLICT", "no way"]})
            assert found == ["CONFLICT", "no way", True]
            found = await foreign(here, queue, {**order, "child": "out:crash", "args": []})
            assert found == ["INTERNAL", "ValueError: a bug", False]


async def test_foreign_workflow_signals_our_process(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        queue = here.new_id("queue")
        pid = await here.node.spawn(wait_for_finish)
        async with foreign_worker(here.portal, here.client, queue):
            await foreign(here, queue, {"do": "signal", "id": pid.id, "value": {"a": 1}})
        assert await here.portal.call(here.handle(pid).result) == {"a": 1}


async def test_our_process_calls_foreign_activities_and_workflows(temporal_address: str) -> None:
    queue = f"q-{uuid.uuid4()}"
    theirs = Worker("foreign:worker", task_queue=queue, run=False)
    readable = TemporalClient(temporal_address, converter="json")
    async with outside(temporal_address, app, workers=(theirs,), client=readable) as here:
        plain = await here.portal.call(connect, TemporalClient(temporal_address))  # Temporal's own converter
        async with foreign_worker(here.portal, plain, queue):
            assert await here.node.execute(run_function, "out:foreign_double", [21], FAST) == 42
            kind, retryable, message, details, _ = await here.node.execute(
                catch_function, "out:foreign_fail", ["OutOfStock"], FAST
            )
            assert (kind, retryable, message) == (INTERNAL, True, "OutOfStock: declined")
            assert details == {"type": "OutOfStock", "values": [{"code": 5}]}
            kind, retryable, message, *_ = await here.node.execute(
                catch_function,
                "out:foreign_fail",
                ["NOT_FOUND"],
                {"activity.retry_policy": {"maximum_attempts": 1}},
            )
            assert (kind, retryable, message) == (NOT_FOUND, False, "declined")
            # A foreign worker says that it does not know an activity in a retryable way. It is not retried.
            kind, retryable, *_ = await here.node.execute(catch_function, "out:foreign_missing", [])
            assert (kind, retryable) == (NOT_FOUND, False)
            order = {"do": "return", "value": [1, {"a": 2}]}
            assert await here.node.execute(foreign_process, order) == [1, {"a": 2}]
            assert await here.node.execute(execute_foreign, order) == [1, {"a": 2}]
            found = await here.node.execute(execute_foreign, {"do": "fail"})
            assert found == [INTERNAL, False, "OutOfStock: out of stock"]


async def test_foreign_workflow_is_watched_linked_messaged_and_ended_by_its_pid(
    temporal_address: str,
) -> None:
    async def body(here: Outside, queue: str) -> Any:
        def started(order: dict[str, Any]) -> Any:
            async def start() -> str:
                name = here.new_id("foreign")
                await here.client.start_workflow("ForeignWorkflow", order, id=name, task_queue=queue)
                return name

            return start

        async def foreign_pid(order: dict[str, Any]) -> PID:
            return PID("default", "temporal", await here.portal.call(started(order)))

        found: list[Any] = []
        pid = await foreign_pid({"do": "wait"})
        await actors.monitor(pid)
        await actors.send(pid, "note", {"b": 2})
        found.append((await next_exit()).result.value)
        pid = await foreign_pid({"do": "fail"})
        await actors.monitor(pid)
        event = await next_exit()
        assert event.result.error is not None
        found.append(
            [event.reason, event.result.error.kind, event.result.error.message, event.result.error.retryable]
        )
        actors.set_options(trap_links=True)
        pid = await foreign_pid({"do": "wait"})
        await actors.link(pid)
        await actors.terminate(pid)
        down = await actors.events().receive()
        found.append([type(down).__name__, down.reason])
        return found

    async with outside(temporal_address, app) as here:
        queue = here.new_id("queue")
        async with foreign_worker(here.portal, here.client, queue):
            assert await here.node.execute(body, here, queue, on="trio") == [
                [{"b": 2}],
                ["error", INTERNAL, "OutOfStock: out of stock", False],
                ["LinkDown", "terminated"],
            ]


async def test_plain_client_starts_signals_and_reads_our_process(temporal_address: str) -> None:
    """A client with Temporal's default converter: what it can read is what is JSON in Temporal's words."""
    async with outside(temporal_address, app) as here:

        async def work() -> Any:
            plain = await connect(TemporalClient(temporal_address), data_converter=DataConverter.default)
            handle = await plain.start_workflow(
                "out:collect", 2, id=here.new_id(), task_queue=here.task_queue
            )
            await handle.signal("a", {"x": 1})
            await handle.signal("b", args=[1, 2])
            reader = here.client.get_workflow_handle(handle.id)
            args = ["INVALID", "no", None, {"a": (1, 2)}]
            failed = await plain.start_workflow(
                "out:fail", args=args, id=here.new_id(), task_queue=here.task_queue
            )
            with pytest.raises(WorkflowFailureError) as raised:
                await failed.result()
            return await reader.result(), raised.value.cause

        found, cause = await here.portal.call(work)
        assert found == [["a", {"x": 1}, None], ["b", (1, 2), None]]
        assert isinstance(cause, ApplicationError)
        assert (cause.type, cause.message, cause.non_retryable) == ("INVALID", "no", True)
        assert cause.__cause__ is not None


SENSELESS: list[list[Any]] = [[], [None], [[[]]], [["x"]], [{"a": 1}], [1, 2, 3, 4], ["{not a pid}"]]
SYSTEM = ["@batch", "@reply", "@link", "@unlink", "@link_down", "@cancel", "@deadline", "@bogus"]


@pytest.mark.parametrize("name", SYSTEM)
async def test_senseless_system_signals_of_a_stranger_harm_nobody(temporal_address: str, name: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(collect, 1)

        async def signal() -> None:
            for args in SENSELESS:
                await here.handle(pid).signal(name, args=args)

        await here.portal.call(signal)
        await here.node.send(pid, "fine", 1)
        assert await here.portal.call(here.handle(pid).result) == [["fine", 1, None]]
