"""A link that is part of a spawn counts from the start, however fast the durable child has ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import actors
from actors import PID, Error, LinkDown, running_process
from tests.bridging import outside
from tests.outside_entries import app, fail, hello


async def linked_too_late(
    within: str, child: Callable[..., Awaitable[Any]], *args: Any
) -> actors.Event | None:
    """What `spawn_linked` does when its child has ended before the signal of the link gets there."""
    actors.set_options(trap_links=True)
    pid: PID = await actors.spawn_monitored(child, *args)
    await actors.events().receive()
    process = running_process()
    await process.kernel.link(process, pid, spawned=True)
    picked = await actors.select(actors.events(), actors.after(within))
    return picked.value if isinstance(picked.value, LinkDown) else None


async def test_child_that_has_failed_already_gives_its_real_end(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await here.node.execute(linked_too_late, "50s", fail, "CONFLICT", "no way")
    assert isinstance(event, LinkDown)
    assert event.reason == "error"
    assert isinstance(event.result.error, Error)
    assert event.result.error.kind == actors.CONFLICT


async def test_child_that_has_ended_normally_already_leaves_no_link(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        assert await here.node.execute(linked_too_late, "2s", hello) is None
