"""Process groups: `await actors.groups.join("workers")`, and a message to all of them (OTP's pg, semantics 33).

A process that joins twice is in twice; leaving undoes one join; death undoes all. With `scope="cluster"` a group has
members in all programs with a bridge to one namespace, and durable ones. Then each of these raises `Error` with kind
UNAVAILABLE when the cluster is out of reach.
"""

from __future__ import annotations

from typing import Any

from actors._channels.channel import Channel
from actors._kernel.cluster_client import in_cluster
from actors._kernel.groups import GroupChange
from actors._kernel.kernel import kernel_of
from actors._kernel.process import Process, take_reduction
from actors._values.errors import invalid
from actors._values.messages import Message, check_topic, payload_of
from actors._values.pid import PID

__all__ = ["broadcast", "join", "leave", "members", "monitor"]


async def join(group: str, scope: str = "node") -> None:
    """Put the running process in a group; the group comes to be with its first member.

    Raises:
        Error: kind RATE_LIMITED, when there are too many members in the groups of a cluster.
    """
    process, cluster = await _here(group, scope)
    if cluster:
        await kernel_of(process).connected_cluster().gain(process, "join", group)
    else:
        kernel_of(process).groups.join(group, process.pid)


async def leave(group: str, scope: str = "node") -> None:
    """Undo one join of the running process.

    Raises:
        Error: kind NOT_FOUND, when it is not in.
    """
    process, cluster = await _here(group, scope)
    if cluster:
        await kernel_of(process).connected_cluster().ask(process, "leave", group)
    else:
        kernel_of(process).groups.leave(group, process.pid)


async def members(group: str, scope: str = "node") -> list[PID]:
    """The members in order of joining, each as often as it joined; an empty list when there is no such group."""
    return await _members(*await _here(group, scope), group)


async def broadcast(group: str, topic: str, *payload: Any, scope: str = "node") -> int:
    """Send a message to each member, once however often it joined; how many took it."""
    process, cluster = await _here(group, scope)
    check_topic(topic)
    taken = 0
    for pid in dict.fromkeys(await _members(process, cluster, group)):
        await take_reduction()
        taken += await process.kernel.send(pid, Message(topic, payload_of(payload), process.pid))
    return taken


async def monitor(group: str, scope: str = "node") -> tuple[list[PID], Channel[GroupChange]]:
    """The members, and a channel of each change after that, with nothing in between lost.

        members, changes = await actors.groups.monitor("workers")

    Close the channel to end it. It does not outlive an upgrade of a durable process: monitor again.
    """
    process, cluster = await _here(group, scope)
    if cluster:
        return await kernel_of(process).connected_cluster().watch(process, group)
    return kernel_of(process).groups.watch(group, process)


async def _members(process: Process, cluster: bool, group: str) -> list[PID]:
    if not cluster:
        return kernel_of(process).groups.members(group)
    found: list[PID] = await kernel_of(process).connected_cluster().ask(process, "members", group)
    return found


async def _here(group: str, scope: str) -> tuple[Process, bool]:
    if not isinstance(group, str) or not group:
        raise invalid("group", group, "a non-empty string")
    cluster = in_cluster(scope)
    return await take_reduction(), cluster
