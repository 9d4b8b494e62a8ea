"""The fields of a kind of entry, and the checks of their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

import attrs

from actors._values.durations import seconds
from actors._values.errors import Error, invalid

Check = Callable[[Any, str], object]
"""Takes a value and the name of its key; raises `Error` when it is not valid."""

_SOURCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@attrs.frozen
class Field:
    """A key that entries of a kind have.

    Args:
        check: of the value; not of a table, where `fields` says what that has.
        required: whether it has to be there.
        refers_to: the kinds of the entry, or entries, whose ids it holds.
        fields: of a table.
        path: whether it is the path of a file or directory, then relative to the manifest's own; or the text of a PEM
            file.
    """

    check: Check
    required: bool = False
    refers_to: tuple[str, ...] = ()
    fields: Mapping[str, Field] | None = None
    path: bool = False


def text(value: Any, name: str) -> None:
    """A string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise invalid(name, value, "a non-empty string")


def flag(value: Any, name: str) -> None:
    """True or false, in TOML's spelling."""
    if not isinstance(value, bool):
        raise invalid(name, value, "true or false")


def duration(value: Any, name: str) -> None:
    """A duration."""
    seconds(value, name)


def _at_least(value: Any, name: str, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise invalid(name, value, f"a whole number of {least} or more")


def count(least: int) -> Check:
    """A whole number that is large enough."""
    return partial(_at_least, least=least)


def _between(value: Any, name: str, least: float, most: float) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(name, value, f"a number from {least:g} to {most:g}")


def number(least: float, most: float) -> Check:
    """A number in a range."""
    return partial(_between, least=least, most=most)


def _among(value: Any, name: str, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise invalid(name, value, " or ".join(f'"{choice}"' for choice in choices))


def one_of(*choices: str) -> Check:
    """One of some words."""
    return partial(_among, choices=choices)


def mapping(value: Any, name: str) -> None:
    """A table with whatever keys."""
    if not isinstance(value, Mapping):
        raise invalid(name, value, f'a table, such as {name.rpartition(".")[2]} = {{ key = "value" }}')


def sequence(value: Any, name: str) -> None:
    """A list of whatever values."""
    if not isinstance(value, list):
        raise invalid(name, value, f"a list, such as [{value!r}]".replace("'", '"'))


def texts(value: Any, name: str) -> None:
    """A list of strings."""
    if isinstance(value, str):
        raise invalid(name, value, f'a list of strings, such as ["{value}"]')
    if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[object]", value)):
        raise invalid(name, cast("object", value), 'a list of strings, such as ["db"]')


def source(value: Any, name: str) -> None:
    """Where something is in Python, as `pkg.mod:name`."""
    if isinstance(value, str) and _SOURCE.fullmatch(value):
        return
    expected = 'the place of a function, "package.module:function"'
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)+", value):
        module, _, function = value.rpartition(".")
        expected += f'; did you mean "{module}:{function}"?'
    raise invalid(name, value, expected)


def check_value(check: Check, value: Any, written: Any, name: str) -> None:
    """Check a value, which may be filled in from elsewhere: then an error shows what was written, not the secret."""
    try:
        check(value, name)
    except Error as error:
        message = error.message.replace(", or a timedelta", "").replace("True or False", "true or false")
        if value != written:
            expected = message.rpartition("expected ")[2]
            message = f"{name}={written!r} is not valid: expected, once it is filled in, {expected}"
        raise Error(message, kind=error.kind, details=error.details) from None
