"""How a figure is measured: ours and each peer in turn, every sample in an interpreter of its own, several rounds."""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import attrs

Measure = Callable[[int, float], float]
"""Takes n and the seconds that it may last about; gives one sample, in the unit of its figure."""


def always() -> str | None:
    """Nothing is missing."""
    return None


def alone() -> AbstractContextManager[Mapping[str, str]]:
    """Samples share nothing."""
    return contextlib.nullcontext({})


@attrs.frozen
class Peer:
    """What ours is compared with. `id` is the line of the targets that this comparison is.

    `missing` says why it cannot be measured here, or None. `first` and `aim` are the ratios ours/peer to reach.
    """

    id: str
    name: str
    measure: Measure
    first: float | None = None
    aim: float | None = None
    missing: Callable[[], str | None] = always


@attrs.frozen
class Figure:
    """Something to measure. `less` is better for costs. The first of `sizes` is compared with the peers.

    `first` and `aim` are absolute limits, for figures that have such. A figure is what each of n costs, or how many a
    second there are, unless it is what they cost as a `whole`. One that takes minutes says how many rounds it has at
    `most_rounds`; `quick_rounds` is how many it has when all figures together may take two, 0 for none. `around` holds
    what all samples of a round use, ours and the peers': a server. It gives what to add to their environment.
    """

    id: str
    what: str
    unit: str
    ours: Measure
    peers: tuple[Peer, ...] = ()
    sizes: tuple[int, ...] = (1,)
    quick_sizes: tuple[int, ...] | None = None
    n: str = "n"
    less: bool = False
    first: float | None = None
    aim: float | None = None
    whole: bool = False
    most_rounds: int | None = None
    quick_rounds: int = 2
    missing: Callable[[], str | None] = always
    around: Callable[[], AbstractContextManager[Mapping[str, str]]] = alone


@attrs.frozen
class Comparison:
    """Ours and one peer: medians of both, and of the ratios of each round."""

    id: str
    peer: str
    theirs: float
    ratio: float
    low: float
    high: float
    first: float | None
    aim: float | None


@attrs.frozen
class Outcome:
    """A figure, measured. `sizes` gives the median for each n, `exponent` how the whole cost grows with n."""

    id: str
    what: str
    unit: str
    n: str
    less: bool
    ours: float
    sizes: Mapping[int, float]
    exponent: float | None
    first: float | None
    aim: float | None
    comparisons: tuple[Comparison, ...]
    left_out: Mapping[str, str]
    samples: Mapping[str, Sequence[float]]


def measure(figure: Figure, rounds: int, seconds: float, quick: bool, say: Callable[[str], None]) -> Outcome:
    """Measure a figure and the peers that are there."""
    sizes = (figure.quick_sizes or figure.sizes) if quick else figure.sizes
    rounds = min(rounds, figure.most_rounds or rounds)
    left_out = {peer.name: why for peer in figure.peers if (why := peer.missing()) is not None}
    peers = [peer for peer in figure.peers if peer.name not in left_out]
    samples: dict[str, list[float]] = {"ours": [], **{peer.name: [] for peer in peers}}
    by_size: dict[int, list[float]] = {n: [] for n in sizes}
    for number in range(1, rounds + 1):
        say(f"{figure.id}: round {number} of {rounds}")
        with figure.around() as environment:
            for name, taken in samples.items():
                taken.append(sample(figure.id, name, sizes[0], seconds, environment))
            by_size[sizes[0]].append(samples["ours"][-1])
            for n in sizes[1:] if number == 1 or not quick else ():
                by_size[n].append(sample(figure.id, "ours", n, seconds, environment))
    medians = {n: statistics.median(taken) for n, taken in by_size.items()}
    return Outcome(
        figure.id,
        figure.what,
        figure.unit,
        figure.n,
        figure.less,
        medians[sizes[0]],
        medians,
        exponent(medians, figure.less, figure.whole),
        figure.first,
        figure.aim,
        tuple(compare(peer, samples["ours"], samples[peer.name]) for peer in peers),
        left_out,
        samples,
    )


def compare(peer: Peer, ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """The medians, the ratio of each round, and how far those lie apart."""
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    median = statistics.median
    return Comparison(
        peer.id, peer.name, median(theirs), median(ratios), min(ratios), max(ratios), peer.first, peer.aim
    )


def exponent(medians: Mapping[int, float], less: bool, whole: bool = False) -> float | None:
    """The e of whole cost ~ n^e, by least squares on the logarithms: 1 when each of n costs the same."""
    if len(medians) < 2:
        return None
    xs = [math.log(n) for n in medians]
    ys = [math.log(value if less else 1 / value) for value in medians.values()]
    return (0 if whole else 1) + statistics.linear_regression(xs, ys).slope


def sample(figure: str, name: str, n: int, seconds: float, environment: Mapping[str, str]) -> float:
    """One sample, in a fresh interpreter: nothing that was measured before has warmed or littered it."""
    command = [sys.executable, "-m", "benchmarks", "--sample", figure, name, str(n), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    value = json.loads(done.stdout.splitlines()[-1])
    return float(value)


def rate(run: Callable[[int], float], seconds: float, first: int = 1000) -> float:
    """Operations per second. `run` does so many and says how long they took; a first go finds how many fit."""
    elapsed = run(first)
    count = max(first, round(first / elapsed * seconds))
    return count / run(count)


def module_missing(name: str) -> Callable[[], str | None]:
    """Whether a module can be imported."""

    def missing() -> str | None:
        import importlib.util

        return (
            None if importlib.util.find_spec(name) else f"{name} is not installed: pip install -e '.[bench]'"
        )

    return missing


def as_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome as plain data."""
    return attrs.asdict(outcome)


def from_json(data: Mapping[str, Any]) -> Outcome:
    """The outcome that `as_json` wrote."""
    return Outcome(
        **{
            **data,
            "sizes": {int(n): value for n, value in data["sizes"].items()},
            "comparisons": tuple(Comparison(**each) for each in data["comparisons"]),
        }
    )
