"""Calls of durable processes from outside: as updates, so that the server itself brings the reply back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import trio

from actors import INVALID, PID, Error, Exit, Kernel, Message, MonitorRef, gone, wire
from actors.wire import CallOutcome, Envelope
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask
from temporal_bridge._client.clients import Clients
from temporal_bridge._client.server_liveness import retry_while_unavailable
from temporal_bridge._client.update_workflow import send_update
from temporal_bridge._client.watches import Watches
from temporal_bridge._wire.converter import payload_size

Sink = Callable[[Exit], None]

MOST_OPEN: Final = 3
"""How many updates of one process a node has open at once; further calls go as messages, which travel together. The
server takes ten from all nodes together, and what it refuses goes as a message too. It is not for the process to count:
whether one more update finds the last one answered depends on how Temporal groups them, which may be otherwise on
replay."""


class _UnderWay(NamedTuple):
    target: PID
    key: str
    on_exit: Sink
    scope: trio.CancelScope


class UpdateCalls:
    """The calls of one node that are under way as updates; what the server does not take as one goes as a message.

    `flush` waits until what was sent to a process before has been accepted; `send` sends, and waits until that is
    accepted; `post` sends what nobody waits for.
    """

    def __init__(
        self,
        kernel: Kernel,
        clients: Clients,
        portal: Portal,
        nursery: trio.Nursery,
        watches: Watches,
        flush: Callable[[PID], Awaitable[None]],
        send: Callable[[PID, Envelope, int], Awaitable[bool]],
        post: Callable[[PID, Envelope], None],
    ) -> None:
        self._kernel = kernel
        self._clients = clients
        self._portal = portal
        self._nursery = nursery
        self._watches = watches
        self._flush = flush
        self._send = send
        self._post = post
        self._under_way: dict[MonitorRef, _UnderWay] = {}
        self._open: Counter[PID] = Counter()

    async def call(self, target: PID, message: Message, ref: MonitorRef, on_exit: Sink) -> bool:
        """As `Host.call`. Does not wait for the server: the call's own timeout counts from here."""
        if message.reply_to is None:
            raise Error(f"message={message!r} is no call", kind=INVALID)
        item = wire.to_envelope(message, self._kernel.cause(target, message))
        converter = self._clients.own.data_converter.payload_converter
        size = payload_size(converter, item.values, f"call {item.topic!r}")
        if self._open[target] >= MOST_OPEN:
            return await self._kernel.call_by_message(target, message, ref, on_exit)
        self._open[target] += 1
        call = _UnderWay(target, wire.call_key(message.reply_to), on_exit, trio.CancelScope())
        self._under_way[ref] = call
        self._nursery.start_soon(self._run, call, message, item, size, ref)
        return True

    def cancel_call(self, ref: MonitorRef) -> None:
        """Nobody waits for a call any more; fine when it has been answered."""
        call = self._under_way.pop(ref, None)
        if call is not None:
            call.scope.cancel()
            # Ahead of whatever its caller sends next: the update itself may still be on its way.
            self._post(call.target, Envelope(wire.CANCEL_CALL, [call.key]))

    def close(self) -> None:
        """The node loses its connection: whoever still waits is told so."""
        for ref, call in list(self._under_way.items()):
            del self._under_way[ref]
            call.scope.cancel()
            call.on_exit(Exit(call.target, ref, "noconnection", gone(call.target, "noconnection")))

    def _bring(self, call: _UnderWay, item: Envelope) -> Awaitable[tuple[Any, str | None]]:
        """Brought again, an update is the same, whatever has become of it before."""
        return ask(
            self._portal,
            f"calling {item.topic!r} of {call.target}",
            send_update,
            self._clients.of(call.target.node),
            call.target.id,
            call.key,
            item,
        )

    async def _run(
        self, call: _UnderWay, message: Message, item: Envelope, size: int, ref: MonitorRef
    ) -> None:
        assert message.reply_to is not None
        number = message.reply_to.call
        try:
            with call.scope:
                await self._flush(call.target)
                value, run_id = await retry_while_unavailable(
                    lambda: self._bring(call, item),
                    closing=lambda: False,  # that cancels the scope
                )
                if self._under_way.pop(ref, None) is None:
                    return
                if not isinstance(value, CallOutcome):
                    self._kernel.receive_reply(number, value)
                elif value is CallOutcome.REFUSED:
                    await self._watches.watch(call.target, ref, call.on_exit)
                    if not await self._send(call.target, wire.refused_envelope(item), size):
                        self._kernel.instruments.dead_letters.add(call.target, message)
                else:
                    if run_id is None:
                        self._kernel.instruments.dead_letters.add(call.target, message)
                    await self._watches.watch(call.target, ref, call.on_exit, run_id)
        except Error as error:
            self._under_way.pop(ref, None)
            self._kernel.fail_call(number, error)
        finally:
            self._open[call.target] -= 1
            if not self._open[call.target]:
                del self._open[call.target]
