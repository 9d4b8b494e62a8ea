"""Durable processes that do what the same code does in memory; importable, for Temporal's sandbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import trio

import actors

WORKER = "details:worker"
details = actors.Namespace("details")


async def numbers(how: str, starter: actors.PID) -> AsyncGenerator[int, None]:
    try:
        for number in range(100):
            yield number
    finally:
        if how == "sleep":
            await actors.sleep("1ms")
        else:
            await actors.send(starter, "closed")


@details.process(worker=WORKER)
async def leaves_a_generator(how: str, starter: actors.PID) -> str:
    words = actors.listen("word")
    async for number in numbers(how, starter):
        if number == 3:
            break
    await actors.send(starter, "ready")
    return str(await words.receive())


@details.process(worker=WORKER)
async def cleans_up() -> str:
    async for event in actors.events():
        if event.kind == actors.CANCEL:
            await actors.sleep("300ms")
            return "cleaned"
    return "not asked"


@details.process(worker=WORKER)
async def cancels(wait: bool) -> bool:
    spawner = actors.spawner(options={"temporal.workflow.wait_for_cancellation": wait})
    pid = await spawner.spawn_monitored(cleans_up)
    await actors.sleep("100ms")
    await actors.cancel(pid)
    picked = await actors.select(actors.events(), default=True)
    return isinstance(picked.value, actors.Exit)


@details.process(worker=WORKER)
async def shared() -> None:
    await actors.inbox().receive()


@details.process(worker=WORKER)
async def links_to(holder: actors.PID, starter: actors.PID) -> None:
    await actors.link(holder)
    await actors.send(starter, "linked")
    await actors.listen("break").receive()


@details.process(worker=WORKER)
async def opens_at_nine(now: datetime) -> str:
    local = now.astimezone(ZoneInfo("America/Sao_Paulo"))
    return (local + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0).isoformat()


@details.process(worker=WORKER)
async def kind_of(value: object) -> str:
    match value:
        case datetime():
            return "a time"
        case int():
            return "a number"
    return "something else"


class Charger:
    __name__ = "charger"

    async def __call__(self, amount: int) -> str:
        await trio.lowlevel.checkpoint()
        return f"charged {amount}"


charge = details.function(worker=WORKER, name="charge")(Charger())
charge_here = details.function(worker=WORKER, name="charge_here", local=True)(Charger())


@details.process(worker=WORKER)
async def charges(amount: int) -> list[str]:
    return [
        await actors.funcs.call("details:charge", amount),
        await actors.funcs.call("details:charge_here", amount),
    ]
