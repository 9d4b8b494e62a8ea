"""A node with a bridge to the session's server, for tests of durable processes from the outside."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import attrs
import pytest
import trio
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.service import ServiceClient

import actors
from actors import Event, Exit, Namespace, Node
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import connect
from temporal_bridge._wire.data_converter import data_converter
from tests.eventually import eventually


@attrs.frozen
class Outside:
    """An open node and bridge, and a plain client of Temporal's own that looks at the server."""

    node: Node
    bridge: TemporalBridge
    task_queue: str
    portal: Portal
    client: Client

    def new_id(self, name: str = "p") -> str:
        """A workflow id that no other test has."""
        return f"{name}-{uuid.uuid4()}"

    def handle(self, pid: actors.PID) -> WorkflowHandle[Any, Any]:
        """The workflow of a durable process."""
        return self.client.get_workflow_handle(pid.id)

    async def result(self, pid: actors.PID) -> Any:
        """What a durable process returns, as any client of Temporal's gets it."""
        return await self.portal.call(self.handle(pid).result)

    async def as_process(self, body: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Run `body` as a process of the node."""
        return await self.node.execute(body, *args, on="trio")

    async def describe(self, pid: actors.PID) -> WorkflowExecutionDescription:
        """What the server says of a durable process."""
        return await self.portal.call(self.handle(pid).describe)

    async def history(self, pid: actors.PID) -> list[Any]:
        """The events of its latest run."""
        found = await self.portal.call(self.handle(pid).fetch_history)
        return list(found.events)

    async def started(self, pid: actors.PID) -> Any:
        """The attributes of its first event."""
        return (await self.history(pid))[0].workflow_execution_started_event_attributes


@asynccontextmanager
async def outside(
    address: str,
    *entries: Namespace,
    worker: str = "out:worker",
    node: Node | None = None,
    patience: float = 60,
    workers: tuple[Worker, ...] = (),
    client: TemporalClient | None = None,
    task_queue: str | None = None,
    **settings: Any,
) -> AsyncGenerator[Outside, None]:
    """A node with a bridge to the server, whose worker runs `entries` on a task queue of its own."""
    with trio.fail_after(patience):  # not pytest's own timeout, which would leave the run of trio in pieces
        async with AsyncExitStack() as stack:
            here = Worker(worker, task_queue=task_queue or f"q-{uuid.uuid4()}", entries=entries, **settings)
            if node is None:
                node = await stack.enter_async_context(Node("test"))
            portal = await stack.enter_async_context(Portal("observer"))
            converter = data_converter()
            observer = await portal.call(partial(connect, TemporalClient(address), data_converter=converter))
            bridge = await stack.enter_async_context(
                TemporalBridge(node, client or TemporalClient(address), here, *workers)
            )
            yield Outside(node, bridge, here.task_queue, portal, observer)


def cached_or_evicted(*entries: Namespace, worker: str) -> Any:
    """The fixture `here`: durable processes that stay in the worker's cache, and such as are replayed all the time."""

    @pytest.fixture(name="here", params=[1000, 2], ids=["cached", "evicted"])
    async def here(request: pytest.FixtureRequest, temporal_address: str) -> AsyncGenerator[Outside, None]:
        async with outside(
            temporal_address, *entries, worker=worker, max_cached_workflows=request.param
        ) as found:
            yield found

    return here


async def next_event() -> Event:
    """The next event of the running process."""
    return await actors.events().receive()


async def next_exit() -> Exit:
    """The next event, which is an exit."""
    event = await next_event()
    assert isinstance(event, Exit)
    return event


class Requests:
    """Counts what is asked of the server, by the name of the request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        original = ServiceClient.__subclasses__()[0]._rpc_call

        async def counted(client: Any, rpc: str, *args: Any, **kwargs: Any) -> Any:
            self.counts[rpc] += 1
            return await original(client, rpc, *args, **kwargs)

        monkeypatch.setattr(ServiceClient.__subclasses__()[0], "_rpc_call", counted)

    async def made(self, rpc: str, times: int) -> None:
        """Wait until one was made so often."""

        async def made() -> bool:
            return self.counts[rpc] >= times

        await eventually(made)
