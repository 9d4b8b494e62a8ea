"""The process that keeps the names and groups of a cluster. An ordinary one, for any host; the bridge has it durable.

It monitors whoever has something, so that nothing is kept for the dead. A process that ends frees what it has before
anybody is told (see `Cluster.release`); for one that is killed that is not possible, so before a name is refused its
holder is looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from actors._channels.channel import Queue, select
from actors._kernel.groups import GroupChange, Groups
from actors._kernel.process import running_process
from actors._values.errors import INVALID, NOT_FOUND, RATE_LIMITED, Error
from actors._values.events import Exit, MonitorRef
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID
from actors._verbs.api import describe, events, inbox, monitor, set_options, start_soon, unmonitor

MOST_ENTRIES = 5000
"""Names and memberships. What is kept has to fit into the start of a new run of a durable registry."""

MOST_KIN = 1500
"""Holders on the registry's own host. A durable process may wait for 2,000 others."""


@attrs.define
class _Holder:
    """A process that has something, and the monitor on it."""

    incarnation: str
    ref: MonitorRef | None = None
    names: set[str] = attrs.field(factory=set[str])


@attrs.define(eq=False)
class _Watcher:
    """Who watches a group, and what is to be told there: the members, then each change, one after the other."""

    to: ReplyTo
    group: str
    tell: Callable[[_Watcher], None]
    news: list[Any] = attrs.field(factory=list[Any])
    busy: bool = False

    def put(self, news: Any) -> None:
        """Have something told."""
        self.news.append((news.change, news.pid) if isinstance(news, GroupChange) else news)
        if not self.busy:
            self.busy = True
            self.tell(self)


