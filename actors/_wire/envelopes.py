"""Envelopes: messages and system signals on their way to another operating-system process.

What the runtime says to itself has topics of its own that start with `@`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from actors._channels.mailbox import Bound
from actors._values.errors import Error
from actors._values.events import Exit, Reason, Result
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID
from actors._values.portable import register

BATCH: Final = "@batch"


REPLY: Final = "@reply"


LINK: Final = "@link"


UNLINK: Final = "@unlink"


LINK_DOWN: Final = "@link_down"


TERMINATE: Final = "@terminate"


CANCEL: Final = "@cancel"


MONITOR: Final = "@monitor"


UNMONITOR: Final = "@unmonitor"


EXIT: Final = "@exit"


REFUSED: Final = "@refused"
"""Brings the error of a call that a mailbox did not take."""


HANG_UP: Final = "@hang_up"


class Item(NamedTuple):
    """One message or system signal on its way."""

    topic: str
    values: list[Any]
    sender: str | None = None
    call: list[Any] | None = None
    """Where a call wants its reply: the PID's text and the number of the call. A third entry, in a delivery to a node,
    says that the node is to watch the target for the caller, and may answer at once; in a signal, that the server has
    refused the call as an update."""
    target: str | None = None
    """For whom it is, in a delivery to a node; a signal is for its workflow."""
    cause: Mapping[str, str] | None = None
    """The cause of a traced message. Not part of what it is: a replay may see another."""


class Call(NamedTuple):
    """A durable process's call to a local one, whose node answers by it, and tells of the target's end."""

    caller: PID
    number: int


class Mark(NamedTuple):
    """Which batch this is, of those from one sender to one destination: repeats of it are dropped.

    With a `floor`, which the deliveries of durable processes have, `number` is that of the first item, and the items up
    to the floor are certain to stay as they were. Later ones are not: a local activity delivers before its workflow
    task is recorded, and when that fails, its next execution may see more and send something else. See `Received`.
    """

    stream: str
    number: int
    floor: int | None = None


@register
class Unanswered(enum.Enum):
    """Why the update of a call returns without its reply."""

    LATER = "later"
    """The reply will come as a message."""
    GONE = "gone"
    """The process has ended; how, its exit says."""
    REFUSED = "refused"
    """The server takes no more updates. It never travels."""


def _values(payload: Any) -> list[Any]:
    cls: type[Any] = payload.__class__
    if payload is None:
        return []
    return list(payload) if cls is tuple and len(payload) > 1 else [payload]


def call_key(to: ReplyTo) -> str:
    """What a call is known by: the id of its update."""
    return f"{to.pid}#{to.call}"


def message_item(message: Message, cause: Mapping[str, str] | None = None) -> Item:
    """A user's message as it travels."""
    values: list[Any] = _values(message.payload)
    to = message.reply_to
    return Item(
        message.topic,
        values,
        None if message.sender is None else str(message.sender),
        None if to is None else [str(to.pid), to.call],
        cause=cause,
    )


def row_of(item: Item, fields: int = 5) -> list[Any]:
    """An item in a batch: its first fields, as programs without traces write and read it, or all if it has a cause."""
    return list(item) if item.cause is not None else list(item[:fields])


def item_message(item: Item) -> Message:
    """The message that an item carries."""
    values = item.values
    payload = values[0] if len(values) == 1 else tuple(values) if values else None
    sender = None if item.sender is None else PID.parse(item.sender)
    reply_to = None if item.call is None else ReplyTo(PID.parse(item.call[0]), item.call[1])
    return Message(item.topic, payload, sender, reply_to)


def refused_item(item: Item) -> Item:
    """A call that goes as a message because the server has refused it as an update, as which it may come nevertheless.

    The server forgets an update when it drops a workflow task, and takes it back when the worker answers that task.
    """
    assert item.call is not None
    return item._replace(call=[*item.call, True])


def refused_call(item: Item) -> ReplyTo | None:
    """The call that the server has refused as an update."""
    return None if item.call is None or len(item.call) < 3 else item_message(item).reply_to


def call_of(item: Item) -> Call | None:
    """The call whose target the node is to watch for its caller."""
    if item.call is None or len(item.call) < 3:
        return None
    caller, number, *_ = item.call
    return Call(PID.parse(caller), number)


def call_number(item: Item) -> int | None:
    """The number of the call that `call_of` gives."""
    return None if item.call is None or len(item.call) < 3 else item.call[1]


def reply_item(call: int, payload: Any) -> Item:
    """The answer to a call."""
    return Item(REPLY, [call, payload])


def refusal_item(call: int, error: Error) -> Item:
    """The error of a call that was not taken, instead of an answer."""
    return Item(REFUSED, [call, error])


def bound_row(bound: Bound | None) -> list[Any] | None:
    """The bound of a mailbox, in a header."""
    return None if bound is None else [bound.limit, bound.overflow]


def link_item(topic: str, by: PID) -> Item:
    """`@link` or `@unlink` by a process."""
    return Item(topic, [str(by)])


def link_down_item(by: PID, reason: Reason, result: Result) -> Item:
    """The signal of a link. Of the result only the error is told: a value is not the peer's business."""
    return Item(LINK_DOWN, [str(by), reason, result.error])


def monitor_item(topic: str, by: PID, number: int) -> Item:
    """`@monitor` or `@unmonitor`; the number is that of the watch there."""
    return Item(topic, [str(by), number])


def exit_item(number: int, event: Exit) -> Item:
    """The end of a process, for the watch of a number elsewhere."""
    return Item(EXIT, [str(event.pid), number, event.reason, event.result])
