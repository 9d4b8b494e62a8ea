"""Durable processes that are called from outside. The worker imports them again in its sandbox."""

from __future__ import annotations

from typing import Any

import actors
from actors import Message, Namespace

calls = Namespace("calls")
WORKER = "calls:worker"


@calls.process(worker=WORKER)
async def adder(total: int = 0) -> int:
    """Adds what it is called and sent with, and answers each call with the sum, until `stop`."""
    async for message in actors.inbox():
        match message.topic:
            case "stop":
                break
            case "upgrade":
                await actors.upgrade(adder, total)
            case "fail":
                raise ValueError("asked to fail")
            case _:
                total += message.payload
        if message.reply_to is not None:
            await actors.reply(message, total)
    return total


@calls.process(worker=WORKER)
async def hoarder() -> list[Any]:
    """Takes calls, and answers all that it has, the last one first, when told to; ends on `stop`.

    With `answer` it is told how many there have to be, which it waits for.
    """
    asks, answers, stop = actors.listen("ask", messages=True), actors.listen("answer"), actors.listen("stop")
    held: list[Message] = []
    wanted: int | None = None
    while True:
        picked = await actors.select(asks, answers, stop)
        if picked.channel is stop:
            return [message.payload for message in held]
        if picked.channel is asks:
            held.append(picked.value)
        else:
            wanted = picked.value or 0
        if wanted is not None and len(held) >= wanted:
            wanted = None
            while held:
                await actors.reply(message := held.pop(), message.payload)


@calls.process(worker=WORKER)
async def hears() -> list[Any]:
    """Whatever comes, in order, until `stop`; answers calls."""
    heard: list[Any] = []
    async for message in actors.inbox():
        heard.append([message.topic, message.payload, message.sender])
        if message.reply_to is not None:
            await actors.reply(message, len(heard))
        if message.topic == "stop":
            break
    return heard
