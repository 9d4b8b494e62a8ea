"""Process groups against counters: semantics 33."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import NOT_FOUND, PID, Channel, Error, GroupChange
from actors._kernel.groups import Groups
from tests.moves import many

PIDS = [PID("n.1", "search", str(number)) for number in range(3)]
NAMES = ("x", "y")


class Bench:
    """Groups, and beside them the joins that are not undone, by group and member in order of the first join."""

    def __init__(self) -> None:
        self.groups = Groups()
        self.joins: dict[tuple[str, PID], int] = {}
        self.watchers: list[tuple[str, Channel[GroupChange]]] = []
        self.expected: list[list[GroupChange]] = []

    def tell(self, change: GroupChange) -> None:
        for (name, channel), changes in zip(self.watchers, self.expected, strict=True):
            if name == change.group and not channel.closed:
                changes.append(change)

    def join(self, name: str, who: int) -> None:
        self.groups.join(name, PIDS[who])
        self.joins[name, PIDS[who]] = self.joins.get((name, PIDS[who]), 0) + 1
        self.tell(GroupChange("joined", name, PIDS[who]))

    def leave(self, name: str, who: int) -> None:
        key = name, PIDS[who]
        if key not in self.joins:
            with pytest.raises(Error, match="is not in group") as raised:
                self.groups.leave(*key)
            assert raised.value.kind == NOT_FOUND
            return
        self.groups.leave(*key)
        self.joins[key] -= 1
        if not self.joins[key]:
            del self.joins[key]
        self.tell(GroupChange("left", *key))

    def forget(self, name: str, who: int) -> None:
        self.groups.forget(PIDS[who])
        for group in NAMES:
            for _ in range(self.joins.pop((group, PIDS[who]), 0)):
                self.tell(GroupChange("left", group, PIDS[who]))

    def watch(self, name: str, who: int) -> None:
        members, changes = self.groups.watch(name)
        assert members == self.members(name)
        self.watchers.append((name, changes))
        self.expected.append([])

    def close(self, name: str, who: int) -> None:
        if self.watchers:
            self.watchers[who % len(self.watchers)][1].close()

    def members(self, name: str) -> list[PID]:
        return [pid for (group, pid), count in self.joins.items() if group == name for _ in range(count)]

    def agree(self) -> None:
        for name in NAMES:
            assert self.groups.members(name) == self.members(name)
        for (_, channel), changes in zip(self.watchers, self.expected, strict=True):
            while channel.can_receive():
                assert channel.take() == changes.pop(0)
            assert not changes

    def clear(self) -> None:
        """Groups without members and without watchers leave nothing behind."""
        for _, channel in self.watchers:
            channel.close()
        for name in NAMES:
            self.join(name, 0)
        for who in range(len(PIDS)):
            self.forget("", who)
            self.agree()
        assert not any(vars(self.groups).values())


MOVES: list[tuple[Any, ...]] = [
    (verb, name, who)
    for verb in ("join", "join", "join", "leave", "leave", "forget", "watch", "close")
    for name in NAMES
    for who in range(3)
]
Random(0).shuffle(MOVES)


@settings(max_examples=2 * settings().max_examples)
@given(many(st.sampled_from(MOVES), 40))
def test_groups_count_their_joins_and_tell_each_change(moves: list[tuple[Any, ...]]) -> None:
    """Semantics 33: groups count multiple joins; death undoes all; who watches misses no change and gets none twice."""
    bench = Bench()
    for move, *arguments in moves:
        getattr(bench, move)(*arguments)
        bench.agree()
    bench.clear()
