"""What can be asked of a node over its control socket: one function a verb, by its name."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from actors._inspection.json_view import (
    MOST_REMOTE,
    node_to_json,
    process_to_json,
    processes_to_json,
    to_jsonable,
)
from actors._values.errors import NOT_FOUND, Error, invalid
from actors._values.pid import PID

if TYPE_CHECKING:
    from actors._runtime.node import Node


def destination(node: Node, text: object) -> PID:
    """The process that a person means: by its PID, with or without braces, by its name, or by its number.

    Raises:
        Error: INVALID, when it is no such text; NOT_FOUND, when nobody has the name.
    """
    if not isinstance(text, str) or not text:
        raise invalid("pid", text, "a PID, the name of a process, or its number")
    if "@" in text and "|" in text:
        return PID.parse(text if text.startswith("{") else f"{{{text}}}")
    named = node.whereis(text)
    if named is not None:
        return named
    process = node.kernel.table.get(text)
    if process is not None:
        return process.pid
    near = difflib.get_close_matches(text, list(node.kernel.names), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise Error(
        f"pid={text!r} is not here: expected the name of a process of node {node.name}, its number, or a PID such as"
        f" '{{{node.name}@trio|7}}'{hint}",
        kind=NOT_FOUND,
    )


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise invalid(name, value, "a list")
    return value  # pyright: ignore[reportUnknownVariableType]


async def _node(node: Node, given: Mapping[str, Any]) -> Any:
    return node_to_json(node)


async def _processes(node: Node, given: Mapping[str, Any]) -> Any:
    remote = given.get("elsewhere", MOST_REMOTE)
    if not isinstance(remote, int) or remote < 0:
        raise invalid("elsewhere", remote, "how many processes of other hosts to list, 0 or more")
    return {"node": node_to_json(node), **await processes_to_json(node, remote)}


async def _describe(node: Node, given: Mapping[str, Any]) -> Any:
    return process_to_json(await node.describe(destination(node, given.get("pid"))))


async def _send(node: Node, given: Mapping[str, Any]) -> Any:
    pid = destination(node, given.get("pid"))
    return {"pid": str(pid), "taken": await node.send(pid, given.get("topic", ""), *_list(given, "payload"))}


async def _call(node: Node, given: Mapping[str, Any]) -> Any:
    pid = destination(node, given.get("pid"))
    payload = _list(given, "payload")
    answer = await node.call(pid, given.get("topic", ""), *payload, timeout=given.get("timeout", "5s"))
    return {"pid": str(pid), "answer": to_jsonable(answer)}


async def _spawn(node: Node, given: Mapping[str, Any]) -> Any:
    target = given.get("target")
    if not isinstance(target, str):
        raise invalid("target", target, 'the id of an entry, such as "app:order"')
    spawner = node.spawner(given.get("name"), given.get("on"), given.get("context"), given.get("options"))
    args = _list(given, "args")
    if given.get("execute"):
        return {"value": to_jsonable(await spawner.execute(target, *args))}
    return {"pid": str(await spawner.spawn(target, *args))}


async def _cancel(node: Node, given: Mapping[str, Any]) -> Any:
    pid = destination(node, given.get("pid"))
    asked = await node.cancel(pid, given.get("deadline"), given.get("reason", ""))
    return {"pid": str(pid), "asked": asked}


async def _terminate(node: Node, given: Mapping[str, Any]) -> Any:
    pid = destination(node, given.get("pid"))
    return {"pid": str(pid), "terminated": await node.terminate(pid, given.get("reason", ""))}


VERBS: Final[Mapping[str, Callable[[Node, Mapping[str, Any]], Awaitable[Any]]]] = {
    "node": _node,
    "processes": _processes,
    "describe": _describe,
    "send": _send,
    "call": _call,
    "spawn": _spawn,
    "cancel": _cancel,
    "terminate": _terminate,
}
