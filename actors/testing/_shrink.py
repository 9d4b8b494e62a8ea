"""From a failing schedule to a short one: the fewest exceptions from first come, first served that still fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import attrs

from actors.testing._decisions import Decisions
from actors.testing._failures import Failure

MOST_RUNS = 400


class _Outcome(Protocol):
    @property
    def failure(self) -> Failure | None: ...

    @property
    def decisions(self) -> Decisions: ...


T = TypeVar("T", bound=_Outcome)


def shortest(outcome: T, run: Callable[[Decisions], T]) -> T:
    """The simplest outcome that fails like this one, among those that some hundred runs have tried."""
    assert outcome.failure is not None
    kind = outcome.failure.kind
    best = outcome
    left = MOST_RUNS
    found = True
    while found:
        found = False
        for decisions in _simpler(best.decisions):
            if not left:
                return best
            left -= 1
            tried = run(decisions)
            if tried.failure is not None and tried.failure.kind == kind:
                best, found = tried, True
                break
    return best


def _simpler(decisions: Decisions) -> Iterator[Decisions]:
    """Decisions with fewer faults, fewer choices, smaller choices; those that take away most come first."""
    faults, numbers = decisions.faults, list(decisions.choices)
    if faults or numbers:
        yield Decisions()
    if faults and numbers:
        yield Decisions({}, faults)
    for index in range(len(faults)):
        yield attrs.evolve(decisions, faults=faults[:index] + faults[index + 1 :])
    size = len(numbers) // 2
    while size:
        for start in range(0, len(numbers), size):
            dropped = set(numbers[start : start + size])
            kept = {number: choice for number, choice in decisions.choices.items() if number not in dropped}
            yield attrs.evolve(decisions, choices=kept)
        size //= 2
    for number, choice in decisions.choices.items():
        if choice > 1:
            yield attrs.evolve(decisions, choices={**decisions.choices, number: 1})
