"""The program `python -m benchmarks`: what is measured, in which order, and where the figures go."""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from benchmarks._harness import Figure, Outcome, as_json, from_json, measure
from benchmarks._report import rows, table, write_between_marks

FAMILIES = ("messages", "spawning", "memory", "turns", "servers", "supervisors", "durable", "imports")
"""The modules of this package that have `FIGURES`."""

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "performance.md"


def figures_in_turn() -> Iterator[Figure]:
    """The figures, family by family; each family is imported when it is its turn."""
    for family in FAMILIES:
        yield from importlib.import_module(f"benchmarks.{family}").FIGURES


def all_figures() -> list[Figure]:
    """The figures of all families."""
    return list(figures_in_turn())


def take_sample(figure: str, name: str, n: int, seconds: float) -> float:
    """What a fresh interpreter is started for. It imports no more than it takes to find the figure."""
    found = next(each for each in figures_in_turn() if each.id == figure)
    measures = {"ours": found.ours, **{peer.name: peer.measure for peer in found.peers}}
    return measures[name](n, seconds)


def machine() -> dict[str, str]:
    """Where it was measured."""
    model = ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [
            line for line in cpuinfo.read_text(encoding="utf-8").splitlines() if line.startswith("model name")
        ]
        model = lines[0].partition(":")[2].strip() if lines else ""
    processors = os.cpu_count() or 1
    load = f"{os.getloadavg()[0]:.0f} on {processors} processors"
    return {"system": platform.platform(), "cpu": model, "python": platform.python_version(), "load": load}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the figures of docs/performance.md. Each sample runs in a fresh interpreter, ours and its"
        " peers in turn; medians of each and of the ratios of each round count. Results are merged into"
        " benchmarks/results/latest.json, and the table of docs/performance.md is written from that.",
    )
    parser.add_argument("ids", nargs="*", help="only these figures, such as P1 P6 (default: all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="within two minutes on a machine with nothing else to do: fewer rounds, shorter samples, smaller n; what"
        " takes longer is left out, and named. Results go to quick.json and no page",
    )
    parser.add_argument(
        "--rounds", type=positive_int, help="how often each is measured (default: 7, quick: 2 or 1)"
    )
    parser.add_argument(
        "--seconds", type=positive_float, help="how long a sample lasts about (default: 1, quick: 0.2)"
    )
    parser.add_argument("--list", action="store_true", help="list the figures and what is missing for them")
    parser.add_argument("--sample", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.sample:
        figure, name, n, seconds = args.sample
        print(json.dumps(take_sample(figure, name, int(n), float(seconds))))
        return
    figures = all_figures()
    known = {figure.id: figure for figure in figures}
    by_line = {**{peer.id: figure for figure in figures for peer in figure.peers}, **known}
    unknown = [id for id in args.ids if id not in by_line]
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}: there are {', '.join(sorted(by_line))}")
    chosen = list({by_line[id].id: by_line[id] for id in args.ids}.values()) or figures
    if args.list:
        for figure in chosen:
            print(f"{figure.id:4} {figure.what} [{figure.unit}] {figure.missing() or ''}")
            for peer in figure.peers:
                print(f"       {peer.id}: {peer.name} {peer.missing() or ''}")
        return
    run(
        chosen,
        args.quick,
        args.rounds,
        args.seconds or (0.2 if args.quick else 1.0),
    )


def positive_int(text: str) -> int:
    rounds = int(text)
    if rounds < 1:
        raise argparse.ArgumentTypeError(f"rounds={text} is not valid: expected 1 or more")
    return rounds


def positive_float(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"seconds={text} is not valid: expected more than 0")
    return seconds


def run(figures: list[Figure], quick: bool, rounds: int | None, seconds: float) -> None:
    """Measure, print, and write what was found: after each figure, so that a run broken off was not for nothing."""
    path = RESULTS / ("quick.json" if quick else "latest.json")
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() and not quick else {}
    started = time.monotonic()
    left_out: list[str] = []
    for figure in figures:
        too_long = quick and not figure.quick_rounds
        why = "it takes longer than --quick may" if too_long else figure.missing()
        if why is not None:
            left_out.append(f"{figure.id}: left out, {why}")
            continue
        if quick and len(figure.quick_sizes or figure.sizes) < len(figure.sizes):
            left_out.append(f"{figure.id}: its growth by {figure.n} is left out by --quick")
        usual = figure.quick_rounds if quick else 7
        outcome = measure(
            figure, rounds or usual, seconds, quick, lambda text: print(text, file=sys.stderr, flush=True)
        )
        for row in rows(outcome):
            print("  ".join(cell for cell in row if cell), flush=True)
        when = datetime.now(UTC).isoformat(timespec="seconds")
        results[figure.id] = {
            "when": when,
            "rounds": len(outcome.samples["ours"]),
            "machine": machine(),
            **as_json(outcome),
        }
        results = {each.id: results[each.id] for each in all_figures() if each.id in results}
        RESULTS.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        if not quick:
            write_between_marks(PAGE, page(results, left_out))
    if not quick and results:
        write_between_marks(PAGE, page(results, left_out))
    print(f"\n{page(results, left_out)}\n\n{time.monotonic() - started:.0f} s; {path.relative_to(ROOT)}")


def page(results: dict[str, Any], left_out: list[str]) -> str:
    """The part of docs/performance.md that is measured."""
    fields = {field.name for field in attrs.fields(Outcome)}
    outcomes = [from_json({k: v for k, v in result.items() if k in fields}) for result in results.values()]
    loads: dict[str, set[str]] = {}
    for where in (result["machine"] for result in results.values()):
        of_one = loads.setdefault(f"{where['cpu'] or where['system']}, Python {where['python']}", set())
        of_one.add(where.get("load", "unknown"))
    notes = "\n".join(
        f"Measured on {where}; load {', '.join(sorted(of_one))}." for where, of_one in loads.items()
    )
    return "\n".join([notes, "", table(outcomes), *([""] if left_out else []), *left_out])
