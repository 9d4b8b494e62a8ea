"""What comes in, on either side: messages into mailboxes, system signals into the kernel."""

from __future__ import annotations

from actors._kernel.kernel import Kernel
from actors._kernel.process import Process
from actors._values.errors import CANCELED, Error
from actors._values.events import Result
from actors._values.pid import PID
from actors._wire import envelopes as wire
from actors._wire.envelopes import Envelope


def receive(kernel: Kernel, target: PID, item: Envelope) -> bool:
    """Act on one item for a process of `kernel`; False when there is no such process, or it takes no more.

    An item that makes no sense, as a stranger may send it, is a dead letter.
    """
    if item.topic == wire.REPLY:
        return kernel.receive_reply(*item.values)
    if item.topic == wire.REFUSED:
        kernel.fail_call(*item.values)
        return True
    if item.topic == wire.LINK:
        kernel.receive_link(target, PID.parse(item.values[0]))
        return True
    process = kernel.find(target)
    if not isinstance(process, Process):
        return False
    if not item.topic.startswith("@"):
        observer = process.mailbox.observer
        if observer is not None:
            observer.arriving(item.cause or {})
        return process.kernel.deliver(process, wire.from_envelope(item))
    if item.topic == wire.UNLINK:
        kernel.receive_unlink(target, PID.parse(item.values[0]))
    elif item.topic == wire.LINK_DOWN:
        by, reason, error = item.values
        kernel.signal_link_down(target, PID.parse(by), reason, Result(error=error))
    elif item.topic == wire.TERMINATE:
        (reason,) = item.values
        text = f"terminated: {reason}" if reason else "terminated"
        process.end("terminated", Error(text, kind=CANCELED, details={"reason": reason}))
    elif item.topic == wire.CANCEL:
        by, reason, deadline = item.values
        kernel.cancel_here(process, None if by is None else PID.parse(by), reason, deadline)
    else:
        kernel.instruments.dead_letters.add(target, wire.from_envelope(item))
        return False
    return True
