"""A client of control sockets, in trio, for tests of a node in the same program."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors import Node
from actors._inspection.control_socket import directory, running


def socket_of(node: Node) -> Path:
    """The file of a node's control socket."""
    (path,) = [found.path for found in running() if found.node == node.name]
    assert path.parent == directory()
    return path


@asynccontextmanager
async def connected(node: Node) -> AsyncGenerator[trio.SocketStream, None]:
    """A connection to the control socket of a node."""
    async with await trio.open_unix_socket(str(socket_of(node))) as stream:
        yield stream


async def answer(stream: trio.SocketStream) -> Any:
    """The next line that the node writes; None when it has hung up."""
    line = b""
    while not line.endswith(b"\n"):
        received = await stream.receive_some(1)
        if not received:
            assert line == b""
            return None
        line += received
    return json.loads(line)


async def ask(node: Node, verb: str, **given: Any) -> Any:
    """The result of one request; an error as a dict with its kind."""
    async with connected(node) as stream:
        await stream.send_all(json.dumps({"verb": verb, **given}).encode() + b"\n")
        answered = await answer(stream)
        return answered["result"] if "result" in answered else answered["error"]
