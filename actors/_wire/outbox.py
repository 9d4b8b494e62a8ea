"""Group commit: while one batch to a destination is on its way, what comes meanwhile gathers for the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal

from actors._channels.channel import Queue
from actors._values.errors import UNAVAILABLE, Error
from actors._wire.envelopes import Envelope

MOST_ITEMS = 5000

BOUND = 4 * 1024 * 1024
"""How many bytes an outbox holds, on their way included, before `Outbox.accept` waits."""

Transmit = Callable[[list[Envelope]], Awaitable[list[bool]]]
"""Brings a batch to the destination: for each item True when it was accepted, False when there is no such process."""


class _Failed:
    """Takes the answer for an item that nobody waits for."""

    __slots__ = ("failed",)

    def __init__(self, failed: Callable[[Error], None]) -> None:
        self.failed = failed

    def put(self, answer: bool | Error) -> None:
        if isinstance(answer, Error):
            self.failed(answer)


class _Accepted:
    """Takes the answer for an item whose sender waits for room, and no longer than that.

    Invariant: an answer other than True goes to the sender while that waits, else to `undelivered`, and never to both.
    """

    __slots__ = ("answer", "undelivered", "_left")

    def __init__(self, undelivered: Callable[[Literal[False] | Error], None]) -> None:
        self.answer: bool | Error = True
        self.undelivered = undelivered
        self._left = False

    def put(self, answer: bool | Error) -> None:
        self.answer = answer
        if self._left and answer is not True:
            self.undelivered(answer)

    def leave(self) -> None:
        """The sender has returned: later answers are not for it."""
        self._left = True


class _Waiting:
    __slots__ = ("item", "size", "answers")

    def __init__(
        self, item: Envelope, size: int, answers: Queue[bool | Error] | _Failed | _Accepted | None
    ) -> None:
        self.item = item
        # What travels beside the values.
        self.size = size + len(item.topic) + len(item.sender or "") + len(item.target or "") + 100
        self.answers = answers


class Outbox:
    """Messages to one destination, in order, as many to a batch as have gathered (and the server takes).

    Written once for both sides: `run_soon` starts what transmits, on whatever loop `transmit` needs; the senders wait
    on channels. If it starts at once, `gather` gives those who have been answered together the time to send again, so
    that the first of them does not leave alone. When nothing is left to send the outbox calls `on_idle`, and may be
    forgotten. A batch has at most `largest` bytes, but at least one item.
    """

    def __init__(
        self,
        transmit: Transmit,
        run_soon: Callable[[Callable[[], Coroutine[Any, Any, None]]], None],
        on_idle: Callable[[], None],
        gather: Callable[[], Awaitable[None]] | None = None,
        *,
        largest: int,
    ) -> None:
        self._largest = largest
        self._transmit = transmit
        self._gather = gather
        self._run_soon = run_soon
        self._on_idle = on_idle
        self._waiting: list[_Waiting] = []
        self._busy = False
        self.size = 0
        """The bytes of the batch that is on its way."""
        self._idle: list[Queue[None]] = []
        # How many items came and how many have gone, and who waits for how many to have gone.
        self._added = self._gone = 0
        self._flushes: list[tuple[int, Queue[None]]] = []
        # The bytes of all items here and on their way, and who waits for there to be fewer.
        self._held = 0
        self._blocked: list[Queue[None]] = []

    async def send(self, item: Envelope, size: int) -> bool:
        """Add an item and wait until its batch is accepted; False when there is no such process.

        When it is cancelled the item goes nevertheless.

        Raises:
            Error: what the transport failed with.
        """
        answers: Queue[bool | Error] = Queue()
        self._add(_Waiting(item, size, answers))
        answer = await answers.receive()
        if isinstance(answer, Error):
            raise answer
        return answer

    async def accept(
        self, item: Envelope, size: int, undelivered: Callable[[Literal[False] | Error], None]
    ) -> bool:
        """Add an item, and wait only while the outbox holds more than `BOUND` bytes.

        The item is added before the wait, so that nothing of the same sender overtakes it, and is sent also when the
        wait is cancelled. Each sender exceeds the bound by one item at most.

        Args:
            item: what is sent.
            size: its bytes.
            undelivered: called once if the item was not taken and this call can no longer say so: with False when there
                is no such process, or with the error of the transport.

        Returns:
            False when it is known already that there is no such process.

        Raises:
            Error: what the transport failed with during the wait.
        """
        accepted = _Accepted(undelivered)
        self._add(_Waiting(item, size, accepted))
        if self._held > BOUND:
            room: Queue[None] = Queue()
            self._blocked.append(room)
            try:
                await room.receive()
            except BaseException:
                accepted.leave()
                if accepted.answer is not True:
                    undelivered(accepted.answer)
                raise
        accepted.leave()
        if isinstance(accepted.answer, Error):
            raise accepted.answer
        return accepted.answer

    def post(self, item: Envelope, size: int, failed: Callable[[Error], None] | None = None) -> None:
        """Add an item, and let it go without waiting; `failed` is called if it was not accepted."""
        self._add(_Waiting(item, size, None if failed is None else _Failed(failed)))

    @property
    def waiting(self) -> int:
        """How many items wait for their batch."""
        return len(self._waiting)

    async def flush(self) -> None:
        """Wait until all that is here now has been accepted, or failed; what comes meanwhile is not waited for."""
        if self._busy:
            done: Queue[None] = Queue()
            self._flushes.append((self._added, done))
            await done.receive()

    async def drain(self) -> None:
        """Wait until nothing is on its way."""
        if self._busy:
            idle: Queue[None] = Queue()
            self._idle.append(idle)
            await idle.receive()

    def _add(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        self._added += 1
        self._held += waiting.size
        if not self._busy:
            self._busy = True
            self._run_soon(self._run)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._take()
                answers: Sequence[bool | Error] | None = None
                try:
                    answers = await self._transmit([waiting.item for waiting in batch])
                except Error as error:
                    answers = [error] * len(batch)
                finally:
                    for waiting, answer in zip(batch, answers or [_closed()] * len(batch), strict=True):
                        if waiting.answers is not None:
                            waiting.answers.put(answer)
                    self._has_gone(batch)
                if self._gather is not None and len(batch) > 1:
                    await self._gather()
        finally:
            # Cancelled, by a node or workflow that ends: whoever waits is told.
            left, self._waiting = self._waiting, []
            for waiting in left:
                if waiting.answers is not None:
                    waiting.answers.put(_closed())
            self._has_gone(left)
            self._busy = False
            self._on_idle()
            idle, self._idle = self._idle, []
            for queue in idle:
                queue.put(None)

    def _has_gone(self, items: list[_Waiting]) -> None:
        self._gone += len(items)
        self._held -= sum(waiting.size for waiting in items)
        if self._held <= BOUND:
            blocked, self._blocked = self._blocked, []
            for room in blocked:
                room.put(None)
        while self._flushes and self._flushes[0][0] <= self._gone:
            self._flushes.pop(0)[1].put(None)

    def _take(self) -> list[_Waiting]:
        """The next batch: at least one item, and no more than the server takes at once."""
        count = size = 0
        for waiting in self._waiting[:MOST_ITEMS]:
            if count and size + waiting.size > self._largest:
                break
            size += waiting.size
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self.size = size
        return batch


def _closed() -> Error:
    return Error(
        "the connection of this node or workflow ended before the message was accepted", kind=UNAVAILABLE
    )
