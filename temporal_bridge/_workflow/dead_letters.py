"""Dead letters of durable processes, on the side of the workflow: each is reported to the node of its worker."""

from __future__ import annotations

from typing import Final

from temporalio import workflow

from actors import PID, DeadLetters, Error, Message, wire
from actors.wire import pack
from temporal_bridge._wire.extern_functions import extern_function

TELL: Final = "everproc_dead_letter"
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
    tell_node = extern_function(TELL)
    if tell_node is None:
        return
    item = wire.to_envelope(message)
    try:
        data = pack(list(item))
    except Error as error:  # it never had to be written: it was for a name that nobody has
        data = pack(list(item._replace(values=[error])))
    tell_node(str(pid), data)
