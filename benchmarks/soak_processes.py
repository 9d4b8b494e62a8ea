"""The processes of the soak: they exchange numbered messages, and fail when one is lost, doubled or out of order."""

from __future__ import annotations

from typing import Any

import actors
from actors import PID, Error, Namespace

soak = Namespace("soak")
WORKER = "soak:worker"


class Ledger:
    """The last number of each sender."""

    def __init__(self, last: dict[str, int] | None = None) -> None:
        self.last = dict(last or {})

    def note(self, sender: str, number: int, by: str) -> None:
        """Check that a number is the next one."""
        expected = self.last.get(sender, 0) + 1
        if number != expected:
            what = "was doubled or late" if number < expected else "came after a loss"
            raise Error(f"{by}: number {number} of {sender} {what}, expected {expected}", kind="CONFLICT")
        self.last[sender] = number

    def complete(self, senders: int, count: int) -> bool:
        """Whether every sender has sent all of its numbers."""
        return len(self.last) == senders and all(last == count for last in self.last.values())


async def exchange(name: str, count: int, senders: int, pause: str) -> dict[str, int]:
    """Waits for `peers`, sends each of them the numbers up to `count`, and takes as many from each sender."""
    peers: list[PID] = await actors.listen("peers").receive()
    numbers = actors.listen("n")
    done = actors.Channel[None](1)

    async def send() -> None:
        for number in range(1, count + 1):
            for peer in peers:
                if not await actors.send(peer, "n", name, number):
                    raise Error(f"{name}: {peer} took no message", kind="NOT_FOUND")
            await actors.sleep(pause)
        await done.send(None)

    actors.start_soon(send)
    ledger = Ledger()
    while not ledger.complete(senders, count):
        sender, number = await numbers.receive()
        ledger.note(sender, number, name)
    await done.receive()
    return ledger.last


@soak.process(worker=WORKER)
async def durable(name: str, count: int, senders: int, pause: str) -> dict[str, int]:
    """A durable process of the exchange."""
    return await exchange(name, count, senders, pause)


@soak.process(worker=WORKER)
async def upgrading(name: str, count: int, senders: int, taken: int = 0, last: Any = None) -> dict[str, int]:
    """One that takes numbers, and continues as new all the time."""
    ledger = Ledger(last)
    numbers = actors.listen("n")
    while not ledger.complete(senders, count):
        sender, number = await numbers.receive()
        ledger.note(sender, number, name)
        taken += 1
        if taken % 25 == 0 and not ledger.complete(senders, count):
            await actors.upgrade(upgrading, name, count, senders, taken, ledger.last)
    return ledger.last


@soak.process(worker=WORKER)
async def dies(reason: str) -> str:
    """One that ends as it is told: each of its monitors must fire once."""
    await actors.listen("end").receive()
    if reason == "error":
        raise Error("on purpose", kind="CONFLICT")
    return "normal"
