"""The entries of a manifest, checked against the fields of their kinds and against one another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from actors._values.errors import Error
from actors.manifest._fields import Field, check_value
from actors.manifest._items import ManifestEntry, Problem, suggestion
from actors.manifest._layers import Kind, kinds, layers
from actors.manifest._secrets import fill_in

_ID: Final = re.compile(r"[A-Za-z_][\w.\-]*:[\w.\-]+")


class Entries:
    """Reads the table `entries`; what is wrong is added to `problems`."""

    def __init__(self, path: Path, namespace: str, lines: Mapping[str, int], problems: list[Problem]) -> None:
        self._path = path
        self._namespace = namespace
        self._lines = lines
        self._problems = problems
        self._kinds = kinds()

    def items(self, given: Any) -> list[ManifestEntry]:
        """All entries, those that are wrong as far as they are right."""
        if not isinstance(given, dict):
            self._wrong(
                "entries", "entries is not valid: expected tables, [entries.NAME], one for each entry"
            )
            return []
        found: dict[str, ManifestEntry] = {}
        for name, table in cast("dict[str, Any]", given).items():
            item = self._item(name, table)
            if item is None:
                continue
            if item.id in found:
                other = found[item.id]
                self._wrong(
                    item.key,
                    f"{item.key} is {item.id!r}, as {other.key} of line {other.line()} is: rename one",
                )
            found[item.id] = item
        items = [self._linked(item, found) for item in found.values()]
        for layer in layers():
            if layer.problems is not None:
                self._problems += layer.problems(layer.own(items))
        return items

    def _item(self, name: str, table: Any) -> ManifestEntry | None:
        key = f"entries.{name}"
        entry_id = self._full(name)
        if not isinstance(table, dict):
            self._wrong(key, f"{key}={table!r} is not valid: expected a table, [{key}] with kind = ...")
            return None
        if not _ID.fullmatch(entry_id):
            self._wrong(
                key, f'{key} is no name: expected letters, digits, "_", "." and "-", or [entries."app:name"]'
            )
            return None
        values = cast("dict[str, Any]", table)
        kind = self._kind(key, values)
        if kind is None:
            return None
        before = len(self._problems)
        filled = self._table(
            key, {k: v for k, v in values.items() if k != "kind"}, kind.fields, f'kind "{kind.name}"'
        )
        if kind.check is not None and len(self._problems) == before:
            try:
                kind.check(filled)
            except Error as error:
                name = error.details.get("name", "")
                path = f"{key}.{name}" if name else key
                self._wrong(path, f"{path}: {error.message}")
        return ManifestEntry(entry_id, kind.name, filled, self._path.name, key, self._lines)

    def _kind(self, key: str, values: Mapping[str, Any]) -> Kind | None:
        if "kind" not in values:
            self._wrong(key, f'{key} has no kind: add kind = "...", one of: {", ".join(self._kinds)}')
            return None
        name = values["kind"]
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            self._wrong(
                f"{key}.kind", f"{key}.kind={name!r} is not known: {suggestion(name, list(self._kinds))}"
            )
        return kind

    def _table(
        self, key: str, given: Mapping[str, Any], fields: Mapping[str, Field], whose: str
    ) -> dict[str, Any]:
        for name, field in fields.items():
            if field.required and name not in given:
                self._wrong(key, f"{key} has no {name}: {whose} needs it; add {name} = ...")
        found: dict[str, Any] = {}
        for name, written in given.items():
            path = f"{key}.{name}"
            known = fields.get(name)
            if known is None:
                self._wrong(path, f"{path} is not a key of {whose}: {suggestion(name, list(fields))}")
            elif known.fields is not None and isinstance(written, dict):
                found[name] = self._table(path, cast("dict[str, Any]", written), known.fields, path)
            else:
                try:
                    value = fill_in(written, path, self._path.parent)
                    check_value(known.check, value, written, path)
                    if known.path and "-----BEGIN" not in value:
                        value = str(self._path.parent / value)
                    found[name] = value
                except Error as error:
                    self._wrong(str(error.details.get("name", path)), error.message)
        return found

    def _linked(self, item: ManifestEntry, found: Mapping[str, ManifestEntry]) -> ManifestEntry:
        """With the entries that it refers to by their full ids."""
        values = self._references(item, item.key, item.values, self._kinds[item.kind].fields, found)
        return ManifestEntry(item.id, item.kind, values, item.file, item.key, item.lines)

    def _references(
        self,
        item: ManifestEntry,
        key: str,
        values: Mapping[str, Any],
        fields: Mapping[str, Field],
        found: Mapping[str, ManifestEntry],
    ) -> dict[str, Any]:
        linked = dict(values)
        for name, value in values.items():
            field = fields[name]
            path = f"{key}.{name}"
            if field.fields is not None and isinstance(value, dict):
                linked[name] = self._references(
                    item, path, cast("dict[str, Any]", value), field.fields, found
                )
            elif field.refers_to and isinstance(value, list):
                linked[name] = [self._reference(path, one, field, found) for one in cast("list[str]", value)]
            elif field.refers_to:
                linked[name] = self._reference(path, value, field, found)
        return linked

    def _reference(self, path: str, name: str, field: Field, found: Mapping[str, ManifestEntry]) -> str:
        full = self._full(name)
        other = found.get(full)
        wanted = " or ".join(field.refers_to)
        if other is None:
            fitting = [item.id for item in found.values() if item.kind in field.refers_to]
            self._wrong(path, f"{path}={name!r} is no entry of kind {wanted}: {suggestion(full, fitting)}")
        elif other.kind not in field.refers_to:
            self._wrong(
                path,
                f"{path}={name!r} is of kind {other.kind}, line {other.line()}: expected an entry of kind {wanted}",
            )
        return full

    def _full(self, name: str) -> str:
        return name if ":" in name else f"{self._namespace}:{name}"

    def _wrong(self, key: str, message: str) -> None:
        line = self._lines.get(key)
        while line is None and key:
            key = key.rpartition(".")[0]
            line = self._lines.get(key)
        self._problems.append(Problem(self._path.name, line or 1, key, message))
