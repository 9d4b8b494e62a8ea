"""Search: which interleavings of a program are tried. Each run gets a new policy, made from a source of choices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from actors._values.errors import invalid
from actors.testing._decisions import Source

Search = Literal["random", "pct", "delay"]

DEPTH = 3
"""How many ordering constraints PCT and delay-bounded search aim at: most races need two or three."""

_DOUBLINGS = 8
"""Change points lie within the first 2, 4, 8 ... 512 choices, each bound as likely as the other."""


def _change_point(source: Source) -> int:
    return source.randrange(2 << source.randrange(_DOUBLINGS + 1))


class Policy(Protocol):
    """Who runs next. Candidates are in the order in which they have become ready; they are hashable."""

    def choose(self, candidates: Sequence[object]) -> int:
        """The index of one."""
        ...


class RandomWalk:
    """Each choice uniformly at random."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def choose(self, candidates: Sequence[object]) -> int:
        """As `Policy.choose`."""
        return self._source.randrange(len(candidates))


class PCT:
    """Probabilistic concurrency testing: strict priorities, with a few random points where the runner's is lowered.

    In a program of n tasks and k choices it finds a bug that needs d ordering constraints with a probability of at
    least 1 / (n * k ** (d - 1)) in each run (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with
    probabilistic guarantees of finding bugs", ASPLOS 2010). Here d is `DEPTH`. As k is not known, the change points are
    drawn within one of nine bounds, which makes it 1 / (n * (18 * k) ** (d - 1)) for k up to 512.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._ranks: list[object] = []  # by priority, the highest last
        self._known: set[object] = set()
        self._number = 0
        self._changes = {_change_point(source) for _ in range(DEPTH - 1)}

    def choose(self, candidates: Sequence[object]) -> int:
        """As `Policy.choose`."""
        for candidate in candidates:
            if candidate not in self._known:
                self._known.add(candidate)
                self._ranks.insert(self._source.randrange(len(self._ranks) + 1), candidate)
        chosen = self._highest(candidates)
        if self._number in self._changes:
            self._ranks.remove(chosen)
            self._ranks.insert(0, chosen)
            chosen = self._highest(candidates)
        self._number += 1
        return list(candidates).index(chosen)

    def _highest(self, candidates: Sequence[object]) -> object:
        among = set(candidates)
        return next(candidate for candidate in reversed(self._ranks) if candidate in among)


class DelayBounded:
    """First come, first served, but at a few random points another goes first (Emmi, Qadeer, Rakamaric, POPL 2011).

    With at most `DEPTH` such points.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._number = 0
        self._delays = {_change_point(source) for _ in range(DEPTH)}

    def choose(self, candidates: Sequence[object]) -> int:
        """As `Policy.choose`."""
        self._number += 1
        if self._number - 1 not in self._delays:
            return 0
        return self._source.randrange(len(candidates))


_SEARCHES: dict[str, Callable[[Source], Policy]] = {"random": RandomWalk, "pct": PCT, "delay": DelayBounded}


def policy(search: str, source: Source) -> Policy:
    """A new policy.

    Raises:
        Error: kind INVALID, when `search` is none of the words.
    """
    make = _SEARCHES.get(search) if isinstance(search, str) else None
    if make is None:
        raise invalid("search", search, "one of " + ", ".join(f'"{word}"' for word in _SEARCHES))
    return make(source)
