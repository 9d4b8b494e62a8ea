"""Since when the server has answered without a break, as one program sees it: silence while it was away says nothing.

A poll that nothing ever answers is always open. It breaks at the moment when the server, or the way to it, does; a
question asked every so often would miss a server that is back at once, and yet has forgotten who polled it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

import trio
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeTaskQueueResponse,
    PollActivityTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from actors import Error
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.closed_workflows_feed import RETRY

T = TypeVar("T")

log = logging.getLogger("everproc.bridge")

_OPEN: Final = timedelta(seconds=20)
_ANSWERS: Final = timedelta(seconds=2)
_AGAIN: Final = 0.5

_AWAY: Final = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.INTERNAL,
)
"""What an RPC fails with when the server is not there, and not because it refuses."""


PATIENCE: Final = 120.0
"""Seconds for which a message waits for a server that is away; then its sender is told."""


def is_unavailable(error: Error) -> bool:
    """Whether something failed because the server was not there; whether it was done all the same nobody knows."""
    return error.details.get("status") in {status.name for status in _AWAY}


async def retry_while_unavailable(deliver: Callable[[], Awaitable[T]], closing: Callable[[], bool]) -> T:
    """What it gives; it is tried again while the server is away, for a time, and not when we are closing.

    Raises:
        Error: what it fails with otherwise, or in the end.
    """
    ends = trio.current_time() + PATIENCE
    while True:
        try:
            return await deliver()
        except Error as error:
            if not is_unavailable(error) or closing() or trio.current_time() > ends:
                raise
            log.info("%s; trying again", error)
        await trio.sleep(RETRY)


class ServerMonitor:
    """Watches the server of one bridge. `queue` is a task queue that nobody else uses."""

    def __init__(self, client: Client, portal: Portal, queue: str) -> None:
        self._client = client
        self._portal = portal
        self._queue = TaskQueue(name=queue)
        self.since = trio.current_time()
        """On trio's clock, since when it has answered us; infinite while it is away."""
        self._seen = False

    async def run(self) -> None:
        """Watch, until cancelled."""
        question: Callable[[], Awaitable[Any]] = self._poll
        while True:
            if await self._answered(question):
                if self.since == math.inf:
                    self.since = trio.current_time()
                question = self._poll
            else:
                self.since = math.inf
                self._seen = True
                question = self._describe
                await trio.sleep(_AGAIN)

    async def _answered(self, function: Callable[[], Awaitable[Any]]) -> bool:
        try:
            await self._portal.call(function)
        except RPCError as failure:
            if failure.status in _AWAY:
                return False
            await trio.sleep(_AGAIN)  # it refuses: too many polls, or no permission
        return True

    async def has_known(self, queue: str) -> bool:
        """Whether the server has had a poll of a task queue lately, and no absence since, as far as can be known.

        It forgets the polls of the last minutes when it is started anew. Of an absence that we have seen, and which may
        have been that of the way to it, that says nothing.
        """
        if self._seen:
            return False
        try:
            known = await self._portal.call(self._describe, queue)
        except RPCError:
            return False
        return bool(known.pollers)

    async def _poll(self) -> None:
        request = PollActivityTaskQueueRequest(
            namespace=self._client.namespace, task_queue=self._queue, identity=self._client.identity
        )
        await self._client.workflow_service.poll_activity_task_queue(request, timeout=_OPEN)

    async def _describe(self, queue: str | None = None) -> DescribeTaskQueueResponse:
        """Ask the part of the server by which workers get their tasks: it is the last to be back."""
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=self._queue if queue is None else TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        return await self._client.workflow_service.describe_task_queue(request, timeout=_ANSWERS)
