"""The one way into a durable process: whatever comes is taken in, or dropped with one warning (promise 44).

Nothing here raises because of what somebody has sent: that would fail the workflow task, which is tried again with the
same bytes for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.common import RawValue

from actors import PID, Capacity, Error, wire
from actors.wire import DEEPEST, DEEPEST_WRITTEN, Envelope, SequenceNumber
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import read_values
from temporal_bridge._workflow.outbound.commands import MOST_PENDING

log = logging.getLogger("everproc.bridge")


class StartFacts(NamedTuple):
    """What the header of a start says."""

    parent: PID | None = None
    context: Mapping[str, Any] = {}
    bound: Capacity | None = None
    messages: Sequence[Any] = ()
    signalled: bool = False
    most_pending: int = MOST_PENDING
    carried: Mapping[str, Any] = {}
    unreadable: Error | None = None
    """Why what the last run has handed over cannot be read by this code."""


def start_facts() -> StartFacts:
    """Read the header of the start. One that nobody of us wrote is dropped, and the process starts without it.

    What a run hands to the next is the process itself: with code that cannot read it the process is suspended.
    """
    info = workflow.info()
    goes_on = info.continued_run_id is not None
    try:
        facts = signals.from_header(info.headers)
        return StartFacts(
            PID.parse(facts["parent"]) if "parent" in facts else None,
            facts.get("context", {}),
            Capacity(*facts["bound"]) if "bound" in facts else None,
            facts.get("messages", ()),
            facts.get("signalled", False),
            max(1, facts.get("pending", MOST_PENDING)),
            facts.get("carried", {}) if goes_on else {},
        )
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes lead to
        if goes_on:
            return StartFacts(unreadable=Error.of(error))
        warn_dropped("the header of the start", error)
        return StartFacts()


def signal_rows(name: str, args: Sequence[RawValue]) -> tuple[Sequence[Any], SequenceNumber | None]:
    """The items of a signal as rows, and which batch it was if one of us sent it; none of one that cannot be read."""
    try:
        values = read_values(
            workflow.payload_converter(), args, DEEPEST_WRITTEN if name == wire.BATCH else DEEPEST
        )
        return signals.rows_of(name, values, signals.incoming.get() or {})
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes lead to
        warn_dropped(f"signal name={name!r}", error)
        return [], None


def items_of(rows: Iterable[Any]) -> Iterator[Envelope]:
    """The items that rows are. What is wrong with one is nothing to the others."""
    for row in rows:
        try:
            item = wire.from_row(row)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes lead to
            warn_dropped(f"item {row!r:.100}", error)
        else:
            yield item


def warn_dropped(what: str, error: Exception) -> None:
    """Say, once, what was dropped and why."""
    if not workflow.unsafe.is_replaying():
        log.warning("%s to %s was dropped: %s", what, workflow.info().workflow_id, Error.of(error))
