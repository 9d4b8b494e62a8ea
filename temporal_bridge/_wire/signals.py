"""What travels: signals and deliveries, and the header that says from whom, which one, and in what context.

A message to a durable process is a signal named by its topic, with the payload as its argument, so that every Temporal
tool can read and write it. Several messages to one destination travel together as one `@batch` signal. What the
runtime says to itself has topics of its own that start with `@`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, cast

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from actors import PID, Description, Error, Result, gone, invalid
from actors.wire import BATCH, CANCEL, Envelope, SequenceNumber, to_row
from temporal_bridge._wire.cancel_request import CancelRequest
from temporal_bridge._wire.converter import MsgpackPayloadConverter, payload_size

log = logging.getLogger("everproc.bridge")

HEADER: Final = "everproc"
DEADLINE: Final = "@deadline"
"""Announces a cancel request, which Temporal brings without its deadline, reason and sender."""


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

FETCH_RESULT: Final = "@fetch_result"
"""The activity that brings the result of a local function that its worker has kept."""

DURABLE: Final = "temporal"
"""The host in the PID of a durable process."""

_packer = MsgpackPayloadConverter()


def announce_envelope(request: CancelRequest) -> Envelope:
    """A cancel request that is about to come: its deadline first, which counts from now."""
    return Envelope(DEADLINE, [request.deadline, request.by, request.reason, request.id])


def cancel_envelope(request: CancelRequest) -> Envelope:
    """A request to stop, as a process is told of it."""
    return Envelope(CANCEL, [request.by, request.reason, request.deadline])


def with_size(item: Envelope, converter: PayloadConverter) -> tuple[Envelope, int]:
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
    """The facts of a header; none when it was written by somebody else.

    Raises:
        Error: kind INVALID, when it bears our name and cannot be read, or holds what we do not write.
    """
    payload = headers.get(HEADER)
    if payload is None:
        return {}
    facts: Any = (
        _packer.from_payload(payload) if payload.metadata.get("encoding") == b"binary/msgpack" else None
    )
    if not isinstance(facts, dict):
        raise invalid(f"header {HEADER!r}", facts, "a table in msgpack")
    found = cast("Mapping[str, Any]", facts)
    for fact, value in found.items():
        if not isinstance(value, _FACTS.get(fact, object)):
            raise invalid(f"header {HEADER!r}: {fact}", value, f"{_FACTS[fact].__name__}")
    if "stream" in found and not 0 <= found.get("number", -1) < 2**63:
        raise invalid(f"header {HEADER!r}: number", found.get("number"), "the number of a batch")
    return found


_FACTS: Final[Mapping[str, type[Any]]] = {
    "from": str,
    "call": list,
    "cause": dict,
    "stream": str,
    "number": int,
    "context": dict,
    "caller": str,
    "parent": str,
    "bound": list,
    "messages": list,
    "carried": dict,
    "signalled": bool,
    "pending": int,
}
"""The types of the facts that headers of ours hold."""


def facts_of(headers: Mapping[str, Payload], of: str) -> Mapping[str, Any]:
    """As `from_header`; one that cannot be read is dropped with a warning, and what it comes with is a stranger's."""
    try:
        return from_header(headers)
    except Error as error:
        if not (workflow.in_workflow() and workflow.unsafe.is_replaying()):
            log.warning("the header of %s was dropped: %s", of, error)
        return {}


class Signal(NamedTuple):
    """A signal as it is given to Temporal."""

    name: str
    args: list[Any]
    header: dict[str, Payload]


def signal_of(items: list[Envelope], mark: SequenceNumber, more: Mapping[str, Any] | None = None) -> Signal:
    """The signal for a batch: a lone item under its own name, several as one. `more` goes into its header."""
    facts = {**(more or {}), "stream": mark.stream, "number": mark.number}
    if len(items) == 1:
        (item,) = items
        return Signal(
            item.topic,
            item.values,
            to_header({**facts, "from": item.sender, "call": item.call, "cause": item.cause}),
        )
    return Signal(BATCH, [[to_row(item, 4) for item in items]], to_header(facts))


def rows_of(
    name: str, values: list[Any], facts: Mapping[str, Any]
) -> tuple[Sequence[Any], SequenceNumber | None]:
    """The items of a signal as rows, to be read by `wire.from_row`, and which batch it was if one of us sent it."""
    mark = SequenceNumber(facts["stream"], facts["number"]) if "stream" in facts else None
    if name == BATCH and len(values) == 1 and isinstance(values[0], list):
        return cast("Sequence[Any]", values[0]), mark
    return [[name, values, facts.get("from"), facts.get("call"), None, facts.get("cause")]], mark
