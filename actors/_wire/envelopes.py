"""Envelopes: messages and system signals on their way to another operating-system process.

What the runtime says to itself has topics of its own that start with `@`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from actors._channels.mailbox import Capacity
from actors._values.errors import Error, invalid
from actors._values.events import Exit, Reason, Result
from actors._values.messages import Message, ReplyTo, check_topic
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


CANCEL_CALL: Final = "@hang_up"


class Envelope(NamedTuple):
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


class SequenceNumber(NamedTuple):
    """Which batch this is, of those from one sender to one destination: repeats of it are dropped.

    With `acked_through`, which the deliveries of durable processes have, `number` is that of the first envelope, and
    those up to `acked_through` are certain to stay as they were. Later ones are not: a local activity delivers before
    its workflow task is recorded, and when that fails, its next execution may see more and send something else. See
    `ReplayDedup`.
    """

    stream: str
    number: int
    acked_through: int | None = None


@register
class CallOutcome(enum.Enum):
    """Why the update of a call returns without its reply."""

    DEFERRED = "later"
    """The reply will come as a message."""
    EXITED = "gone"
    """The process has ended; how, its exit says."""
    REFUSED = "refused"
    """The server takes no more updates. It never travels."""


_Check = Callable[[Any], bool]


def _is(*types: type[Any]) -> _Check:
    return lambda value: isinstance(value, types)


def _anything(_: Any) -> bool:
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 2**63


def _is_pid(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    PID.parse(value)
    return True


def _is_reason(value: Any) -> bool:
    return isinstance(value, str) and value in get_args(Reason)


def is_deadline(value: Any) -> bool:
    """Whether a value is a number of seconds that a clock can count, or None."""
    return value is None or (isinstance(value, int | float) and 0 <= value <= LONGEST_DEADLINE)


LONGEST_DEADLINE: Final = 100 * 365 * 24 * 3600
"""A hundred years, in seconds. Clocks and servers count on for some more, but not for ever."""


def _is_call(value: Any) -> bool:
    if value is None:
        return True
    row: list[Any] = value
    return isinstance(value, list | tuple) and len(row) >= 2 and _is_pid(row[0]) and _is_number(row[1])


def _is_cause(value: Any) -> bool:
    if value is None:
        return True
    facts: Mapping[Any, Any] = value
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(item, str) for key, item in facts.items()
    )


_TEXT: Final = _is(str)
_MAYBE_TEXT: Final = _is(str, type(None))


def _is_maybe_pid(value: Any) -> bool:
    return value is None or _is_pid(value)


_ITEM: Final[tuple[_Check, ...]] = (_TEXT, _is(list, tuple), _MAYBE_TEXT, _is_call, _MAYBE_TEXT, _is_cause)
"""What the fields of an envelope hold, in their order."""


_SYSTEM: Final[Mapping[str, tuple[_Check, ...]]] = {
    REPLY: (_is_number, _anything),
    REFUSED: (_is_number, _is(Error)),
    LINK: (_is_pid,),
    UNLINK: (_is_pid,),
    LINK_DOWN: (_is_pid, _is_reason, _is(Error, type(None))),
    TERMINATE: (_TEXT,),
    CANCEL: (_is_maybe_pid, _TEXT, is_deadline),
    CANCEL_CALL: (_TEXT,),
    MONITOR: (_is_pid, _is_number),
    UNMONITOR: (_is_pid, _is_number),
    EXIT: (_is_pid, _is_number, _is_reason, _is(Result)),
}
"""What the values of a system signal are. What is not, a stranger has sent."""


def _values(payload: Any) -> list[Any]:
    cls: type[Any] = payload.__class__
    if payload is None:
        return []
    return list(payload) if cls is tuple and len(payload) > 1 else [payload]


def call_key(to: ReplyTo) -> str:
    """What a call is known by: the id of its update."""
    return f"{to.pid}#{to.call}"


def to_envelope(message: Message, cause: Mapping[str, str] | None = None) -> Envelope:
    """A user's message as it travels.

    Raises:
        Error: kind INVALID, when its topic cannot.
    """
    if message.topic[:1] != "@":  # a stranger's, which goes on as a dead letter
        check_topic(message.topic)
    values: list[Any] = _values(message.payload)
    to = message.reply_to
    return Envelope(
        message.topic,
        values,
        None if message.sender is None else str(message.sender),
        None if to is None else [str(to.pid), to.call],
        cause=cause,
    )


def to_row(item: Envelope, fields: int = 5) -> list[Any]:
    """An item in a batch: its first fields, as programs without traces write and read it, or all if it has a cause."""
    return list(item) if item.cause is not None else list(item[:fields])


def from_row(row: Any) -> Envelope:
    """The item that a row of a batch is, which anybody may have written.

    Raises:
        Error: kind INVALID, when it is none.
    """
    fields: list[Any] = row
    if not isinstance(row, list | tuple) or not 2 <= len(fields) <= len(Envelope._fields):
        raise invalid("item", fields, "a list of a topic, a list of values, and what else an envelope has")
    item = Envelope(*fields)
    for field, value, is_good in zip(Envelope._fields, item, _ITEM, strict=True):
        if not is_good(value):
            raise invalid(f"item.{field}", value, "what an envelope has there")
    if item.topic[:1] == "@":
        check_system(item)
    else:
        check_topic(item.topic)
    return item


def check_system(item: Envelope) -> None:
    """Refuse what comes on a topic of the runtime's and is not what goes there; other items may have any values.

    Raises:
        Error: kind INVALID.
    """
    wanted = _SYSTEM.get(item.topic)
    if wanted is None:
        return
    values = item.values
    if len(values) != len(wanted) or not all(
        is_good(value) for is_good, value in zip(wanted, values, strict=True)
    ):
        raise invalid(f"values of {item.topic!r}", values, "what the runtime sends on this topic")


def from_envelope(item: Envelope) -> Message:
    """The message that an item carries."""
    values = item.values
    payload = values[0] if len(values) == 1 else tuple(values) if values else None
    sender = None if item.sender is None else PID.parse(item.sender)
    reply_to = None if item.call is None else ReplyTo(PID.parse(item.call[0]), item.call[1])
    return Message(item.topic, payload, sender, reply_to)


def refused_envelope(item: Envelope) -> Envelope:
    """A call that goes as a message because the server has refused it as an update, as which it may come nevertheless.

    The server forgets an update when it drops a workflow task, and takes it back when the worker answers that task.
    """
    assert item.call is not None
    return item._replace(call=[*item.call, True])


def refused_call(item: Envelope) -> ReplyTo | None:
    """The call that the server has refused as an update."""
    return None if item.call is None or len(item.call) < 3 else from_envelope(item).reply_to


def call_of(item: Envelope) -> Call | None:
    """The call whose target the node is to watch for its caller."""
    if item.call is None or len(item.call) < 3:
        return None
    caller, number, *_ = item.call
    return Call(PID.parse(caller), number)


def call_number(item: Envelope) -> int | None:
    """The number of the call that `call_of` gives."""
    return None if item.call is None or len(item.call) < 3 else item.call[1]


def reply_envelope(call: int, payload: Any) -> Envelope:
    """The answer to a call."""
    return Envelope(REPLY, [call, payload])


def refusal_envelope(call: int, error: Error) -> Envelope:
    """The error of a call that was not taken, instead of an answer."""
    return Envelope(REFUSED, [call, error])


def capacity_row(capacity: Capacity | None) -> list[Any] | None:
    """The bound of a mailbox, in a header."""
    return None if capacity is None else [capacity.limit, capacity.overflow]


def link_envelope(topic: str, by: PID) -> Envelope:
    """`@link` or `@unlink` by a process."""
    return Envelope(topic, [str(by)])


def link_down_envelope(by: PID, reason: Reason, result: Result) -> Envelope:
    """The signal of a link. Of the result only the error is told: a value is not the peer's business."""
    return Envelope(LINK_DOWN, [str(by), reason, result.error])


def monitor_envelope(topic: str, by: PID, number: int) -> Envelope:
    """`@monitor` or `@unmonitor`; the number is that of the watch there."""
    return Envelope(topic, [str(by), number])


def exit_envelope(number: int, event: Exit) -> Envelope:
    """The end of a process, for the watch of a number elsewhere."""
    return Envelope(EXIT, [str(event.pid), number, event.reason, event.result])
