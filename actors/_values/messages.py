"""Messages: a topic, a payload, and who sent it."""

from __future__ import annotations

from typing import Any, Final

import attrs

from actors._values.errors import invalid
from actors._values.pid import PID
from actors._values.portable import register


class _ReplyDraft:
    """A `ReplyTo` while it is filled, see `Draft`."""

    __slots__ = ("pid", "call")


@register
@attrs.frozen(weakref_slot=False)
class ReplyTo(_ReplyDraft):
    """Where the answer to a call goes: a process, and the number of the call there."""

    pid: PID
    call: int


class Draft:
    """A message while it is filled, which takes a frozen class twice as long."""

    # A filled draft becomes a Message by its class, which adds no slots: that is checked sooner than equal slots. A
    # class without __init__ is called in half the time.
    __slots__ = ("topic", "payload", "sender", "reply_to", "arrival")


@register
@attrs.frozen(weakref_slot=False)
class Message(Draft):
    """What a process receives.

    `payload` is the value that was sent; a tuple when several were, None when none was. `sender` is None for code
    outside any process and for a plain Temporal client.
    """

    topic: str
    payload: Any = None
    sender: PID | None = None
    reply_to: ReplyTo | None = attrs.field(default=None, repr=False)
    arrival: int = attrs.field(default=0, repr=False, eq=False)
    """The place in the mailbox's order of arrival; written by the mailbox, and 0 while it needs no order."""


def make_message(topic: str, payload: Any, sender: PID | None, reply_to: ReplyTo | None) -> Message:
    """A `Message`, faster than by its own constructor; `actors.send` does the same without the call."""
    message: Any = Draft()
    message.topic = topic
    message.payload = payload
    message.sender = sender
    message.reply_to = reply_to
    message.arrival = 0
    message.__class__ = Message
    return message  # type: ignore[no-any-return]


def make_reply_to(pid: PID, call: int) -> ReplyTo:
    """A `ReplyTo`, faster than by its own constructor."""
    reply_to: Any = _ReplyDraft()
    reply_to.pid = pid
    reply_to.call = call
    reply_to.__class__ = ReplyTo
    return reply_to  # type: ignore[no-any-return]


def payload_of(values: tuple[Any, ...]) -> Any:
    """One value as it is, several as a tuple, none as None."""
    if len(values) == 1:
        return values[0]
    return values or None


def check_topic(topic: str) -> None:
    """Refuse what is not a user's topic.

    Raises:
        Error: kind INVALID, when `topic` is not a non-empty string that travels, or starts with `@`.
    """
    if type(topic) is not str or not topic:
        raise invalid("topic", topic, "a non-empty string")
    if len(topic) > _SURELY_SHORT or not topic.isascii():
        _check_long(topic)
    if topic[0] == "@":
        raise invalid("topic", topic, "a topic that does not start with '@': those are the system's own")


_LONGEST_TOPIC: Final = 1000
"""Bytes of a topic: a durable process gets its messages as signals of this name, which the server limits."""

_SURELY_SHORT: Final = 100


def _check_long(topic: str) -> None:
    try:
        if len(topic.encode()) <= _LONGEST_TOPIC:
            return
    except UnicodeEncodeError:  # half a character, which nothing carries
        pass
    raise invalid("topic", topic, f"a string of at most {_LONGEST_TOPIC} bytes")
