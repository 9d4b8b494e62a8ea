"""Durations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import actors
from actors import option_seconds, seconds


@pytest.mark.parametrize(
    ("duration", "length"),
    [
        ("250ms", 0.25),
        ("5s", 5),
        ("1h30m", 5400),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("10us", 1e-5),
        ("0s", 0),
        ("1m1s1ms", 61.001),
        (timedelta(minutes=2), 120),
        (timedelta(0), 0),
    ],
)
def test_duration_is_read_in_seconds(duration: Any, length: float) -> None:
    assert seconds(duration, "timeout") == pytest.approx(length)
    assert option_seconds(duration, "timeout") == pytest.approx(length)


BAD: list[Any] = [
    "", " ", "5", "s", "5 s", "-5s", "5sec", "5S", "1h 30m", "5s!", "1e3s", "infs", "nans", "0x5s", "9" * 400 + "s",
    timedelta(seconds=-1), None, True, False, b"5s", ["5s"], object(), "5s\n",
]  # fmt: skip


@pytest.mark.parametrize("duration", BAD, ids=lambda value: ascii(value)[:20])
def test_what_is_no_duration_is_refused_with_its_name_and_value(duration: Any) -> None:
    for read in (seconds, option_seconds):
        with pytest.raises(actors.Error) as caught:
            read(duration, "timeout")
        assert caught.value.kind == actors.INVALID
        assert str(caught.value).startswith(f"timeout={repr(duration)[:20]}")
        assert "expected a duration" in str(caught.value)


@pytest.mark.parametrize("number", [0, 5, 2.5, 10**6, 1e9, 1e-6])
def test_bare_number_is_refused_with_what_to_write_and_is_milliseconds_in_options(number: float) -> None:
    with pytest.raises(actors.Error, match="seconds write") as caught:
        seconds(number, "timeout")  # type: ignore[arg-type]
    assert caught.value.kind == actors.INVALID
    advice = str(caught.value).rpartition("write ")[2].strip('"')
    assert seconds(advice, "timeout") == number
    assert option_seconds(number, "timeout") == number / 1000


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), 10**400, -(10**400), 1e300])
def test_number_that_is_no_length_is_refused_everywhere(number: float) -> None:
    for read in (seconds, option_seconds):
        with pytest.raises(actors.Error, match="timeout="):
            read(number, "timeout")  # type: ignore[arg-type]
