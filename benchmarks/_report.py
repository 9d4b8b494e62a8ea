"""How outcomes are shown: lines while measuring, the table of `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks._harness import Outcome

BEGIN = "<!-- benchmarks: written by `python -m benchmarks` -->"
END = "<!-- end of benchmarks -->"


def number(value: float) -> str:
    """A figure with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def target(ratio: float, first: float | None, aim: float | None, less: bool, unit: str = "x") -> str:
    """The targets, and which of them is reached."""
    if first is None:
        return ""

    def reached(limit: float) -> bool:
        return ratio <= limit if less else ratio >= limit

    aims = "" if aim is None else f"; {number(aim)}{unit}"
    state = "aim" if aim is not None and reached(aim) else "first" if reached(first) else "not yet"
    return f"{number(first)}{unit}{aims}: {state}"


def growth(outcome: Outcome) -> str:
    """The medians for each n, and the exponent."""
    if outcome.exponent is None:
        return ""
    sizes = ", ".join(f"{n:,}: {number(value)}" for n, value in outcome.sizes.items())
    return f"{sizes} ({outcome.n}^{outcome.exponent:.2f})"


def rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    """The lines of the table for one outcome: one for each peer, or one without."""
    ours = f"{number(outcome.ours)} {outcome.unit}"
    if outcome.first is not None or not outcome.comparisons:
        limits = target(outcome.ours, outcome.first, outcome.aim, outcome.less, f" {outcome.unit}")
        yield outcome.id, outcome.what, ours, "", "", limits, growth(outcome)
    for each in outcome.comparisons:
        yield (
            each.id,
            outcome.what,
            ours,
            f"{each.peer}: {number(each.theirs)}",
            f"{each.ratio:.2f} ({each.low:.2f} to {each.high:.2f})",
            target(each.ratio, each.first, each.aim, outcome.less),
            growth(outcome) if each is outcome.comparisons[0] else "",
        )


def table(outcomes: Iterable[Outcome]) -> str:
    """All outcomes as a Markdown table, and what was left out."""
    head = ("", "what", "ours", "peer", "ratio", "targets: reached", "by n, and growth of the whole")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    left_out: list[str] = []
    for outcome in outcomes:
        lines.extend("| " + " | ".join(row) + " |" for row in rows(outcome))
        left_out.extend(f"- {outcome.id}, {name}: {why}" for name, why in outcome.left_out.items())
    return "\n".join([*lines, *(["", "Left out:", "", *left_out] if left_out else [])])


def write_between_marks(path: Path, text: str) -> None:
    """Put the text between the marks of a page."""
    page = path.read_text(encoding="utf-8")
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
