"""What can be seen of a node, as values that JSON can hold: for the command `everproc` and the observer's page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

import attrs

from actors._kernel.process_info import Description
from actors._values.errors import Error
from actors._values.pid import PID

if TYPE_CHECKING:
    from actors._runtime.node import Node  # which opens the control socket, which uses this module

_DEEPEST = 20
"""How many values may be nested in one another: of what is deeper, its repr is shown."""

MOST_REMOTE = 1000
"""How many processes of another host are listed unless more are asked for."""


def to_jsonable(value: object, depth: int = 0) -> Any:
    """A value as JSON can hold it: a PID and a date as their text, a duration as seconds, else what `repr` says."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else repr(value)
    if isinstance(value, PID):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Error):
        return error_to_json(value)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                str(key): to_jsonable(item, depth + 1)
                for key, item in cast("Mapping[object, object]", value).items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [to_jsonable(item, depth + 1) for item in cast("Iterable[object]", value)]
        cls: Any = type(value)
        if attrs.has(cls):
            return {name: to_jsonable(getattr(value, name), depth + 1) for name in attrs.fields_dict(cls)}
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a bad __repr__ must not hide the rest
        return f"<{type(value).__name__}>"


def error_to_json(error: Error) -> dict[str, Any]:
    """An error with its kind and details."""
    return {"kind": error.kind, "message": error.message, "details": to_jsonable(error.details)}


def process_to_json(description: Description) -> dict[str, Any]:
    """A description by its fields, `host` among them; `age` is in seconds."""
    return {**to_jsonable(description), "host": description.pid.host}


def node_to_json(node: Node) -> dict[str, Any]:
    """What a node is, and what it has counted."""
    kernel = node.kernel
    return {
        "name": node.name,
        "os_pid": os.getpid(),
        "python": sys.version.split()[0],
        "hosts": sorted((*kernel.wiring.schedulers, *kernel.wiring.spawners)),
        "statistics": to_jsonable(node.statistics()),
    }


async def processes_to_json(node: Node, remote: int = MOST_REMOTE) -> dict[str, Any]:
    """All local processes, and up to `remote` of each other host; a host that cannot tell is under `errors`.

    `parent` is the process that spawned one. Who has started a durable process its host does not tell of each: then
    it is the local process that watches or is linked to it.
    """
    listed: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for host in node.kernel.wiring.routes.values() if remote else ():
        try:
            listed += map(process_to_json, await host.processes(remote))
        except Error as error:
            errors.append(error_to_json(error))
    processes = [process_to_json(description) for description in node.processes()]
    related = {
        pid: process["pid"] for process in processes for pid in (*process["monitors"], *process["links"])
    }
    for process in listed:
        if process["parent"] is None:
            process["parent"] = related.get(process["pid"])
    return {"processes": processes + listed, "errors": errors}
