"""What workers run for the runtime itself: deliveries to the node, and waits for other processes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import attrs
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from actors import (
    NOT_FOUND,
    PID,
    Description,
    Error,
    Exit,
    Kernel,
    MonitorRef,
    Process,
    Queue,
    Reason,
    Result,
    wire,
)
from actors.wire import Envelope, ReplayDedup, SequenceNumber, receive
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.inbound_calls import Answer, Delivery
from temporal_bridge._client.temporal_host import TemporalHost
from temporal_bridge._nodes.nodes_host import NodesHost
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import payload_size
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._worker.remote_monitors import RemoteMonitors

log = logging.getLogger("everproc.bridge")

T = TypeVar("T")

_HEARTBEAT = 1.0


class _Arrivals:
    """What has come to one node, by whichever bridge of its program it came."""

    def __init__(self) -> None:
        self.received = ReplayDedup()
        self.monitors = RemoteMonitors()


_arrivals: WeakKeyDictionary[Kernel, _Arrivals] = WeakKeyDictionary()


class Activities:
    """The activities of one bridge that are its own; for user functions see `function_activity.py`."""

    def __init__(self, kernel: Kernel, portal: Portal, host: TemporalHost, nodes: NodesHost) -> None:
        self._kernel = kernel
        self._portal = portal
        self._host = host
        self._nodes = nodes

    def for_node(self) -> list[Callable[..., Any]]:
        """What the node's own task queue serves."""
        return [self.deliver, self.lease, self.look]

    def for_waits(self) -> list[Callable[..., Any]]:
        """What a task queue serves for the waits of its processes."""
        return [self.watch, self.look, self.is_dead]

    def for_worker(self) -> list[Callable[..., Any]]:
        """What the task queue of a worker serves."""
        return [
            self.deliver,
            self.watch,
            self.terminate_workflow,
            self.is_running,
            self.refused_attributes,
        ]

    @activity.defn(name=signals.DELIVER)
    async def deliver(
        self, node: str, mark: list[Any], items: list[list[Any]], seen: int = 0
    ) -> list[bool | Answer] | None:
        """Bring a batch to processes of a node: for each item whether it was taken; None if the node is not here.

        For a call its answer, if it is ready at once and the caller has `seen` the last batch that was sent to it.
        """
        kernel = self._kernel_of(node)
        if kernel is None:
            return None
        return await self._portal.in_trio(
            self._deliver, kernel, SequenceNumber(*mark), [_read(item) for item in items], seen
        )

    async def _deliver(
        self, kernel: Kernel, mark: SequenceNumber, items: list[Envelope], seen: int
    ) -> list[bool | Answer]:
        arrivals = _arrivals.setdefault(kernel, _Arrivals())
        host = kernel.wiring.routes.get(DURABLE)  # the node's own: its processes answer by it
        callers = host.callers if isinstance(host, TemporalHost) else self._host.callers
        delivery = Delivery(seen)
        calls = [wire.call_of(item) for item in items]
        taken: list[bool] = []
        for item, call, new in zip(items, calls, arrivals.received.fresh(mark, items), strict=True):
            if new and call is not None:
                await callers.begin(call, PID.parse(item.target or ""), delivery)
            taken.append(not new or await self._receive(kernel, arrivals.monitors, item))
            if call is not None and not taken[-1]:
                callers.refused(call, item.topic)
        return await callers.answers(delivery, calls, taken)

    async def _receive(self, kernel: Kernel, monitors: RemoteMonitors, item: Envelope) -> bool:
        """Take one item in. Whatever is wrong with it, the others of its batch are not to be lost for it."""
        try:
            return await self._take(kernel, monitors, item)
        except Exception as error:  # noqa: BLE001 - see above
            log.warning("%r to %s of node %s was dropped: %r", item.topic, item.target, kernel.name, error)
            return False

    async def _take(self, kernel: Kernel, monitors: RemoteMonitors, item: Envelope) -> bool:
        target = PID.parse(item.target or "")
        if item.topic == wire.MONITOR:
            by, number = item.values
            await monitors.add(kernel, target, PID.parse(by), number)
            return True
        if item.topic == wire.UNMONITOR:
            by, number = item.values
            monitors.remove(kernel, target, PID.parse(by), number)
            self._host.callers.forget(wire.Call(PID.parse(by), number))
            return True
        if item.topic == wire.EXIT:
            _, number, reason, result = item.values
            self._nodes.receive_exit(number, reason, result)
            return True
        taken = receive(kernel, target, item)
        if item.topic == wire.LINK and taken:
            by = PID.parse(item.values[0])
            if by.host == DURABLE:
                self._host.watch_link(by, target)
            elif not isinstance(kernel.find(by), Process):
                self._nodes.hold_link(by, target)
        return taken

    def _kernel_of(self, node: str) -> Kernel | None:
        """The node if it is in this program."""
        return self._kernel.local_node(node)

    @activity.defn(name=signals.WATCH)
    async def watch(self, text: str) -> tuple[Reason, Result]:
        """Wait for the end of a process, and tell all the while that this node is alive."""
        event = await _heartbeating(self._portal.in_trio(self._end_of, PID.parse(text)))
        return event.reason, event.result

    @activity.defn(name=signals.LOOK)
    async def look(self, text: str) -> list[Description]:
        """What can be seen of a process, without a context that cannot travel; nothing when there is none."""
        try:
            found = await self._portal.in_trio(self._kernel.describe, PID.parse(text))
        except Error as error:
            if error.kind != NOT_FOUND:
                raise
            return []
        try:
            payload_size(activity.payload_converter(), [found], "the description")
        except Error:
            return [attrs.evolve(found, context={})]
        return [found]

    @activity.defn(name=signals.LEASE)
    async def lease(self, node: str, term: float | None = None) -> None:
        """Tell that this node is alive, for as long as it is, or for a number of seconds."""
        await _heartbeating(asyncio.Event().wait() if term is None else asyncio.sleep(term))

    @activity.defn(name=signals.IS_DEAD)
    async def is_dead(self, node: str, seen: float | None) -> bool:
        """Whether a node is dead. `seen` is how many seconds ago the process that asks saw it there, if it did."""
        info = activity.info()
        waited = (info.started_time - info.scheduled_time).total_seconds()
        ago = math.inf if seen is None else seen + waited
        return await _heartbeating(self._portal.in_trio(self._nodes.is_dead, node, ago))

    async def _end_of(self, target: PID) -> Exit:
        exits: Queue[Exit] = Queue()
        ref = MonitorRef(self._kernel.pid, self._kernel.next_number())
        await self._kernel.watch(target, ref, exits.put)
        try:
            return await exits.receive()
        finally:
            self._kernel.unwatch(target, ref)

    @activity.defn(name=signals.TERMINATE_WORKFLOW)
    async def terminate_workflow(self, target: str, reason: str) -> bool:
        """Terminate a workflow; False when none runs under the id."""
        return await self._portal.in_trio(self._host.terminate, PID.parse(target), None, reason)

    @activity.defn(name=signals.IS_RUNNING)
    async def is_running(self, target: str) -> bool:
        """Whether a workflow is open."""
        return await self._portal.in_trio(self._host.starting.is_running, PID.parse(target))

    @activity.defn(name=signals.REFUSED_ATTRIBUTES)
    async def refused_attributes(self, namespace: str, given: dict[str, str]) -> dict[str, str]:
        """Of search attributes and their types, those that the server would refuse, and what it knows instead."""
        return await self._portal.in_trio(self._host.starting.refused_attributes, namespace, given)


async def _heartbeating(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it gives; while it runs, the server is told that this activity is alive.

    One that ends although nobody has asked for it, because this node closes or the server has given it up, has failed:
    so it is tried elsewhere, or, if it is a lease, has been given back. That is nothing to warn of.
    """
    waiting = asyncio.ensure_future(coroutine)
    try:
        while not waiting.done():
            activity.heartbeat()
            await asyncio.wait([waiting], timeout=_HEARTBEAT)
    except asyncio.CancelledError as end:
        details = activity.cancellation_details()
        if details is None or details.cancel_requested:
            raise
        raise ApplicationError("given up", category=ApplicationErrorCategory.BENIGN) from end
    finally:
        waiting.cancel()
    return waiting.result()


def _read(row: list[Any]) -> Envelope:
    """An envelope out of a delivery; one for nobody in place of what cannot be read, so that the others arrive."""
    try:
        return wire.from_row(row)
    except Exception as error:  # noqa: BLE001 - whatever a stranger has sent
        log.warning("an item of a delivery was dropped: %r", error)
        return Envelope("@unreadable", [])
