"""PIDs: who a process is."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs

from actors._values.errors import Error, invalid

_MARKS = frozenset("@|{}")


class _Draft:
    """A PID while it is filled, see `messages.Draft`."""

    __slots__ = ("node", "host", "id")


@attrs.frozen(order=True, hash=False, repr=False, weakref_slot=False)
class PID(_Draft):
    """The identity of a process: frozen, hashable, ordered, and the same text wherever it is read.

    A local process has the node `name.incarnation`, so that a PID from before a restart never reaches a stranger.
    A durable process has the node `namespace`, the host `temporal` and its workflow id.

        PID.parse("{web.k3x9@trio|17}") == PID("web.k3x9", "trio", "17")
    """

    node: str
    host: str
    id: str

    def __attrs_post_init__(self) -> None:
        for name, text in (("node", self.node), ("host", self.host)):
            if not isinstance(text, str) or not text or not _MARKS.isdisjoint(text):
                raise invalid(name, text, "a non-empty string without any of @ | { }")
        if not isinstance(self.id, str) or not self.id:
            raise invalid("id", self.id, "a non-empty string")

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return f"{{{self.node}@{self.host}|{self.id}}}"

    def __repr__(self) -> str:
        return f"<{self.node}@{self.host}|{self.id}>"

    @classmethod
    def parse(cls, text: str) -> PID:
        """The PID that `str(pid)` wrote.

        Raises:
            Error: kind INVALID, when the text is not a PID.
        """
        if not isinstance(text, str):
            raise _no_pid(text)
        return _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> PID:
    """The PID that a text says: one process gets much of its mail from few others."""
    if text[:1] == "{" and text[-1] == "}":
        node, _, rest = text[1:-1].partition("@")
        host, _, id = rest.partition("|")
        if node and host and id and _MARKS.isdisjoint(node) and _MARKS.isdisjoint(host):
            return PID(node, host, id)
    raise _no_pid(text)


def _no_pid(text: object) -> Error:
    return invalid("text", text, "a PID such as {node@host|id}")


def sibling(pid: PID, host: str, number: int) -> PID:
    """The PID of a process of the same node, unchecked: the node made them all."""
    draft: Any = _Draft()
    draft.node = pid.node
    draft.host = host
    draft.id = str(number)
    draft.__class__ = PID
    return draft  # type: ignore[no-any-return]


Dest = PID | str
"""A process, or the name it is registered under."""
