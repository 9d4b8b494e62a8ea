"""Links between processes, wherever their ends live (semantics 21 to 24); the ends are `links_and_monitors.py`."""

from __future__ import annotations

from actors._kernel import links_and_monitors as relations
from actors._kernel.process import Process
from actors._kernel.routing import Routing
from actors._values.events import Reason, Result
from actors._values.pid import PID, Dest


class Links:
    """Makes and removes the links of the processes of one kernel, and brings their signals to the other end."""

    __slots__ = ("_routing",)

    def __init__(self, routing: Routing) -> None:
        self._routing = routing

    async def link(self, process: Process, dest: Dest, spawned: bool = False) -> None:
        """Link two processes; one that does not exist answers with the signal `noproc`."""
        target = self._routing.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        if pid == process.pid or not relations.link(process, pid):
            return
        if isinstance(target, Process):
            relations.link(target, process.pid)
            return
        host = self._routing.route(target)
        if host is None:
            relations.link_down(process, pid, "noproc", relations.gone(pid))
            return
        try:
            await host.link(target, process.pid, spawned)
        except BaseException:  # the caller gets it, and has no link
            relations.unlink(process, pid)
            raise

    async def unlink(self, process: Process, dest: Dest) -> None:
        """Remove a link; it has no effect after this, also not by a LinkDown that is queued."""
        target = self._routing.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        if not relations.unlink(process, pid):
            return
        if isinstance(target, Process):
            relations.unlink(target, process.pid)
            return
        host = self._routing.route(target)
        if host is not None:
            await host.unlink(target, process.pid)

    def receive_link(self, target: PID, by: PID) -> None:
        """A process elsewhere links to one of this node; if there is none, it gets the signal `noproc`."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            relations.link(found, by)
        else:
            self.signal_link_down(by, target, "noproc", relations.gone(target))

    def receive_unlink(self, target: PID, by: PID) -> None:
        """A process elsewhere removes its link to one of this node."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            relations.unlink(found, by)

    def signal_link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """Notify the other end of a link that `by` has exited."""
        found = self._routing.find(target)
        if isinstance(found, Process):
            relations.link_down(found, by, reason, result)
            return
        host = self._routing.route(target)
        if host is not None:
            host.link_down(target, by, reason, result)
