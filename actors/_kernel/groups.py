"""Process groups: who is in, and who wants to know (OTP's pg, semantics 33)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import attrs

from actors._channels.channel import RuntimeChannel
from actors._kernel.process import Process
from actors._values.errors import NOT_FOUND, Error, shown
from actors._values.pid import PID


@attrs.frozen
class GroupChange:
    """A member joined or left a group; one for each join that is undone."""

    change: Literal["joined", "left"]
    group: str
    pid: PID


class Watcher(Protocol):
    """Who is told of the changes of a group."""

    def put(self, change: GroupChange, /) -> None:
        """Take a change; does not wait."""


class Changes(RuntimeChannel[GroupChange]):
    """The channel of a watch: closing it ends the watch, and so does the end of the process that owns it."""

    __slots__ = ("_ended",)

    def __init__(self, ended: Callable[[], None]) -> None:
        super().__init__()
        self._ended = ended

    def close(self) -> None:
        """As `Channel.close`; nothing is kept for it any more."""
        super().close()
        self._ended()

    def cancel(self) -> None:
        """As `close`, for the process that owns it."""
        self.close()


class Groups:
    """Groups of one scope. A group exists while it has members; who joined twice is in twice.

    Invariant: no empty group and no count of 0 is kept.
    """

    def __init__(self) -> None:
        self._members: dict[str, dict[PID, int]] = {}
        self._groups_of: dict[PID, set[str]] = {}
        self._watchers: dict[str, dict[Watcher, None]] = {}
        self.joins = 0
        """How many joins there are that nothing has undone."""

    def join(self, group: str, pid: PID) -> None:
        """Put `pid` in, once more if it is in already."""
        members = self._members.setdefault(group, {})
        members[pid] = members.get(pid, 0) + 1
        self.joins += 1
        self._groups_of.setdefault(pid, set()).add(group)
        self._tell(GroupChange("joined", group, pid))

    def leave(self, group: str, pid: PID) -> None:
        """Undo one join.

        Raises:
            Error: kind NOT_FOUND, when `pid` is not a member.
        """
        count = self._members.get(group, {}).get(pid, 0)
        if not count:
            raise Error(f"process {pid} is not in group={shown(group)}", kind=NOT_FOUND)
        self._set(group, pid, count - 1)
        self.joins -= 1
        self._tell(GroupChange("left", group, pid))

    def forget(self, pid: PID) -> None:
        """Undo all joins of a process that has ended."""
        for group in self.joined(pid):
            count = self._members[group][pid]
            self._set(group, pid, 0)
            self.joins -= count
            for _ in range(count):
                self._tell(GroupChange("left", group, pid))

    def members(self, group: str) -> list[PID]:
        """The members in order of their first join, each as often as it joined."""
        return [pid for pid, count in self._members.get(group, {}).items() for _ in range(count)]

    def joined(self, pid: PID) -> dict[str, int]:
        """The groups that a process is in, and how often."""
        return {group: self._members[group][pid] for group in sorted(self._groups_of.get(pid, ()))}

    def names(self) -> list[str]:
        """The groups that have members."""
        return list(self._members)

    def tell_to(self, group: str, watcher: Watcher) -> None:
        """Tell of every change from now on."""
        self._watchers.setdefault(group, {})[watcher] = None

    def tell_no_more(self, group: str, watcher: Watcher) -> None:
        """Undo `tell_to`; fine when it was done before."""
        watchers = self._watchers.get(group, {})
        watchers.pop(watcher, None)
        if not watchers:
            self._watchers.pop(group, None)

    def watch(self, group: str, owner: Process | None = None) -> tuple[list[PID], Changes]:
        """The members now, and a channel of every change from now on, until it is closed or its owner has ended."""
        changes = Changes(lambda: self._unwatch(group, changes, owner))
        self.tell_to(group, changes)
        if owner is not None:
            owner.own(changes)
        return self.members(group), changes

    def _unwatch(self, group: str, changes: Changes, owner: Process | None) -> None:
        if owner is not None:
            owner.disown(changes)
        self.tell_no_more(group, changes)

    def _set(self, group: str, pid: PID, count: int) -> None:
        members = self._members[group]
        if count:
            members[pid] = count
            return
        del members[pid]
        if not members:
            del self._members[group]
        groups = self._groups_of[pid]
        groups.discard(group)
        if not groups:
            del self._groups_of[pid]

    def _tell(self, change: GroupChange) -> None:
        for watcher in list(self._watchers.get(change.group, ())):
            watcher.put(change)
