"""Processes that send many messages without waiting for one before the next; importable, for Temporal's sandbox."""

from __future__ import annotations

import actors
from actors import PID, Namespace

flood = Namespace("flood")
WORKER = "flood:worker"


async def send_at_once(to: PID, count: int) -> bool:
    """Sends the numbers from a task each; whether all were taken."""
    taken = actors.Channel[bool](count)

    async def send(number: int) -> None:
        await taken.send(await actors.send(to, "n", number))

    for number in range(count):
        actors.start_soon(send, number)
    return all([await taken.receive() for _ in range(count)])


async def receive_in_order(count: int) -> int:
    """Takes numbers from 0 on; the first that is not the next one fails it."""
    numbers = actors.listen("n")
    for expected in range(count):
        number = await numbers.receive()
        if number != expected:
            raise actors.Error(f"{number} came, expected {expected}", kind="CONFLICT")
    return count


@flood.process(worker=WORKER)
async def sends(to: PID, count: int) -> bool:
    return await send_at_once(to, count)


@flood.process(worker=WORKER)
async def receives(count: int) -> int:
    return await receive_in_order(count)
