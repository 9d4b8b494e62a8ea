"""The soak itself: what it takes for a violation, and what it says to a wrong option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from actors import CONFLICT, PID, Error
from benchmarks import soak
from benchmarks.soak_findings import Findings
from benchmarks.soak_processes import Books, Tally


def new_books() -> Books:
    return Books("taker", {"a": 0, "b": 0}, PID("default", "temporal", "server"))


def test_numbers_of_each_sender_in_order_are_fine() -> None:
    books = new_books()
    for sender, number in [("a", 1), ("b", 1), ("b", 2), ("a", 2)]:
        books.note(sender, number)
    books.close("a", 2)
    books.close("b", 2)
    assert books.done == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lost", lambda books: books.note("a", 3)),
        ("doubled", lambda books: books.note("a", 1)),
        ("lost in the end", lambda books: books.close("a", 2)),
        ("the last lost, and then doubled", lambda books: (books.close("a", 1), books.close("a", 1))),
    ],
)
def test_a_number_that_is_lost_or_doubled_is_a_violation(name: str, wrong: Callable[[Books], None]) -> None:
    books = new_books()
    books.note("a", 1)
    with pytest.raises(Error) as caught:
        wrong(books)
    assert caught.value.kind == CONFLICT, name


@pytest.mark.parametrize("number", [1, 3])
def test_a_call_that_is_doubled_or_lost_ends_the_server(number: int) -> None:
    tally = Tally()
    tally.init()
    assert tally.count("caller", 1) == ["caller", 1]
    with pytest.raises(Error) as caught:
        tally.count("caller", number)
    assert caught.value.kind == CONFLICT


def test_the_report_says_that_all_held_only_of_a_soak_that_was_finished() -> None:
    finished, told, violated = Findings(), Findings(), Findings()
    told.told = violated.told = "SIGINT"
    violated.violation("a number was lost")
    assert finished.report().startswith("nothing lost")
    assert told.report().startswith("ended by SIGINT")
    assert violated.report() == "VIOLATION a number was lost\nFAILED"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--seconds", "0", "more than 0"),
        ("--seconds", "nan", "more than 0"),
        ("--load", "inf", "more than 0"),
        ("--processes", "7", "8 or more"),
        ("--turns", "0", "1 or more"),
        ("--away", "-1", "0 or more"),
        ("--seed", "x", "invalid int value"),
        ("--logs", __file__, "exists"),
        ("--logs", str(Path(__file__).parent), "a new or an empty directory"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    option: str,
    value: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["soak", option, value])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert option in said
    assert expected in said
