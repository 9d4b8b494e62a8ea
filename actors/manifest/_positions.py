"""On which line each key of a TOML file stands, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, cast


def key_lines(text: str) -> dict[str, int]:
    """The line of each key, by its path with dots, of a text that `tomllib` can read.

    A statement is the fewest lines that `tomllib` reads by themselves: so there is no second grammar of TOML here.
    """
    lines = text.split("\n")
    found: dict[str, int] = {}
    arrays: dict[str, int] = {}
    table = ""
    start = 0
    while start < len(lines):
        end = start + 1
        while (statement := _parsed(lines[start:end])) is None:
            end += 1
        if lines[start].lstrip().startswith("["):
            table = ""
            while statement:
                ((key, statement),) = statement.items()
                table = _joined(table, key)
                if isinstance(statement, list):  # the last key of [[a.b]]: one more table of that array
                    arrays[table] = arrays.get(table, -1) + 1
                    statement = None
                if table in arrays:
                    found.setdefault(table, start + 1)
                    table = f"{table}[{arrays[table]}]"
            found.setdefault(table, start + 1)
        else:
            for path, key in _keys(statement, ""):
                found.setdefault(_joined(table, path), start + 1 + _offset(lines[start:end], key))
        start = end
    return found


def _parsed(lines: list[str]) -> Any:
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return None


def _joined(table: str, path: str) -> str:
    return f"{table}.{path}" if table else path


def _keys(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The path of each key inside a value, and the key itself."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            inner = _joined(path, key)
            yield inner, key
            yield from _keys(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            yield from _keys(item, f"{path}[{index}]")


def _offset(lines: list[str], key: str) -> int:
    """In which line of its statement a key is written."""
    written = re.compile(rf"(?<![\w-]){re.escape(key)}['\"]?\s*[.=]")
    return next((number for number, line in enumerate(lines) if written.search(line)), 0)
