"""Ending the running process with a reason of its choice: OTP's `exit(Reason)`."""

from __future__ import annotations

from typing import NoReturn

import actors
from actors import CANCELED, CONFLICT, Error, Reason


async def exit_as(reason: Reason, error: Error | None = None) -> NoReturn:
    """End the running process; whoever monitors it sees `reason`. Never returns."""
    process = actors.running_process()
    process.end(reason, error or Error(reason, kind=CANCELED, details={"reason": reason}))
    await process.pause()
    raise Error(
        "a process that ends itself has to let its awaits raise: leave the shield first", kind=CONFLICT
    )


def chance() -> float:
    """A random number from 0 to 1, the same again on replay in a durable process."""
    return int.from_bytes(actors.random_bytes(4)) / (2**32 - 1)


def monotonic() -> float:
    """Seconds on the clock of the host that the running process runs on; it never goes back."""
    return actors.running_process().scheduler.time()
