"""What comes in at a process as one channel: messages and events in their order of arrival, as in OTP's mailbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._channels.channel import RuntimeChannel, UncloseableChannel
from actors._channels.observers import ObservedInbox
from actors._channels.waiters import Waiter, new_waiter
from actors._scheduling.scheduler import running
from actors._values.events import EXIT, LINK_DOWN, Event, Exit, LinkDown, MonitorRef
from actors._values.messages import Message
from actors._values.pid import PID


class _Lying:
    """An event that lies in the queue, with its turn: how many messages are received before it by `incoming`."""

    __slots__ = ("turn", "event")

    def __init__(self, turn: int, event: Event) -> None:
        self.turn = turn
        self.event: Event | None = event


def _keys(event: Event) -> tuple[MonitorRef | tuple[str, PID], ...]:
    """What an event is withdrawn by: an exit by its ref or its process, the end of a link by its peer."""
    if isinstance(event, Exit):
        by_process = (EXIT, event.pid)
        return (by_process,) if event.ref is None else (event.ref, by_process)
    return ((LINK_DOWN, event.pid),) if isinstance(event, LinkDown) else ()


class Events(UncloseableChannel[Any]):
    """The events of a process.

    `unmonitor` and `unlink` withdraw events that lie here, however many do: `_index` has them by what they are
    withdrawn by, and a withdrawn one stays behind, empty, until it comes to the front. Invariant: the first one is not
    empty.
    """

    # `passed` counts the messages that `incoming` has taken out of the inbox.
    __slots__ = ("_inbox", "passed", "incoming", "_index", "_withdrawn")

    def __init__(self, inbox: UncloseableChannel[Message]) -> None:
        super().__init__()
        self._inbox = inbox
        self.passed = 0
        self.incoming: Incoming | None = None
        self._index: dict[MonitorRef | tuple[str, PID], list[_Lying]] | None = None
        self._withdrawn = 0

    def put(self, value: Event) -> None:
        if self.incoming is None or self.has_receiver or not self._inbox.hand_over(self.incoming, value):
            lying = _Lying(self.passed + self._inbox.unread, value)
            waits = not self.has_receiver
            self.give(lying)
            if waits:
                if self._index is None:
                    self._index = {}
                for key in _keys(value):
                    self._index.setdefault(key, []).append(lying)

    def withdraw(self, key: MonitorRef | tuple[str, PID]) -> None:
        """Take out the events of a monitor's ref, of the exits of a process, or of a link's other end."""
        found = None if self._index is None else self._index.get(key)
        for lying in list(found or ()):
            assert lying.event is not None
            self._forget(lying, lying.event)
            lying.event = None
            self._withdrawn += 1
        self._drop_empty()

    def _forget(self, lying: _Lying, event: Event) -> None:
        assert self._index is not None
        for key in _keys(event):
            others = self._index.get(key)
            if others is not None and lying in others:  # not one that went straight to a receiver
                others.remove(lying)
                if not others:
                    del self._index[key]

    def _drop_empty(self) -> None:
        while self._buffer and self._buffer[0].event is None:
            self._buffer.popleft()
            self._withdrawn -= 1

    def _taken(self, lying: _Lying) -> Event:
        event = lying.event
        assert event is not None
        if self._index:
            self._forget(lying, event)
        self._drop_empty()
        return event

    @property
    def unread(self) -> int:
        return super().unread - self._withdrawn

    def peek(self) -> Event | None:
        first: _Lying | None = super().peek()
        return None if first is None else first.event

    @property
    def due(self) -> bool:
        """Whether it is the first event's turn, before any message that waits."""
        first: _Lying | None = super().peek()
        return first is not None and (first.turn <= self.passed or not self._inbox.unread)

    def remove(self, predicate: Callable[[Event], bool]) -> list[Event]:
        removed: list[Event] = []
        for lying in list(self._buffer or ()):
            event = lying.event
            if event is not None and predicate(event):
                removed.append(event)
                self._forget(lying, event)
                lying.event = None
                self._withdrawn += 1
        self._drop_empty()
        return removed

    async def _receive(self, closed: type[Exception]) -> Event:
        return self.unwrap(await super()._receive(closed))

    def unwrap(self, value: _Lying) -> Event:
        return self._taken(value)

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
