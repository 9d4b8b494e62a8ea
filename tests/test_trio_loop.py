"""RPCs of the SDK in the thread of trio, against the real server."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta

import pytest
import trio
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
    PollActivityTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from actors import INVALID, Error
from temporal_bridge import TemporalClient
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.trio_loop import TrioLoop
from temporal_bridge._client.connection import connect
from tests.eventually import eventually

who: ContextVar[str] = ContextVar("who", default="nobody")


@asynccontextmanager
async def connected(address: str) -> AsyncGenerator[tuple[TrioLoop, Client, trio.Nursery], None]:
    """A loop that runs until the end of the block, and a client."""
    with trio.fail_after(60):
        async with Portal() as portal:
            client = await portal.call(connect, TemporalClient(address))
            async with trio.open_nursery() as nursery:
                loop = TrioLoop(nursery)
                nursery.start_soon(loop.run)
                yield loop, client, nursery
                nursery.cancel_scope.cancel()


async def ask(client: Client) -> str:
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    return info.server_version


async def ask_for_ever(client: Client, queue: str) -> None:
    request = PollActivityTaskQueueRequest(
        namespace="default", task_queue=TaskQueue(name=queue), identity="me"
    )
    await client.workflow_service.poll_activity_task_queue(request, timeout=timedelta(hours=1))


async def pollers(client: Client, queue: str) -> int:
    request = DescribeTaskQueueRequest(
        namespace="default",
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    found = await client.workflow_service.describe_task_queue(request)
    return len(found.pollers)


async def test_rpcs_are_asked_at_once_and_answered_in_the_thread_and_context_of_who_started_them(
    temporal_address: str,
) -> None:
    async with connected(temporal_address) as (loop, client, _):
        history: list[object] = []
        answered = trio.Event()

        async def run() -> None:
            history.append("asks")
            history.append(bool(await ask(client)))
            history.append(bool(await ask(client)))
            history.append((threading.current_thread(), who.get()))
            answered.set()

        token = who.set("the starter")
        loop.start(run)
        who.reset(token)
        history.append("started")
        await answered.wait()
        assert history == ["asks", "started", True, True, (threading.current_thread(), "the starter")]


async def test_refusal_of_the_server_is_raised_where_the_rpc_is_awaited(temporal_address: str) -> None:
    async with connected(temporal_address) as (loop, client, _):
        refused: list[str] = []
        answered = trio.Event()

        async def run() -> None:
            with pytest.raises(RPCError) as raised:
                await client.workflow_service.describe_task_queue(DescribeTaskQueueRequest())
            refused.append(raised.value.status.name)
            answered.set()

        loop.start(run)
        await answered.wait()
        assert refused == ["INVALID_ARGUMENT"]


async def test_what_waits_as_trio_does_gives_its_result_or_its_error_by_in_trio(
    temporal_address: str,
) -> None:
    async with connected(temporal_address) as (loop, _, _):
        history: list[object] = []
        ended = trio.Event()

        async def wait(what: str) -> str:
            await trio.lowlevel.checkpoint()
            if what == "bad":
                raise Error(what, kind=INVALID)
            return what

        async def run() -> None:
            history.append(await loop.in_trio(wait, "good"))
            with pytest.raises(Error, match="bad"):
                await loop.in_trio(wait, "bad")
            ended.set()

        loop.start(run)
        await ended.wait()
        assert history == ["good"]


async def test_end_of_the_loop_cancels_what_is_under_way_and_what_starts_later(temporal_address: str) -> None:
    async with Portal() as portal:
        client = await portal.call(connect, TemporalClient(temporal_address))
        queue = f"q-{uuid.uuid4()}"
        history: list[str] = []
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                loop = TrioLoop(nursery)
                nursery.start_soon(loop.run)

                async def run() -> None:
                    try:
                        await ask_for_ever(client, queue)
                    finally:
                        history.append("ended")

                async def wait() -> None:
                    try:
                        await loop.in_trio(trio.sleep_forever)
                    finally:
                        history.append("ended")

                loop.start(run)
                loop.start(wait)

                async def polled() -> bool:
                    return await portal.call(pollers, client, queue) > 0

                await eventually(polled)
                assert history == []
                nursery.cancel_scope.cancel()
            assert history == ["ended"] * 2
            loop.start(run)
            assert history == ["ended"] * 3


async def test_error_that_a_function_ends_with_ends_the_nursery(temporal_address: str) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError)):
        async with connected(temporal_address) as (loop, client, _):

            async def run() -> None:
                await ask(client)
                raise ZeroDivisionError

            loop.start(run)
            await trio.sleep_forever()


async def test_answer_that_comes_when_trio_has_gone_is_for_nobody() -> None:
    loops: list[TrioLoop] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            loops.append(TrioLoop(nursery))

    await trio.to_thread.run_sync(trio.run, main)
    loops[0].call_soon_threadsafe(pytest.fail, "it was called")
