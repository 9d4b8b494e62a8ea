"""The behaviour suite in workflows that are evicted from the worker's cache and replayed all the time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import trio

from tests.hosts import PORTABLE, Body
from tests.workflow_suite import SuiteScheduler, WorkflowSuite, workflow_suite


def import_the_suite() -> None:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if "on_every_host" in path.read_text() and path != Path(__file__):
            importlib.import_module(f"tests.{path.stem}")


def keeps_state(module: ModuleType) -> bool:
    """Whether its tests note what happens in a global: a replay would note it again, and prove nothing."""
    return any(
        isinstance(value, list | dict | set) and name.islower() and not name.startswith("__")
        for name, value in vars(module).items()
    )


def replayable() -> list[Body]:
    return [body for body in PORTABLE if not keeps_state(sys.modules[body.__module__])]


async def run_all(suite: WorkflowSuite) -> dict[str, BaseException]:
    """Run all tests at the same time; those that fail, with their errors."""
    failed: dict[str, BaseException] = {}

    async def run(body: object) -> None:
        name = f"{body.__module__}.{body.__qualname__}"  # type: ignore[attr-defined]
        try:
            with trio.fail_after(100):
                await suite.execute(body)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - pytest's own outcomes are no Exception
            failed[name] = error

    async with trio.open_nursery() as nursery:
        for body in replayable():
            nursery.start_soon(run, body)
    return failed


@pytest.mark.timeout(240)
def test_the_suite_holds_with_a_worker_cache_of_two(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_the_suite()
    assert len(replayable()) > 100
    evicted: list[SuiteScheduler] = []
    evict = SuiteScheduler.evict

    def count_and_evict(scheduler: SuiteScheduler) -> None:
        evicted.append(scheduler)
        evict(scheduler)

    monkeypatch.setattr(SuiteScheduler, "evict", count_and_evict)
    with workflow_suite(temporal_address, max_cached_workflows=2) as suite:
        failed = suite.run_here(run_all)
    assert failed == {}
    assert len(evicted) > 10  # how many it is depends on the machine; with none, this would show nothing
