"""Durable processes as a local process sees them: a `Host` that speaks to the Temporal server."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import attrs
import trio
from temporalio.client import WorkflowExecution

from actors import (
    PID,
    UNAVAILABLE,
    Description,
    Error,
    Exit,
    Kernel,
    Message,
    MonitorRef,
    Queue,
    Reason,
    Result,
    SpawnFunction,
    SpawnRequest,
    gone,
    wire,
)
from actors.wire import Envelope, Outbox, SequenceNumber
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask, ask_about, through_trio
from temporal_bridge._asyncio.trio_loop import TrioLoop
from temporal_bridge._client.calls_as_updates import UpdateCalls
from temporal_bridge._client.clients import Clients
from temporal_bridge._client.closed_workflows_feed import RETRY
from temporal_bridge._client.inbound_calls import InboundCalls
from temporal_bridge._client.listing import age_of, is_listed_as_suspended, last_task_failure, quoted
from temporal_bridge._client.server_liveness import retry_while_unavailable
from temporal_bridge._client.signal_workflow import send_signal, try_signal
from temporal_bridge._client.start_workflow import Starting
from temporal_bridge._client.watches import Watches
from temporal_bridge._wire import signals
from temporal_bridge._wire.cancel_request import CancelRequest, cancel_text
from temporal_bridge._wire.converter import LARGEST, payload_size
from temporal_bridge._wire.signals import DURABLE, Signal
from temporal_bridge._wire.task_queues import open_workers

log = logging.getLogger("everproc.bridge")

_ANSWERED = timedelta(seconds=2)
"""How long a worker may take to answer for a process that is described."""

_MOST_SENT = 65536
"""For how many durable processes it is remembered which batch to them was the last."""


class TemporalHost:
    """Starts, reaches and watches the durable processes of a server, for the processes of one node.

    Args:
        kernel: the node's.
        clients: for the server.
        portal: to their loop.
        nursery: for what goes on by itself.
        web: the URL of the server's web UI, if it is known.
    """

    def __init__(
        self, kernel: Kernel, clients: Clients, portal: Portal, nursery: trio.Nursery, web: str | None = None
    ) -> None:
        self._kernel = kernel
        self._clients = clients
        self._portal = portal
        self._nursery = nursery
        self._rpcs = TrioLoop(nursery)
        nursery.start_soon(self._rpcs.run)
        self._web = web
        self._converter = clients.own.data_converter.payload_converter
        self._outboxes: dict[PID, Outbox] = {}
        self._numbers = count(1)  # of batches: they go up for each destination, which is all that counts
        self._sent: dict[PID, int] = {}  # the last of each, that sent longest ago first
        self._sent_longest_ago = 0  # the last of those that are not remembered any more
        self.callers = InboundCalls(kernel, self._converter, self._last_sent, self.bring_exit)
        self._links: dict[tuple[PID, PID], MonitorRef] = {}
        self._awaited: dict[PID, MonitorRef] = {}  # whose cancel waits for their end, as their spawn asked
        self.starting = Starting(kernel, clients, portal)
        self.watches = Watches(clients, portal, nursery)
        self._calls = UpdateCalls(
            kernel, clients, portal, nursery, self.watches, self._flush, self._send, self._post
        )
        self._closing = self.closed = False
        self.serve: Callable[[str], Awaitable[None]] | None = None
        """Lets the processes of a namespace reach this node; that of the bridge always can."""
        self._served = {clients.own.namespace}

    async def _met(self, namespace: str) -> None:
        """There is a process in a namespace that knows of us now, and may answer."""
        if namespace not in self._served and self.serve is not None:
            self._served.add(namespace)
            await self.serve(namespace)

    # Spawn

    def spawner(self, task_queue: str) -> SpawnFunction:
        """What `on=` a worker with this task queue means."""

        async def spawn(request: SpawnRequest) -> PID:
            return await through_trio(self._spawn, task_queue, request)

        return spawn

    async def _spawn(self, task_queue: str, request: SpawnRequest) -> PID:
        self._check_open()
        pid, run_id, options = await self.starting.start(task_queue, request)
        if options.id is None and request.name is None:
            self.watches.started(pid, run_id)
        await self._met(pid.node)
        if options.wait_for_cancellation and pid not in self._awaited:
            ref = self._awaited[pid] = MonitorRef(self._kernel.pid, self._kernel.next_number())
            self.watches.watch_soon(pid, ref, self._forget_awaited)
        return pid

    def _forget_awaited(self, event: Exit) -> None:
        self._awaited.pop(event.pid, None)

    # Messages

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`."""
        item = wire.to_envelope(message, self._kernel.cause(target, message))
        size = payload_size(self._converter, item.values, f"message {item.topic!r}")
        return await self._send(target, item, size)

    async def _send(self, target: PID, item: Envelope, size: int) -> bool:
        return await self._outbox(target).send(item, size)

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`: as an update."""
        self._check_open()
        return await self._calls.call(target, message, ref, on_exit)

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""
        size = payload_size(self._converter, [payload], f"the reply to {target}")
        if self.callers.reply(wire.Call(target, call), payload, size):
            return True
        return await self._outbox(target).send(wire.reply_envelope(call, payload), size)

    def _outbox(self, target: PID) -> Outbox:
        self._check_open()
        outbox = self._outboxes.get(target)
        if outbox is None:

            async def transmit(items: list[Envelope]) -> list[bool]:
                number = next(self._numbers)
                self._note_sent(target, number)
                return [await self._transmit(target, items, SequenceNumber(self._kernel.name, number))] * len(
                    items
                )

            outbox = self._outboxes[target] = Outbox(
                transmit, self._rpcs.start, lambda: self._forget_outbox(target), self._gather, largest=LARGEST
            )
        return outbox

    async def _gather(self) -> None:
        await self._rpcs.in_trio(trio.lowlevel.checkpoint)

    def waiting(self) -> int:
        """How many messages wait for their batch."""
        return sum(outbox.waiting for outbox in self._outboxes.values())

    def _forget_outbox(self, target: PID) -> None:
        del self._outboxes[target]

    def _note_sent(self, target: PID, number: int) -> None:
        self._sent.pop(target, None)
        self._sent[target] = number
        if len(self._sent) > _MOST_SENT:
            self._sent_longest_ago = self._sent.pop(next(iter(self._sent)))

    def _last_sent(self, target: PID) -> int | None:
        """The number of the last batch to a process, or one that is later; None while something is on its way."""
        return None if target in self._outboxes else self._sent.get(target, self._sent_longest_ago)

    async def _flush(self, target: PID) -> None:
        outbox = self._outboxes.get(target)
        if outbox is not None:
            await outbox.flush()

    def _post(self, target: PID, item: Envelope) -> None:
        if not self.closed:
            self._outbox(target).post(item, 100)

    async def _transmit(self, target: PID, items: list[Envelope], mark: SequenceNumber) -> bool:
        """Bring a batch to a process. If the server does not take it at once, it takes time, or words for why not."""
        signal = signals.signal_of(items, mark)
        self._kernel.instruments.counters.update(batches=1, batched_messages=len(items))
        request_id = str(uuid.uuid4())
        if self._clients.at_once and target.node in self._served:
            client = self._clients.of(target.node)
            if await try_signal(client, target.id, signal, request_id):
                return True
        return await self._rpcs.in_trio(self._insist_on, target, signal, request_id)

    async def _insist_on(self, target: PID, signal: Signal, request_id: str) -> bool:
        client = self._clients.of(target.node)

        def send() -> Awaitable[bool]:
            what = f"sending {signal.name!r} to {target}"
            return ask_about(self._portal, what, send_signal, client, target.id, signal, request_id)

        taken = await retry_while_unavailable(send, lambda: self._closing)
        if taken:
            await self._met(target.node)
        return taken

    # The end of others

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        self._check_open()
        handle = self._clients.handle(target)
        text = reason or (f"by {by}" if by is not None else "")
        return await ask_about(self._portal, f"terminating {target}", lambda: handle.terminate(reason=text))

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        self._check_open()
        handle = self._clients.handle(target)
        request = CancelRequest(None if by is None else str(by), reason, deadline, uuid.uuid4().hex[:12])
        announcement = signals.announce_envelope(request)
        size = payload_size(self._converter, announcement.values, "the reason")
        if not await self._outbox(target).send(announcement, size):
            return False
        text = cancel_text(request)
        if target not in self._awaited:
            return await ask_about(self._portal, f"cancelling {target}", lambda: handle.cancel(reason=text))
        ends: Queue[Exit] = Queue()
        ref = MonitorRef(self._kernel.pid, self._kernel.next_number())
        await self.watches.watch(target, ref, ends.put)
        try:
            asked = await ask_about(self._portal, f"cancelling {target}", lambda: handle.cancel(reason=text))
            if asked:
                await ends.receive()
        finally:
            self.watches.remove(ref)
        return asked

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """As `Host.watch`."""
        self._check_open()
        await self.watches.watch(target, ref, on_exit)

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        self._calls.cancel_call(ref)
        self.watches.remove(ref)

    # Links: the other end learns of our deaths by signals, and we of its end by a watch, whatever ends it.

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        if await self._outbox(target).send(wire.link_envelope(wire.LINK, by), 100) or spawned:
            self.watch_link(target, by)
        else:
            self._kernel.signal_link_down(by, target, "noproc", gone(target))

    def watch_link(self, target: PID, by: PID) -> None:
        """Bring the end of a durable process to the local one that is linked to it."""
        if (by, target) in self._links:
            return
        ref = self._links[by, target] = MonitorRef(by, self._kernel.next_number())

        def ended(event: Exit) -> None:
            self._links.pop((by, target), None)
            self._kernel.signal_link_down(by, target, event.reason, event.result)

        self.watches.watch_soon(target, ref, ended)

    def bring_exit(self, target: PID, item: Envelope) -> None:
        """Tell a durable process of an end here, after what was sent to it before. Does not wait."""
        if not self.closed:
            self._send_reliably(target, *signals.with_size(item, self._converter))

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self._forget_link(target, by)
        await self._outbox(target).send(wire.link_envelope(wire.UNLINK, by), 100)

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self._forget_link(target, by)
        if not self.closed:
            self._send_reliably(target, wire.link_down_envelope(by, reason, result), 1000)

    def _send_reliably(self, target: PID, item: Envelope, size: int) -> None:
        """Send what nobody would send again; until the server is there to take it."""

        def failed(error: Error) -> None:
            log.warning("%s; trying again", error)
            if not self.closed:
                self._nursery.start_soon(self._send_reliably_later, target, item, size)

        self._outbox(target).post(item, size, failed)

    async def _send_reliably_later(self, target: PID, item: Envelope, size: int) -> None:
        await trio.sleep(RETRY)
        if not self.closed:
            self._send_reliably(target, item, size)

    def _forget_link(self, target: PID, by: PID) -> None:
        ref = self._links.pop((by, target), None)
        if ref is not None:
            self.watches.remove(ref)

    async def processes(self, limit: int) -> list[Description]:
        """As `Host.processes`: those on the task queues of this program's workers, as the server lists them."""
        self._check_open()
        queues = sorted({worker.task_queue for worker in open_workers.values()})
        query = "ExecutionStatus = 'Running'"
        if queues:
            query += f" AND TaskQueue IN ({', '.join(map(quoted, queues))})"
        return await ask(self._portal, "listing durable processes", self._list, query, limit)

    async def _list(self, query: str, limit: int) -> list[Description]:
        return [self._listed(found) async for found in self._clients.own.list_workflows(query, limit=limit)]

    def _listed(self, found: WorkflowExecution) -> Description:
        parent = (
            None if found.parent_id is None else PID(self._clients.own.namespace, DURABLE, found.parent_id)
        )
        return Description(
            PID(self._clients.own.namespace, DURABLE, found.id),
            found.workflow_type,
            "suspended" if is_listed_as_suspended(found) else "running",
            parent,
            age=age_of(found),
            details={"run_id": found.run_id, "task_queue": found.task_queue, "start_time": found.start_time},
        )

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`: what the server knows, and the process itself if a worker answers for it."""
        self._check_open()
        handle = self._clients.handle(target)
        found = await ask(self._portal, f"describing {target}", handle.describe)
        status = "running" if found.status is None else found.status.name.lower()
        details = {
            "run_id": found.run_id,
            "history_length": found.history_length,
            "task_queue": found.task_queue,
            "start_time": found.start_time,
            "close_time": found.close_time,
        }
        if self._web is not None:
            details["web"] = f"{self._web}/namespaces/{target.node}/workflows/{target.id}/{found.run_id}"
        reason = None
        if found.raw_description.HasField("pending_workflow_task"):
            history = partial(last_task_failure, self._clients.own, target)
            reason = await ask(self._portal, f"describing {target}", history)
        if reason is not None:
            status, details["suspended"] = "suspended", reason
        own = await self._own_description(target) if status == "running" else None
        if own is None:
            return Description(target, found.workflow_type, status, age=age_of(found), details=details)
        # Its own clock stands still while it waits.
        return attrs.evolve(own, age=age_of(found), details=details)

    async def _own_description(self, target: PID) -> Description | None:
        """What a durable process says of itself; None when no worker answers, or it is another SDK's."""
        query = partial(self._clients.handle(target).query, signals.DESCRIBE, rpc_timeout=_ANSWERED)
        try:
            own = await ask(self._portal, f"asking {target}", query)
        except Error as error:
            log.debug("%s", error)
            return None
        return own if isinstance(own, Description) else None

    async def close(self) -> None:
        """Let what was sent go out, and tell the watchers that there is no connection any more."""
        self._closing = True
        for outbox in list(self._outboxes.values()):
            await outbox.drain()
        self.closed = True
        self._calls.close()
        self.watches.close()

    def _check_open(self) -> None:
        if self.closed:
            raise Error(
                f"the bridge of node {self._kernel.name} is closed: durable processes are out of reach",
                kind=UNAVAILABLE,
            )
