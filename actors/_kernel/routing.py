"""Routing: from a destination to a process of this program, or to the host that answers for its PID."""

from __future__ import annotations

from actors._kernel.host import Host
from actors._kernel.names import Names
from actors._kernel.process import Process
from actors._kernel.wiring import Wiring
from actors._values.errors import invalid
from actors._values.pid import PID, Dest

NAME_HOST = "name"
"""The host in the PID that stands for a name nobody has."""


class Routing:
    """The table of the processes of one kernel, and the way to all others.

    Invariant: a process is in `table`, by the id of its PID, from its spawn to its exit.
    """

    __slots__ = ("name", "names", "table", "wiring")

    def __init__(self, name: str, names: Names, wiring: Wiring) -> None:
        self.name = name
        self.names = names
        self.wiring = wiring
        self.table: dict[str, Process] = {}

    def find(self, dest: Dest) -> Process | PID:
        """The process itself if it lives in this program, else the PID to route by.

        Raises:
            Error: kind INVALID, when `dest` is neither a PID nor a name.
        """
        if type(dest) is PID:
            pid = dest
        elif isinstance(dest, str):
            if not dest:
                raise invalid("dest", dest, "a PID or a registered name")
            named = self.names.get(dest)
            pid = PID(self.name, NAME_HOST, dest) if named is None else named
        else:
            raise invalid("dest", dest, "a PID or a registered name")
        process = self.table.get(pid.id)
        if process is not None and (process.pid is pid or process.pid == pid):
            return process
        other = self.wiring.local_nodes.get(pid.node)
        if other is not None:
            process = other.table.get(pid.id)
            if process is not None and process.pid == pid:
                return process
        return pid

    def route(self, pid: PID) -> Host | None:
        """The host that answers for a PID that `find` did not find here; None when it is known to be gone."""
        host = self.wiring.routes.get(pid.host)
        if host is not None:
            return host
        if pid.node == self.name or pid.node in self.wiring.local_nodes:
            return None
        return self.wiring.remote_host
