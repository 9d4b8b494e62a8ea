"""Settings and the Temporal server that tests share."""

import os
import signal
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path

import pytest
import trio
from hypothesis import settings

from temporal_bridge import EmbeddedServer
from tests.workflow_suite import WorkflowSuite, workflow_suite

# A property that starts a node now and then takes longer than Hypothesis' 200 ms on a busy machine; a test that hangs
# is what pytest's own timeout is for. The same examples each time, so that a failure belongs to the change that it
# appears with; EVERPROC_THOROUGH=1 searches twenty times as many others.
settings.register_profile("unhurried", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, derandomize=False, print_blob=True, max_examples=2000)
settings.load_profile("thorough" if os.environ.get("EVERPROC_THOROUGH") else "unhurried")


def pytest_configure() -> None:
    """Give the tests a SIGINT: the background jobs of a script ignore it, and so does all that they start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


SEARCH_ATTRIBUTES = {
    "customer_id": "Keyword",
    "order_total": "Double",
    "order_count": "Int",
    "vip": "Bool",
    "ordered_at": "Datetime",
    "order_tags": "KeywordList",
    "order_status": "Keyword",
}


@pytest.fixture
def short_path() -> Generator[Path, None, None]:
    """A temporary directory whose path leaves room for the name of a socket, as `tmp_path` may not."""
    with tempfile.TemporaryDirectory(prefix="ep-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def temporal_address() -> Generator[str, None, None]:
    """The address of one real Temporal server for the whole session, in memory; a trio run of its own holds it."""
    ready = threading.Event()
    stop: list[trio.lowlevel.TrioToken] = []
    stopping = trio.Event()
    found: list[str] = []

    async def serve() -> None:
        try:
            async with EmbeddedServer(database=False, search_attributes=SEARCH_ATTRIBUTES) as server:
                found.append(server.address)
                stop.append(trio.lowlevel.current_trio_token())
                ready.set()
                await stopping.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=trio.run, args=(serve,), name="temporal-server")
    thread.start()
    ready.wait()
    assert found, "the Temporal server did not start"
    yield found[0]
    stop[0].run_sync_soon(stopping.set)
    thread.join()


@pytest.fixture(scope="session")
def suite_in_workflows(temporal_address: str) -> Generator[WorkflowSuite, None, None]:
    """Where the behaviour suite runs inside workflows."""
    with workflow_suite(temporal_address) as suite:
        yield suite
