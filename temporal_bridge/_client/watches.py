"""Watching the ends of durable processes: for all watchers of a node, with a bounded number of open requests.

The first `MOST_POLLS` are waited for by a long poll each, which answers within milliseconds. The others share one feed
(`closed_workflows_feed.py`): twice a second the list of executions that have closed lately. When nothing is watched,
nothing is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistoryEventFilterType
from temporalio.exceptions import CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from actors import NOT_FOUND, PID, Error, Exit, MonitorRef, Reason, Result, gone
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask
from temporal_bridge._client.clients import Clients
from temporal_bridge._client.closed_workflows_feed import RETRY, Feed, Watched, chain_of
from temporal_bridge._client.server_liveness import retry_while_unavailable
from temporal_bridge._wire.failures import exit_in_memo, exit_of

log = logging.getLogger("everproc.bridge")

MOST_POLLS = 64

_MOST_FRESH = 10_000
"""How many executions that were just started are remembered, to be watched without a question."""

_CLOSED = WorkflowHistoryEventFilterType.CLOSE_EVENT

Sink = Callable[[Exit], None]


class Watches:
    """Who watches which durable process. One for each node; runs in its trio loop.

    What is watched is a chain of runs, tied together by retries and continue-as-new, and not the id, under which
    another process may run later. Invariant: each is looked after by exactly one of these: a poll (`_polls`), the feed,
    or a task that fetches how it ended.
    """

    def __init__(self, clients: Clients, portal: Portal, nursery: trio.Nursery) -> None:
        self._clients = clients
        self._portal = portal
        self._nursery = nursery
        self._sinks: dict[Watched, dict[MonitorRef, Sink]] = {}
        self._watched: dict[
            MonitorRef, Watched | None
        ] = {}  # None while the server is asked which chain it is
        self._polls: dict[Watched, trio.CancelScope] = {}
        self._fresh: dict[PID, str] = {}
        self._feeds: dict[str, Feed] = {}  # by namespace

    def started(self, pid: PID, run_id: str) -> None:
        """Note an execution that was started under an id of its own, which no other has had."""
        self._fresh[pid] = run_id
        if len(self._fresh) > _MOST_FRESH:
            del self._fresh[next(iter(self._fresh))]

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Sink, run_id: str | None = None) -> None:
        """Call `on_exit` once with the exit of `target`, also if it has ended long ago.

        Returns when it is certain which execution that is: the one with that run, or the latest. A server that is away
        is waited for, as by a message.

        Raises:
            Error: what the server refused with, or that it stayed away.
        """
        self._watched[ref] = None
        try:
            await self._watch(target, ref, on_exit, run_id)
        except BaseException:
            self._watched.pop(ref, None)
            raise

    async def _watch(self, target: PID, ref: MonitorRef, on_exit: Sink, run_id: str | None = None) -> None:
        fresh = self._fresh.pop(target, None)
        if fresh is not None:
            self._look_after(Watched(target, fresh), fresh, ref, on_exit)
            return
        handle = self._clients.handle(target, run_id)
        try:
            found = await retry_while_unavailable(
                lambda: ask(self._portal, f"watching {target}", handle.describe),
                closing=lambda: False,  # the portal that closes fails it
            )
        except Error as error:
            if error.kind != NOT_FOUND:
                raise
            if self._watched.pop(ref, _ABSENT) is None:
                on_exit(Exit(target, ref, "noproc", gone(target)))
            return
        if ref not in self._watched:
            return  # removed meanwhile
        closed = found.status is not WorkflowExecutionStatus.RUNNING
        self._look_after(Watched(target, chain_of(found)), found.run_id, ref, on_exit, closed)

    def _look_after(
        self, watched: Watched, run_id: str, ref: MonitorRef, on_exit: Sink, closed: bool = False
    ) -> None:
        self._watched[ref] = watched
        sinks = self._sinks.get(watched)
        if sinks is not None:
            sinks[ref] = on_exit
            return
        self._sinks[watched] = {ref: on_exit}
        if closed:
            self._ended(watched, run_id)
        elif len(self._polls) < MOST_POLLS:
            self._start_poll(watched, run_id)
        else:
            self._feed_of(watched.pid.node).add(watched, run_id)

    def watch_soon(self, target: PID, ref: MonitorRef, on_exit: Sink) -> None:
        """As `watch`, without waiting; a server that does not answer is asked again."""
        self._watched[ref] = None
        self._nursery.start_soon(self._watch_stubbornly, target, ref, on_exit)

    async def _watch_stubbornly(self, target: PID, ref: MonitorRef, on_exit: Sink) -> None:
        while ref in self._watched:
            try:
                await self._watch(target, ref, on_exit)
                return
            except Error as error:
                log.warning("%s; trying again", error)
                await trio.sleep(RETRY)

    def remove(self, ref: MonitorRef) -> None:
        """Call its sink no more; the last one of a process ends the watch."""
        watched = self._watched.pop(ref, None)
        sinks = None if watched is None else self._sinks.get(watched)
        if watched is None or sinks is None:
            return
        del sinks[ref]
        if sinks:
            return
        del self._sinks[watched]
        self._feed_of(watched.pid.node).remove(watched)
        scope = self._polls.pop(watched, None)
        if scope is not None:
            scope.cancel()
            self._promote()

    def close(self) -> None:
        """The node loses its connection: whoever still watches is told so."""
        for watched in list(self._sinks):
            self._tell(watched, "noconnection", gone(watched.pid, "noconnection"))

    def _tell(self, watched: Watched, reason: Reason, result: Result) -> None:
        self._feed_of(watched.pid.node).remove(watched)
        for ref, on_exit in self._sinks.pop(watched, {}).items():
            self._watched.pop(ref, None)
            on_exit(Exit(watched.pid, ref, reason, result))

    def _start_poll(self, watched: Watched, run_id: str) -> None:
        scope = self._polls[watched] = trio.CancelScope()
        self._nursery.start_soon(self._poll, watched, run_id, scope)

    def _promote(self) -> None:
        """A poll is free: give it to one of those that wait for the feed."""
        for feed in self._feeds.values():
            if len(self._polls) < MOST_POLLS and (taken := feed.take()) is not None:
                self._start_poll(*taken)

    def _feed_of(self, namespace: str) -> Feed:
        feed = self._feeds.get(namespace)
        if feed is None:
            client = self._clients.of(namespace)
            feed = self._feeds[namespace] = Feed(client, self._portal, self._nursery, self._ended)
        return feed

    async def _poll(self, watched: Watched, run_id: str, scope: trio.CancelScope) -> None:
        with scope:
            reason, result = await self._end_of(watched, run_id)
            if self._polls.get(watched) is scope:
                del self._polls[watched]
                self._tell(watched, reason, result)
        self._promote()

    def _ended(self, watched: Watched, run_id: str) -> None:
        """A run has closed which nothing follows: fetch how it ended."""
        self._nursery.start_soon(self._fetch, watched, run_id)

    async def _fetch(self, watched: Watched, run_id: str) -> None:
        reason, result = await self._end_of(watched, run_id)
        self._tell(watched, reason, result)

    async def _end_of(self, watched: Watched, run_id: str) -> tuple[Reason, Result]:
        """Wait for the end, through retries and continue-as-new; a server that is away is asked again."""
        handle = self._clients.handle(watched.pid, run_id)
        while True:
            try:
                return "normal", Result(await self._portal.call(handle.result))
            except WorkflowFailureError as failure:
                if isinstance(failure.cause, TerminatedError) and (later := await self._reset_to(watched)):
                    handle = self._clients.handle(watched.pid, later)
                    continue
                if isinstance(failure.cause, CancelledError) and (told := await self._told(watched, run_id)):
                    return told[0], Result(error=told[1])
                reason, error = exit_of(failure)
                return reason, Result(error=error)
            except RPCError as failure:
                if failure.status is RPCStatusCode.NOT_FOUND:
                    return "noproc", gone(watched.pid)
                log.warning("waiting for the end of %s: %s; trying again", watched.pid, failure.message)
                await trio.sleep(RETRY)
            except Exception as error:  # noqa: BLE001 - the result cannot be read here, or the codec fails
                return "normal", Result(error=Error.of(error))

    async def _told(self, watched: Watched, run_id: str) -> tuple[Reason, Error] | None:
        """What a process has told of its end before it closed as cancelled, in the last run that follows a run."""

        async def told() -> tuple[Reason, Error] | None:
            handle = self._clients.handle(watched.pid, run_id)
            while True:
                found = handle.fetch_history_events(event_filter_type=_CLOSED)
                (closed,) = [event async for event in found]
                attributes = getattr(closed, closed.WhichOneof("attributes") or "")
                following = getattr(attributes, "new_execution_run_id", None)
                if not following:
                    return await exit_in_memo(await handle.describe())
                handle = self._clients.handle(watched.pid, following)

        while True:
            try:
                return await self._portal.call(told)
            except RPCError as failure:
                if failure.status is RPCStatusCode.NOT_FOUND:  # it was deleted meanwhile
                    return None
                log.warning("asking how %s was stopped: %s; trying again", watched.pid, failure.message)
                await trio.sleep(RETRY)
            except Exception as error:  # noqa: BLE001 - it cannot be read here, or the codec fails
                log.warning("how %s was stopped cannot be read: %r", watched.pid, error)
                return None

    async def _reset_to(self, watched: Watched) -> str | None:
        """The run that goes on from an earlier point, if what has terminated the one before was a reset."""
        try:
            latest = await self._portal.call(self._clients.handle(watched.pid).describe)
        except RPCError:
            return None
        again = latest.status is not WorkflowExecutionStatus.TERMINATED and chain_of(latest) == watched.chain
        return latest.run_id if again else None


_ABSENT = Watched(PID("none", "none", "none"), "")
