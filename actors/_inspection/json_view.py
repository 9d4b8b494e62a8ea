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

MOST_ELSEWHERE = 1000
"""How many processes of another host are listed unless more are asked for."""


def plain(value: object, depth: int = 0) -> Any:
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
        return view_error(value)
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                str(key): plain(item, depth + 1)
                for key, item in cast("Mapping[object, object]", value).items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(item, depth + 1) for item in cast("Iterable[object]", value)]
        cls: Any = type(value)
        if attrs.has(cls):
            return {name: plain(getattr(value, name), depth + 1) for name in attrs.fields_dict(cls)}
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a bad __repr__ must not hide the rest
        return f"<{type(value).__name__}>"


def view_error(error: Error) -> dict[str, Any]:
    """An error with its kind and details."""
    return {"kind": error.kind, "message": error.message, "details": plain(error.details)}


def view_process(description: Description) -> dict[str, Any]:
    """A description by its fields, `host` among them; `age` is in seconds."""
    return {**plain(description), "host": description.pid.host}


def view_node(node: Node) -> dict[str, Any]:
    """What a node is, and what it has counted."""
    kernel = node.kernel
    return {
        "name": node.name,
        "os_pid": os.getpid(),
        "python": sys.version.split()[0],
        "hosts": sorted((*kernel.schedulers, *kernel.spawners)),
        "statistics": plain(node.statistics()),
    }


async def view_processes(node: Node, elsewhere: int = MOST_ELSEWHERE) -> dict[str, Any]:
    """All local processes, and up to `elsewhere` of each other host; a host that cannot tell is under `errors`.

    `parent` is the process that spawned one. Who has started a durable process its host does not tell of each: then
    it is the local process that watches or is linked to it.
    """
    listed: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for host in node.kernel.routes.values() if elsewhere else ():
        try:
            listed += map(view_process, await host.processes(elsewhere))
        except Error as error:
            errors.append(view_error(error))
    processes = [view_process(description) for description in node.processes()]
    related = {
        pid: process["pid"] for process in processes for pid in (*process["monitors"], *process["links"])
    }
    for process in listed:
        if process["parent"] is None:
            process["parent"] = related.get(process["pid"])
    return {"processes": processes + listed, "errors": errors}
