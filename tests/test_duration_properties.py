"""Durations: what is accepted, what it means, and what is refused."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors import INVALID, Error, option_seconds, seconds
from tests.searching_scheduler import SearchingKernel

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PARTS = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 10**6), st.decimals(0, 1000, places=3)), st.sampled_from(sorted(UNITS))
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda part: part[1],  # each unit once
)
LONGEST = 999999999 * 86400.0


@given(PARTS)
def test_parts_of_a_duration_add_up(parts: list[tuple[object, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    expected = sum(float(str(number)) * UNITS[unit] for number, unit in parts)
    if expected <= LONGEST:
        assert math.isclose(seconds(text, "timeout"), expected)
        assert option_seconds(text, "timeout") == seconds(text, "timeout")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=999999999)))
def test_timedelta_is_as_long_as_it_is(length: timedelta) -> None:
    assert seconds(length, "timeout") == length.total_seconds() == option_seconds(length, "timeout")


@given(st.timedeltas(max_value=timedelta(microseconds=-1)))
def test_negative_duration_is_refused(length: timedelta) -> None:
    with pytest.raises(Error, match=r"timeout=.*not negative") as raised:
        seconds(length, "timeout")
    assert raised.value.kind == INVALID


@given(
    st.one_of(
        st.text().filter(lambda text: not text[:1].isdecimal()),
        st.integers(),
        st.floats(),
        st.none(),
        st.booleans(),
        st.binary(max_size=3),
        st.integers(400, 5000).map(lambda digits: "9" * digits + "s"),
        st.integers(300, 5000).map(lambda exponent: 10**exponent),
        st.sampled_from(
            ["1", "s", "1 s", "-1s", "+1s", "1.s", ".5s", "1e3s", "1S", "1s ", "1s,2s", "inf", "999999999d1s"]
        ),
    )
)
def test_whatever_is_no_duration_is_refused_with_its_name(value: object) -> None:
    """A bare number would mean seconds to one and milliseconds to another."""
    with pytest.raises(Error, match=r"^timeout=.*expected") as raised:
        seconds(value, "timeout")  # type: ignore[arg-type]
    assert raised.value.kind == INVALID
    assert raised.value.details["name"] == "timeout"


@given(st.one_of(st.integers(0, 10**17), st.floats(0, 8e16)))
def test_number_in_an_option_is_milliseconds(value: float) -> None:
    if value / 1000 <= LONGEST:
        assert option_seconds(value, "timeout") == value / 1000


@given(
    st.one_of(
        st.integers(max_value=-1),
        st.integers(300, 5000).map(lambda exponent: 10**exponent),
        st.floats(max_value=-1e-300),
        st.sampled_from([math.inf, -math.inf, math.nan, True, None, b"1s", "1"]),
    )
)
def test_option_that_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(Error, match=r"^timeout=.*expected") as raised:
        option_seconds(value, "timeout")  # type: ignore[arg-type]
    assert raised.value.kind == INVALID


@given(st.one_of(st.floats(0, LONGEST), st.sampled_from([0.0, LONGEST])), st.booleans())
def test_every_duration_can_be_a_deadline(length: float, reads_events: bool) -> None:
    """Semantics 26: also one that ends after the last day of the calendar."""
    kernel = SearchingKernel()

    async def stubborn() -> None:
        if reads_events:
            await actors.events().receive()
        with actors.shield():
            await actors.inbox().receive()

    async def ask() -> None:
        await actors.sleep("0s")
        assert await actors.cancel(pid, timedelta(seconds=length))
        await actors.sleep("0s")
        actors.start_soon(actors.sleep, timedelta(seconds=length))

    pid = kernel.put(stubborn)
    asking = kernel.put(ask)
    kernel.search.run_all()
    assert kernel.exit_of(asking).reason == "normal", kernel.exit_of(asking)
