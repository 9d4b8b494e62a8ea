"""A worker of Temporal's SDK that runs for as long as its bridge, also when the server goes away while it begins."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import temporalio.worker
import trio

from temporal_bridge._asyncio.portal import Portal

log = logging.getLogger("everproc.bridge")

AGAIN: Final = 1.0
"""Seconds until a worker that could not begin is made anew."""


class WorkerRunner:
    """A worker, from `begin` to `stop`.

    The SDK's looks once, when it begins, whether its namespace is there, and gives up when the server stays away for
    longer than its own retries. That one cannot be run again: another is made.
    """

    def __init__(self, portal: Portal, make: Callable[[], Awaitable[temporalio.worker.Worker]]) -> None:
        self._portal = portal
        self._make = make
        self._worker: temporalio.worker.Worker | None = None
        self._stopped = trio.Event()

    async def begin(self) -> None:
        """Make the worker, which may refuse its settings."""
        self._worker = await self._portal.call(self._make)

    @property
    def is_running(self) -> bool:
        """Whether it takes tasks."""
        return self._worker is not None and self._worker.is_running

    async def run(self) -> None:
        """Run until `stop`, and not until somebody cancels: the SDK's `shutdown` waits for one that has run."""
        with trio.CancelScope(shield=True):
            while True:  # once also when it was stopped before: the SDK's `shutdown` waits for that
                assert self._worker is not None
                try:
                    await self._portal.call(self._worker.run)
                    return
                except RuntimeError as error:
                    if "validation failed" not in str(error):
                        raise
                    log.warning("a worker could not begin: %s; trying again", error)
                    # Its client knows it still, and takes no second one of its task queue. The SDK's `shutdown` leaves
                    # that of one that has not begun.
                    self._worker._bridge_worker.initiate_shutdown()  # pyright: ignore[reportPrivateUsage]
                with trio.move_on_after(AGAIN):
                    await self._stopped.wait()
                if self._stopped.is_set():
                    return
                await self.begin()

    async def stop(self) -> None:
        """Let it finish what it has in hand."""
        self._stopped.set()
        assert self._worker is not None
        await self._portal.call(self._worker.shutdown)
