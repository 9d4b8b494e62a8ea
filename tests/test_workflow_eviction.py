"""Leaving the worker's cache is no end: nobody is told, nothing is logged, and the process goes on when needed."""

from __future__ import annotations

import logging

import pytest

import actors
from actors import PID
from temporal_bridge._workflow.scheduler import WorkflowScheduler
from tests.bridging import outside
from tests.workflow_entries import WORKER, catches_everything, cleans_up, cleans_up_aloud, wf


@pytest.fixture
def evictions(monkeypatch: pytest.MonkeyPatch) -> list[WorkflowScheduler]:
    """Each eviction, as it happens."""
    found: list[WorkflowScheduler] = []
    evict = WorkflowScheduler.evict

    def note_and_evict(scheduler: WorkflowScheduler) -> None:
        found.append(scheduler)
        evict(scheduler)

    monkeypatch.setattr(WorkflowScheduler, "evict", note_and_evict)
    return found


async def test_eviction_sends_nothing_logs_nothing_and_ends_nobody(
    temporal_address: str, evictions: list[WorkflowScheduler], caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> tuple[int, list[int]]:
        me = actors.self_pid()
        pids: list[PID] = [await actors.spawn_monitored(cleans_up, me) for _ in range(8)]
        for pid in pids:  # each wakes up once more, and others have to make room
            await actors.send(pid, "hello")
        while len(evictions) < 4:
            await actors.sleep("10ms")
        cleaned_early = me_unread()
        with caplog.at_level(logging.CRITICAL):
            for pid in pids:
                await actors.cancel(pid)
            for _ in pids:
                await actors.events().receive()
        found = [await actors.inbox().receive() for _ in pids]
        assert {message.sender for message in found} == set(pids)
        await actors.sleep("50ms")
        return cleaned_early, [me_unread()]

    def me_unread() -> int:
        return actors.running_process().mailbox.unread

    with caplog.at_level(logging.INFO):
        async with outside(temporal_address, wf, worker=WORKER, max_cached_workflows=2) as here:
            early, late = await here.node.execute(body, on="trio")
    assert early == 0
    assert late == [0]
    assert [record.message for record in caplog.records if record.name == "everproc.bridge"] == []


async def test_finally_blocks_that_run_at_an_eviction_are_not_heard_and_start_nothing(
    temporal_address: str, evictions: list[WorkflowScheduler], caplog: pytest.LogCaptureFixture
) -> None:
    def heard() -> list[str]:
        return [record.message for record in caplog.records if record.name == "temporalio.workflow"]

    async def body() -> list[int]:
        me = actors.self_pid()
        pids = [await actors.spawn_monitored(cleans_up_aloud, me) for _ in range(6)]
        while len(evictions) < 4:
            await actors.sleep("10ms")
        counts = [len(heard()), actors.running_process().mailbox.unread]
        for pid in pids:
            await actors.cancel(pid)
        for _ in pids:
            await actors.events().receive()
        return [*counts, len(heard()), actors.running_process().mailbox.unread]

    async with outside(temporal_address, wf, worker=WORKER, max_cached_workflows=2) as here:
        assert await here.node.execute(body, on="trio") == [0, 0, 12, 6]
        assert len(heard()) == 12


async def test_process_that_catches_everything_can_be_evicted_and_goes_on(
    temporal_address: str, evictions: list[WorkflowScheduler]
) -> None:
    async def body() -> bool:
        pids = [await actors.spawn(catches_everything) for _ in range(6)]
        rounds = 0
        while len(evictions) < 6 or rounds < 3:  # the messages of a round may come in one workflow task
            rounds += 1
            for pid in pids:
                await actors.send(pid, "n")
            await actors.sleep("10ms")
        return [await actors.call(pid, "count", timeout="20s") for pid in pids] == [rounds] * 6

    async with outside(temporal_address, wf, worker=WORKER, max_cached_workflows=2) as here:
        assert await here.node.execute(body, on="trio")
