"""What unmonitor and unlink do does not grow with what else is monitored, linked or queued (semantics 43)."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import pytest

import actors


async def waits() -> None:
    await actors.Channel[None]().receive()


async def short() -> None: ...


async def lines(verb: Callable[[Any], Awaitable[None]], what: Any) -> int:
    """How many lines of Python a call runs: no clock, so the same on any machine."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        await verb(what)
    finally:
        sys.settrace(before)
    return count


async def unmonitor_among(count: int) -> int:
    for _ in range(count):
        await actors.monitor(await actors.spawn(waits))
    return await lines(actors.unmonitor, await actors.monitor(await actors.spawn(waits)))


async def unmonitor_by_pid_among(count: int) -> int:
    for _ in range(count):
        await actors.monitor(await actors.spawn(waits))
    pid = await actors.spawn(waits)
    await actors.monitor(pid)
    return await lines(actors.unmonitor, pid)


async def unmonitor_behind(count: int) -> int:
    actors.events()
    for _ in range(count):
        await actors.spawn_monitored(short)
    ref = await actors.monitor(await actors.spawn(short))
    await actors.sleep("10ms")
    return await lines(actors.unmonitor, ref)


async def unlink_behind(count: int) -> int:
    actors.set_options(trap_links=True)
    actors.events()
    for _ in range(count):
        await actors.terminate(await actors.spawn_linked(waits))
    pid = await actors.spawn_linked(waits)
    await actors.terminate(pid)
    await actors.sleep("10ms")
    return await lines(actors.unlink, pid)


@pytest.mark.parametrize(
    "measure", [unmonitor_among, unmonitor_by_pid_among, unmonitor_behind, unlink_behind]
)
def test_what_it_does_is_the_same_beside_few_and_many(measure: Callable[[int], Awaitable[int]]) -> None:
    few, many = (actors.run(measure, count) for count in (5, 500))
    assert 0 < many <= few + 5
