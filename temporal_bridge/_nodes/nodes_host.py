"""Local processes of other programs: a `Host` that reaches them over the task queue that each node serves."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from typing import Any, Literal, NamedTuple

import trio
from temporalio.client import ActivityFailureError, Client
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
    wire,
)
from actors.wire import Envelope, Outbox, SequenceNumber
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask
from temporal_bridge._client.closed_workflows_feed import RETRY
from temporal_bridge._client.server_liveness import ServerMonitor, retry_while_unavailable
from temporal_bridge._nodes.failure_detector import FailureDetector
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import LARGEST, payload_size
from temporal_bridge._wire.task_queues import node_queue

_PICKED_UP = timedelta(seconds=30)
"""How long something may wait in the queue of a node. One that is gone is known before, by its lease."""

_DELIVERED = timedelta(seconds=30)

log = logging.getLogger("everproc.bridge")


class _Watch(NamedTuple):
    """Who watches a process of another node."""

    target: PID
    ref: MonitorRef
    on_exit: Callable[[Exit], None]


class NodesHost:
    """Reaches the processes of other nodes by activities that these run.

    A monitor is one at the node of its target, which brings the exit as it would bring a message, and after those that
    the target has sent. What a node cannot tell any more, its lease does (`FailureDetector`).
    """

    def __init__(
        self, kernel: Kernel, client: Client, portal: Portal, nursery: trio.Nursery, outages: ServerMonitor
    ) -> None:
        self._kernel = kernel
        self._client = client
        self._portal = portal
        self._nursery = nursery
        self._converter = client.data_converter.payload_converter
        self._outboxes: dict[str, Outbox] = {}
        self._numbers = count(1)
        self._watches: dict[int, _Watch] = {}
        self._watched: dict[MonitorRef, int] = {}
        self._links: dict[tuple[PID, PID], None] = {}
        self._closing = self._closed = False
        self._peers = FailureDetector(kernel.name, nursery, self._execute, self._lost, outages)

    async def send(self, target: PID, message: Message) -> bool:
        """Accept a message into the outbox for its node; False when the node is known to be gone.

        One that was accepted and cannot be delivered is a dead letter (promise 8).
        """

        def undelivered(answer: Literal[False] | Error) -> None:
            if isinstance(answer, Error):
                log.warning("message %r to %s was not delivered: %s", message.topic, target, answer)
            self._kernel.instruments.dead_letters.add(target, message)

        return await self._accept(target, self._envelope(target, message), undelivered)

    def _envelope(self, target: PID, message: Message) -> Envelope:
        return wire.to_envelope(message, self._kernel.cause(target, message))

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`."""
        number = self._note(target, ref, on_exit)
        self._post(
            target, wire.monitor_envelope(wire.MONITOR, self._kernel.pid, number)
        )  # they travel together

        def undelivered(answer: Literal[False] | Error) -> None:
            if isinstance(answer, Error):
                if message.reply_to is not None:
                    self._kernel.fail_call(message.reply_to.call, answer)
            elif self._peers.is_gone(target.node):
                self._ended(number, "noconnection", gone(target, "noconnection"))

        taken = await self._accept(target, self._envelope(target, message), undelivered)
        if not taken:
            undelivered(False)
        return taken

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """Accept the answer to a call into the outbox for its node. So a server answers many calls in one batch."""

        def undelivered(answer: Literal[False] | Error) -> None:
            if isinstance(answer, Error):
                log.warning("a reply to %s was not delivered: %s", target, answer)

        return await self._accept(target, wire.reply_envelope(call, payload), undelivered)

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        return await self._to(target, Envelope(wire.TERMINATE, [reason]))

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        return await self._to(target, Envelope(wire.CANCEL, [by and str(by), reason, deadline]))

    async def _accept(
        self, target: PID, item: Envelope, undelivered: Callable[[Literal[False] | Error], None]
    ) -> bool:
        size = payload_size(self._converter, item.values, f"message {item.topic!r}")
        if self._peers.is_gone(target.node):
            return False
        return await self._outbox(target.node).accept(item._replace(target=str(target)), size, undelivered)

    async def _to(self, target: PID, item: Envelope) -> bool:
        """Send, and wait until the node has answered."""
        size = payload_size(self._converter, item.values, f"message {item.topic!r}")
        return await self._outbox(target.node).send(item._replace(target=str(target)), size)

    def _outbox(self, node: str) -> Outbox:
        outbox = self._outboxes.get(node)
        if outbox is None:

            async def transmit(items: list[Envelope]) -> list[bool]:
                mark = SequenceNumber(f"{self._kernel.name}/{node}", next(self._numbers))
                return await self._deliver(node, mark, items)

            def run_soon(run: Callable[[], Awaitable[None]]) -> None:
                self._nursery.start_soon(run)

            outbox = self._outboxes[node] = Outbox(
                transmit, run_soon, lambda: self._forget_outbox(node), largest=LARGEST
            )
        return outbox

    def waiting(self) -> int:
        """How many messages wait for their batch."""
        return sum(outbox.waiting for outbox in self._outboxes.values())

    def _forget_outbox(self, node: str) -> None:
        del self._outboxes[node]

    async def _deliver(self, node: str, mark: SequenceNumber, items: list[Envelope]) -> list[bool]:
        self._kernel.instruments.counters.update(batches=1, batched_messages=len(items))
        taken: list[bool] | None = await self._peers.while_alive(
            node, lambda: self._insist_on(node, [node, list(mark), [wire.to_row(item) for item in items]])
        )
        return [False] * len(items) if taken is None else taken

    async def _insist_on(self, node: str, batch: list[Any]) -> list[bool] | None:
        """Deliver, and once more when that took too long: the node knows what it has had. Cancelled when it is gone."""

        def deliver() -> Awaitable[Any]:
            return self._run(
                f"sending to node {node}",
                signals.DELIVER,
                batch,
                node,
                start_to_close_timeout=_DELIVERED,
                schedule_to_close_timeout=_DELIVERED * 2,
            )

        while True:
            delivered: list[bool] | None = await retry_while_unavailable(deliver, lambda: self._closing)
            if delivered is not None or self._closing:
                return delivered

    async def is_dead(self, node: str, ago: float) -> bool:
        """As `FailureDetector.is_dead`, for a durable process that saw the node there so many seconds ago."""
        return await self._peers.is_dead(node, trio.current_time() - ago)

    async def _run(self, what: str, name: str, args: list[Any], node: str, **settings: Any) -> Any:
        """Run one of a node's activities; None when the node does not answer.

        Raises:
            Error: what the server or the activity failed with; `what` was tried.
        """
        try:
            return await self._execute(name, args, node, schedule_to_start_timeout=_PICKED_UP, **settings)
        except ActivityFailureError as failure:
            if isinstance(failure.__cause__, TimeoutError):
                return None
            raise Error(f"{what} failed: {failure.__cause__}", kind=UNAVAILABLE) from failure

    async def _execute(self, name: str, args: list[Any], node: str, **settings: Any) -> Any:
        async def execute() -> Any:
            return await self._client.execute_activity(
                name,
                args=args,
                id=f"{self._kernel.name}/{uuid.uuid4()}",
                task_queue=node_queue(node),
                **settings,
            )

        return await ask(self._portal, f"reaching node {node}", execute)

    # Monitors and links

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """As `Host.watch`."""
        number = self._note(target, ref, on_exit)
        try:
            there = await self._to(target, wire.monitor_envelope(wire.MONITOR, self._kernel.pid, number))
        except BaseException:
            self.unwatch(target, ref)
            raise
        if not there:
            self._ended(number, "noconnection", gone(target, "noconnection"))

    def _note(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> int:
        number = self._watched[ref] = self._kernel.next_number()
        self._watches[number] = _Watch(target, ref, on_exit)
        return number

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        number = self._watched.pop(ref, None)
        if number is not None:
            del self._watches[number]
            self._post(target, wire.monitor_envelope(wire.UNMONITOR, self._kernel.pid, number))

    def receive_exit(self, number: int, reason: Reason, result: Result) -> None:
        """The node of a process that is watched here tells of its end."""
        self._ended(number, reason, result)

    def _ended(self, number: int, reason: Reason, result: Result) -> None:
        watch = self._watches.pop(number, None)
        if watch is not None:
            del self._watched[watch.ref]
            watch.on_exit(Exit(watch.target, watch.ref, reason, result))

    def bring_exit(self, target: PID, item: Envelope) -> None:
        """Tell another node of an end here, after what was sent to it before. Does not wait."""
        self._send_reliably(target, *signals.with_size(item, self._converter))

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        self.hold_link(target, by)
        if not await self._to(target, wire.link_envelope(wire.LINK, by)):
            self._forget_link(target, by)
            self._kernel.signal_link_down(by, target, "noconnection", gone(target, "noconnection"))

    def hold_link(self, target: PID, by: PID) -> None:
        """Watch over the node of a process elsewhere to which a local one is linked. Its end it tells by itself."""
        self._links[by, target] = None
        self._peers.hold(target.node)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self._forget_link(target, by)
        await self._to(target, wire.link_envelope(wire.UNLINK, by))

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self._forget_link(target, by)
        self._send_reliably(target, wire.link_down_envelope(by, reason, result), 1000)

    def _forget_link(self, target: PID, by: PID) -> None:
        self._links.pop((by, target), None)

    def _post(self, target: PID, item: Envelope) -> None:
        if not self._closed and not self._peers.is_gone(target.node):
            self._outbox(target.node).post(item._replace(target=str(target)), 100)

    def _send_reliably(self, target: PID, item: Envelope, size: int) -> None:
        """Send what nobody would send again; until it is taken, or the node is gone."""

        def failed(error: Error) -> None:
            log.warning("%s; trying again", error)
            if not self._closed:
                self._nursery.start_soon(self._send_reliably_later, target, item, size)

        if not self._closed:
            self._outbox(target.node).post(item._replace(target=str(target)), size, failed)

    async def _send_reliably_later(self, target: PID, item: Envelope, size: int) -> None:
        await trio.sleep(RETRY)
        self._send_reliably(target, item, size)

    def _lost(self, node: str) -> None:
        """A node is gone: whoever watches one of its processes is told so, and whoever is linked to one."""
        for number, watch in list(self._watches.items()):
            if watch.target.node == node:
                self._ended(number, "noconnection", gone(watch.target, "noconnection"))
        for by, target in list(self._links):
            if target.node == node:
                self._forget_link(target, by)
                self._kernel.signal_link_down(by, target, "noconnection", gone(target, "noconnection"))

    async def close(self) -> None:
        """Let what was sent go out, and tell the watchers that there is no connection any more."""
        self._closing = True
        for outbox in list(self._outboxes.values()):
            await outbox.drain()
        self._closed = True
        for node in {watch.target.node for watch in self._watches.values()} | {
            pid.node for _, pid in self._links
        }:
            self._lost(node)

    async def processes(self, limit: int) -> list[Description]:
        """As `Host.processes`: each node lists its own."""
        return []

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`."""
        found = await self._run(
            f"looking at {target}",
            signals.LOOK,
            [str(target)],
            target.node,
            start_to_close_timeout=_DELIVERED,
        )
        return signals.looked(target, found)
