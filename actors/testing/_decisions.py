"""Decisions: what a schedule is made of, taken from a source of randomness or repeated from a text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from actors._values.errors import invalid


class Source(Protocol):
    """Where choices come from, such as a `random.Random`."""

    def randrange(self, stop: int, /) -> int:
        """A number of 0 or more and below `stop`."""
        ...


@attrs.frozen
class Fault:
    """A fault at a step: what, and to whom (an index among those it could have hit)."""

    step: int
    kind: str
    victim: int

    def __str__(self) -> str:
        return f"{self.kind}@{self.step}:{self.victim}"


@attrs.frozen
class Decisions:
    """All that a simulated run has decided; the same decisions give the same run.

    `choices` has, by the number of the choice, what was chosen where it was not 0, which is to let whoever has been
    ready longest run next. The text form is short and can be pasted: `"12:1 40:2 kill@31:0"`.
    """

    choices: Mapping[int, int] = attrs.field(factory=dict[int, int])
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            (*(f"{number}:{choice}" for number, choice in self.choices.items()), *map(str, self.faults))
        )

    @classmethod
    def parse(cls, text: str) -> Decisions:
        """The decisions that `str()` wrote.

        Raises:
            Error: kind INVALID, naming the part that makes no sense.
        """
        choices: dict[int, int] = {}
        faults: list[Fault] = []
        for part in text.split() if isinstance(text, str) else [repr(text)]:
            match = _PART.fullmatch(part)
            if match is None:
                raise invalid("decisions", part, 'choices such as "12:1" and faults such as "kill@31:0"')
            kind, number, choice = match.groups()
            if kind is None:
                choices[int(number)] = int(choice)
            else:
                faults.append(Fault(int(number), kind, int(choice)))
        return cls(choices, tuple(faults))


_PART = re.compile(r"(?:([a-z]+)@)?(\d+):(\d+)")


class Recorder:
    """Takes the decisions of one run, and writes them down."""

    def __init__(self, given: Decisions | None) -> None:
        self._given = given
        self._number = 0
        self._choices: dict[int, int] = {}
        self._faults: list[Fault] = []

    @property
    def given(self) -> Decisions | None:
        """The decisions to repeat, if the run repeats any."""
        return self._given

    def choose(self, count: int, propose: Callable[[], int]) -> int:
        """One of `count` things; where there is but one, nothing is decided."""
        if count == 1:
            return 0
        if self._given is None:
            choice = propose()
        else:
            choice = min(self._given.choices.get(self._number, 0), count - 1)
        if choice:
            self._choices[self._number] = choice
        self._number += 1
        return choice

    def fault(self, fault: Fault) -> None:
        """A fault has happened."""
        self._faults.append(fault)

    def decisions(self) -> Decisions:
        """All that was decided so far."""
        return Decisions(dict(self._choices), tuple(self._faults))


def seeded(seed: int | str) -> random.Random:
    """A source that gives the same on every machine and version of Python."""
    return random.Random(f"everproc {seed}")
