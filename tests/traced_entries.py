"""An order that goes through a local process, a workflow and an activity, for the tests of traces."""

from __future__ import annotations

import logging
from typing import Any

import actors
from actors import PID, Namespace

traced = Namespace("traced")
WORKER = "traced:worker"


@traced.function(worker=WORKER)
async def charge(amount: int) -> str:
    return f"charged {amount}"


@traced.process(worker=WORKER)
async def order(amount: int) -> str:
    return str(await actors.funcs.call(charge, amount))


@traced.process(worker=WORKER)
async def till() -> int:
    """Lives on; charges when it is called, and tells of it whoever is named."""
    served = 0
    async for message in actors.inbox():
        if message.topic == "close":
            break
        served += 1
        amount, teller = message.payload
        receipt = await actors.funcs.call(charge, amount)
        if teller is not None:
            await actors.send(teller, "charged", receipt)
        if message.reply_to is not None:
            await actors.reply(message, receipt)
    return served


@traced.process(worker=WORKER)
async def logs() -> None:
    logging.getLogger(__name__).warning("durable")


async def desk() -> None:
    """A local process that has an order made for each call."""
    async for message in actors.inbox():
        await actors.reply(message, await actors.execute(order, message.payload, on=WORKER))


async def sends_twice(pid: PID) -> None:
    """Has the till charge twice, by messages, and waits for what it tells of that."""
    charged = actors.listen("charged")
    for amount in (1, 2):
        await actors.send(pid, "pay", amount, actors.self_pid())
        await charged.receive()


async def till_desk(pid: PID) -> None:
    """A local process that calls the till for each call, and waits until that tells of it."""
    charged = actors.listen("charged")
    calls = actors.listen("charge", messages=True)
    async for message in calls:
        receipt: Any = await actors.call(pid, "pay", message.payload, actors.self_pid())
        assert await charged.receive() == receipt
        await actors.reply(message, receipt)
