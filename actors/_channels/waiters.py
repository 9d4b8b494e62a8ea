"""Places in the queues of channels: who waits to receive or to send, in order of arrival."""

from __future__ import annotations

from typing import Any, Final, Protocol

from actors._scheduling.scheduler import Suspender, Wait

CLOSED: Final[Any] = object()
"""What a place is fired with when its channel is closed."""


class Waiter(Wait):
    """A parked task's place in the queue of one channel, where it waits to receive.

    The places of a queue are linked both ways, so that joining and leaving anywhere cost the same. A queue is known by
    its first place, whose `previous` is the last one, or None when it is alone.
    """

    __slots__ = ("channel", "previous", "next")

    channel: Any
    previous: Waiter | None
    next: Waiter | None

    sending = False
    siblings: tuple[SelectCase, ...] = ()

    # One is made for each wait, and filled there: a class whose __init__ is Python code is called in twice the time.
    __init__ = object.__init__  # pyright: ignore[reportAssignmentType]

    def fire(self, value: Any) -> None:
        """Complete the wait of this place, which the channel has just taken out of its queue."""
        self.scheduler.wake(self.task, value)

    def abort(self) -> None:
        self.channel.leave(self)


def new_waiter(scheduler: Suspender, task: object) -> Waiter:
    """A place for a task that is not one itself."""
    waiter: Waiter = Waiter()  # pyright: ignore[reportCallIssue]
    waiter.scheduler = scheduler
    waiter.task = task
    waiter.previous = waiter.next = None
    return waiter


class WaitQueue(Protocol):
    """Where waiters queue: a channel."""

    def leave(self, waiter: Waiter) -> None:
        """Take a waiter out of the queue."""


class SelectCase(Waiter):
    """A place that waits to send, or that is one of several of a select.

    A select holds one in each of its channels: they are `siblings`, the first to fire wins, and it takes the others out
    of their queues before the task runs again, so that the losers are as if never tried.
    """

    __slots__ = ("sending", "value", "siblings")

    def __init__(self, scheduler: Suspender, channel: WaitQueue, sending: bool, value: Any) -> None:
        self.scheduler = scheduler
        self.task = scheduler.running()
        self.channel = channel
        self.previous = self.next = None
        self.sending = sending
        self.value = value
        self.siblings = ()

    def fire(self, value: Any) -> None:
        """As `Waiter.fire`; the task is told which case it was."""
        for sibling in self.siblings:
            if sibling is not self:
                sibling.channel.leave(sibling)
        self.siblings = ()
        self.scheduler.wake(self.task, (self, value))

    def abort(self) -> None:
        for waiter in self.siblings or (self,):
            waiter.channel.leave(waiter)
        self.siblings = ()


def enqueue(first: Any, waiter: Waiter) -> Any:
    """The first of a queue at whose end `waiter` has been put."""
    if first is None:
        return waiter
    last = first.previous or first
    last.next = first.previous = waiter
    waiter.previous = last
    return first


def unlink_waiter(first: Any, waiter: Waiter) -> Any:
    """The first of a queue out of which `waiter` has been taken; None when it is empty now."""
    before, after = waiter.previous, waiter.next
    waiter.previous = waiter.next = None
    if waiter is not first:
        assert before is not None
        before.next = after
        if after is not None:
            after.previous = before
        else:
            first.previous = None if before is first else before
    elif after is not None:
        after.previous = None if before is after else before
        return after
    else:
        return None
    return first
