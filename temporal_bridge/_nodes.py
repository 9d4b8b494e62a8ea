"""Local processes of other programs: a `Host` that reaches them over the task queue that each node serves."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from typing import Any

import trio
from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import TimeoutError

from actors import (
    PID,
    UNAVAILABLE,
    Description,
    Error,
    Exit,
    Kernel,
    Message,
    MonitorRef,
    Reason,
    Result,
    gone,
)
from temporal_bridge import _wire as wire
from temporal_bridge._converter import payload_size
from temporal_bridge._outbox import Outbox
from temporal_bridge._portal import Portal
from temporal_bridge._rpc import ask
from temporal_bridge._wire import Item, Mark
from temporal_bridge._workers import node_queue

PICKED_UP = timedelta(seconds=10)
"""How long a delivery waits for its node. A node that is there picks it up in milliseconds."""

_DELIVERED = timedelta(seconds=30)
_FOR_EVER = timedelta(days=3650)
_ALIVE = timedelta(seconds=5)
_ONCE = RetryPolicy(maximum_attempts=1)
_RETRY = 1.0

log = logging.getLogger("everproc.bridge")


class NodesHost:
    """Reaches the processes of other nodes by activities that these run. A node that does not answer is gone."""

    def __init__(self, kernel: Kernel, client: Client, portal: Portal, nursery: trio.Nursery) -> None:
        self._kernel = kernel
        self._client = client
        self._portal = portal
        self._nursery = nursery
        self._converter = client.data_converter.payload_converter
        self._outboxes: dict[str, Outbox] = {}
        self._numbers = count(1)
        self._watches: dict[MonitorRef, trio.CancelScope] = {}
        self._links: dict[tuple[PID, PID], MonitorRef] = {}

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`."""
        return await self._to(target, wire.message_item(message, self._kernel.cause(target, message)))

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, sink: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`."""
        return await self._kernel.call_by_message(target, message, ref, sink)

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""
        return await self._to(target, wire.reply_item(call, payload))

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        return await self._to(target, Item(wire.TERMINATE, [reason]))

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        return await self._to(target, Item(wire.CANCEL, [by and str(by), reason, deadline]))

    async def _to(self, target: PID, item: Item) -> bool:
        size = payload_size(self._converter, item.values, f"message {item.topic!r}")
        return await self._outbox(target.node).send(item._replace(target=str(target)), size)

    def _outbox(self, node: str) -> Outbox:
        outbox = self._outboxes.get(node)
        if outbox is None:

            async def transmit(items: list[Item]) -> list[bool]:
                mark = Mark(f"{self._kernel.name}/{node}", next(self._numbers))
                return await self._deliver(node, mark, items)

            def run_soon(run: Callable[[], Awaitable[None]]) -> None:
                self._nursery.start_soon(run)

            outbox = self._outboxes[node] = Outbox(transmit, run_soon, lambda: self._forget_outbox(node))
        return outbox

    def waiting(self) -> int:
        """How many messages wait for their batch."""
        return sum(outbox.waiting for outbox in self._outboxes.values())

    def _forget_outbox(self, node: str) -> None:
        del self._outboxes[node]

    async def _deliver(self, node: str, mark: Mark, items: list[Item]) -> list[bool]:
        self._kernel.counters.update(batches=1, batched_messages=len(items))
        taken = await self._run(
            f"sending to node {node}",
            wire.DELIVER,
            [node, list(mark), [wire.row_of(item) for item in items]],
            node,
            start_to_close_timeout=_DELIVERED,
            schedule_to_close_timeout=_DELIVERED * 2,
        )
        return [False] * len(items) if taken is None else taken

    async def _run(self, what: str, name: str, args: list[Any], node: str, **settings: Any) -> Any:
        """Run one of a node's activities; None when the node is gone."""

        async def execute() -> Any:
            return await self._client.execute_activity(
                name,
                args=args,
                id=f"{self._kernel.name}/{uuid.uuid4()}",
                task_queue=node_queue(node),
                schedule_to_start_timeout=PICKED_UP,
                **settings,
            )

        try:
            return await ask(self._portal, what, execute)
        except ActivityFailureError as failure:
            if isinstance(failure.__cause__, TimeoutError):
                return None
            raise Error(f"{what} failed: {failure.__cause__}", kind=UNAVAILABLE) from failure

    # Monitors and links: a watch is an activity that the other node keeps alive until the process has ended.

    async def watch(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> None:
        """As `Host.watch`. Returns before the watch is in place there: an end in between gives `noproc`."""
        scope = self._watches[ref] = trio.CancelScope()
        self._nursery.start_soon(self._watch, target, ref, sink, scope)

    async def _watch(
        self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None], scope: trio.CancelScope
    ) -> None:
        with scope:
            reason, result = await self._end_of(target)
            if self._watches.pop(ref, None) is not None:
                sink(Exit(target, ref, reason, result))

    async def _end_of(self, target: PID) -> tuple[Reason, Result]:
        """Wait for the end; a server that is away is asked again."""
        while True:
            try:
                end: tuple[Reason, Result] | None = await self._run(
                    f"watching {target}",
                    wire.WATCH,
                    [str(target)],
                    target.node,
                    start_to_close_timeout=_FOR_EVER,
                    heartbeat_timeout=_ALIVE,
                    retry_policy=_ONCE,
                )
            except Error as error:
                log.info("waiting for the end of %s: %s; trying again", target, error)
                await trio.sleep(_RETRY)
            else:
                return ("noconnection", gone(target, "noconnection")) if end is None else end

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        scope = self._watches.pop(ref, None)
        if scope is not None:
            scope.cancel()

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        if not await self._to(target, wire.link_item(wire.LINK, by)):
            self._kernel.signal_link_down(by, target, "noproc", gone(target))
            return
        await self.watch_link(target, by)

    async def watch_link(self, target: PID, by: PID) -> None:
        """Bring the end of a process elsewhere to the local one that is linked to it."""
        if (by, target) in self._links:
            return
        ref = self._links[by, target] = MonitorRef(by, self._kernel.next_number())

        def ended(event: Exit) -> None:
            self._links.pop((by, target), None)
            self._kernel.signal_link_down(by, target, event.reason, event.result)

        await self.watch(target, ref, ended)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self._forget_link(target, by)
        await self._to(target, wire.link_item(wire.UNLINK, by))

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self._forget_link(target, by)
        item = wire.link_down_item(by, reason, result)
        self._outbox(target.node).post(item._replace(target=str(target)), 1000)

    def _forget_link(self, target: PID, by: PID) -> None:
        ref = self._links.pop((by, target), None)
        if ref is not None:
            self.unwatch(target, ref)

    async def processes(self, limit: int) -> list[Description]:
        """As `Host.processes`: each node lists its own."""
        return []

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`."""
        raise Error(f"{target} lives on another node: describe it there", kind=UNAVAILABLE)

    async def drain(self) -> None:
        """Let what was sent go out."""
        for outbox in list(self._outboxes.values()):
            await outbox.drain()
