"""Timers of a server: messages that it sends itself later (OTP's `erlang:send_after`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import attrs

import actors
from actors import Duration, Process, Ticker, check_topic, invalid, register, seconds

_tables: WeakKeyDictionary[Process, dict[int, ServerTimer]] = WeakKeyDictionary()
"""The timers of each process that are set, by their numbers."""


@register
@attrs.define(eq=False)
class ServerTimer:
    """A message that comes later, or again and again, as from any sender. It ends with its process.

    Kept in the state of a durable server it is the same timer after an upgrade, too. `due` is a time of the host's
    clock, which goes on across the runs of a durable process.
    """

    number: int
    topic: str
    payload: tuple[Any, ...] = attrs.field(repr=False)
    due: float
    interval: float | None
    ticks: Ticker | None = attrs.field(init=False, default=None, repr=False)

    def cancel(self) -> bool:
        """Send no more. False when there was nothing more to be sent; that message may wait in the mailbox already."""
        timer: ServerTimer | None = self
        if self.ticks is None:  # one that was carried in the state: the process has the timer itself
            timer = _tables.get(actors.running_process(), {}).get(self.number)
        if timer is None or timer.ticks is None:
            return False
        pending = not timer.ticks.closed
        timer.ticks.close()
        return pending


def start_timer(duration: Duration, repeat: bool, topic: str, payload: tuple[Any, ...]) -> ServerTimer:
    """Set a timer of the running process."""
    check_topic(topic)
    length = seconds(duration, "interval" if repeat else "duration")
    if repeat and not length:
        raise invalid("interval", duration, "a duration of more than 0")
    process = actors.running_process()
    due = process.scheduler.time() + length
    timer = ServerTimer(process.kernel.next_number(), topic, payload, due, length if repeat else None)
    _start(process, timer)
    return timer


def timers_set() -> tuple[ServerTimer, ...]:
    """The timers of the running process that are set."""
    table = _tables.get(actors.running_process(), {})
    return tuple(timer for timer in table.values() if timer.ticks is not None and not timer.ticks.closed)


def resume_timers(timers: Iterable[ServerTimer]) -> None:
    """Set timers again, each for when it is due: the process goes on in another run."""
    process = actors.running_process()
    _tables.pop(process, None)
    for timer in timers:
        _start(process, timer)


def _start(process: Process, timer: ServerTimer) -> None:
    ticks = timer.ticks = _ticks(process, timer.due)
    table = _tables.setdefault(process, {})
    table[timer.number] = timer
    actors.start_soon(_run, process, timer, ticks, table)


def _ticks(process: Process, due: float) -> Ticker:
    ticks = actors.after(timedelta(seconds=max(0.0, due - process.scheduler.time())))
    assert isinstance(ticks, Ticker)
    return ticks


async def _run(process: Process, timer: ServerTimer, ticks: Ticker, table: dict[int, ServerTimer]) -> None:
    async for _ in ticks:
        # Sent before it is noted: an upgrade comes before both or after both.
        await actors.send(process.pid, timer.topic, *timer.payload)
        if timer.interval is None:
            ticks.close()
        elif not ticks.closed:
            now = process.scheduler.time()
            timer.due += timer.interval * (1 + max(0.0, now - timer.due) // timer.interval)  # none is doubled
            ticks.reset(timedelta(seconds=max(0.0, timer.due - now)))
    del table[timer.number]
