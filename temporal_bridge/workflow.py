"""What only a durable process can do: look at its workflow, pin versions of its code, set attributes.

    version = temporal_bridge.workflow.version("payment-v2", 1, 2)

All of it raises `Error` with kind CONFLICT outside a durable process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attr
from temporalio import workflow as temporal
from temporalio.common import SearchAttributePair

import actors
from actors import CONFLICT, INVALID, Error, Target, invalid, register
from temporal_bridge._wire.converter import check_size, payload_size
from temporal_bridge._wire.start_options import check_sizes, memo_table, search_attribute

__all__ = [
    "DEFAULT_VERSION",
    "Info",
    "attrs",
    "execute",
    "history_length",
    "history_size",
    "info",
    "should_upgrade",
    "version",
]

DEFAULT_VERSION: Final = -1
"""The version of an execution that passed the spot before there was a `version` call."""


@register
@attr.frozen
class Info:
    """The workflow that the process runs as; `history_size` in bytes."""

    workflow_id: str
    run_id: str
    workflow_type: str
    task_queue: str
    namespace: str
    attempt: int
    history_length: int
    history_size: int


def info() -> Info:
    """What workflow this process is."""
    _check()
    found = temporal.info()
    return Info(
        workflow_id=found.workflow_id,
        run_id=found.run_id,
        workflow_type=found.workflow_type,
        task_queue=found.task_queue,
        namespace=found.namespace,
        attempt=found.attempt,
        history_length=found.get_current_history_length(),
        history_size=found.get_current_history_size(),
    )


def history_length() -> int:
    """How many events the history has."""
    return info().history_length


def history_size() -> int:
    """How many bytes the history has."""
    return info().history_size


def should_upgrade() -> bool:
    """Whether the history has grown so much that the process should `upgrade()`, which starts a new one.

    It has, when Temporal says so (by default at 4,096 events or 4 MiB), or after 5,000 signals. Not while an upgrade
    would go on in the old history, because there are children that would end with their parent.
    """
    _check()
    instance: Any = temporal.instance()
    upgrade: bool = instance.should_upgrade()
    return upgrade


async def execute(target: Target, *args: Any) -> Any:
    """As `actors.execute`: a child, its value or its error."""
    _check()
    return await actors.execute(target, *args)


def version(change_id: str, min_supported: int, max_supported: int) -> int:
    """Which version of a change this execution goes by; the same for its whole life.

    A new execution gets `max_supported`. One that is running keeps what it got, also after the maximum was raised; one
    that passed this spot before the call was there gets `DEFAULT_VERSION`.

    Raises:
        Error: kind INVALID for bad arguments. CONFLICT when this code does not support the version of this execution:
            the process is suspended, whatever it does with the error, until code is deployed that supports it.
    """
    _check()
    _text(change_id, "change_id", _LONGEST_CHANGE_ID)
    for name, value in (("min_supported", min_supported), ("max_supported", max_supported)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(name, value, "a whole number")
    if not DEFAULT_VERSION <= min_supported <= max_supported or max_supported < 1:
        raise Error(
            f"version({change_id!r}, {min_supported}, {max_supported}) makes no sense: expected"
            f" {DEFAULT_VERSION} <= min_supported <= max_supported and max_supported of 1 or more",
            kind=INVALID,
        )
    # Each number is a patch of Temporal's: the newest one that the history knows is the version of this execution.
    found = _newest(change_id, range(max_supported, 0, -1))
    if found == DEFAULT_VERSION and temporal.unsafe.is_replaying():
        # Code that was deployed before, and is newer than this one, may have recorded a number that this one lacks. To
        # ask is safe only in a replay: otherwise the answer is yes, and is recorded.
        found = _newest(change_id, range(max_supported + _NEWER, max_supported, -1))
    if min_supported <= found <= max_supported:
        return found
    if found < min_supported:
        text = f"older than the supported {min_supported}: deploy code that still supports it"
    else:
        text = f"newer than the supported {max_supported}: deploy the newer code again"
    error = Error(
        f"version of {change_id!r} is {found} in this execution, {text}",
        kind=CONFLICT,
        details={"change_id": change_id, "version": found},
    )
    instance: Any = temporal.instance()
    instance.refuse_version(error)
    raise error


_NEWER: Final = 100
"""How many versions newer than its own a rolled back program recognizes."""


def _newest(change_id: str, numbers: Iterable[int]) -> int:
    """The first of some versions that the history of this execution has."""
    found = (number for number in numbers if temporal.patched(f"{change_id}@{number}"))
    return next(found, DEFAULT_VERSION)


def attrs(search: Mapping[str, Any] | None = None, memo: Mapping[str, Any] | None = None) -> None:
    """Set search attributes, which list queries find, and memo fields, which they only show.

    Raises:
        Error: kind INVALID, when a value is of no type that Temporal can index; when it is too large, alone or with
            what this process has set since it last waited; or when the namespace has no search
            attribute of that name, or one of another type: register it first, as the message says.
    """
    _check()
    if search is not None:
        if not isinstance(search, Mapping):
            raise invalid("search", search, "a mapping of attribute names to values")
        pairs: list[SearchAttributePair[Any]] = [
            search_attribute(key, value, "search") for key, value in search.items()
        ]
        instance: Any = temporal.instance()
        instance.attributes.check(pairs, "search")
        check_sizes(pairs, "search")
        updates = [pair.key.value_set(pair.value) for pair in pairs]
        temporal.upsert_search_attributes(updates)  # pyright: ignore[reportUnknownMemberType]
    if memo is not None:
        fields = memo_table(memo, "memo")
        converter = temporal.payload_converter()
        written = {key: value for key, value in fields.items() if value is not None}
        size = payload_size(converter, [written], "memo")
        kept = [payload for key, payload in temporal.info().raw_memo.items() if key not in fields]
        check_size(
            size + sum(payload.ByteSize() for payload in kept), "memo, with the fields that were set before,"
        )
        host: Any = temporal.instance()
        host.take_bytes(size, "memo")
        temporal.upsert_memo(fields)


_LONGEST_CHANGE_ID: Final = 255


def _text(value: Any, name: str, longest: int) -> None:
    if isinstance(value, str) and value:
        try:
            if len(value.encode()) <= longest:
                return
        except UnicodeEncodeError:  # half a character, which nothing carries
            pass
    raise invalid(name, value, f"a non-empty string of at most {longest} bytes")


def _check() -> None:
    if not temporal.in_workflow():
        raise Error("this works only in a durable process: spawn it on a worker", kind=CONFLICT)
