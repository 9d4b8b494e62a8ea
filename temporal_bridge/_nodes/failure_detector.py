"""Which other nodes are alive: each that we have to do with holds a lease for us, and the server counts its heartbeats.

A node that misses its heartbeats, or does not take a lease up, is asked whether it is there. It is gone when it leaves
that question where it is, three times, although the server has answered us all the while and brought us, each time and
sooner, the same question to ourselves, and it has had the time to come back to the server after that was away the last
time.
That may be wrong all the same: of a node that has lost its own way to the server, or a machine that slept. So a node
that is gone has a delivery wait in its queue for a while, and is there again if it takes that.
"""

from __future__ import annotations

import enum
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import trio
from temporalio.client import ActivityFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import TimeoutError, TimeoutType

from actors import Error
from temporal_bridge._client.closed_workflows_feed import RETRY
from temporal_bridge._client.server_liveness import ServerMonitor
from temporal_bridge._wire import signals
from temporal_bridge._wire.task_queues import node_queue

log = logging.getLogger("everproc.bridge")

ALIVE: Final = timedelta(seconds=5)
"""How long a node may be silent. Its heartbeats come once a second. A lease waits as long for it before we ask."""

TAKEN_UP: Final = timedelta(seconds=4)
"""How long the question whether it is there waits for a node. One that is takes milliseconds."""

BROUGHT: Final = TAKEN_UP / 2
"""How long the same question may wait for ourselves. When it does longer, the server is too slow to tell by."""

TIMES: Final = 3
APART: Final = 1.0
"""How often it is asked, and seconds between: of a server that has too much to do, single tasks are late for long."""

RECOVERY: Final = 15.0
"""Seconds after which every node that lives has come back to a server that was away: Temporal's workers wait up to
twelve before they try once more."""

_TERM: Final = 60
"""Seconds until a lease ends by itself and is taken anew, so that none outlives who asked for it."""

_RETURN: Final = timedelta(minutes=10)

_ONCE: Final = RetryPolicy(maximum_attempts=1)

Execute = Callable[..., Awaitable[Any]]
"""Runs an activity of a node, by name, arguments and node; raises what the server reports of it."""


class _ProbeResult(enum.Enum):
    """How the question whether a node is there fared."""

    ANSWERED = enum.auto()
    LEFT = enum.auto()
    """The node has not taken it up in time."""
    GIVEN_BACK = enum.auto()
    """The node has, and its bridge closes."""
    UNCERTAIN = enum.auto()


