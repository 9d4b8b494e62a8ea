"""Who follows the messages of one process: a mailbox tells a tap, if it has one, and else knows nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from actors._channels.channel import Lifelong
from actors._values.messages import Message

Carrier = Mapping[str, str]
"""The cause of a message, as it travels: the headers of W3C Trace Context."""


class Tap(Protocol):
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


class TappedInbox(Lifelong[Message]):
    """The inbox of a process with a tap."""

    __slots__ = ("_tap",)

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self._tap = tap

    async def _receive(self, closed: type[Exception]) -> Message:
        self._tap.waiting()
        return self.opened(await super()._receive(closed))

    def offers(self) -> bool:
        """As `Channel.offers`, which whoever selects asks first."""
        self._tap.waiting()
        return super().offers()

    def opened(self, value: Message) -> Message:
        """As `Channel.opened`."""
        self._tap.received(value)
        return value
