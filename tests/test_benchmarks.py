"""The harness of the benchmarks, without measuring anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import _program, _report
from benchmarks._harness import Figure, Outcome, Peer, as_json, compare, exponent, from_json
from benchmarks._program import all_figures

PEER = Peer("P1", "a peer", lambda n, seconds: 1.0, first=6, aim=10)


def outcome(ratio: float, *, less: bool = False) -> Outcome:
    comparison = compare(PEER, [ratio, ratio * 2, ratio * 3], [1.0, 2.0, 3.0])
    return Outcome("P1", "what", "/s", "n", less, 5.0, {1: 5.0}, None, None, None, (comparison,), {}, {})


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_medians() -> None:
    found = compare(PEER, [10.0, 1.0, 100.0], [1.0, 1.0, 50.0])
    assert (found.theirs, found.ratio, found.low, found.high) == (1.0, 2.0, 1.0, 10.0)


@pytest.mark.parametrize(
    ("medians", "less", "expected"),
    [
        ({10: 7.0, 100: 7.0, 1000: 7.0}, True, 1.0),  # each of n costs the same
        ({10: 1.0, 100: 10.0, 1000: 100.0}, True, 2.0),  # each of n costs as much as there are
        ({10: 100.0, 100: 10.0, 1000: 1.0}, False, 2.0),  # the same, as a rate
    ],
)
def test_the_exponent_is_that_of_the_whole_cost(
    medians: dict[int, float], less: bool, expected: float
) -> None:
    assert exponent(medians, less) == pytest.approx(expected)


def test_a_figure_that_is_the_whole_cost_is_not_taken_times_n() -> None:
    assert exponent({10: 7.0, 100: 7.0, 1000: 7.0}, less=True, whole=True) == pytest.approx(0.0)


def test_one_size_has_no_exponent() -> None:
    assert exponent({1: 5.0}, less=False) is None


@pytest.mark.parametrize(
    ("ratio", "less", "state"),
    [
        (5.9, False, "not yet"),
        (6.0, False, "first"),
        (10.0, False, "aim"),
        (12.0, True, "not yet"),
        (5.0, True, "first"),
    ],
)
def test_the_table_says_which_target_is_reached(ratio: float, less: bool, state: str) -> None:
    first, aim = (6.0, 10.0) if not less else (6.0, 4.0)
    assert _report.target(ratio, first, aim, less).endswith(f": {state}")


def test_an_outcome_survives_its_json() -> None:
    assert from_json(as_json(outcome(2.0))) == outcome(2.0)


def test_a_peer_that_is_not_there_is_named_below_the_table() -> None:
    found = Outcome(
        "P1", "what", "/s", "n", False, 5.0, {1: 5.0}, None, None, None, (), {"a peer": "not here"}, {}
    )
    assert _report.table([found]).endswith("- P1, a peer: not here")


def test_only_what_is_between_the_marks_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{_report.BEGIN}\nold\n{_report.END}\nafter\n", encoding="utf-8")
    _report.write_between_marks(page, "new")
    assert page.read_text(encoding="utf-8") == f"before\n{_report.BEGIN}\n\nnew\n\n{_report.END}\nafter\n"


def test_the_page_of_the_figures_has_the_marks() -> None:
    text = (Path(__file__).parent.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    assert text.count(_report.BEGIN) == text.count(_report.END) == 1


@pytest.mark.parametrize("figure", all_figures(), ids=lambda figure: figure.id)
def test_every_figure_has_an_id_of_its_own_and_a_first_size(figure: Figure) -> None:
    assert [each.id for each in all_figures()].count(figure.id) == 1
    assert figure.sizes


def test_quick_run_names_what_takes_longer() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "P16"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_program.ROOT)
    assert "P16: left out, it takes longer than --quick may" in done.stdout


def test_figure_that_is_chosen_by_several_of_its_lines_is_measured_once() -> None:
    command = [sys.executable, "-m", "benchmarks", "--list", "P2", "P1", "P3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_program.ROOT)
    assert [line[:2] for line in done.stdout.splitlines() if not line.startswith(" ")] == ["P1"]
