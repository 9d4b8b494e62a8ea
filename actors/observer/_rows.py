"""What the page is told of each process, and of that only what has changed."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

import trio

from actors._kernel.process import Process
from actors._kernel.process_info import Description
from actors._runtime.node import Node
from actors._values.errors import Error
from actors._values.pid import PID

MOST: Final = 5000
"""How many processes of a node are shown; how many there are is told."""

MOST_DURABLE: Final = 500
_ASKED_AT_ONCE: Final = 20
_BATCH: Final = 500
"""After so many processes others get a turn."""

Row = dict[str, Any]


class Rows:
    """All processes as the page shows them, looked at again when somebody asks and the last look is some time ago."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looked = -math.inf
        self._lock = trio.Lock()
        self._looked_elsewhere = -math.inf
        self._elsewhere_lock = trio.Lock()
        self._wrong: str | None = None
        self._handled: dict[PID, int] = {}
        self._rates: deque[tuple[float, int]] = deque(maxlen=2)
        self._durable: dict[str, Row] = {}
        self._parents: dict[PID, Description | None] = {}
        self.rows: dict[str, Row] = {}
        self.node: dict[str, Any] = {}

    async def look(self, age: float) -> None:
        """See to it that what is known is not older than so many seconds."""
        async with self._lock:
            now = trio.current_time()
            if now - self._looked < age:
                return
            since, self._looked = now - self._looked, now
            rows: dict[str, Row] = {}
            handled: dict[PID, int] = {}
            table = list(islice(self._node.kernel.table.values(), MOST))
            for number, process in enumerate(table):
                if number % _BATCH == _BATCH - 1:
                    await trio.lowlevel.checkpoint()
                row = self._row(process, handled, since)
                rows[row["pid"]] = row
            self._handled = handled
            self.rows = {**rows, **self._durable}
            self.node = self._summary(len(table), now)

    def _row(self, process: Process, handled: dict[PID, int], since: float) -> Row:
        pid, mailbox = process.pid, process.mailbox
        count = handled[pid] = mailbox.accepted - mailbox.unread
        before = self._handled.get(pid)
        return {
            "pid": str(pid),
            "host": pid.host,
            "id": pid.id,
            "entry": process.entry.id,
            "label": process.options.label,
            "names": sorted(process.names or ()),
            "status": "ending" if process.exiting else "running",
            "parent": None if process.parent is None else str(process.parent),
            "mailbox": mailbox.unread,
            "rate": 0 if before is None else round((count - before) / since, 1),
            "links": [str(link) for link in process.links or ()],
            "monitors": [str(target) for target in process.monitored.values()],
            "watchers": len(process.watchers or ()),
        }

    def _summary(self, shown: int, now: float) -> dict[str, Any]:
        statistics = self._node.statistics()
        self._rates.append((now, statistics.messages))
        (then, before), (_, messages) = self._rates[0], self._rates[-1]
        return {
            "name": self._node.name,
            "processes": statistics.processes,
            "shown": shown,
            "durable": len(self._durable),
            "spawned": statistics.spawned,
            "exits": dict(statistics.exits),
            "dead_letters": statistics.dead_letters,
            "messages": messages,
            "rate": round((messages - before) / (now - then)) if now > then else 0,
            "restarts": statistics.counters.get("restarts", 0),
            "gauges": dict(statistics.gauges),
        }

    # Processes elsewhere

    async def look_at_remote(self, age: float) -> str | None:
        """List the durable processes if the list is older than so many seconds; says what went wrong, if it did."""
        async with self._elsewhere_lock:
            now = trio.current_time()
            if now - self._looked_elsewhere >= age:
                self._looked_elsewhere = now
                self._wrong = await self._list_elsewhere()
            return self._wrong

    async def _list_elsewhere(self) -> str | None:
        found: list[Description] = []
        wrong: str | None = None
        for host in self._node.kernel.wiring.routes.values():
            try:
                found += await host.processes(MOST_DURABLE)
            except Error as error:
                wrong = error.message
        await self._ask_parents(found)
        self._durable = {str(each.pid): self._durable_row(each) for each in found}
        self._parents = {each.pid: self._parents[each.pid] for each in found if each.pid in self._parents}
        return wrong

    async def _ask_parents(self, found: list[Description]) -> None:
        """The list of the server does not say who has spawned a process: ask each once, a few at a time."""
        unknown = [each.pid for each in found if each.pid not in self._parents]
        for pid in unknown[:_ASKED_AT_ONCE]:
            self._parents[pid] = None
            try:
                self._parents[pid] = await self._node.describe(pid)
            except Error:  # it has ended meanwhile, or nobody answers for it
                continue

    def _durable_row(self, each: Description) -> Row:
        own = self._parents.get(each.pid)
        parent = own.parent if own is not None and own.parent is not None else each.parent
        links = () if own is None else own.links
        monitors = () if own is None else own.monitors
        return {
            "pid": str(each.pid),
            "host": each.pid.host,
            "id": each.pid.id,
            "entry": each.entry,
            "label": "" if own is None else own.label,
            "names": [],
            "status": each.status,
            "parent": None if parent is None else str(parent),
            "mailbox": None,
            "rate": None,
            "links": [str(link) for link in links],
            "monitors": [str(target) for target in monitors],
            "watchers": None,
        }


class Changes:
    """What one page has been told, so that it is told the rest."""

    def __init__(self) -> None:
        self._told: Mapping[str, Row] = {}

    def since(self, rows: Mapping[str, Row]) -> dict[str, Any]:
        """The rows that are new or changed, and the PIDs that are gone."""
        told, self._told = self._told, rows
        return {
            "rows": [row for pid, row in rows.items() if told.get(pid) != row],
            "gone": [pid for pid in told if pid not in rows],
        }
