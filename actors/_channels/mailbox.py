"""The mailbox: where a message goes inside its process, the inbox or the listener of its topic."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar

import attrs

from actors._channels.channel import Channel, Queue, RuntimeChannel, UncloseableChannel
from actors._channels.observers import MailboxObserver, ObservedInbox
from actors._values.errors import NOT_FOUND, UNAVAILABLE, Error, invalid, shown
from actors._values.messages import Message, check_topic
from actors._values.pid import PID

_OVERFLOWS = ("reject", "drop_oldest", "drop_newest")


@attrs.frozen
class Capacity:
    """How many user messages may wait in a mailbox, and what happens to one too many (semantics 13)."""

    OPTIONS: ClassVar[tuple[str, ...]] = ("mailbox.max", "mailbox.overflow")
    """The options of a spawn that say it."""

    limit: int
    overflow: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Capacity | None:
        """The bound that `mailbox.max` and `mailbox.overflow` ask for."""
        limit = options.get("mailbox.max")
        overflow = options.get("mailbox.overflow", "reject")
        if not isinstance(overflow, str) or overflow not in _OVERFLOWS:
            raise invalid("mailbox.overflow", overflow, f"one of {', '.join(_OVERFLOWS)}")
        if limit is None:
            if "mailbox.overflow" in options:
                raise invalid("mailbox.overflow", overflow, "mailbox.max beside it")
            return None
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
            raise invalid("mailbox.max", limit, "a whole number of 1 or more")
        return cls(limit, overflow)


def mailbox_full(pid: PID, topic: str) -> Error:
    """The error of a call that a full mailbox has not taken, or has dropped."""
    return Error(f"the mailbox of {pid} is full: there is no room for call {shown(topic)}", kind=UNAVAILABLE)


class Listener(RuntimeChannel[Any]):
    """The channel of one topic. It holds whole messages, so that `unlisten` can put them back."""

    __slots__ = ("topic", "messages")

    def __init__(self, topic: str, messages: bool) -> None:
        super().__init__()
        self.topic = topic
        self.messages = messages

    async def _receive(self, closed: type[Exception]) -> Any:
        return self.unwrap(await super()._receive(closed))

    def unwrap(self, value: Message) -> Any:
        return value if self.messages else value.payload


class _TappedListener(Listener):
    """The channel of one topic in a mailbox with a tap."""

    __slots__ = ("_observer",)

    def __init__(self, topic: str, messages: bool, observer: MailboxObserver) -> None:
        super().__init__(topic, messages)
        self._observer = observer

    async def _receive(self, closed: type[Exception]) -> Any:
        self._observer.waiting()
        return await super()._receive(closed)

    def can_receive(self) -> bool:
        self._observer.waiting()
        return super().can_receive()

    def unwrap(self, value: Message) -> Any:
        self._observer.received(value)
        return super().unwrap(value)


class _Observers:
    """Who looks on at a mailbox."""

    __slots__ = ("observer", "recent")

    def __init__(self) -> None:
        self.observer: MailboxObserver | None = None
        self.recent: deque[Message] | None = None

    def notice(self, message: Message) -> None:
        if self.observer is not None:
            self.observer.delivered(message)
        if self.recent is not None:
            self.recent.append(message)


class Mailbox:
    """The user messages that wait for one process.

    Invariant: a message lies in exactly one channel: the listener of its topic if there is one, else the inbox. A
    listener that its user has closed takes no more. While there is a listener or a bound, messages carry their number
    of arrival, which `unlisten` and `drop_oldest` need. Only mailboxes with numbers have onlookers, so that the others
    need not ask whether somebody looks on.
    """

    __slots__ = ("inbox", "listeners", "capacity", "accepted", "held", "exempt", "_onlookers", "_arrivals")

    def __init__(self, capacity: Capacity | None = None) -> None:
        self.inbox: UncloseableChannel[Message] = UncloseableChannel()
        self.listeners: dict[str, Listener] | None = None
        self.capacity = capacity
        self.accepted = 0
        self.held = 0
        """How many messages its process has taken out and not handled: a suspended server keeps what comes (42)."""
        self.exempt: str | None = None
        """A topic that the capacity does not bound: that of the system's requests to a server."""
        self._onlookers: _Observers | None = None
        self._arrivals = 0 if capacity is None else 1

    def add_observer(self, observer: MailboxObserver) -> None:
        """Tell `observer` of all messages; before there are any."""
        self._begin_numbers()
        self._looked_on().observer = observer
        self.inbox = ObservedInbox(observer)

    def record(self, count: int) -> None:
        """Keep the last `count` messages that come in `recent`; 0 keeps none."""
        self._begin_numbers()
        self._looked_on().recent = deque(self.recent or (), count) if count else None

    @property
    def observer(self) -> MailboxObserver | None:
        """Who is told of all messages, if anybody is."""
        return None if self._onlookers is None else self._onlookers.observer

    @property
    def recent(self) -> deque[Message] | None:
        """The last messages that came, while they are recorded."""
        return None if self._onlookers is None else self._onlookers.recent

    def _looked_on(self) -> _Observers:
        if self._onlookers is None:
            self._onlookers = _Observers()
        return self._onlookers

    def deliver(self, message: Message) -> Message | None:
        """Put a message where it belongs; gives back the one that had to go instead, if the mailbox is full."""
        if not self._arrivals:  # as most are: without listener, bound, or anybody who looks on
            self.accepted += 1
            self.inbox.give(message)
            return None
        channel = self._channel_of(message.topic)
        dropped = None
        if (
            self.capacity is not None
            and message.topic != self.exempt
            and self._is_full(self.capacity, channel)
        ):
            if self.capacity.overflow != "drop_oldest":
                return message
            dropped = self._drop_oldest()
            if self.observer is not None:
                self.observer.dropped(dropped)
        self.accepted += 1
        self._number(message)
        if self._onlookers is not None:
            self._onlookers.notice(message)
        channel.put(message)
        return dropped

    def rejects(self, topic: str) -> bool:
        """Whether a message of that topic would be turned away now."""
        capacity = self.capacity
        return (
            capacity is not None
            and capacity.overflow == "reject"
            and self._is_full(capacity, self._channel_of(topic))
        )

    def _channel_of(self, topic: str) -> Queue[Any]:
        listener = None if self.listeners is None else self.listeners.get(topic)
        return self.inbox if listener is None or listener.closed else listener

    def _is_full(self, capacity: Capacity, channel: Queue[Any]) -> bool:
        """Whether there is no room: what goes straight to a receiver needs none, unless that only puts it aside."""
        return (self.held > 0 or not channel.has_receiver) and self.unread + self.held >= capacity.limit

    def _number(self, message: Message) -> None:
        object.__setattr__(message, "arrival", self._arrivals)
        self._arrivals += 1

    def _begin_numbers(self) -> None:
        """Give the messages numbers from now on, and those that wait already."""
        if not self._arrivals:
            self._arrivals = 1
            waiting = self.inbox.remove(lambda _: True)
            for message in waiting:
                self._number(message)
            self.inbox.replace_all(waiting)

    def listen(self, topic: str, messages: bool) -> Listener:
        """The channel of `topic`; a new one takes over what waits in the inbox for it, in order (semantics 11)."""
        check_topic(topic)
        if not isinstance(messages, bool):
            raise invalid("messages", messages, "True for whole messages or False for their payloads")
        if self.listeners is None:
            self.listeners = {}
            self._begin_numbers()
        listener = self.listeners.get(topic)
        if listener is None or listener.closed:
            held = [] if listener is None else listener.remove(lambda _: True)
            observer = self.observer
            listener = (
                Listener(topic, messages) if observer is None else _TappedListener(topic, messages, observer)
            )
            self.listeners[topic] = listener
            listener.replace_all((*held, *self.inbox.remove(lambda message: message.topic == topic)))
        elif listener.messages != messages:
            raise invalid(
                "messages", messages, f"{listener.messages}, as in the first listen({shown(topic)})"
            )
        return listener

    def unlisten(self, channel: Channel[Any]) -> None:
        """Close a listener's channel and put what it holds back into the inbox, in order of arrival."""
        if not isinstance(channel, Channel):
            raise invalid("channel", channel, "a channel that listen() returned")
        if not isinstance(channel, Listener):
            raise Error(
                f"channel={channel!r} is not a listener's: expected the one that listen() returned",
                kind=NOT_FOUND,
            )
        if self.listeners is None or self.listeners.get(channel.topic) is not channel:
            if channel.closed:
                return
            raise Error(f"topic={channel.topic!r} is another process's listener", kind=NOT_FOUND)
        del self.listeners[channel.topic]
        unread = channel.remove(lambda message: True)
        channel.close()
        if unread:
            waiting = self.inbox.remove(lambda message: True)
            self.inbox.replace_all(heapq.merge(waiting, unread, key=attrgetter("arrival")))
        if not self.listeners:
            self.listeners = None
            if self.capacity is None and self._onlookers is None:
                self._arrivals = 0

    @property
    def unread(self) -> int:
        """How many messages wait."""
        if self.listeners is None:
            return self.inbox.unread
        return self.inbox.unread + sum(listener.unread for listener in self.listeners.values())

    def _drop_oldest(self) -> Message:
        heads: list[tuple[int, Queue[Any]]] = [
            (head.arrival, channel)
            for channel in (self.inbox, *(self.listeners or {}).values())
            if (head := channel.peek()) is not None
        ]
        _, oldest = min(heads, key=lambda head: head[0])
        dropped: Message = oldest.take()
        self.accepted -= 1
        return dropped
