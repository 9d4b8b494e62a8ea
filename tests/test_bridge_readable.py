"""What JSON can say exactly is readable by every client of Temporal's: its command, and one that is not configured."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio
from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from actors import Namespace
from supervision import Server, handle_call, handle_cast
from temporal_bridge import TemporalClient
from tests.bridging import Outside, outside

app = Namespace("readable")

WORKER = "readable:worker"


@app.process(worker=WORKER)
class Counter(Server):
    """Counts, and ends with what it has counted."""

    async def init(self, count: int = 0) -> None:
        self.count = count
        self.notes: list[Any] = []

    @handle_call
    async def add(self, number: int) -> int:
        self.count += number
        return self.count

    @handle_call
    async def echo(self, value: Any) -> Any:
        return value

    @handle_call
    async def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    @handle_cast
    async def note(self, value: Any) -> None:
        self.notes.append(value)


async def temporal(here: Outside, *arguments: str) -> str:
    """What the `temporal` command prints, which must not fail."""
    program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    address = here.client.service_client.config.target_host
    done = await trio.run_process(
        [program, *arguments, "--address", address, "--output", "json"],
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


async def plainly(here: Outside, ask: Callable[[Client], Awaitable[Any]]) -> Any:
    """What a client of Temporal's own, as it comes, asks for."""

    async def asked() -> Any:
        return await ask(await Client.connect(here.client.service_client.config.target_host))

    return await here.portal.call(asked)


VALUES = [1, 1.5, True, "ü", [], {}, [1, [2]], {"a": {"b": [None, False]}}]


async def test_plain_client_starts_updates_queries_and_reads(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER, sandbox=False) as here:
        name = here.new_id()

        async def ask(client: Client) -> list[Any]:
            handle = await client.start_workflow("readable:Counter", 10, id=name, task_queue=here.task_queue)
            added = await handle.execute_update("add", 5)
            echoes = [await handle.execute_update("echo", value) for value in VALUES]
            await handle.signal("note", {"a": 1})
            return [added, echoes, await handle.query("get_state")]

        assert await plainly(here, ask) == [15, VALUES, {"count": 15, "notes": [{"a": 1}]}]


async def test_plain_client_updates_and_signals_with_start(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER, sandbox=False) as here:
        name = here.new_id()

        async def ask(client: Client) -> list[Any]:
            start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
                "readable:Counter",
                1,
                id=name,
                task_queue=here.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            added = await client.execute_update_with_start_workflow("add", 2, start_workflow_operation=start)
            handle = await client.start_workflow(
                "readable:Counter",
                1,
                id=name,
                task_queue=here.task_queue,
                start_signal="note",
                start_signal_args=["x"],
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )
            return [added, await handle.query("get_state")]

        assert await plainly(here, ask) == [3, {"count": 3, "notes": ["x"]}]


async def test_command_updates_signals_queries_and_shows(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER, sandbox=False) as here:
        name = here.new_id()
        of = ("-w", name)
        await temporal(
            here,
            *("workflow", "start", "--type", "readable:Counter", "--task-queue", here.task_queue),
            *("--input", "10", *of),
        )
        said = await temporal(here, "workflow", "update", "execute", *of, "--name", "add", "--input", "5")
        assert json.loads(said)["result"] == 15
        await temporal(here, "workflow", "signal", *of, "--name", "note", "--input", '{"a": [1]}')
        said = await temporal(here, "workflow", "query", *of, "--type", "get_state")
        assert json.loads(said)["queryResult"] == [{"count": 15, "notes": [{"a": [1]}]}]
        assert "Stack for" in await temporal(here, "workflow", "stack", *of)


async def test_messages_and_arguments_of_ours_are_json_in_the_history(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER, sandbox=False) as here:
        pid = await here.node.spawn(Counter, 7)
        await here.node.send(pid, "note", {"a": 1})
        assert await here.node.call(pid, "echo", ["x", 1.5]) == ["x", 1.5]
        seen: list[Any] = []
        for event in await here.history(pid):
            for field in (
                "workflow_execution_started_event_attributes",
                "workflow_execution_signaled_event_attributes",
                "workflow_execution_update_accepted_event_attributes",
                "workflow_execution_update_completed_event_attributes",
            ):
                if event.HasField(field):
                    found = getattr(event, field)
                    source = (
                        found.outcome.success if hasattr(found, "outcome") else getattr(found, "input", None)
                    )
                    if source is None:
                        source = found.accepted_request.input.args
                    assert {each.metadata["encoding"] for each in source.payloads} <= {b"json/plain"}
                    seen += [json.loads(each.data) for each in source.payloads]
        assert seen == [7, {"a": 1}, ["x", 1.5], ["x", 1.5]]


async def test_what_json_cannot_say_arrives_exactly_all_the_same(temporal_address: str) -> None:
    values = [(1, 2), {1: 2}, b"x", {"a": {1}}, 2**70, float("inf"), datetime(2026, 1, 1, tzinfo=UTC)]
    packed = TemporalClient(temporal_address, converter="msgpack")
    for client in (None, packed):
        async with outside(temporal_address, app, worker=WORKER, sandbox=False, client=client) as here:
            pid = await here.node.spawn(Counter)
            call = partial(here.node.call, pid, "echo")
            assert [await call(value) for value in values[1:]] == values[1:]
