"""Durations: `"250ms"`, `"5s"`, `"1h30m"`, or a `timedelta`; inside the runtime, seconds as a float."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import cast

from actors._values.errors import invalid

Duration = str | timedelta
"""A length of time, as users write it."""

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)"  # not \d, which takes the digits of all scripts
_LONGEST = timedelta(days=timedelta.max.days).total_seconds()  # a float that is a timedelta again
_FORM = 'a duration such as "250ms", "5s", "1h30m", or a timedelta'


def seconds(value: Duration, name: str) -> float:
    """The length of `value` in seconds.

    A bare number is refused: to a trio user it would mean seconds, to a Temporal user something else.

    Raises:
        Error: kind INVALID, naming `name`, when `value` is not a duration or is negative.
    """
    given = cast(object, value)  # whatever its annotation says
    if isinstance(given, str) and (read := _read(given)) is not None:
        length = read
    elif isinstance(given, timedelta):
        length = given.total_seconds()
    elif isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= _LONGEST:
        number = f"{given:.6f}".rstrip("0").rstrip(".")
        raise invalid(name, value, f'{_FORM}; for {number} seconds write "{number}s"')
    else:
        raise invalid(name, value, _FORM)
    if not 0 <= length <= _LONGEST:
        raise invalid(name, value, "a duration that is not negative and at most 999999999 days")
    return length


@lru_cache(maxsize=256)
def _read(text: str) -> float | None:
    """The seconds that a text says; None when it is no duration. Most programs use few, and say them often."""
    parts: list[tuple[str, str]] = re.findall(_PART, text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    if len({unit for _, unit in parts}) < len(parts):
        return None  # "1s1s" is a mistake
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def option_seconds(value: Duration | float, name: str) -> float:
    """As `seconds`, for option tables, where a bare number is milliseconds."""
    if isinstance(value, str | timedelta):
        return seconds(value, name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid(name, value, f"{_FORM}, or a number of milliseconds")
    if not 0 <= value <= _LONGEST * 1000:
        raise invalid(name, value, "milliseconds, finite and not negative")
    return value / 1000
