"""What comes in at a process as one channel: messages and events in their order of arrival, as in OTP's mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._channels.channel import RuntimeChannel, UncloseableChannel
from actors._channels.observers import ObservedInbox
from actors._channels.waiters import Waiter, new_waiter
from actors._scheduling.scheduler import running
from actors._values.events import Event
from actors._values.messages import Message


class Events(UncloseableChannel[Any]):
    """The events of a process. Each lies here with its turn: how many messages are received before it by `incoming`."""

    # `passed` counts the messages that `incoming` has taken out of the inbox.
    __slots__ = ("_inbox", "passed", "incoming")

    def __init__(self, inbox: UncloseableChannel[Message]) -> None:
        super().__init__()
        self._inbox = inbox
        self.passed = 0
        self.incoming: Incoming | None = None

    def put(self, value: Event) -> None:
        if self.incoming is None or self.has_receiver or not self._inbox.hand_over(self.incoming, value):
            self.give((self.passed + self._inbox.unread, value))

    def peek(self) -> Event | None:
        first = super().peek()
        return None if first is None else self.unwrap(first)

    @property
    def due(self) -> bool:
        """Whether it is the first event's turn, before any message that waits."""
        first = super().peek()
        return first is not None and (first[0] <= self.passed or not self._inbox.unread)

    def remove(self, predicate: Callable[[Event], bool]) -> list[Event]:
        return [self.unwrap(value) for value in super().remove(lambda value: predicate(self.unwrap(value)))]

    async def _receive(self, closed: type[Exception]) -> Event:
        return self.unwrap(await super()._receive(closed))

    def unwrap(self, value: tuple[int, Event]) -> Event:
        return value[1]

    def joined(self) -> Incoming:
        """The channel of messages and events."""
        if self.incoming is None:
            kind = TappedIncoming if isinstance(self._inbox, ObservedInbox) else Incoming
            self.incoming = kind(self._inbox, self)
        return self.incoming


class Incoming(RuntimeChannel[Message | Event]):
    """The inbox and the events in one. Whoever waits here waits in the inbox, where the events find it, too."""

    __slots__ = ("_inbox", "_events")

    def __init__(self, inbox: UncloseableChannel[Message], events: Events) -> None:
        super().__init__()
        self._inbox = inbox
        self._events = events

    def close(self) -> None:
        self._inbox.close()  # which refuses

    async def _receive(self, closed: type[Exception]) -> Message | Event:
        by = running()
        by.reductions -= 1
        if by.reductions < 0:
            await by.pause()
        if self._inbox.can_receive() or self._events.unread:
            return self.take()
        scheduler = by.scheduler
        task = scheduler.running()
        waiter = task if isinstance(task, Waiter) else new_waiter(scheduler, task)
        waiter.channel = self
        self._inbox.join(waiter)
        return await scheduler.park(waiter)  # type: ignore[no-any-return]

    def can_receive(self) -> bool:
        return self._inbox.can_receive() or self._events.unread > 0

    def take(self) -> Message | Event:
        events = self._events
        if events.due:
            return events.unwrap(events.take())
        events.passed += 1
        return self._inbox.take()

    def join(self, waiter: Waiter) -> None:
        self._inbox.join(waiter)

    def leave(self, waiter: Waiter) -> None:
        self._inbox.leave(waiter)


class TappedIncoming(Incoming):
    """The same of a process with a tap."""

    __slots__ = ()

    async def _receive(self, closed: type[Exception]) -> Message | Event:
        return self.unwrap(await super()._receive(closed))

    def unwrap(self, value: Message | Event) -> Message | Event:
        return self._inbox.unwrap(value) if isinstance(value, Message) else value
