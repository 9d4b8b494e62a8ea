"""Local processes that durable ones monitor: what a node owes to watchers elsewhere."""

from __future__ import annotations

from actors import PID, Exit, Kernel, MonitorRef
from temporal_bridge import _wire as wire
from temporal_bridge._host import TemporalHost


class RemoteMonitors:
    """Brings the exits of local processes to the durable ones that monitor them, after the messages sent before."""

    def __init__(self, host: TemporalHost) -> None:
        self._host = host
        self._refs: dict[tuple[PID, PID, int], MonitorRef] = {}

    async def add(self, kernel: Kernel, target: PID, by: PID, number: int) -> None:
        """Watch a process for another; once more is nothing, as a process that continued as new asks again."""
        key = (target, by, number)
        if key in self._refs:
            return
        ref = self._refs[key] = MonitorRef(by, kernel.next_number())

        def ended(event: Exit) -> None:
            self._refs.pop(key, None)
            self._host.bring_exit(by, wire.exit_item(number, event))

        await kernel.watch(target, ref, ended)

    def remove(self, kernel: Kernel, target: PID, by: PID, number: int) -> None:
        """Watch it no more."""
        ref = self._refs.pop((target, by, number), None)
        if ref is not None:
            kernel.unwatch(target, ref)
