"""What workers run besides workflows: user functions, deliveries to the node, and waits for other processes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Any

import trio
from temporalio import activity
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from actors import (
    OUTSIDE,
    PID,
    Entry,
    Exit,
    FunctionInfo,
    Kernel,
    MonitorRef,
    Process,
    Queue,
    Reason,
    Result,
    attempt,
    caller,
    function_entry,
)
from temporal_bridge import _wire as wire
from temporal_bridge._converter import payload_size
from temporal_bridge._failures import to_failure
from temporal_bridge._host import TemporalHost
from temporal_bridge._nodes import NodesHost
from temporal_bridge._portal import Portal
from temporal_bridge._receive import receive
from temporal_bridge._wire import Item, Mark, Seen
from temporal_bridge._workflow_host import DURABLE, TERMINATE_WORKFLOW, WATCH

_HEARTBEAT = 1.0


class Activities:
    """The activities of one bridge. User functions run in the node's trio loop, plain ones in threads."""

    def __init__(
        self, kernel: Kernel, client: Client, portal: Portal, host: TemporalHost, nodes: NodesHost
    ) -> None:
        self._kernel = kernel
        self._client = client
        self._portal = portal
        self._host = host
        self._nodes = nodes
        self._seen = Seen()

    def for_node(self) -> list[Callable[..., Any]]:
        """What the node's own task queue serves."""
        return [self.deliver, self.watch]

    def for_worker(self) -> list[Callable[..., Any]]:
        """What the task queue of a worker serves."""
        return [self.deliver, self.watch, self.terminate_workflow, self.function]

    @activity.defn(dynamic=True)
    async def function(self, args: Sequence[RawValue]) -> Any:
        """A user's function; the activity type says which."""
        facts = wire.incoming.get() or {}
        try:
            entry = function_entry(activity.info().activity_type)
            converter = activity.payload_converter()
            values = [converter.from_payload(value.payload) for value in args]
            context = copy_context()
            value = await self._portal.in_trio(
                _serve, entry, values, facts.get("context", {}), self._portal, context
            )
            payload_size(converter, [value], f"the result of {entry.id}")
        except Exception as error:
            raise to_failure(error) from error
        return value

    @activity.defn(name=wire.DELIVER)
    async def deliver(self, node: str, mark: list[Any], items: list[list[Any]]) -> list[bool] | None:
        """Bring a batch to processes of a node: for each item whether it was taken; None if the node is not here."""
        kernel = self._kernel_of(node)
        if kernel is None:
            return None
        return await self._portal.in_trio(self._deliver, kernel, Mark(*mark), [Item(*item) for item in items])

    async def _deliver(self, kernel: Kernel, mark: Mark, items: list[Item]) -> list[bool]:
        if not self._seen.is_new(mark):
            return [True] * len(items)
        return [await self._receive(kernel, item) for item in items]

    async def _receive(self, kernel: Kernel, item: Item) -> bool:
        assert item.target is not None
        target = PID.parse(item.target)
        taken = receive(kernel, target, item)
        if item.topic == wire.LINK and taken:
            by = PID.parse(item.values[0])
            if by.host == DURABLE:
                self._host.watch_link(by, target)
            elif not isinstance(kernel.find(by), Process):
                await self._nodes.watch_link(by, target)
        return taken

    def _kernel_of(self, node: str) -> Kernel | None:
        """The node if it is in this program."""
        return self._kernel.neighbours.get(node)

    @activity.defn(name=WATCH)
    async def watch(self, text: str) -> tuple[Reason, Result]:
        """Wait for the end of a process, and tell all the while that this node is alive."""
        waiting = asyncio.ensure_future(self._portal.in_trio(self._end_of, PID.parse(text)))
        try:
            while not waiting.done():
                activity.heartbeat()
                await asyncio.wait([waiting], timeout=_HEARTBEAT)
        finally:
            waiting.cancel()
        event = waiting.result()
        return event.reason, event.result

    async def _end_of(self, target: PID) -> Exit:
        exits: Queue[Exit] = Queue()
        ref = MonitorRef(self._kernel.pid, self._kernel.next_number())
        await self._kernel.watch(target, ref, exits.put)
        try:
            return await exits.receive()
        finally:
            self._kernel.unwatch(target, ref)

    @activity.defn(name=TERMINATE_WORKFLOW)
    async def terminate_workflow(self, workflow_id: str, reason: str) -> bool:
        """Terminate a workflow; False when none runs under the id."""
        try:
            await self._client.get_workflow_handle(workflow_id).terminate(reason=reason)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return False
        return True


async def _serve(
    entry: Entry, args: list[Any], context: Mapping[str, Any], portal: Portal, own: Context
) -> Any:
    """Run a function in trio, with its context and its way to heartbeat."""
    caller.set(OUTSIDE.within(context))
    attempt.set(_Attempt(own.run(activity.info), portal, own))
    function = entry.function
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await trio.to_thread.run_sync(lambda: function(*args), abandon_on_cancel=True)


class _Attempt:
    """The `Attempt` of an activity. `own` are its context variables, in which the SDK knows it."""

    def __init__(self, info: activity.Info, portal: Portal, own: Context) -> None:
        self._portal = portal
        self._own = own
        self.heartbeat_details: tuple[Any, ...] = tuple(info.heartbeat_details)
        self.info = FunctionInfo(
            entry=info.activity_type,
            id=info.activity_id,
            attempt=info.attempt,
            task_queue=info.task_queue,
            workflow_id=info.workflow_id,
            is_local=info.is_local,
            heartbeat_timeout=_seconds(info.heartbeat_timeout),
        )

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """As `Attempt.heartbeat`."""
        self._portal.call_soon(lambda: self._own.run(activity.heartbeat, *details))


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
