"""Local processes that others elsewhere monitor: what a node owes to watchers in workflows and on other nodes."""

from __future__ import annotations

from actors import PID, Exit, Kernel, MonitorRef, wire
from temporal_bridge._client.temporal_host import TemporalHost
from temporal_bridge._nodes.nodes_host import NodesHost


class RemoteMonitors:
    """Brings the exits of a node's processes to their watchers, after the messages that these were sent before."""

    def __init__(self) -> None:
        self._refs: dict[tuple[PID, PID, int], MonitorRef] = {}

    async def add(self, kernel: Kernel, target: PID, by: PID, number: int) -> None:
        """Watch a process for another; once more is nothing, as a process that continued as new asks again."""
        key = (target, by, number)
        if key in self._refs:
            return
        ref = self._refs[key] = MonitorRef(by, kernel.next_number())

        def ended(event: Exit) -> None:
            self._refs.pop(key, None)
            host = kernel.route(by)
            if isinstance(host, TemporalHost | NodesHost):
                host.bring_exit(by, wire.exit_envelope(number, event))

        await kernel.watch(target, ref, ended)

    def remove(self, kernel: Kernel, target: PID, by: PID, number: int) -> None:
        """Watch it no more."""
        ref = self._refs.pop((target, by, number), None)
        if ref is not None:
            kernel.unwatch(target, ref)
