"""What can be seen of processes and of a node from outside."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs

from actors._kernel.process import Process
from actors._values.messages import Message
from actors._values.pid import PID
from actors._values.portable import register


@register
@attrs.frozen
class Description:
    """What can be seen of a process from outside.

    `label` is what it calls itself, if anything (`set_options`), `mailbox` the number of unread messages, `topics`
    their number by listener, `waits` where each of its tasks stands (outermost call first), `age` the time since the
    spawn, `handled` how many messages were received, `recent` the last messages while they are recorded
    (`Node.record`). What a host does not know is None.
    """

    pid: PID
    entry: str
    status: str
    label: str = attrs.field(default="", kw_only=True)
    parent: PID | None = None
    names: tuple[str, ...] = ()
    mailbox: int | None = None
    topics: Mapping[str, int] = attrs.field(factory=dict[str, int])
    links: tuple[PID, ...] = ()
    monitors: tuple[PID, ...] = ()
    watchers: int | None = None
    handled: int | None = None
    age: timedelta | None = None
    trap_links: bool | None = None
    context: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    waits: tuple[tuple[str, ...], ...] = ()
    recent: tuple[Message, ...] | None = None
    details: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


@attrs.frozen
class Statistics:
    """Counts since the node started: `exits` by reason, `messages` that mailboxes took, and what others count.

    `counters` has `restarts` by supervisors; with a bridge `batches` that went to Temporal and the `batched_messages`
    in them. A name that is missing was not counted yet. `gauges` has the `calls` that wait for their reply, and with a
    bridge the `outbox_messages` that wait for their batch.
    """

    processes: int
    spawned: int
    exits: Mapping[str, int]
    dead_letters: int
    names: int
    messages: int = 0
    counters: Mapping[str, int] = attrs.field(factory=dict[str, int])
    gauges: Mapping[str, int] = attrs.field(factory=dict[str, int])


def describe_process(process: Process) -> Description:
    """What can be seen of a local process; all of it is looked up now, nothing was collected before."""
    mailbox, scheduler = process.mailbox, process.scheduler
    unread = mailbox.unread
    return Description(
        pid=process.pid,
        entry=process.entry.id,
        status="ending" if process.exiting else "running",
        parent=process.parent,
        names=tuple(sorted(process.names or ())),
        mailbox=unread,
        topics={topic: listener.unread for topic, listener in (mailbox.listeners or {}).items()},
        links=tuple(process.links or ()),
        monitors=tuple(process.monitored.values()),
        watchers=len(process.watchers or ()),
        handled=mailbox.accepted - unread,
        age=timedelta(seconds=scheduler.time() - process.started),
        trap_links=process.options.trap_links,
        label=process.options.label,
        context=process.context,
        waits=tuple(tuple(scheduler.stack(task)) for task in process.tasks),
        recent=None if mailbox.recent is None else tuple(mailbox.recent),
    )
