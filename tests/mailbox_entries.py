"""Durable processes with a bounded mailbox. The worker imports them again in its sandbox."""

from __future__ import annotations

from typing import Any

import actors
from actors import PID, Error, Namespace

mailboxes = Namespace("mailboxes")
WORKER = "mailboxes:worker"


@mailboxes.process(worker=WORKER)
async def keeps() -> list[Any]:
    """Takes nothing out of its inbox before `go`; then gives all that waits there. Upgrades when told to."""
    go, turn = actors.listen("go"), actors.listen("turn")
    if (await actors.select(go, turn)).channel is turn:
        await actors.upgrade(keeps)
    found: list[Any] = []
    while (picked := await actors.select(actors.inbox(), default=True)).channel is not None:
        found.append([picked.value.topic, picked.value.payload])
    return found


@mailboxes.process(worker=WORKER)
async def keeps_over_a_slow_upgrade(absent: PID) -> None:
    """As `keeps`; what it has asked holds its upgrade up, so that messages come between the two codes."""
    await actors.listen("turn").receive()
    actors.start_soon(actors.describe, absent)
    await actors.sleep("1ms")
    await actors.upgrade(keeps)


@mailboxes.process(worker=WORKER)
async def begets(options: dict[str, Any], count: int) -> list[Any]:
    """Has a child with these options, sends it so many messages, and gives what it kept, or why there is no child."""
    try:
        child = await actors.spawner(options=options).spawn_monitored(keeps)
    except Error as error:
        return [error.kind, error.message]
    await actors.listen("begun").receive()
    sent = [await actors.send(child, "n", number) for number in range(count)]
    await actors.send(child, "go")
    event = await actors.events().receive()
    assert isinstance(event, actors.Exit)
    return [sent, event.result.unwrap()]


@mailboxes.process(worker=WORKER)
async def calls_it(target: PID) -> list[Any]:
    """The error of a call."""
    try:
        return ["answered", await actors.call(target, "ask", 1, timeout="30s")]
    except Error as error:
        return [error.kind, error.message]


@mailboxes.process(worker=WORKER)
async def sends_to_a_name() -> bool:
    """Sends what cannot be written to a name that nobody has."""
    return await actors.send("nobody", "n", object())
