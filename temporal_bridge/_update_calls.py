"""Calls of durable processes from outside: as updates, so that the server itself brings the reply back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, cast

import trio
from temporalio.client import (
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from actors import INVALID, PID, Error, Exit, Kernel, Message, MonitorRef, gone
from temporal_bridge import _wire as wire
from temporal_bridge._clients import Clients
from temporal_bridge._converter import payload_size
from temporal_bridge._failures import from_failure
from temporal_bridge._portal import Portal
from temporal_bridge._rpc import ask
from temporal_bridge._watch import Watches
from temporal_bridge._wire import Item, Unanswered

Sink = Callable[[Exit], None]

_BY_MESSAGE: Final = (
    RPCStatusCode.RESOURCE_EXHAUSTED,  # too many updates at once
    RPCStatusCode.FAILED_PRECONDITION,  # too many in the life of the run
    RPCStatusCode.UNIMPLEMENTED,
)
"""Refusals of an update that say nothing against a signal."""


_Start = Callable[..., Awaitable[WorkflowUpdateHandle[Any]]]


MOST_OPEN: Final = 3
"""How many updates of one process a node has open at once; further calls go as messages. The server refuses an
eleventh, and the SDK then asks for seconds before it says so. It is not for the process to count: whether one more
update finds the last one answered depends on how Temporal groups them, which may be otherwise on replay."""

_AGAIN: Final = 0.05
"""Seconds until an update that the server has dropped is brought again."""


class _UnderWay(NamedTuple):
    target: PID
    key: str
    sink: Sink
    scope: trio.CancelScope


class UpdateCalls:
    """The calls of one node that are under way as updates; what the server does not take as one goes as a message.

    `flush` waits until what was sent to a process before has been accepted, `post` sends what nobody waits for.
    """

    def __init__(
        self,
        kernel: Kernel,
        clients: Clients,
        portal: Portal,
        nursery: trio.Nursery,
        watches: Watches,
        flush: Callable[[PID], Awaitable[None]],
        post: Callable[[PID, Item], None],
    ) -> None:
        self._kernel = kernel
        self._clients = clients
        self._portal = portal
        self._nursery = nursery
        self._watches = watches
        self._flush = flush
        self._post = post
        self._under_way: dict[MonitorRef, _UnderWay] = {}
        self._open: Counter[PID] = Counter()

    async def call(self, target: PID, message: Message, ref: MonitorRef, sink: Sink) -> bool:
        """As `Host.call`. Does not wait for the server: the call's own timeout counts from here."""
        if message.reply_to is None:
            raise Error(f"message={message!r} is no call", kind=INVALID)
        item = wire.message_item(message, self._kernel.cause(target, message))
        payload_size(self._clients.own.data_converter.payload_converter, item.values, f"call {item.topic!r}")
        if self._open[target] >= MOST_OPEN:
            return await self._kernel.call_by_message(target, message, ref, sink)
        self._open[target] += 1
        call = _UnderWay(target, wire.call_key(message.reply_to), sink, trio.CancelScope())
        self._under_way[ref] = call
        self._nursery.start_soon(self._run, call, message, item, ref)
        return True

    def hang_up(self, ref: MonitorRef) -> None:
        """Nobody waits for a call any more; fine when it has been answered."""
        call = self._under_way.pop(ref, None)
        if call is not None:
            call.scope.cancel()
            # Ahead of whatever its caller sends next: the update itself may still be on its way.
            self._post(call.target, Item(wire.HANG_UP, [call.key]))

    def close(self) -> None:
        """The node loses its connection: whoever still waits is told so."""
        for ref, call in list(self._under_way.items()):
            del self._under_way[ref]
            call.scope.cancel()
            call.sink(Exit(call.target, ref, "noconnection", gone(call.target, "noconnection")))

    async def _run(self, call: _UnderWay, message: Message, item: Item, ref: MonitorRef) -> None:
        assert message.reply_to is not None
        number = message.reply_to.call
        try:
            with call.scope:
                await self._flush(call.target)
                value, run_id = await ask(
                    self._portal, f"calling {item.topic!r} of {call.target}", self._update, call, item
                )
                if self._under_way.pop(ref, None) is None:
                    return
                if not isinstance(value, Unanswered):
                    self._kernel.receive_reply(number, value)
                elif value is Unanswered.REFUSED:
                    await self._kernel.call_by_message(call.target, message, ref, call.sink)
                else:
                    if run_id is None:
                        self._kernel.dead_letters.add(call.target, message)
                    await self._watches.watch(call.target, ref, call.sink, run_id)
        except Error as error:
            self._under_way.pop(ref, None)
            self._kernel.fail_call(number, error)
        finally:
            self._open[call.target] -= 1
            if not self._open[call.target]:
                del self._open[call.target]

    async def _update(self, call: _UnderWay, item: Item) -> tuple[Any, str | None]:
        """On the asyncio side: what the update returned, or why not, and the run that took it if one did."""
        wire.outgoing.set(wire.to_header({"from": item.sender, "call": item.call, "cause": item.cause}))
        handle = self._clients.handle(call.target)
        start = cast("_Start", handle.start_update)  # pyright: ignore[reportUnknownMemberType] - of many forms
        run_id: str | None = None
        while True:
            try:
                update = await start(
                    item.topic, args=item.values, id=call.key, wait_for_stage=WorkflowUpdateStage.COMPLETED
                )
                run_id = update.workflow_run_id
                return await update.result(), run_id
            except WorkflowUpdateFailedError as failure:
                cause = failure.cause
                if isinstance(cause, ApplicationError) and cause.type == "AcceptedUpdateCompletedWorkflow":
                    return Unanswered.GONE, run_id
                raise from_failure(cause) from cause
            except WorkflowUpdateRPCTimeoutOrCancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise asyncio.CancelledError from None
            except RPCError as refusal:
                if refusal.status is RPCStatusCode.UNAVAILABLE and "aborted" in refusal.message:
                    # Its workflow task has failed or was lost: it was not taken. The same again is the same call.
                    await asyncio.sleep(_AGAIN)
                    continue
                if refusal.status is RPCStatusCode.NOT_FOUND:
                    return Unanswered.GONE, None
                if refusal.status in _BY_MESSAGE:
                    return Unanswered.REFUSED, None
                raise
