"""Dead letters of durable processes: the node of the worker that runs a process is told of them."""

from __future__ import annotations

from typing import Final

from temporalio import workflow

from actors import PID, DeadLetters, Error, Kernel, Message
from temporal_bridge import _wire as wire
from temporal_bridge._converter import pack, unpack
from temporal_bridge._lent import Lend, lent
from temporal_bridge._portal import Portal
from temporal_bridge._wire import Item

_TELL: Final = "everproc_dead_letter"
"""The function that tells the node."""


class DurableDeadLetters(DeadLetters):
    """Those of one durable process: each is told once, and once more when its workflow task is tried again."""

    def add(self, pid: PID, message: Message) -> None:
        """As `DeadLetters.add`."""
        super().add(pid, message)
        if not workflow.unsafe.is_replaying():
            tell(pid, message)


def tell(pid: PID, message: Message) -> None:
    """In a workflow: tell the node of its worker that a message has not reached `pid`."""
    tell_node = lent(_TELL)
    if tell_node is None:
        return
    item = wire.message_item(message)
    try:
        data = pack(list(item))
    except Error as error:  # it never had to be written: it was for a name that nobody has
        data = pack(list(item._replace(values=[error])))
    tell_node(str(pid), data)


class LendDeadLetters(Lend):
    """Lends the workflows of a worker the function that tells its node of a dead letter."""

    def __init__(self, kernel: Kernel, portal: Portal) -> None:
        super().__init__(_TELL, self._add_soon)
        self._kernel = kernel
        self._portal = portal

    def _add_soon(self, pid: str, data: bytes) -> None:
        """Called in the thread of a workflow."""
        self._portal.in_trio_soon(self._add, pid, data)

    def _add(self, pid: str, data: bytes) -> None:
        self._kernel.dead_letters.add(PID.parse(pid), wire.item_message(Item(*unpack(data))))