class Registry:
    """Who has which name, and who is in which group.

    Invariant: whoever has a name or is in a group is in `_holders`, and monitored or about to be.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        self._names: dict[str, PID] = {}
        self._groups = Groups()
        self._holders: dict[PID, _Holder] = {}
        self._watchers: dict[ReplyTo, _Watcher] = {}
        self._tasks = 0
        self._idle: Callable[[], None] = _nothing
        for pid, incarnation, ref in (kept or {}).get("holders", ()):
            self._holders[pid] = _Holder(incarnation, ref)
        for name, pid in (kept or {}).get("names", ()):
            self._names[name] = pid
            self._holders[pid].names.add(name)
        for group, members in (kept or {}).get("groups", ()):
            for pid in members:
                self._groups.join(group, pid)
        for pid, call, group in (kept or {}).get("watchers", ()):
            self._watch(ReplyTo(pid, call), group)

    def kept(self) -> dict[str, Any]:
        """All it knows, as plain values, for the one that goes on."""
        return {
            "holders": [[pid, holder.incarnation, holder.ref] for pid, holder in self._holders.items()],
            "names": [list(item) for item in self._names.items()],
            "groups": [[group, self._groups.members(group)] for group in self._groups.names()],
            "watchers": [[to.pid, to.call, watcher.group] for to, watcher in self._watchers.items()],
        }

    async def serve(self, until: Callable[[], bool]) -> None:
        """Answer requests: at least one, and until `until`, and nothing is under way."""
        set_options(trap_links=True)
        requests, ends = inbox(), events()
        idle = Queue[None]()
        self._idle = lambda: idle.put(None)
        while True:
            picked = await select(ends, requests, idle)
            if isinstance(picked.value, Message):
                self._take(picked.value)
            elif isinstance(picked.value, Exit):
                self._ended(picked.value)
            if not self._tasks and until():
                return

    # Requests

    def _take(self, message: Message) -> None:
        sender, to = message.sender, message.reply_to
        match message.topic, message.payload:
            case ("register", (str(incarnation), str(name))) if sender and to:
                self._renew(sender, incarnation)
                if self._names.get(name, sender) == sender:
                    self._answer(to, self._give(sender, incarnation, name))
                else:
                    self._run(self._contest, to, sender, incarnation, name)
            case ("lookup", (str(), str(name))) if to:
                self._answer(to, self._names.get(name))
            case ("unregister", (str(), str(name))) if to:
                self._answer(to, self._unregister(name))
            case ("join", (str(incarnation), str(group))) if sender and to:
                self._answer(to, self._join(sender, incarnation, group))
            case ("leave", (str(), str(group))) if sender and to:
                self._answer(to, self._leave(sender, group))
            case ("members", (str(), str(group))) if to:
                self._answer(to, self._groups.members(group))
            case ("watch", (str(), str(group))) if to:
                self._watch(to, group).put(self._groups.members(group))
            case ("forget", (str(incarnation),)) if sender and to:
                holder = self._holders.get(sender)
                if holder is not None and holder.incarnation == incarnation:
                    self._forget(sender)
                for watcher in [watcher for watcher in self._watchers.values() if watcher.to.pid == sender]:
                    self._unwatch(watcher)
                self._answer(to, None)
            case _ if to:
                self._answer(to, Error(f"the registry knows no request {message.topic!r}", kind=INVALID))
            case _:
                pass  # a stranger's

    def _give(self, pid: PID, incarnation: str, name: str) -> PID | Error:
        """Let a process have a name that is free, or its own."""
        refusal = None if name in self._names else self._refusal(pid)
        if refusal is not None:
            return refusal
        self._names[name] = pid
        self._hold(pid, incarnation).names.add(name)
        return pid

    async def _contest(self, to: ReplyTo, pid: PID, incarnation: str, name: str) -> None:
        """Let a process have a name if the one that has it is dead, and nobody was faster."""
        while (holder := self._names.get(name, pid)) != pid:
            if await _is_alive(holder):
                await self._reply(to, holder)
                return
            if self._names.get(name) == holder:
                self._forget(holder)
        await self._reply(to, self._give(pid, incarnation, name))

    def _unregister(self, name: str) -> bool:
        pid = self._names.pop(name, None)
        if pid is None:
            return False
        self._holders[pid].names.discard(name)
        self._let_go(pid)
        return True

    def _join(self, pid: PID, incarnation: str, group: str) -> Error | None:
        self._renew(pid, incarnation)
        refusal = self._refusal(pid)
        if refusal is None:
            self._hold(pid, incarnation)
            self._groups.join(group, pid)
        return refusal

    def _leave(self, pid: PID, group: str) -> Error | None:
        try:
            self._groups.leave(group, pid)
        except Error as error:
            return error
        self._let_go(pid)
        return None

    def _refusal(self, pid: PID) -> Error | None:
        """Why nothing more can be kept for a process; None when it can."""
        entries = len(self._names) + self._groups.joins + len(self._watchers)
        if entries >= MOST_ENTRIES:
            return _full(f"{entries} names and memberships")
        host = running_process().pid.host
        if pid.host == host and pid not in self._holders:
            kin = sum(holder.host == host for holder in self._holders)
            if kin >= MOST_KIN:
                return _full(f"{kin} processes of host {host!r}")
        return None

    # Life and death of those who have something

    def _hold(self, pid: PID, incarnation: str) -> _Holder:
        holder = self._holders.get(pid)
        if holder is None:
            holder = self._holders[pid] = _Holder(incarnation)
            self._run(self._monitor, pid, holder)
        return holder

    async def _monitor(self, pid: PID, holder: _Holder) -> None:
        ref = await monitor(pid)
        if self._holders.get(pid) is holder:
            holder.ref = ref
        else:
            await unmonitor(ref)

    def _renew(self, pid: PID, incarnation: str) -> None:
        """One with the PID of an earlier one asks: that has ended."""
        holder = self._holders.get(pid)
        if holder is not None and holder.incarnation != incarnation:
            self._forget(pid)

    def _ended(self, event: Exit) -> None:
        holder = self._holders.get(event.pid)
        if holder is not None and holder.ref in (None, event.ref):
            holder.ref = None
            self._forget(event.pid)

    def _let_go(self, pid: PID) -> None:
        """Forget a process that has nothing any more."""
        holder = self._holders.get(pid)
        if holder is not None and not holder.names and not self._groups.joined(pid):
            self._forget(pid)

    def _forget(self, pid: PID) -> None:
        holder = self._holders.pop(pid, None)
        if holder is None:
            return
        for name in holder.names:
            del self._names[name]
        self._groups.forget(pid)
        if holder.ref is not None:
            self._run(unmonitor, holder.ref)

    # Answers

    def _watch(self, to: ReplyTo, group: str) -> _Watcher:
        watcher = self._watchers[to] = _Watcher(to, group, lambda watcher: self._run(self._tell, watcher))
        self._groups.tell_to(group, watcher)
        return watcher

    def _unwatch(self, watcher: _Watcher) -> None:
        self._groups.tell_no_more(watcher.group, watcher)
        self._watchers.pop(watcher.to, None)

    async def _tell(self, watcher: _Watcher) -> None:
        """Tell a watcher its news, and forget it if nobody listens there any more."""
        while watcher.news:
            if not await self._reply(watcher.to, watcher.news.pop(0)):
                self._unwatch(watcher)
                return
        watcher.busy = False

    def _answer(self, to: ReplyTo, answer: Any) -> None:
        self._run(self._reply, to, answer)

    async def _reply(self, to: ReplyTo, answer: Any) -> bool:
        try:
            return await running_process().kernel.reply(to, answer)
        except Error:
            return False  # who asks is out of reach

    def _run(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Do what has to wait, beside what comes next."""

        async def run() -> None:
            try:
                await function(*args)
            finally:
                self._tasks -= 1
            if not self._tasks:
                self._idle()

        self._tasks += 1
        start_soon(run)


def _nothing() -> None: ...


async def _is_alive(pid: PID) -> bool:
    """Whether a process is there; one of which nothing can be learned counts as alive, its monitor will tell."""
    try:
        return (await describe(pid)).status in ("running", "ending")
    except Error as error:
        return error.kind != NOT_FOUND


def _full(what: str) -> Error:
    return Error(
        f"the registry of the cluster has {what} and takes no more: unregister, leave, or keep the rest in a process"
        " of your own",
        kind=RATE_LIMITED,
    )
