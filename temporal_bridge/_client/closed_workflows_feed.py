"""The feed of closed executions: one list query twice a second, however many processes are watched by it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import trio
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.service import RPCError, RPCStatusCode

from actors import PID
from temporal_bridge._asyncio.portal import Portal

T = TypeVar("T")

log = logging.getLogger("everproc.bridge")

INTERVAL = 0.5
OVERLAP = timedelta(seconds=5)
"""How far the server's list may be out of order: what closed this long before the newest seen is asked for again."""
RETRY = 1.0
"""Seconds until a server that does not answer is asked again."""


class Watched(NamedTuple):
    """An execution with all runs that retries and continue-as-new add to it; `chain` is the id of the first."""

    pid: PID
    chain: str


def chain_of(execution: WorkflowExecutionDescription) -> str:
    """The first run of the chain that a run is part of."""
    return execution.raw_info.first_run_id or execution.run_id


class Feed:
    """Executions whose ends are read from the list of closed ones; `ended` is told which run was the last.

    Times are the server's own throughout: ours may go differently. Each one is looked at once when it is added, after
    the feed has marked where in the list it begins, so that no end falls between.
    """

    def __init__(
        self, client: Client, portal: Portal, nursery: trio.Nursery, ended: Callable[[Watched, str], None]
    ) -> None:
        self._client = client
        self._portal = portal
        self._nursery = nursery
        self._ended = ended
        self._runs: dict[Watched, str] = {}  # a run of its chain, which a poll can start with
        self._ids: dict[str, int] = {}  # how many of them have a workflow id
        self._running = False
        self._mark: datetime | None = None
        self._marked = trio.Event()

    def add(self, watched: Watched, run_id: str) -> None:
        """Look after an execution; the feed runs while there is one."""
        self._runs[watched] = run_id
        self._ids[watched.pid.id] = self._ids.get(watched.pid.id, 0) + 1
        if not self._running:
            self._running = True
            self._marked = trio.Event()
            self._nursery.start_soon(self._run)
        self._nursery.start_soon(self._see, watched.pid, run_id)

    def remove(self, watched: Watched) -> None:
        """Look after it no more; fine when it is not here."""
        if self._runs.pop(watched, None) is not None:
            self._ids[watched.pid.id] -= 1
            if not self._ids[watched.pid.id]:
                del self._ids[watched.pid.id]

    def take(self) -> tuple[Watched, str] | None:
        """The one that has been here longest, for somebody else to look after; None when there is none."""
        for watched, run_id in self._runs.items():
            self.remove(watched)
            return watched, run_id
        return None

    async def _run(self) -> None:
        newest = await self._ask(self._newest)
        self._mark = None if newest is None else newest.close_time
        self._marked.set()
        seen: set[str] = set()
        while self._runs:
            await trio.sleep(INTERVAL)
            closed = await self._ask(self._closed)
            for execution in closed:
                if execution.close_time is not None:
                    self._mark = max(self._mark or execution.close_time, execution.close_time)
                if execution.id in self._ids and execution.run_id not in seen:
                    pid = PID(self._client.namespace, "temporal", execution.id)
                    self._nursery.start_soon(self._see, pid, execution.run_id)
            seen = {execution.run_id for execution in closed}
        self._running = False

    async def _see(self, pid: PID, run_id: str) -> None:
        """A run may have closed. Unless another one of its chain goes on, that is the end."""
        await self._marked.wait()
        try:
            run = await self._ask(lambda: self._client.get_workflow_handle(pid.id, run_id=run_id).describe())
            watched = Watched(pid, chain_of(run))
            if watched not in self._runs or run.status is WorkflowExecutionStatus.RUNNING:
                return
            latest = await self._ask(lambda: self._client.get_workflow_handle(pid.id).describe())
        except RPCError:  # it was deleted; whoever fetches the end finds out
            for watched in [watched for watched in self._runs if watched.pid == pid]:
                self._end(watched, run_id)
            return
        if chain_of(latest) == watched.chain:
            run_id = latest.run_id
            if latest.status is WorkflowExecutionStatus.RUNNING:
                return
        self._end(watched, run_id)

    def _end(self, watched: Watched, run_id: str) -> None:
        if watched in self._runs:
            self.remove(watched)
            self._ended(watched, run_id)

    async def _ask(self, function: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._portal.call(function)
            except RPCError as failure:
                if failure.status is RPCStatusCode.NOT_FOUND:
                    raise
                log.warning("asking for closed workflows: %s; trying again", failure.message)
                await trio.sleep(RETRY)

    async def _newest(self) -> WorkflowExecution | None:
        """The execution that has closed last, which the server lists first."""
        async for execution in self._client.list_workflows('ExecutionStatus != "Running"', limit=1):
            return execution
        return None

    async def _closed(self) -> list[WorkflowExecution]:
        query = 'ExecutionStatus != "Running" AND ExecutionStatus != "ContinuedAsNew"'
        if self._mark is not None:
            query += f' AND CloseTime > "{(self._mark - OVERLAP).isoformat()}"'
        return [execution async for execution in self._client.list_workflows(query, page_size=1000)]
