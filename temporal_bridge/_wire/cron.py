"""Cron expressions as the Temporal server reads them, so that a bad one is refused at the spawn.

Inside a workflow that is the only chance: the server would refuse the whole workflow task, again and again. The
grammar is that of robfig/cron v3 (`ParseStandard`): five fields, or a descriptor, after an optional time zone. What
that takes by chance (`1,,2`, `*-5`, `+5`) is refused here.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = re.compile(r"@every ([0-9]{1,6}(\.[0-9]{0,6})?(ns|us|µs|ms|s|m|h))+")
_ITEM = re.compile(r"(?P<first>\*|\?|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?")


def fault_of(expression: str) -> str | None:
    """What is wrong with a cron expression; None when the server takes it."""
    if expression.startswith(("TZ=", "CRON_TZ=")):
        zone, _, expression = expression.partition("=")[2].partition(" ")
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):  # what it raises for names of different kinds
            return f"there is no time zone {zone!r}"
        expression = expression.lstrip()
    if expression.startswith("@"):
        known = expression in _DESCRIPTORS or _EVERY.fullmatch(expression)
        return None if known else f"{expression!r} is none of {', '.join(_DESCRIPTORS)}, @every 1h30m"
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        return f"it has {len(texts)} fields"
    numbers: list[set[int]] = []
    for text, (what, least, most, names) in zip(texts, _FIELDS, strict=True):
        found = _numbers(text, least, most, names)
        if found is None:
            return f"{text!r} is no {what} from {least} to {most}"
        numbers.append(found)
    _, _, days, months, _ = numbers
    if texts[4][0] in "*?" and not any(min(days) <= _LONGEST[month - 1] for month in months):
        return "no month has that day"
    return None


def _numbers(text: str, least: int, most: int, names: tuple[str, ...]) -> set[int] | None:
    """The numbers that a field stands for; None when it is not valid."""
    found: set[int] = set()
    for item in text.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            return None
        if match["first"] in ("*", "?"):
            if match["last"] is not None:
                return None
            first, last = least, most
        else:
            ends = [_number(match["first"], least, names)]
            ends.append(ends[0] if match["last"] is None else _number(match["last"], least, names))
            if None in ends:
                return None
            first, last = (int(end) for end in ends if end is not None)
            if match["step"] is not None and match["last"] is None:
                last = most
        step = 1 if match["step"] is None else int(match["step"])
        if not least <= first <= last <= most or not step:
            return None
        found.update(range(first, last + 1, step))
    return found


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + least
    return int(text) if text.isascii() and text.isdigit() else None
