"""The trace of a simulated run, and the story that it tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from actors._values.pid import PID


class Entry(NamedTuple):
    """Something that happened at a step: who, what, and about what."""

    step: int
    time: float
    who: str
    what: str
    about: tuple[Any, ...] = ()


class Trace:
    """What happens in a run, in order. Words are made of it only when somebody reads."""

    def __init__(self) -> None:
        self.step = 0
        self.time = 0.0
        self.entries: list[Entry] = []

    def add(self, who: str, what: str, *about: Any) -> None:
        """Something happens now."""
        self.entries.append(Entry(self.step, self.time, who, what, about))

    def lines(self) -> tuple[str, ...]:
        """One line for each entry."""
        return tuple(_line(entry) for entry in self.entries)


def short(pid: PID | None) -> str:
    """A PID in a story: its number, and its node if it is not the first one."""
    if pid is None:
        return "outside"
    node = pid.node.partition(".")[0]
    return f"#{pid.id}" if node == "main" else f"#{pid.id}@{node}"


def _line(entry: Entry) -> str:
    about = " ".join(part if isinstance(part, str) else _shown(part) for part in entry.about)
    return f"{entry.step:5}  {entry.time:8.3f}s  {entry.who:<22} {entry.what}{' ' if about else ''}{about}"


def _shown(value: Any) -> str:
    text = short(value) if isinstance(value, PID) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def story(entries: Iterable[Entry], most: int = 120) -> str:
    """Numbered steps: who ran, what was sent to whom, what went wrong. Steps in which nothing came of it are left out.

    Of a long run only the last `most` lines are told.
    """
    told = [entry for entry in entries if entry.what != "runs"]
    lines = [_line(entry) for entry in told[-most:]]
    if len(told) > most:
        lines.insert(0, f"       ... {len(told) - most} earlier lines are left out ...")
    return "\n".join(lines)
