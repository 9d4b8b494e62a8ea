"""Upgrades of a durable process: what one run hands to the next, so that nobody notices that there is a new history.

What the old code held in its own hands ends with it: tasks, channels, the timers of `after` and `every`, the calls of
others that it had under way. What is the process's own goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from temporalio import workflow

from actors import Entry, Kernel, Message, Options, Process, exit_callback, wire
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import MOST_BYTES, payload_size
from temporal_bridge._workflow.outbound.watches import WorkflowWatches


def dump_state(kernel: Kernel, process: Process, watches: WorkflowWatches) -> dict[str, Any]:
    """What a process has, to be written. It keeps it: the run that follows may be refused."""
    mailbox = process.mailbox
    listeners = mailbox.listeners or {}
    unread: list[Message] = []
    for channel in (mailbox.inbox, *listeners.values()):
        held: list[Message] = channel.remove(lambda _: True)
        channel.replace_all(held)
        unread += held
    unread.sort(key=attrgetter("arrival"))
    events = [] if process.events is None else process.events.remove(lambda _: True)
    for event in events:
        process.put_event(event)
    return {
        "messages": [list(wire.to_envelope(message)) for message in unread],
        "listeners": {topic: channel.messages for topic, channel in listeners.items() if not channel.closed},
        "names": sorted(process.names or ()),
        "groups": kernel.groups.joined(process.pid),
        "clustered": kernel.wiring.cluster is not None and kernel.wiring.cluster.holds(process.pid),
        "events": events,
        "events_opened": process.events_opened,
        "trap_links": process.options.trap_links,
        "links": list(process.links or ()),
        "monitors": dict(process.monitors or {}),
        "watches": watches.numbers,
        "numbers": kernel.next_number(),
    }


def load_state(
    kernel: Kernel, process: Process, watches: WorkflowWatches, carried: Mapping[str, Any]
) -> None:
    """Give a new process what `dump_state` has written."""
    process.options = Options(trap_links=carried["trap_links"])
    process.events_opened = carried["events_opened"]
    for topic, messages in carried["listeners"].items():
        process.mailbox.listen(topic, messages)
    for name in carried["names"]:
        kernel.names.register(name, process)
    for group, count in carried.get("groups", {}).items():
        for _ in range(count):
            kernel.groups.join(group, process.pid)
    if kernel.wiring.cluster is not None and carried.get("clustered"):
        kernel.wiring.cluster.hold(process.pid)
    for item in carried["messages"]:
        process.mailbox.deliver(wire.from_envelope(wire.from_row(item)))
    kernel.skip_numbers(carried["numbers"])
    for event in carried["events"]:
        process.put_event(event)
    for ref, pid in carried["monitors"].items():
        process.note_monitor(ref, pid)
    numbers: Mapping[Any, int] = carried.get("watches", {})
    for ref, pid in list(process.monitored.items()):
        watches.resume_watch(pid, ref, exit_callback(process), numbers.get(pid))
    process.links = dict.fromkeys(carried["links"])
    for pid in process.links:
        watches.resume_link(pid, process.pid)


def begin_run(
    process: Process,
    watches: WorkflowWatches,
    entry: Entry,
    args: tuple[Any, ...],
    carried: Mapping[str, Any],
    most_pending: int,
) -> None:
    """Go on as a new run with all that the process has. Returns only if that is more than a run can be given."""
    facts = {
        "parent": None if process.parent is None else str(process.parent),
        "context": dict(process.context),
        "bound": wire.capacity_row(process.mailbox.capacity),
        "carried": carried,
        "pending": most_pending,
    }
    header = signals.to_header(facts)
    size = payload_size(workflow.payload_converter(), list(args), f"the arguments of {entry.id}")
    if size + sum(payload.ByteSize() for payload in header.values()) > MOST_BYTES:
        return
    signals.outgoing.set(header)
    watches.suspended = True
    # Search attributes go on by themselves; the memo would be that of the first start.
    workflow.continue_as_new(args=list(args), workflow=entry.name or entry.id, memo=workflow.memo() or None)
