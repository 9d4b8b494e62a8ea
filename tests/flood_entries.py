"""Processes that send many messages without waiting for one before the next; importable, for Temporal's sandbox."""

from __future__ import annotations

import actors
from actors import PID, Namespace

flood = Namespace("flood")
WORKER = "flood:worker"


EACH = 5
"""How many messages a task sends, one after the other."""


async def send_at_once(to: PID, count: int) -> bool:
    """Sends `count` messages from many tasks at once; whether all were taken."""
    taken = actors.Channel[bool](count)

    async def send(task: int) -> None:
        for number in range(EACH):
            await taken.send(await actors.send(to, "n", task, number))

    for task in range(count // EACH):
        actors.start_soon(send, task)
    return all([await taken.receive() for _ in range(count)])


async def receive_in_order(count: int) -> int:
    """Takes them: of each task in order, and each once."""
    numbers = actors.listen("n")
    expected = [0] * (count // EACH)
    for _ in range(count):
        task, number = await numbers.receive()
        if number != expected[task]:
            raise actors.Error(f"{number} of task {task} came, expected {expected[task]}", kind="CONFLICT")
        expected[task] += 1
    return count


@flood.process(worker=WORKER)
async def sends(to: PID, count: int) -> bool:
    return await send_at_once(to, count)


@flood.process(worker=WORKER)
async def receives(count: int) -> int:
    return await receive_in_order(count)
