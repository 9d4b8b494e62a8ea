"""`${env:NAME}` and `${file:path}` in the strings of a manifest: what is not to be written into it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, cast

from actors._values.errors import INVALID, Error

_REFERENCE = re.compile(r"\$\$|\$\{(?P<kind>[^}:]*):?(?P<name>[^}]*)\}?")


class FilledIn(str):
    """A text that was filled in from elsewhere. Whatever shows it, by its repr, shows what was written instead."""

    __slots__ = ("written",)

    written: str

    def __new__(cls, text: str, written: str) -> FilledIn:
        self = super().__new__(cls, text)
        self.written = written
        return self

    def __repr__(self) -> str:
        return repr(self.written)


def fill_in(value: Any, name: str, directory: Path) -> Any:
    """A value with what its strings refer to in place of the references; `$$` stands for `$`.

    Args:
        value: as written.
        name: of its key.
        directory: what the paths of files are relative to.

    Raises:
        Error: kind INVALID, when a reference is badly written, or there is no such variable or file.
    """
    if isinstance(value, str):
        if "$" not in value:
            return value
        return FilledIn(_REFERENCE.sub(lambda match: _found(match, name, directory), value), value)
    if isinstance(value, list):
        return [fill_in(item, name, directory) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {
            key: fill_in(item, f"{name}.{key}", directory)
            for key, item in cast("dict[str, Any]", value).items()
        }
    return value


def _found(match: re.Match[str], name: str, directory: Path) -> str:
    written = match.group()
    if written == "$$":
        return "$"
    if not written.endswith("}") or match["kind"] not in ("env", "file") or not match["name"]:
        raise _wrong(
            name, f'{name} has {written!r}: expected "${{env:NAME}}" or "${{file:path}}", or $$ for a $'
        )
    if match["kind"] == "env":
        value = os.environ.get(match["name"])
        if value is None:
            raise _wrong(
                name,
                f"{name} needs the environment variable {match['name']}, which is not set: set it, or correct the name",
            )
        return value
    path = directory / match["name"]
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise _wrong(
            name,
            f"{name} needs the file {match['name']!r}, which cannot be read: {why}; it is looked for in {directory}",
        ) from error


def _wrong(name: str, message: str) -> Error:
    return Error(message, kind=INVALID, details={"name": name})
