"""Who follows the messages of one process: a mailbox tells a tap, if it has one, and else knows nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from actors._channels.channel import UncloseableChannel
from actors._values.messages import Message

Carrier = Mapping[str, str]
"""The cause of a message, as it travels: the headers of W3C Trace Context."""


class MailboxObserver(Protocol):
    """Told of what happens to the messages of one traced process."""

    def arriving(self, carrier: Carrier | None) -> None:
        """The next message that is delivered comes from elsewhere, with this cause."""

    def delivered(self, message: Message) -> None:
        """A message is put into the mailbox; the sender is running, unless `arriving` was called before."""

    def dropped(self, message: Message) -> None:
        """A message had to go, because the mailbox was full."""

    def received(self, message: Message) -> None:
        """The running task has taken a message: what it does from now on is for that one."""

    def waiting(self) -> None:
        """The running task looks for its next message: it is done with the last."""


class ObservedInbox(UncloseableChannel[Message]):
    """The inbox of a process with a tap."""

    __slots__ = ("_observer",)

    def __init__(self, observer: MailboxObserver) -> None:
        super().__init__()
        self._observer = observer

    async def _receive(self, closed: type[Exception]) -> Message:
        self._observer.waiting()
        return self.unwrap(await super()._receive(closed))

    def can_receive(self) -> bool:
        """As `Channel.can_receive`, which whoever selects asks first."""
        self._observer.waiting()
        return super().can_receive()

    def unwrap(self, value: Message) -> Message:
        """As `Channel.unwrap`."""
        self._observer.received(value)
        return value
