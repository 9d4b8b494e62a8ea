"""Channels and select: values handed between tasks, on whatever scheduler each of them runs."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

import attrs

from actors._channels.waiters import CLOSED, SelectCase, Waiter, enqueue, new_waiter, unlink_waiter
from actors._scheduling.scheduler import running
from actors._values.errors import INVALID, ChannelClosed, Error, invalid

T = TypeVar("T")


@attrs.frozen(eq=False)
class Sending(Generic[T]):
    """A case for `select`: send `value` on `channel`."""

    channel: Channel[T]
    value: T


@attrs.frozen
class Picked:
    """The case that `select` took.

    `ok` is False when a receive case found its channel closed and drained. With `default=True` and no case ready,
    `channel` is None.
    """

    channel: Channel[Any] | None
    value: Any
    ok: bool


class Channel(Generic[T]):
    """Hands values from task to task, in order.

        jobs = Channel[int](capacity=10)
        await jobs.send(1)
        async for job in jobs: ...

    Args:
        capacity: how many values it holds while nobody receives; 0 hands each over from sender to receiver.

    Raises:
        Error: kind INVALID, when `capacity` is not a whole number of 0 or more.
    """

    # Invariants: a receiver waits only while there is no value and no sender; a sender waits only while the buffer is
    # full; nobody waits on a closed channel. `_receivers` and `_senders` are the first of each queue of places. The
    # buffer is made on first use: most channels are idle.
    __slots__ = ("_capacity", "_buffer", "_receivers", "_senders", "_closed", "__weakref__")

    def __init__(self, capacity: int = 0) -> None:
        if not isinstance(capacity, int) or isinstance(capacity, bool) or capacity < 0:
            raise invalid("capacity", capacity, "a whole number of 0 or more")
        self._capacity: float = capacity
        self._buffer: deque[T] | None = None
        self._receivers: Waiter | None = None
        self._senders: SelectCase | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def receive(self) -> Coroutine[Any, Any, T]:
        """The next value; waits for one.

        A checkpoint once in a while when values are there, always when it has to wait. When it is cancelled, no value
        is lost.

        Raises:
            ChannelClosed: when the channel is closed and drained.
        """
        return self._receive(ChannelClosed)

    async def _receive(self, closed: type[Exception]) -> T:
        by = running()
        if self._buffer or self._senders is not None or self._closed:
            by.reductions -= 1
            if by.reductions < 0:
                await by.pause()  # meanwhile another may take the value
            if self._buffer:
                return self._buffer.popleft() if self._senders is None else self.take()
            if self._senders is not None:
                return self.take()
            if self._closed:
                raise closed("this channel is closed and drained")
        # The path of each wait for a message, so it is written out: a place at the end of the queue.
        scheduler = by.scheduler
        task = scheduler.running()
        waiter = task if isinstance(task, Waiter) else new_waiter(scheduler, task)
        waiter.channel = self
        self._receivers = waiter if self._receivers is None else enqueue(self._receivers, waiter)
        value = await scheduler.park(waiter)
        if value is CLOSED:
            raise closed("this channel was closed")
        return value  # type: ignore[no-any-return]

    async def send(self, value: T) -> None:
        """Hand `value` over, or buffer it; waits while there is neither a receiver nor room.

        A checkpoint like `receive`. When it is cancelled while it waits, the value was not sent.

        Raises:
            ChannelClosed: when the channel is closed, also while waiting.
        """
        by = running()
        by.reductions -= 1
        if by.reductions < 0:
            await by.pause()
        if self._closed:
            raise ChannelClosed("this channel is closed: nothing more can be sent")
        if self.can_send():
            self.give(value)
            return
        waiter = SelectCase(by.scheduler, self, True, value)
        self._senders = enqueue(self._senders, waiter)
        _, taken = await by.scheduler.park(waiter)
        if taken is CLOSED:
            raise ChannelClosed("this channel was closed before the value was taken")

    def close(self) -> None:
        """Take no more values: those buffered can still be received, whoever waits is told. Closing twice is fine."""
        first = self._receivers or self._senders
        if first is not None:
            first.scheduler.check_thread()
        self._closed = True
        while (waiter := self._receivers or self._senders) is not None:
            # A select that both sends and receives here takes the case that was given first.
            case = next((case for case in waiter.siblings if case.channel is self), waiter)
            self.leave(case)
            case.fire(CLOSED)

    def sending(self, value: T) -> Sending[T]:
        """A case for `select` that sends `value` here."""
        return Sending(self, value)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    def __anext__(self) -> Coroutine[Any, Any, T]:
        return self._receive(StopAsyncIteration)

    # What follows serves select and the kernel; none of it waits.

    def can_receive(self) -> bool:
        """Whether a value is there to be received."""
        return bool(self._buffer) or self._senders is not None

    def can_send(self) -> bool:
        """Whether a value can be sent at once."""
        if self._receivers is not None:
            return True
        return (0 if self._buffer is None else len(self._buffer)) < self._capacity

    def give(self, value: T) -> None:
        """Send a value, which `can_send` has allowed."""
        waiter = self._receivers
        if waiter is not None:
            self._receivers = None if waiter.next is None else unlink_waiter(waiter, waiter)
            waiter.fire(value)
        elif self._buffer is None:
            self._buffer = deque((value,))
        else:
            self._buffer.append(value)

    def take(self) -> T:
        """Receive a value, which `can_receive` has promised."""
        sender = self._senders
        if sender is not None:
            self._senders = unlink_waiter(sender, sender)
            sender.fire(None)
            if not self._buffer:
                return sender.value  # type: ignore[no-any-return]
            self._buffer.append(sender.value)
        assert self._buffer
        return self._buffer.popleft()

    def join(self, waiter: Waiter) -> None:
        """Queue a place of a select, or of a channel that this one feeds."""
        if waiter.sending:
            self._senders = enqueue(self._senders, waiter)
        else:
            self._receivers = enqueue(self._receivers, waiter)

    def leave(self, waiter: Waiter) -> None:
        """Give up a place in the queue."""
        if waiter.sending:
            self._senders = unlink_waiter(self._senders, waiter)
        else:
            self._receivers = unlink_waiter(self._receivers, waiter)

    def unwrap(self, value: Any) -> Any:
        """What a receiver gets to see of a value that lay in this channel."""
        return value


class Queue(Channel[T]):
    """A channel without bound, which the kernel fills without waiting."""

    __slots__ = ()

    def __init__(self) -> None:
        self._capacity = math.inf
        self._buffer = None
        self._receivers = None
        self._senders = None
        self._closed = False

    def put(self, value: T) -> None:
        """Add a value; nothing happens on a closed channel."""
        if not self._closed:
            self.give(value)

    @property
    def has_receiver(self) -> bool:
        """Whether a receiver waits, so that a value goes straight to it."""
        return self._receivers is not None

    def hand_over(self, channel: Channel[Any], value: Any) -> bool:
        """Give a value to the first who waits in this queue for `channel`; False when nobody does."""
        waiter = self._receivers
        while waiter is not None and waiter.channel is not channel:
            waiter = waiter.next
        if waiter is None:
            return False
        self.leave(waiter)
        waiter.fire(value)
        return True

    @property
    def unread(self) -> int:
        """How many values wait to be received."""
        return 0 if self._buffer is None else len(self._buffer)

    def peek(self) -> T | None:
        """The value that would be received next."""
        return self._buffer[0] if self._buffer else None

    def remove(self, predicate: Callable[[T], bool]) -> list[T]:
        """Take out what fulfils a condition, in order; the rest stays as it was."""
        if not self._buffer:
            return []
        removed = [value for value in self._buffer if predicate(value)]
        if removed:
            kept = [value for value in self._buffer if not predicate(value)]
            self._buffer.clear()
            self._buffer.extend(kept)
        return removed

    def replace_all(self, values: Iterable[T]) -> None:
        """Put `values` in place of what lies there; receivers that wait are served first."""
        self._buffer = None
        for value in values:
            self.give(value)


class RuntimeChannel(Queue[T]):
    """A queue that only the runtime fills: of messages, of events, of ticks."""

    __slots__ = ()

    async def send(self, value: T) -> None:
        """Refused."""
        raise _filled(value)

    def sending(self, value: T) -> Sending[T]:
        """Refused."""
        raise _filled(value)


class UncloseableChannel(RuntimeChannel[T]):
    """The inbox and the events of a process: they are there as long as it lives, and nobody closes them."""

    __slots__ = ()

    def close(self) -> None:
        """Refused: what comes in afterwards would be lost."""
        raise Error("the inbox and the events of a process cannot be closed", kind=INVALID)


def _filled(value: object) -> Error:
    return invalid(
        "value", value, "a channel of your own: this one is filled by the runtime, and only received from"
    )


_CASES = (Channel, Sending)


async def select(*cases: Channel[Any] | Sending[Any], default: bool = False) -> Picked:
    """Wait until one of several channels is ready, and take exactly that case.

        picked = await select(jobs, done, results.sending(3))
        if picked.channel is jobs: ...

    Args:
        cases: channels to receive from, and `channel.sending(value)`. Several ready: the first in the order given.
        default: when no case is ready, do not wait: return `Picked(None, None, True)`.

    A checkpoint like `Channel.receive`. When it is cancelled, no case was taken.

    Raises:
        ChannelClosed: when a send case finds its channel closed.
        Error: kind INVALID, when a case is neither a channel nor `channel.sending(value)`, or there is no case.
    """
    if default is not False and default is not True:
        raise invalid("default", default, "True or False")
    if not cases and not default:
        raise invalid("cases", cases, "at least one channel to wait for (or default=True)")
    for case in cases:
        if not isinstance(case, _CASES):
            raise invalid("cases", case, "channels, and channel.sending(value)")
    by = running()
    by.reductions -= 1
    if by.reductions < 0:
        await by.pause()
    for case in cases:
        if isinstance(case, Sending):
            if case.channel.closed:
                raise ChannelClosed("select would send on a closed channel")
            if case.channel.can_send():
                case.channel.give(case.value)
                return Picked(case.channel, None, True)
        elif case.can_receive():
            return Picked(case, case.unwrap(case.take()), True)
        elif case.closed:
            return Picked(case, None, False)
    if default:
        return Picked(None, None, True)
    scheduler = by.scheduler
    places = tuple(
        [
            SelectCase(scheduler, case.channel, True, case.value)
            if isinstance(case, Sending)
            else SelectCase(scheduler, case, False, None)
            for case in cases
        ]
    )
    for waiter in places:
        waiter.siblings = places
        waiter.channel.join(waiter)
    fired: SelectCase
    fired, value = await scheduler.park(places[0])
    channel = fired.channel
    if value is not CLOSED:
        return Picked(channel, value if fired.sending else channel.unwrap(value), True)
    if fired.sending:
        raise ChannelClosed("select waited to send on a channel that was closed")
    return Picked(channel, None, False)
