"""Durable processes with names and groups of the cluster; importable, for Temporal's sandbox."""

from __future__ import annotations

from typing import Any

import actors
from actors import PID, Namespace

cluster = Namespace("cluster")
WORKER = "cluster:worker"
CLUSTER = "cluster"


@cluster.process(worker=WORKER)
async def holder(name: str, turns: int = 0) -> str:
    """Has a name, becomes new as often as it is told to, and ends when it is told to."""
    await actors.names.register(name, CLUSTER)
    await actors.groups.join(name, CLUSTER)
    if turns:
        await actors.listen("turn").receive()
        await actors.upgrade(holder, name, turns - 1)
    async for message in actors.inbox():
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.topic == "fail":
            raise actors.Error("as told")
        elif message.topic == "end":
            break
    return "ended"


@cluster.process(worker=WORKER)
async def asks(name: str) -> list[Any]:
    """What a durable process sees of the cluster."""
    found: list[Any] = [await actors.names.lookup(name, CLUSTER)]
    try:
        await actors.names.register(name, CLUSTER)
    except actors.Error as error:
        found.append((error.kind, PID.parse(error.details["pid"])))
    found.append(await actors.groups.members(name, CLUSTER))
    found.append(await actors.groups.broadcast(name, "news", scope=CLUSTER))
    return found


@cluster.process(worker=WORKER)
async def frees(name: str) -> list[Any]:
    """Waits for the end of whoever has a name, and takes it."""
    pid = await actors.names.lookup(name, CLUSTER)
    await actors.monitor(pid)
    await actors.send(pid, "end")
    event = await actors.events().receive()
    assert isinstance(event, actors.Exit)
    await actors.names.register(name, CLUSTER)
    return [
        event.reason,
        await actors.names.lookup(name, CLUSTER),
        await actors.names.unregister(name, CLUSTER),
    ]


@cluster.process(worker=WORKER)
async def sees(group: str, boss: PID, count: int) -> list[Any]:
    """The members of a group, and the next changes; tells when it watches."""
    members, changes = await actors.groups.monitor(group, CLUSTER)
    await actors.send(boss, "ready")
    return [len(members), *[(await changes.receive()).change for _ in range(count)]]
