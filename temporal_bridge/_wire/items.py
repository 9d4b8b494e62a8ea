"""What travels: signals and deliveries, and the header that says from whom, which one, and in what context.

A message to a durable process is a signal named by its topic, with the payload as its argument, so that every Temporal
tool can read and write it. Several messages to one destination travel together as one `@batch` signal. What the
runtime says to itself has topics of its own that start with `@`.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from actors import PID, Bound, Description, Error, Exit, Message, Reason, ReplyTo, Result, gone
from temporal_bridge._wire.cancel_request import CancelRequest
from temporal_bridge._wire.converter import MsgpackPayloadConverter, pack, payload_size, register

HEADER: Final = "everproc"
BATCH: Final = "@batch"
REPLY: Final = "@reply"
LINK: Final = "@link"
UNLINK: Final = "@unlink"
LINK_DOWN: Final = "@link_down"
TERMINATE: Final = "@terminate"
CANCEL: Final = "@cancel"
DEADLINE: Final = "@deadline"
"""Announces a cancel request; in old histories, only its deadline."""

MONITOR: Final = "@monitor"
UNMONITOR: Final = "@unmonitor"
EXIT: Final = "@exit"
REFUSED: Final = "@refused"
"""Brings the error of a call that a mailbox did not take."""

HANG_UP: Final = "@hang_up"

DESCRIBE: Final = "@describe"
"""The query that asks a durable process what can be seen of it."""

STATE: Final = "get_state"
"""The query that asks a durable server for its state; by this name for people, too."""

DELIVER: Final = "@deliver"
"""The activity that brings a batch to a process of a node."""

WATCH: Final = "@watch"
"""The activity that waits for the end of a process elsewhere."""

LEASE: Final = "@lease"
"""The activity that runs for as long as a node is alive."""

IS_DEAD: Final = "@is_dead"
"""The activity that says, of a node that is silent, whether it is dead."""

IS_RUNNING: Final = "@is_running"
"""The activity that says whether a workflow is open."""

REFUSED_ATTRIBUTES: Final = "@refused_attributes"
"""The activity that says which search attributes the server would refuse."""

LOOK: Final = "@look"
"""The activity that describes a process to who cannot look for itself."""

TERMINATE_WORKFLOW: Final = "@terminate_workflow"
"""The activity that terminates another workflow: no command of Temporal does."""

DURABLE: Final = "temporal"
"""The host in the PID of a durable process."""

_packer = MsgpackPayloadConverter()


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


def _values(payload: Any) -> list[Any]:
    cls: type[Any] = payload.__class__
    if payload is None:
        return []
    return list(payload) if cls is tuple and len(payload) > 1 else [payload]


@register
class Unanswered(enum.Enum):
    """Why the update of a call returns without its reply."""

    LATER = "later"
    """The reply will come as a message."""
    GONE = "gone"
    """The process has ended; how, its exit says."""
    REFUSED = "refused"
    """The server takes no more updates. It never travels."""


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


def announce_item(request: CancelRequest) -> Item:
    """A cancel request that is about to come: its deadline first, which counts from now."""
    return Item(DEADLINE, [request.deadline, request.by, request.reason, request.id])


def cancel_item(request: CancelRequest) -> Item:
    """A request to stop, as a process is told of it."""
    return Item(CANCEL, [request.by, request.reason, request.deadline])


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


def with_size(item: Item, converter: PayloadConverter) -> tuple[Item, int]:
    """An exit and its size; with a result that cannot be written, that is what the watcher is told (semantics 5)."""
    try:
        return item, payload_size(converter, item.values, "the result")
    except Error as error:
        return item._replace(values=[*item.values[:3], Result(error=error)]), 1000


def looked(target: PID, found: list[Description] | None) -> Description:
    """What a look at a process has found; None when its node did not answer.

    Raises:
        Error: kind NOT_FOUND, when there is no such process; UNAVAILABLE, when its node is gone.
    """
    if found:
        return found[0]
    missing: Description = gone(target, "noproc" if found is not None else "noconnection").unwrap()
    return missing


# Headers

outgoing: ContextVar[Mapping[str, Payload] | None] = ContextVar("everproc_outgoing", default=None)
"""What the interceptors add to the headers of the next call to Temporal."""

incoming: ContextVar[Mapping[str, Any] | None] = ContextVar("everproc_incoming", default=None)
"""The header of the signal or activity that is being handled."""


eager: ContextVar[bool] = ContextVar("everproc_eager", default=True)
"""Whether the next activity may start on the worker that asks for it, without a way through the task queue."""


def to_header(facts: Mapping[str, Any]) -> dict[str, Payload]:
    """Facts as a header, without those that are None."""
    payload = _packer.to_payload({key: value for key, value in facts.items() if value is not None})
    assert payload is not None
    return {HEADER: payload}


def from_header(headers: Mapping[str, Payload]) -> Mapping[str, Any]:
    """The facts of a header; none when it was written by somebody else."""
    payload = headers.get(HEADER)
    if payload is None or payload.metadata.get("encoding") != b"binary/msgpack":
        return {}
    try:
        facts: Any = _packer.from_payload(payload)
    except Error:  # somebody else's, under our name
        return {}
    return cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}


class Signal(NamedTuple):
    """A signal as it is given to Temporal."""

    name: str
    args: list[Any]
    header: dict[str, Payload]


def signal_of(items: list[Item], mark: Mark, more: Mapping[str, Any] | None = None) -> Signal:
    """The signal for a batch: a lone item under its own name, several as one. `more` goes into its header."""
    facts = {**(more or {}), "stream": mark.stream, "number": mark.number}
    if len(items) == 1:
        (item,) = items
        return Signal(
            item.topic,
            item.values,
            to_header({**facts, "from": item.sender, "call": item.call, "cause": item.cause}),
        )
    return Signal(BATCH, [[row_of(item, 4) for item in items]], to_header(facts))


def items_of(name: str, values: list[Any], facts: Mapping[str, Any]) -> tuple[list[Item], Mark | None]:
    """The items of a signal, and which batch it was if one of us sent it."""
    mark = Mark(facts["stream"], facts["number"]) if "stream" in facts else None
    if name == BATCH and len(values) == 1 and isinstance(values[0], list):
        return [Item(*item) for item in cast("list[list[Any]]", values[0])], mark
    return [Item(name, values, facts.get("from"), facts.get("call"), cause=facts.get("cause"))], mark


class Seen:
    """Which batches have come, by stream: each counts up, so that the last number says it all."""

    def __init__(self, last: Mapping[str, int] | None = None, most: int = 65536) -> None:
        self._last = dict(last or {})
        self._most = most

    def is_new(self, mark: Mark | None) -> bool:
        """Note a batch; False when it had come before. One without a mark is always new."""
        if mark is None:
            return True
        last = self._last.pop(mark.stream, 0)
        self._last[mark.stream] = max(last, mark.number)  # at the end: the stream used longest ago goes first
        if len(self._last) > self._most:
            del self._last[next(iter(self._last))]
        return mark.number > last

    def snapshot(self, most: int) -> dict[str, int]:
        """The last numbers of the streams used last, to go on with elsewhere."""
        return dict(list(self._last.items())[-most:])

    def last(self, stream: str) -> int:
        """The number of the last batch of a stream that has come; 0 before the first."""
        return self._last.get(stream, 0)


class _Stream:
    __slots__ = ("floor", "items", "orphans")

    def __init__(self) -> None:
        self.floor = 0
        self.items: dict[int, bytes] = {}
        self.orphans: Counter[bytes] = Counter()


class Received:
    """Which deliveries have come to a node, so that none is taken twice and none is lost.

    Batches without a floor go by their number. Of the others each item is known by number and content from the floor
    on. An item with a known number and other content tells that the execution that sent the known one was rolled back:
    from there on the known ones are orphans, which are not taken again when they come under their new numbers.
    """

    def __init__(self, most: int = 65536) -> None:
        self._batches = Seen(most=most)
        self._streams: dict[str, _Stream] = {}
        self._most = most

    def fresh(self, mark: Mark, items: list[Item]) -> list[bool]:
        """Note a batch: for each item whether it is to be taken."""
        if mark.floor is None:
            return [self._batches.is_new(mark)] * len(items)
        stream = self._streams.pop(mark.stream, None) or _Stream()
        self._streams[mark.stream] = stream  # at the end: the stream used longest ago goes first
        if len(self._streams) > self._most:
            del self._streams[next(iter(self._streams))]
        if mark.floor > stream.floor:
            stream.floor = mark.floor
            for number in [number for number in stream.items if number <= mark.floor]:
                del stream.items[number]
        return [
            self._is_fresh(stream, number, _digest(item)) for number, item in enumerate(items, mark.number)
        ]

    def _is_fresh(self, stream: _Stream, number: int, digest: bytes) -> bool:
        if number <= stream.floor:
            return False
        before = stream.items.get(number)
        if before == digest:
            return False
        if before is not None:
            for later in [later for later in stream.items if later >= number]:
                stream.orphans[stream.items.pop(later)] += 1
        stream.items[number] = digest
        if stream.orphans[digest]:
            stream.orphans[digest] -= 1
            return False
        return True


def _digest(item: Item) -> bytes:
    return blake2b(pack(list(item[:5])), digest_size=16).digest()
