"""The behaviour suite in workflows that are evicted from the worker's cache and replayed all the time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import trio

import actors
from tests.hosts import PORTABLE, Body
from tests.workflow_suite import SuiteScheduler, WorkflowSuite, parked, workflow_suite

CACHE = 2


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


async def wait_long() -> None:
    await actors.sleep("1s")


async def run_all(suite: WorkflowSuite, evicted: list[int]) -> dict[str, BaseException]:
    """Run all tests at the same time, each from its gate on only when all have been evicted there; what fails."""
    failed: dict[str, BaseException] = {}
    bodies = replayable()
    numbers: set[int] = set()

    async def come(number: int) -> None:
        numbers.add(number)
        with trio.fail_after(200):  # one that never parks
            while len(numbers) < len(bodies) or not numbers <= parked:  # noqa: ASYNC110
                await trio.sleep(0.05)
        while not numbers <= set(evicted):  # noqa: ASYNC110
            await trio.sleep(0.05)

    async def come_last(_: int) -> None:
        """Of the processes that push the last ones out of the cache."""
        while not numbers <= set(evicted):  # noqa: ASYNC110
            await trio.sleep(0.05)

    async def run(body: Body) -> None:
        name = f"{body.__module__}.{body.__qualname__}"
        try:
            with trio.fail_after(200):
                await suite.execute_gated(body, come)
        except BaseException as error:  # noqa: BLE001 - pytest's own outcomes are no Exception
            failed[name] = error

    async with trio.open_nursery() as nursery:
        for body in bodies:
            nursery.start_soon(run, body)
        with trio.fail_after(200):  # one that never parks
            while len(numbers) < len(bodies) or not numbers <= parked:  # noqa: ASYNC110
                await trio.sleep(0.05)
        for _ in range(CACHE):
            nursery.start_soon(suite.execute_gated, wait_long, come_last)
    return failed


@pytest.mark.timeout(240)
def test_the_suite_holds_when_each_of_its_processes_is_evicted_and_replayed(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_the_suite()
    assert len(replayable()) > 100
    evicted: list[int] = []
    evict = SuiteScheduler.evict

    def note_and_evict(scheduler: SuiteScheduler) -> None:
        evicted.append(scheduler.number)
        evict(scheduler)

    monkeypatch.setattr(SuiteScheduler, "evict", note_and_evict)
    with workflow_suite(temporal_address, max_cached_workflows=CACHE) as suite:
        failed = suite.run_here(lambda suite: run_all(suite, evicted))
    assert failed == {}
    assert len(set(evicted)) >= len(replayable())
