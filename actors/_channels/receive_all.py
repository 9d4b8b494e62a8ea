"""What comes in at a process as one channel: messages and events in their order of arrival, as in OTP's mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._channels.channel import Filled, Lifelong
from actors._channels.observers import TappedInbox
from actors._channels.waiters import Place, new_place
from actors._scheduling.scheduler import running
from actors._values.events import Event
from actors._values.messages import Message


class Events(Lifelong[Any]):
    """The events of a process. Each lies here with its turn: how many messages are received before it by `incoming`."""

    # `passed` counts the messages that `incoming` has taken out of the inbox.
    __slots__ = ("_inbox", "passed", "incoming")

    def __init__(self, inbox: Lifelong[Message]) -> None:
        super().__init__()
        self._inbox = inbox
        self.passed = 0
        self.incoming: Incoming | None = None

    def put(self, value: Event) -> None:
        if self.incoming is None or self.awaited or not self._inbox.give_for(self.incoming, value):
            self.give((self.passed + self._inbox.unread, value))

    def peek(self) -> Event | None:
        first = super().peek()
        return None if first is None else self.opened(first)

    @property
    def due(self) -> bool:
        """Whether it is the first event's turn, before any message that waits."""
        first = super().peek()
        return first is not None and (first[0] <= self.passed or not self._inbox.unread)

    def remove(self, condemned: Callable[[Event], bool]) -> list[Event]:
        return [self.opened(value) for value in super().remove(lambda value: condemned(self.opened(value)))]

    async def _receive(self, closed: type[Exception]) -> Event:
        return self.opened(await super()._receive(closed))

    def opened(self, value: tuple[int, Event]) -> Event:
        return value[1]

    def joined(self) -> Incoming:
        """The channel of messages and events."""
        if self.incoming is None:
            kind = TappedIncoming if isinstance(self._inbox, TappedInbox) else Incoming
            self.incoming = kind(self._inbox, self)
        return self.incoming


class Incoming(Filled[Message | Event]):
    """The inbox and the events in one. Whoever waits here waits in the inbox, where the events find it, too."""

    __slots__ = ("_inbox", "_events")

    def __init__(self, inbox: Lifelong[Message], events: Events) -> None:
        super().__init__()
        self._inbox = inbox
        self._events = events

    def close(self) -> None:
        self._inbox.close()  # which refuses

    async def _receive(self, closed: type[Exception]) -> Message | Event:
        by = running()
        by.turns -= 1
        if by.turns < 0:
            await by.pause()
        if self._inbox.offers() or self._events.unread:
            return self.take()
        scheduler = by.scheduler
        task = scheduler.running()
        place = task if isinstance(task, Place) else new_place(scheduler, task)
        place.channel = self
        self._inbox.join(place)
        return await scheduler.park(place)  # type: ignore[no-any-return]

    def offers(self) -> bool:
        return self._inbox.offers() or self._events.unread > 0

    def take(self) -> Message | Event:
        events = self._events
        if events.due:
            return events.opened(events.take())
        events.passed += 1
        return self._inbox.take()

    def join(self, place: Place) -> None:
        self._inbox.join(place)

    def leave(self, place: Place) -> None:
        self._inbox.leave(place)


class TappedIncoming(Incoming):
    """The same of a process with a tap."""

    __slots__ = ()

    async def _receive(self, closed: type[Exception]) -> Message | Event:
        return self.opened(await super()._receive(closed))

    def opened(self, value: Message | Event) -> Message | Event:
        return self._inbox.opened(value) if isinstance(value, Message) else value