class FailureDetector:
    """The nodes that one node, `me`, has to do with. `lost` is called with each that is gone, once until it returns."""

    def __init__(
        self,
        me: str,
        nursery: trio.Nursery,
        execute: Execute,
        lost: Callable[[str], None],
        outages: ServerMonitor,
    ) -> None:
        self._me = me
        self._nursery = nursery
        self._execute = execute
        self._lost = lost
        self._outages = outages
        self._held: set[str] = set()
        self._gone: set[str] = set()
        self._seen: dict[str, float] = {}  # those that are held: when they are certain to have been there
        self._deliveries: dict[str, set[trio.CancelScope]] = {}

    def is_gone(self, node: str) -> bool:
        """Whether it is known to be gone."""
        return node in self._gone

    def hold(self, node: str) -> None:
        """Know from now on whether a node is alive."""
        if node not in self._held and node not in self._gone:
            self._held.add(node)
            self._nursery.start_soon(self._lease, node)

    async def while_alive(self, node: str, deliver: Callable[[], Awaitable[Any]]) -> Any:
        """What `deliver` gives; None as soon as the node is gone."""
        if node in self._gone:
            return None
        self.hold(node)
        with trio.CancelScope() as scope:
            scopes = self._deliveries.setdefault(node, set())
            scopes.add(scope)
            try:
                began = trio.current_time()
                answer = await deliver()
                self._saw(node, began)
                return answer
            finally:
                scopes.discard(scope)
                if not scopes:
                    self._deliveries.pop(node, None)
        return None

    async def is_dead(self, node: str, seen: float = -math.inf) -> bool:
        """Ask a node whether it is there, for as long as it takes to be certain: seconds.

        Args:
            node: the node.
            seen: when it was there for certain, if the caller knows that, on trio's clock.
        """
        if node not in self._gone and await self._is_silent(node, seen):
            self._lose(node)
        return node in self._gone

    async def _is_silent(self, node: str, seen: float) -> bool:
        while True:
            began = trio.current_time()
            match await self._asked(node):
                case _ProbeResult.ANSWERED:
                    return False
                case _ProbeResult.GIVEN_BACK:
                    return True
                case _ProbeResult.LEFT:
                    if await self._counts(node, began, seen):
                        return True
                case _ProbeResult.UNCERTAIN:
                    await trio.sleep(RETRY)

    async def _asked(self, node: str) -> _ProbeResult:
        """Ask a node a few times, and ourselves: it has left that only if the server has brought us each of our own."""
        there: list[_ProbeResult] = []
        here: list[_ProbeResult] = []

        async def ask() -> None:
            there.append(await self._ask(node, TAKEN_UP))
            if there[-1] is not _ProbeResult.LEFT:
                nursery.cancel_scope.cancel()

        async def ask_ourselves() -> None:
            here.append(await self._ask(self._me, BROUGHT))

        async with trio.open_nursery() as nursery:
            for turn in range(TIMES):
                if turn:
                    await trio.sleep(APART)
                nursery.start_soon(ask)
                nursery.start_soon(ask_ourselves)
        # Several may be told of at one time, in any order: what is not silence counts more.
        fared = next((each for each in there if each is not _ProbeResult.LEFT), _ProbeResult.LEFT)
        if fared is _ProbeResult.LEFT and here.count(_ProbeResult.ANSWERED) < TIMES:
            return _ProbeResult.UNCERTAIN
        return fared

    async def _ask(self, node: str, within: timedelta) -> _ProbeResult:
        """Ask a node whether it is there."""
        try:
            await self._execute(
                signals.LEASE,
                [node, 0],
                node,
                schedule_to_start_timeout=within,
                start_to_close_timeout=ALIVE,
                retry_policy=_ONCE,
            )
            return _ProbeResult.ANSWERED
        except ActivityFailureError as failure:
            cause = failure.__cause__
            if not isinstance(cause, TimeoutError):
                return _ProbeResult.GIVEN_BACK
            return (
                _ProbeResult.LEFT if cause.type is TimeoutType.SCHEDULE_TO_START else _ProbeResult.UNCERTAIN
            )
        except Error as error:
            log.info("asking whether node %s is alive: %s; trying again", node, error)
            return _ProbeResult.UNCERTAIN

    async def _counts(self, node: str, began: float, seen: float) -> bool:
        """Whether silence since `began` is a sign of death: the server was there, and the node had come back to it."""
        since = self._outages.since
        if since > began:
            return False
        if max(seen, self._seen.get(node, seen)) >= since:
            return True
        return began + TAKEN_UP.total_seconds() >= since + RECOVERY or (
            await self._outages.has_known(node_queue(node)) and self._outages.since == since
        )

    def _saw(self, node: str, when: float) -> None:
        if node in self._held:
            self._seen[node] = max(when, self._seen.get(node, when))

    async def _lease(self, node: str) -> None:
        while True:
            began = trio.current_time()
            try:
                await self._execute(
                    signals.LEASE,
                    [node, _TERM],
                    node,
                    start_to_close_timeout=timedelta(seconds=2 * _TERM),
                    schedule_to_start_timeout=ALIVE,
                    heartbeat_timeout=ALIVE,
                    retry_policy=_ONCE,
                )
                self._saw(node, began)
            except ActivityFailureError as failure:
                cause = failure.__cause__
                if isinstance(cause, TimeoutError):
                    if cause.type is not TimeoutType.SCHEDULE_TO_START:
                        self._saw(node, began)
                    if not await self.is_dead(node):
                        continue
                break  # or it has given the lease back: its bridge closes
            except Error as error:
                log.info("asking whether node %s is alive: %s; trying again", node, error)
                await trio.sleep(RETRY)
        self._held.discard(node)
        self._seen.pop(node, None)
        self._lose(node)

    def _lose(self, node: str) -> None:
        if node in self._gone:
            return
        self._gone.add(node)
        log.info("node %s is gone", node)
        for scope in self._deliveries.pop(node, ()):
            scope.cancel()
        self._lost(node)
        self._nursery.start_soon(self._await_return, node)

    async def _await_return(self, node: str) -> None:
        while True:
            try:
                await self._execute(
                    signals.DELIVER,
                    [node, ["", 0], []],
                    node,
                    schedule_to_start_timeout=_RETURN,
                    start_to_close_timeout=ALIVE,
                    retry_policy=_ONCE,
                )
            except ActivityFailureError:
                return  # what has not answered for so long never will
            except Error as error:
                log.debug("waiting for node %s: %s; trying again", node, error)
                await trio.sleep(RETRY)
            else:
                log.info("node %s is there again", node)
                self._gone.discard(node)
                return
