"""Speaking to a node that runs, over its control socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from actors._inspection.control_socket import ControlSocket, directory, running
from actors._values.errors import INTERNAL, NOT_FOUND, UNAVAILABLE, Error


class NoNode(Error):
    """No node runs that the command could speak to."""


class NodeClient:
    """A node that runs."""

    def __init__(self, found: ControlSocket) -> None:
        self.node = found.node
        self.is_of = found.is_of
        self._path = str(found.path)

    def ask(self, verb: str, **given: Any) -> Any:
        """The answer to a request; raises the error that is the answer."""
        with closing(self._request(verb, given)) as answers:
            return next(answers)

    def follow(self, verb: str, **given: Any) -> Iterator[Any]:
        """The answers to a request, one after another, until the node ends."""
        return self._request(verb, given)

    def _request(self, verb: str, given: dict[str, Any]) -> Generator[Any, None, None]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(self._path)
                connection.sendall(json.dumps({"verb": verb, **given}).encode() + b"\n")
                with connection.makefile("rb") as lines:
                    for line in lines:
                        yield _answer(json.loads(line))
        except (OSError, ValueError) as error:
            raise self._gone() from error
        raise self._gone()

    def _gone(self) -> Error:
        return NoNode(f"node {self.node} has ended", kind=UNAVAILABLE)


def _answer(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        told = answer["error"]
        raise Error(
            str(told.get("message")), kind=str(told.get("kind", INTERNAL)), details=told.get("details") or {}
        )
    return answer["item"] if "item" in answer else answer["result"]


def nodes() -> list[NodeClient]:
    """All nodes of this user that can be spoken to."""
    return [NodeClient(found) for found in running()]


def choose(name: str | None) -> NodeClient:
    """The node of a name, with its incarnation or without; the only one, if no name is given.

    Raises:
        NoNode: when there is none.
        Error: when there are several.
    """
    found = nodes()
    names = ", ".join(client.node for client in found)
    chosen = [client for client in found if name is None or client.is_of(name)]
    if len(chosen) == 1:
        return chosen[0]
    if not found:
        raise NoNode(
            "no node runs here: start one with `everproc run`, or open the one of your program with"
            f" Node(..., control=True); looked in {directory()}",
            kind=NOT_FOUND,
        )
    if not chosen:
        raise NoNode(f"node={name!r} does not run: expected one of {names}", kind=NOT_FOUND)
    raise Error(
        f"several nodes run: say which with --node NAME, one of {', '.join(client.node for client in chosen)}",
        kind=NOT_FOUND,
        details={"usage": True},
    )
