"""Starting durable processes: names, ids, options, messages; each seen on a real server."""

from __future__ import annotations

from actors import PID
from tests.bridging import outside
from tests.outside_entries import app, hello


async def test_w09_spawn_from_plain_code_runs_on_the_worker(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn("out:hello", "you", on="out:worker")
        assert pid == PID("default", "temporal", pid.id)
        assert PID.parse(str(pid)) == pid
        found = await here.describe(pid)
        assert (found.workflow_type, found.task_queue) == ("out:hello", here.task_queue)


async def test_w30_execute_gives_the_result(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        assert await here.node.execute(hello, "you") == {"hello": "you"}
