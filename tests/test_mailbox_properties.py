"""The mailbox against a model that is one list of messages: semantics 11 and 13."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ChannelClosed, Error, Message, Picked, select
from actors._channels.mailbox import Capacity, Listener, Mailbox
from tests.moves import many
from tests.searching_scheduler import Alone, SearchingScheduler, Task

TOPICS = ("a", "b", "c")
INBOX = "the inbox"


@attrs.define(eq=False)
class Reader:
    """A task that receives from one channel, or from the first of several that has a message."""

    places: list[object]
    outcome: tuple[str, Any] | None = None


@attrs.define
class Lying:
    """An unread message, and the place where it lies: the inbox, or a listener."""

    message: Message
    place: object


class Bench:
    """A mailbox, tasks that receive, and the model beside: every unread message, in order of arrival."""

    def __init__(self, capacity: Capacity | None) -> None:
        self.capacity = capacity
        self.mailbox = Mailbox(capacity)
        self.scheduler = SearchingScheduler()
        self.sent = 0
        self.accepted = 0
        self.unread: list[Lying] = []
        self.listeners: dict[str, Listener] = {}
        self.readers: dict[Task, Reader] = {}
        self.retired: list[Listener] = []

    def place_of(self, topic: str) -> object:
        listener = self.listeners.get(topic)
        return INBOX if listener is None or listener.closed else listener

    def seen(self, place: object, message: Message) -> Any:
        return message.payload if isinstance(place, Listener) and not place.messages else message

    def hand(self, place: object, message: Message) -> bool:
        """Give a message to the first who waits there."""
        for reader in self.readers.values():
            if reader.outcome is None and place in reader.places:
                value = self.seen(place, message)
                reader.outcome = ("value", value if len(reader.places) == 1 else (place, value, True))
                return True
        return False

    def deliver(self, topic: str) -> None:
        self.sent += 1
        message = Message(topic, self.sent)
        dropped = self.mailbox.deliver(message)
        place = self.place_of(topic)
        if self.hand(place, message):
            assert dropped is None
        elif self.capacity is None or len(self.unread) < self.capacity.limit:
            assert dropped is None
            self.unread.append(Lying(message, place))
        elif self.capacity.overflow == "drop_oldest":
            assert dropped is self.unread.pop(0).message
            self.accepted -= 1  # it will never be handled
            self.unread.append(Lying(message, place))
        else:
            assert dropped is message
            return
        self.accepted += 1

    def listen(self, topic: str, messages: bool) -> None:
        known = self.listeners.get(topic)
        if known is not None and not known.closed:
            if known.messages == messages:
                assert self.mailbox.listen(topic, messages) is known
            else:
                with pytest.raises(Error, match="messages="):
                    self.mailbox.listen(topic, messages)
            return
        listener = self.mailbox.listen(topic, messages)
        assert listener is not known
        self.listeners[topic] = listener
        for lying in self.unread:
            if lying.message.topic == topic:
                lying.place = listener

    def close(self, topic: str) -> None:
        """A user closes the channel itself: what it holds can still be read, and what comes goes to the inbox."""
        listener = self.listeners.get(topic)
        if listener is not None:
            listener.close()
            self.tell_of_close(listener)

    def unlisten(self, topic: str) -> None:
        listener = self.listeners.pop(topic, None)
        if listener is None:
            for retired in self.retired:
                self.mailbox.unlisten(retired)
            return
        self.mailbox.unlisten(listener)
        assert listener.closed
        self.retired.append(listener)
        self.tell_of_close(listener)
        for lying in list(self.unread):
            if lying.place is listener:
                lying.place = INBOX
                if self.hand(INBOX, lying.message):
                    self.unread.remove(lying)

    def tell_of_close(self, listener: Listener) -> None:
        for reader in self.readers.values():
            if reader.outcome is None and listener in reader.places:
                reader.outcome = (
                    ("closed", None) if len(reader.places) == 1 else ("value", (listener, None, False))
                )

    def receive(self, topics: tuple[str, ...]) -> None:
        """Receive from the inbox and the listeners of `topics`, and give up at once where the model says so."""
        places: list[object] = [self.listeners[topic] for topic in topics if topic in self.listeners]
        if len(places) < len(topics) or not places:
            places.append(INBOX)
        channels = [self.mailbox.inbox if place is INBOX else place for place in places]

        async def run() -> Any:
            if len(channels) == 1:
                return await channels[0].receive()  # type: ignore[attr-defined]
            picked = await select(*channels)  # type: ignore[arg-type]
            assert isinstance(picked, Picked)
            place = INBOX if picked.channel is self.mailbox.inbox else picked.channel
            return place, picked.value, picked.ok

        task = self.scheduler.run(run)
        reader = Reader(places)
        for place in places:
            first = next((lying for lying in self.unread if lying.place is place), None)
            if first is not None:
                self.unread.remove(first)
                value = self.seen(place, first.message)
                reader.outcome = ("value", value if len(places) == 1 else (place, value, True))
                break
            if isinstance(place, Listener) and place.closed:
                reader.outcome = ("closed", None) if len(places) == 1 else ("value", (place, None, False))
                break
        self.readers[task] = reader
        self.step(-1)

    def step(self, choice: int) -> None:
        if self.scheduler.runnable:
            task = self.scheduler.step(choice)
            if task.ended:
                assert isinstance(task.owner, Alone)
                outcome = task.owner.outcome
                if outcome is not None and isinstance(outcome[1], ChannelClosed):
                    outcome = ("closed", None)
                assert outcome == self.readers.pop(task).outcome

    def cancel(self, choice: int) -> None:
        waiting = [task for task, reader in self.readers.items() if reader.outcome is None]
        if waiting:
            task = waiting[choice % len(waiting)]
            self.scheduler.cancel(task)
            self.readers[task].outcome = ("cancelled", None)

    def agree(self) -> None:
        assert self.mailbox.unread == len(self.unread)
        assert self.mailbox.accepted == self.accepted
        heads = {id(lying.place): lying.message for lying in reversed(self.unread)}
        assert self.mailbox.inbox.peek() is heads.get(id(INBOX))
        assert (self.mailbox.listeners or {}) == self.listeners
        for listener in self.listeners.values():
            assert listener.peek() is heads.get(id(listener))
            assert listener.unread == sum(lying.place is listener for lying in self.unread)

    def clear(self) -> None:
        """At the end everything is back in the inbox, in order of arrival."""
        for task in list(self.readers):
            self.scheduler.cancel(task)
            if self.readers[task].outcome is None:
                self.readers[task].outcome = ("cancelled", None)
        while self.scheduler.runnable:
            self.step(0)
        for topic in TOPICS:
            self.unlisten(topic)
            self.agree()
        inbox = self.mailbox.inbox
        assert [inbox.take() for _ in range(inbox.unread)] == [lying.message for lying in self.unread]


MOVES: list[tuple[Any, ...]] = [
    *[("deliver", topic) for topic in TOPICS] * 8,
    *[("listen", topic, messages) for topic in TOPICS for messages in (False, False, True)],
    *[("unlisten", topic) for topic in TOPICS] * 2,
    *[("close", topic) for topic in TOPICS],
    *[("receive", topics) for topics in ((), ("a",), ("b",), ("c",), ("b", "a"), ("a", "c"), ("c", "b", "a"))]
    * 2,
    *[("step", choice) for choice in range(4)] * 2,
    *[("cancel", choice) for choice in range(3)],
]
Random(0).shuffle(MOVES)  # Hypothesis prefers the early ones of a long list
BOUNDS = st.one_of(
    st.none(),
    st.builds(Capacity, st.integers(1, 4), st.sampled_from(["reject", "drop_oldest", "drop_newest"])),
)


@settings(max_examples=12 * settings().max_examples)
@given(BOUNDS, many(st.sampled_from(MOVES), 60))
def test_each_message_lies_in_one_place_in_order_of_arrival(
    capacity: Capacity | None, moves: list[tuple[Any, ...]]
) -> None:
    """Semantics 11 and 13: an exact listener, else the inbox; `listen` takes over what waits, `unlisten` puts it back,
    in order; a full mailbox rejects, or drops the newest or the oldest of all."""
    bench = Bench(capacity)
    for move, *arguments in moves:
        getattr(bench, move)(*arguments)
        bench.agree()
    bench.clear()
