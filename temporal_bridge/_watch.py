"""Watching the ends of durable processes: for all watchers of a node, with a bounded number of open requests.

The first `MOST_POLLS` workflows are waited for by a long poll each, which answers within milliseconds. The others share
one feed: twice a second the list of executions that have closed lately. When nothing is watched, nothing is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import trio
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from actors import PID, Exit, MonitorRef, Reason, Result, gone
from temporal_bridge._failures import exit_of
from temporal_bridge._portal import Portal

log = logging.getLogger("everproc.bridge")

MOST_POLLS = 64
FEED_INTERVAL = 0.5
FEED_OVERLAP = timedelta(seconds=5)
_RETRY = 1.0

Sink = Callable[[Exit], None]


class Watches:
    """Who watches which durable process. One for each node; runs in its trio loop."""

    def __init__(self, client: Client, portal: Portal, nursery: trio.Nursery) -> None:
        self._client = client
        self._portal = portal
        self._nursery = nursery
        self._sinks: dict[PID, dict[MonitorRef, Sink]] = {}
        self._polls: dict[PID, trio.CancelScope] = {}
        self._fed: dict[PID, None] = {}
        self._feeding = False

    def add(self, target: PID, ref: MonitorRef, sink: Sink) -> None:
        """Call `sink` once with the exit of `target`, also if it has ended long ago."""
        sinks = self._sinks.get(target)
        if sinks is not None:
            sinks[ref] = sink
            return
        self._sinks[target] = {ref: sink}
        if len(self._polls) < MOST_POLLS:
            self._start_poll(target)
        else:
            self._fed[target] = None
            self._nursery.start_soon(self._look_at, target)
            if not self._feeding:
                self._feeding = True
                self._nursery.start_soon(self._feed)

    def remove(self, target: PID, ref: MonitorRef) -> None:
        """Call this sink no more; the last one ends the watch."""
        sinks = self._sinks.get(target)
        if sinks is None or sinks.pop(ref, None) is None or sinks:
            return
        del self._sinks[target]
        self._fed.pop(target, None)
        scope = self._polls.pop(target, None)
        if scope is not None:
            scope.cancel()
            self._promote()

    def close(self) -> None:
        """The node loses its connection: whoever still watches is told so."""
        for target in list(self._sinks):
            self._tell(target, "noconnection", gone(target, "noconnection"))

    def _tell(self, target: PID, reason: Reason, result: Result) -> None:
        self._fed.pop(target, None)
        for ref, sink in self._sinks.pop(target, {}).items():
            sink(Exit(target, ref, reason, result))

    def _start_poll(self, target: PID) -> None:
        scope = self._polls[target] = trio.CancelScope()
        self._nursery.start_soon(self._poll, target, scope)

    def _promote(self) -> None:
        """A poll is free: give it to one of those that wait for the feed."""
        if self._fed and len(self._polls) < MOST_POLLS:
            target = next(iter(self._fed))
            del self._fed[target]
            self._start_poll(target)

    async def _poll(self, target: PID, scope: trio.CancelScope) -> None:
        with scope:
            reason, result = await self._end_of(target)
            if self._polls.get(target) is scope:
                del self._polls[target]
            self._tell(target, reason, result)
        self._promote()

    async def _end_of(self, target: PID) -> tuple[Reason, Result]:
        """Wait for the end, through retries and continue-as-new; a server that is away is asked again."""
        while True:
            try:
                return "normal", Result(
                    await self._portal.call(self._client.get_workflow_handle(target.id).result)
                )
            except WorkflowFailureError as failure:
                reason, error = exit_of(failure)
                return reason, Result(error=error)
            except RPCError as failure:
                if failure.status is RPCStatusCode.NOT_FOUND:
                    return "noproc", gone(target)
                log.info("waiting for the end of %s: %s; trying again", target, failure.message)
                await trio.sleep(_RETRY)

    # The feed

    async def _look_at(self, target: PID) -> None:
        """See whether it had ended before it was watched: the feed tells only what ends from now on."""
        while target in self._fed:
            try:
                description = await self._portal.call(self._client.get_workflow_handle(target.id).describe)
            except RPCError as failure:
                if failure.status is not RPCStatusCode.NOT_FOUND:
                    await trio.sleep(_RETRY)
                    continue
                self._tell(target, "noproc", gone(target))
            else:
                if description.status is not WorkflowExecutionStatus.RUNNING:
                    await self._fetch(target)
            return

    async def _fetch(self, target: PID) -> None:
        if target in self._fed:
            reason, result = await self._end_of(target)
            self._tell(target, reason, result)

    async def _feed(self) -> None:
        since = datetime.now(UTC)
        try:
            while self._fed:
                await trio.sleep(FEED_INTERVAL)
                asked = datetime.now(UTC)
                try:
                    closed = await self._portal.call(self._closed_since, since - FEED_OVERLAP)
                except RPCError as failure:
                    log.info("asking for closed workflows: %s; trying again", failure.message)
                    continue
                since = asked
                async with trio.open_nursery() as nursery:
                    for target in [target for target in self._fed if target.id in closed]:
                        nursery.start_soon(self._fetch, target)
        finally:
            self._feeding = False

    async def _closed_since(self, since: datetime) -> set[str]:
        query = f'ExecutionStatus != "Running" AND CloseTime > "{since.isoformat()}"'
        return {
            execution.id
            async for execution in self._client.list_workflows(query, page_size=1000)
            if execution.status is not WorkflowExecutionStatus.CONTINUED_AS_NEW
        }
