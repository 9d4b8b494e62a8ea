"""Servers by key: each is started by the first message to it (the grains of Orleans)."""

from __future__ import annotations

from typing import Any, Final

import attrs

import actors
from actors import PID, Duration, Error, Node, Spawner, invalid, process_entry
from supervision._servers.callbacks import ServerCallbacks

_STOPPED: Final = ("normal", "shutdown", "noproc")
"""How a server has ended that has not handled the call: it would have replied before it ended."""


@attrs.frozen
class ServerAddress:
    """Where a server of a class is found by its key, whether it runs or not. Made by `Server.at`."""

    server: type[ServerCallbacks]
    key: str
    on: str | None = None
    node: Node | None = attrs.field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key:
            raise invalid("key", self.key, "a non-empty string")
        if self.node is not None and not isinstance(self.node, Node):
            raise invalid("node", self.node, "an actors.Node, for code outside any process")
        self._spawner()  # checks `on`

    async def activate(self) -> PID:
        """The server; started if it does not run, with an `init` that is given nothing.

        Raises:
            Error: as `Spawner.spawn`.
        """
        return await self._spawner().spawn(self.server)

    async def call(self, topic: str, payload: Any, timeout: Duration) -> Any:
        """As `actors.call`. One that comes while the server stops is answered by the next one under the key."""
        call = actors.call if self.node is None else self.node.call
        while True:
            pid = await self.activate()
            try:
                return await call(pid, topic, payload, timeout=timeout)
            except Error as error:
                if error.details.get("pid") != str(pid) or error.details.get("reason") not in _STOPPED:
                    raise

    async def send(self, topic: str, payload: Any) -> bool:
        """As `actors.send`."""
        pid = await self.activate()
        if self.node is not None:
            return await self.node.send(pid, topic, payload)
        return await actors.send(pid, topic, payload)

    def _spawner(self) -> Spawner:
        name = key_prefix(self.server) + self.key
        spawner = actors.spawner if self.node is None else self.node.spawner
        return spawner(name, self.on).detach()


def key_prefix(server: type[ServerCallbacks]) -> str:
    """What the names of all servers of a class begin with, before their keys."""
    return f"{process_entry(server, 'server').id}/"
