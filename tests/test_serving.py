"""A worker begins in the end, however the server was when it was made."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import temporalio.worker
import trio
import trio.testing
from temporalio import activity
from temporalio.client import Client

from temporal_bridge import TemporalClient
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import connect
from temporal_bridge._worker.run_worker import WorkerRunner
from tests.eventually import eventually
from tests.test_bridge_connection import answering, own_server


@activity.defn
async def answer() -> str:
    return "here"


@pytest.mark.timeout(180)
async def test_worker_whose_server_goes_away_while_it_begins_is_made_again_and_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def has_failed() -> bool:
        return "a worker could not begin" in caplog.text

    async with own_server(tmp_path) as server, Portal("test") as portal, trio.open_nursery() as nursery:
        with trio.fail_after(20):
            await answering(server)
        here = await portal.call(partial(connect, TemporalClient(server.address)))
        queue = str(uuid.uuid4())

        async def make() -> temporalio.worker.Worker:
            return temporalio.worker.Worker(here, task_queue=queue, activities=[answer])

        await server.kill()
        serving = WorkerRunner(portal, make)
        await serving.begin()
        nursery.start_soon(serving.run)
        await eventually(has_failed)
        await server.start()
        with trio.fail_after(60):
            await answering(server)
        assert await portal.call(partial(ask, here, queue)) == "here"
        assert serving.is_running
        await serving.stop()
        assert not serving.is_running


async def test_worker_that_is_stopped_before_it_has_begun_ends(temporal_address: str) -> None:
    async with Portal("test") as portal, trio.open_nursery() as nursery:
        client = await portal.call(partial(connect, TemporalClient(temporal_address)))

        async def make() -> temporalio.worker.Worker:
            return temporalio.worker.Worker(client, task_queue=str(uuid.uuid4()), activities=[answer])

        serving = WorkerRunner(portal, make)
        await serving.begin()
        nursery.start_soon(serving.stop)
        await trio.testing.wait_all_tasks_blocked()
        await serving.run()


async def ask(client: Client, queue: str) -> str:
    return str(
        await client.execute_activity(
            answer, id=str(uuid.uuid4()), task_queue=queue, start_to_close_timeout=timedelta(seconds=10)
        )
    )
