"""The control socket of a node: how the command `everproc` looks in, and acts.

A request is a line of JSON, `{"verb": "describe", "pid": "counter"}`; the answer is a line too, `{"result": ...}` or
`{"error": {"kind": ..., "message": ..., "details": ...}}`. The verbs are those of `control_verbs`, and `log`, which
answers with one line `{"item": ...}` for each record. JSON, because whoever looks in is a person or a script, and a
`socat` is enough.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from actors._inspection.control_socket import is_own_user, listen
from actors._inspection.control_verbs import VERBS
from actors._inspection.json_view import error_to_json
from actors._inspection.recent_log import RecentLog
from actors._values.errors import INTERNAL, INVALID, PERMISSION_DENIED, Error, invalid

if TYPE_CHECKING:
    from actors._runtime.node import Node

log: Final = logging.getLogger("everproc.control")

LONGEST: Final = 4 * 1024 * 1024
"""Bytes of a request."""


class Control:
    """The control socket of a node, from its making to `close`.

    Raises:
        Error: as `control_socket.listen`.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._listener, self._socket = listen(node.name)
        self._recent = RecentLog()
        logging.getLogger().addHandler(self._recent)

    async def serve(self) -> None:
        """Answer who connects, until cancelled."""
        async with trio.SocketListener(trio.socket.from_stdlib_socket(self._listener)) as listener:
            await trio.serve_listeners(self._handle, [listener])

    async def _handle(self, stream: trio.SocketStream) -> None:
        await _handle(self._node, self._recent, stream)

    def close(self) -> None:
        """Remove the socket's file."""
        self._socket.path.unlink(missing_ok=True)
        self._listener.close()
        logging.getLogger().removeHandler(self._recent)


async def _handle(node: Node, recent: RecentLog, stream: trio.SocketStream) -> None:
    """Answer the requests of one connection, one after another. Whatever comes in harms neither it nor the node."""
    async with stream:
        try:
            if not is_own_user(cast("Any", stream.socket)):
                refused = Error(
                    "the control socket of a node is for the user it runs as", kind=PERMISSION_DENIED
                )
                await _write(stream, {"error": error_to_json(refused)})
                return
            buffer = bytearray()
            while True:
                line, newline, rest = buffer.partition(b"\n")
                if not newline:
                    if len(buffer) > LONGEST:
                        await _write(stream, {"error": error_to_json(_too_long())})
                        return
                    received = await stream.receive_some()
                    if not received:
                        return
                    buffer += received
                    continue
                buffer = rest
                await _answer(node, recent, stream, bytes(line))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # it has hung up


async def _answer(node: Node, recent: RecentLog, stream: trio.SocketStream, line: bytes) -> None:
    try:
        request = _parse(line)
        if request["verb"] == "log":
            await _write_log(recent, stream, request)
            return
        answer = {"result": await VERBS[request["verb"]](node, request)}
    except Error as error:
        answer = {"error": error_to_json(error)}
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        raise
    except Exception as error:
        log.exception("a request to the control socket of node %s failed", node.name)
        answer = {"error": error_to_json(Error(f"{type(error).__name__}: {error}", kind=INTERNAL))}
    await _write(stream, answer)


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Error(
            f"the request is not JSON: {error}; expected a line such as {_EXAMPLE}", kind=INVALID
        ) from error
    if not isinstance(request, dict):
        raise invalid("request", request, f"an object such as {_EXAMPLE}")
    asked = cast("dict[str, Any]", request)
    verb = asked.get("verb")
    if not isinstance(verb, str) or (verb not in VERBS and verb != "log"):
        raise invalid("verb", verb, f"one of {', '.join((*VERBS, 'log'))}")
    return asked


def _too_long() -> Error:
    return Error(f"the request is too long: expected a line of at most {LONGEST} bytes", kind=INVALID)


_EXAMPLE: Final = '{"verb": "describe", "pid": "counter"}'


async def _write_log(recent: RecentLog, stream: trio.SocketStream, request: Mapping[str, Any]) -> None:
    lines = request.get("lines", 100)
    if not isinstance(lines, int) or lines < 0:
        raise invalid("lines", lines, "how many of the last records, 0 or more")
    if not request.get("follow"):
        await _write(stream, {"result": recent.last(lines)})
        return
    try:
        async with aclosing(recent.follow(lines)) as records, trio.open_nursery() as nursery:

            async def until_hung_up() -> None:
                await stream.receive_some()
                nursery.cancel_scope.cancel()

            nursery.start_soon(until_hung_up)
            async for record in records:
                await _write(stream, {"item": record})
    except* (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # so will the next read, which ends the connection


async def _write(stream: trio.SocketStream, answer: Mapping[str, Any]) -> None:
    await stream.send_all(json.dumps(answer).encode() + b"\n")
