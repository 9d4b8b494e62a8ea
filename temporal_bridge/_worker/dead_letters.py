"""Dead letters of durable processes: the node of the worker that runs a process is told of them."""

from __future__ import annotations

from actors import PID, Kernel, wire
from actors.wire import Envelope, unpack
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._wire.extern_functions import ExternFunction
from temporal_bridge._workflow.dead_letters import TELL


class DeadLetterFunction(ExternFunction):
    """Lends the workflows of a worker the function that tells its node of a dead letter."""

    def __init__(self, kernel: Kernel, portal: Portal) -> None:
        super().__init__(TELL, self._add_soon)
        self._kernel = kernel
        self._portal = portal

    def _add_soon(self, pid: str, data: bytes) -> None:
        """Called in the thread of a workflow."""
        self._portal.in_trio_soon(self._add, pid, data)

    def _add(self, pid: str, data: bytes) -> None:
        self._kernel.instruments.dead_letters.add(PID.parse(pid), wire.from_envelope(Envelope(*unpack(data))))
