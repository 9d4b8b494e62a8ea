"""Which other nodes are alive: each that we have to do with holds a lease for us, and the server counts its heartbeats.

A node is gone when it misses its heartbeats and then does not take the lease up again, or never takes it up, twice.
That is certain enough to tell everybody, and may be wrong all the same: of a server that was away, or a machine that
slept. So a node that is gone has a delivery wait in its queue for a while, and is there again if it takes that.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

import trio
from temporalio.client import ActivityFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import TimeoutError, TimeoutType

from actors import Error
from temporal_bridge import _wire as wire
from temporal_bridge._feed import RETRY

log = logging.getLogger("everproc.bridge")

TAKEN_UP: Final = (timedelta(seconds=5), timedelta(seconds=10))
"""How long something waits for its node, before that counts as the first, and as the second sign of its death. Alive it
takes milliseconds; but after the server was away, Temporal's workers may take ten seconds until they ask it again."""

ALIVE: Final = timedelta(seconds=5)
"""How long a node may be silent. Its heartbeats come once a second."""

_TERM: Final = 60
"""Seconds until a lease ends by itself and is taken anew, so that none outlives who asked for it."""

_RETURN: Final = timedelta(minutes=10)

Execute = Callable[..., Awaitable[Any]]
"""Runs an activity of a node, by name, arguments and node; raises what the server reports of it."""


class Peers:
    """The nodes that one node has to do with. `lost` is called with each that is gone, once until it returns."""

    def __init__(self, nursery: trio.Nursery, execute: Execute, lost: Callable[[str], None]) -> None:
        self._nursery = nursery
        self._execute = execute
        self._lost = lost
        self._held: set[str] = set()
        self._gone: set[str] = set()
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
                return await deliver()
            finally:
                scopes.discard(scope)
                if not scopes:
                    self._deliveries.pop(node, None)
        return None

    async def _lease(self, node: str) -> None:
        signs = 0
        while signs < 2:
            try:
                await self._execute(
                    wire.LEASE,
                    [node, _TERM],
                    node,
                    start_to_close_timeout=timedelta(seconds=2 * _TERM),
                    schedule_to_start_timeout=TAKEN_UP[signs],
                    heartbeat_timeout=ALIVE,
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
                signs = 0
            except ActivityFailureError as failure:
                signs = _signs(failure.__cause__, signs)
            except Error as error:
                log.info("asking whether node %s is alive: %s; trying again", node, error)
                await trio.sleep(RETRY)
        self._held.discard(node)
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
                    wire.DELIVER,
                    [node, ["", 0], []],
                    node,
                    schedule_to_start_timeout=_RETURN,
                    start_to_close_timeout=ALIVE,
                    retry_policy=RetryPolicy(maximum_attempts=1),
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


def _signs(cause: BaseException | None, before: int) -> int:
    """How many signs of a node's death there are after its lease has failed."""
    if not isinstance(cause, TimeoutError):
        return 2  # it has given the lease back: its bridge closes
    return before + 1 if cause.type is TimeoutType.SCHEDULE_TO_START else 1
