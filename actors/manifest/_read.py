"""Reading a manifest: TOML, and whether it has the form that its kinds ask for. Imports none of what it names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import attrs

from actors._runtime.node import Node
from actors._values.errors import NOT_FOUND, Error
from actors.manifest._entries import Entries
from actors.manifest._fields import Check, check_value, duration, text, texts
from actors.manifest._items import ManifestEntry, ManifestError, Problem, suggestion
from actors.manifest._positions import key_lines

_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")
_ADVICE: Final[tuple[tuple[str, str], ...]] = (
    ("Cannot overwrite a value", "the key is there twice: remove one of them"),
    ("Cannot declare", "the table is there twice: give each entry a name of its own"),
    ("Cannot mutate", "a table in { } is closed: write the key inside it"),
    (
        "Invalid value",
        'expected a value: a string in quotes, such as "text", a number, true, false, a list or a table',
    ),
    ("Expected '=' after a key", "expected key = value"),
    ("Invalid statement", "expected key = value, or [entries.NAME]"),
    ("Expected ']'", "a header of a table ends with ]"),
    ("Unterminated string", 'close the string with "'),
    ("Illegal character", 'close the string with " on its own line, or write it between triple quotes'),
    ("Unclosed array", "close the list with ]"),
    ("Unclosed inline table", "close the table with }"),
    ("Expected newline", "write one key = value a line"),
)


@attrs.frozen
class Document:
    """A manifest that has the form that its kinds ask for."""

    path: Path
    items: tuple[ManifestEntry, ...] = ()
    imports: tuple[str, ...] = ()
    node: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    lines: Mapping[str, int] = attrs.field(factory=dict[str, int], repr=False)


def read(path: Path) -> Document:
    """A manifest, checked as far as it can be without importing what it names.

    Raises:
        ManifestError: with all that is wrong, each with its line, its key and what to do.
        Error: NOT_FOUND, when there is no such file.
    """
    try:
        content = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise Error(
            f"manifest={str(path)!r} does not exist: make one with `everproc new`, or name another",
            kind=NOT_FOUND,
        ) from None
    except OSError as error:
        raise Error(f"manifest={str(path)!r} cannot be read: {error.strerror}", kind=NOT_FOUND) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        problem = Problem(path.name, line, "", "this is not UTF-8: save the file as UTF-8")
        raise ManifestError([problem]) from error
    content = content.replace("\r\n", "\n")
    try:
        tables = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ManifestError([_syntax(path, content, str(error))]) from error
    return _Reading(path, tables, key_lines(content)).document()


def _syntax(path: Path, content: str, message: str) -> Problem:
    lines = content.split("\n")
    place = _PLACE.search(message)
    line = (
        int(place["line"]) if place is not None and place["line"] else len(content.rstrip("\n").split("\n"))
    )
    overrides = _PLACE.sub("", message)
    advice = next((advice for start, advice in _ADVICE if overrides.startswith(start)), overrides)
    key = re.split(r"\s*=", lines[line - 1], maxsplit=1)[0].strip().strip("[]")
    named = f"{key}: " if key else ""
    return Problem(path.name, line, key, f"{named}this is not TOML: {advice}")


class _Reading:
    def __init__(self, path: Path, tables: dict[str, Any], lines: dict[str, int]) -> None:
        self._path = path
        self._tables = tables
        self._lines = lines
        self._problems: list[Problem] = []

    def document(self) -> Document:
        known = ("namespace", "imports", "node", "entries")
        for key in self._tables:
            if key not in known:
                self._wrong(key, f"{key} is not a key of a manifest: {suggestion(key, known)}")
        namespace = self._checked("namespace", self._tables.get("namespace", "app"), text, "app")
        if not re.fullmatch(r"[A-Za-z_][\w.\-]*", namespace):
            self._wrong(
                "namespace",
                f"namespace={namespace!r} is not valid: expected letters, digits, '_', '.' and '-', a letter first",
            )
            namespace = "app"
        imports = self._checked("imports", self._tables.get("imports", []), texts, [])
        node = self._node(self._tables.get("node", {}))
        entries = Entries(self._path, namespace, self._lines, self._problems)
        items = entries.items(self._tables.get("entries", {}))
        if self._problems:
            raise ManifestError(self._problems)
        return Document(self._path, tuple(items), tuple(imports), node, self._lines)

    def _node(self, given: Any) -> Mapping[str, Any]:
        if not isinstance(given, dict):
            self._wrong("node", f"node={given!r} is not valid: expected a table, [node]")
            return {}
        table = cast("dict[str, Any]", given)
        checks: Mapping[str, Check] = {"name": _node_name, "shutdown_timeout": duration}
        for key, value in table.items():
            if key not in checks:
                self._wrong(
                    f"node.{key}", f"node.{key} is not a key of [node]: {suggestion(key, list(checks))}"
                )
            else:
                self._checked(f"node.{key}", value, checks[key], None)
        return table

    def _checked(self, key: str, value: Any, check: Check, otherwise: Any) -> Any:
        try:
            check_value(check, value, value, key)
        except Error as error:
            self._wrong(key, error.message)
            return otherwise
        return value

    def _wrong(self, key: str, message: str) -> None:
        self._problems.append(Problem(self._path.name, self._lines.get(key, 1), key, message))


def _node_name(value: Any, name: str) -> None:
    text(value, name)
    try:
        Node(value)
    except Error as error:
        raise Error(error.message.replace("name=", f"{name}=", 1), kind=error.kind) from None
