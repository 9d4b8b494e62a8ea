"""Calls that came to a durable process as updates and wait for their replies, as seen from inside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from temporalio import workflow
from temporalio.exceptions import FailureError

from actors import PID, Error, ReplyTo
from actors.wire import CallOutcome, call_key
from temporal_bridge._wire.converter import payload_size
from temporal_bridge._wire.failures import to_failure

_MOST_PAST: Final = 1000
"""How many calls are remembered that came before: many more than can be brought again."""

_MOST_REPLIES: Final = 100
"""How many replies are kept for callers to whom the server has refused the update that it took."""

_MOST_CARRIED: Final = 256 * 1024
"""How many bytes of them, the latest, go into the next run."""

_ASKED_AGAIN: Final = 60.0
"""Seconds after its reply for which a call may come again as a message: a caller asks for four before it sends one."""

_STRANGER: Final = "update"
"""The host in the PID that stands for a caller of another kind: a Temporal client that executes an update."""


class _Reply(NamedTuple):
    """A reply that was returned by an update, the size of it, and when."""

    payload: Any
    size: int
    time: float


class OpenCalls:
    """The updates of one durable process.

    Each call is delivered at most once, also when its update is brought again to a later run: `_past` has those that
    came. What cannot be answered as the result of an update, because the run ends, is answered by a message, as a call
    from another durable process is. `on_settled` is called when no answered update has still to return.
    `reserve_bytes` waits until the workflow task has room for a reply.
    """

    def __init__(
        self,
        past: Iterable[str],
        replies: Mapping[str, list[Any]],
        on_settled: Callable[[], None],
        reserve_bytes: Callable[[int], Awaitable[None]],
    ) -> None:
        self._past: dict[str, None] = dict.fromkeys(past)
        self._open: dict[str, asyncio.Future[Any]] = {}
        self._replies = {key: _Reply(*reply) for key, reply in replies.items()}
        self._returning = 0
        self._on_settled = on_settled
        self._reserve_bytes = reserve_bytes

    @property
    def settled(self) -> bool:
        """Whether every update that was answered has returned."""
        return not self._returning

    @property
    def past(self) -> list[str]:
        """The calls that came, for the next run."""
        return list(self._past)

    def replies(self) -> dict[str, list[Any]]:
        """The replies that may have to be posted yet, for the next run."""
        found: dict[str, list[Any]] = {}
        size = 0
        for key, reply in reversed(self._replies.items()):
            size += reply.size
            if size > _MOST_CARRIED or workflow.time() - reply.time > _ASKED_AGAIN:
                break
            found[key] = list(reply)
        return dict(reversed(found.items()))

    def stranger(self, namespace: str, update_id: str) -> ReplyTo:
        """Where a reply goes that is no process's."""
        return ReplyTo(PID(namespace, _STRANGER, update_id), 0)

    async def wait(self, to: ReplyTo, deliver: Callable[[], bool]) -> Any:
        """Deliver a call, and give what its update returns: the reply, or why there is none."""
        key, ours = _key(to), to.pid.host != _STRANGER
        if ours and key in self._past:
            return CallOutcome.DEFERRED
        self._remember(key)
        future = self._open[key] = asyncio.get_running_loop().create_future()
        if not deliver():
            self._settle(key, CallOutcome.EXITED)
        try:
            value, size = await future  # a cancellation is the eviction of the instance
            await self._reserve_bytes(size)
        except FailureError:
            self._returned()
            raise
        self._returned()
        return value

    def answer(self, to: ReplyTo, payload: Any) -> bool:
        """Return a reply; False when no update waits for it.

        Raises:
            Error: kind INVALID, when it cannot be serialised.
        """
        key = _key(to)
        if key not in self._open:
            return False
        size = payload_size(workflow.payload_converter(), [payload], f"the reply to {to.pid}")
        self._settle(key, payload, size)
        if to.pid.host != _STRANGER:
            self._replies[key] = _Reply(payload, size, workflow.time())
        if len(self._replies) > _MOST_REPLIES:
            del self._replies[next(iter(self._replies))]
        return True

    def refuse(self, to: ReplyTo, error: Error) -> bool:
        """Fail the update of a call that the mailbox did not take; False when no update waits for the reply.

        It has not come then: as a message it may.
        """
        key = _key(to)
        future = self._open.pop(key, None)
        if future is None:
            return False
        self._past.pop(key, None)
        self._returning += 1
        future.set_exception(to_failure(error))
        return True

    def cancel_call(self, key: str) -> None:
        """The caller waits no more. A call that comes only now is not delivered: its caller has gone on."""
        self._remember(key)
        self._settle(key, CallOutcome.DEFERRED)

    def take_over(self, to: ReplyTo, post_reply: Callable[[ReplyTo, Any], None]) -> bool:
        """A call comes as a message, because the server has refused its update. False when it has come as that already.

        The reply goes as a message in either case, at once if there is one already, and the update is not delivered if
        it comes only now.
        """
        key = call_key(to)
        is_new = key not in self._past
        if key in self._replies:
            post_reply(to, self._replies.pop(key).payload)
        self.cancel_call(key)
        return is_new

    def end(self, how: CallOutcome) -> None:
        """The run ends: return all that are open, those of strangers only if the process ends too."""
        for key in list(self._open):
            if how is CallOutcome.EXITED or not key.startswith(_STRANGER):
                self._settle(key, how)

    def _settle(self, key: str, value: Any, size: int = 0) -> None:
        future = self._open.pop(key, None)
        if future is not None:
            self._returning += 1
            future.set_result((value, size))

    def _returned(self) -> None:
        self._returning -= 1
        if not self._returning:
            self._on_settled()

    def _remember(self, key: str) -> None:
        self._past[key] = None
        if len(self._past) > _MOST_PAST:
            del self._past[next(iter(self._past))]


def _key(to: ReplyTo) -> str:
    return f"{_STRANGER} {to.pid.id}" if to.pid.host == _STRANGER else call_key(to)
