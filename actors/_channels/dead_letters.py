"""Dead letters: messages that no mailbox took (semantics 8)."""

from __future__ import annotations

import attrs

from actors._channels.channel import Channel, Queue
from actors._values.messages import Message
from actors._values.pid import PID

_KEPT = 1000


@attrs.frozen
class DeadLetter:
    """A message and the process that it did not reach."""

    pid: PID
    message: Message


@attrs.frozen
class Subscription:
    """Dead letters from now on, and how many there were so far.

    The channel holds the latest 1000; close it to end the subscription.
    """

    channel: Channel[DeadLetter]
    count: int


class DeadLetters:
    """Counts dead letters, and hands them to whoever has subscribed."""

    def __init__(self) -> None:
        self.count = 0
        self._subscribers: list[Queue[DeadLetter]] = []

    def add(self, pid: PID, message: Message) -> None:
        """A message has not reached `pid`."""
        self.count += 1
        if self._subscribers:
            self._subscribers = [queue for queue in self._subscribers if not queue.closed]
            for queue in self._subscribers:
                if queue.unread >= _KEPT:
                    queue.take()
                queue.put(DeadLetter(pid, message))

    def subscribe(self) -> Subscription:
        """A channel of what is added from now on."""
        queue: Queue[DeadLetter] = Queue()
        self._subscribers.append(queue)
        return Subscription(queue, self.count)
