"""Process groups: `await actors.groups.join("workers")`, and a message to all of them (OTP's pg, semantics 33).

A process that joins twice is in twice; leaving undoes one join; death undoes all.
"""

from __future__ import annotations

from typing import Any

from actors._channel import Channel
from actors._errors import invalid
from actors._groups import GroupChange, Groups
from actors._message import Message, check_topic, payload_of
from actors._pid import PID
from actors._process import Process, take_turn

__all__ = ["broadcast", "join", "leave", "members", "monitor"]


async def join(group: str, scope: str = "node") -> None:
    """Put the running process in a group; the group comes to be with its first member."""
    process, groups = await _here(group, scope)
    groups.join(group, process.pid)


async def leave(group: str, scope: str = "node") -> None:
    """Undo one join of the running process.

    Raises:
        Error: kind NOT_FOUND, when it is not in.
    """
    process, groups = await _here(group, scope)
    groups.leave(group, process.pid)


async def members(group: str, scope: str = "node") -> list[PID]:
    """The members in order of joining, each as often as it joined; an empty list when there is no such group."""
    _, groups = await _here(group, scope)
    return groups.members(group)


async def broadcast(group: str, topic: str, *payload: Any, scope: str = "node") -> int:
    """Send a message to each member, once however often it joined; how many took it."""
    process, groups = await _here(group, scope)
    check_topic(topic)
    taken = 0
    for pid in dict.fromkeys(groups.members(group)):
        await take_turn()
        taken += await process.kernel.send(pid, Message(topic, payload_of(payload), process.pid))
    return taken


async def monitor(group: str, scope: str = "node") -> tuple[list[PID], Channel[GroupChange]]:
    """The members, and a channel of each change after that, with nothing in between lost.

        members, changes = await actors.groups.monitor("workers")

    Close the channel to end it.
    """
    process, groups = await _here(group, scope)
    return groups.watch(group, process)


async def _here(group: str, scope: str) -> tuple[Process, Groups]:
    if not isinstance(group, str) or not group:
        raise invalid("group", group, "a non-empty string")
    if not isinstance(scope, str) or scope != "node":
        raise invalid("scope", scope, '"node"')
    process = await take_turn()
    return process, process.kernel.groups
