"""What the same code does in memory and durably: async generators, time zones, callables, cancellations, links."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

import pytest

import actors
from tests.bridging import Outside, outside
from tests.detail_entries import (
    WORKER,
    cancels,
    charges,
    details,
    kind_of,
    leaves_a_generator,
    links_to,
    opens_at_nine,
    shared,
)


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, details, worker=WORKER) as found:
        yield found


@pytest.mark.parametrize("how", ["sleep", "send"])
@pytest.mark.parametrize("where", ["trio", "green", WORKER])
@pytest.mark.filterwarnings(
    "ignore:Async generator:ResourceWarning"
)  # trio's, for one that awaits as it is closed
async def test_async_generator_left_in_the_middle_disturbs_no_later_wait(
    here: Outside, where: str, how: str
) -> None:
    async def starts() -> actors.Exit:
        events, ready = actors.events(), actors.listen("ready")
        pid = await actors.spawn_monitored(leaves_a_generator, how, actors.self_pid(), on=where)
        await ready.receive()
        await actors.send(pid, "word", "hello")
        event = await events.receive()
        assert isinstance(event, actors.Exit)
        return event

    event = await here.node.execute(starts, on="trio")
    assert (event.reason, event.result.value) == ("normal", "hello")


@pytest.mark.parametrize("wait", [True, False])
async def test_cancel_waits_for_the_end_of_a_child_that_was_spawned_so(here: Outside, wait: bool) -> None:
    assert await here.node.execute(cancels, wait, on=WORKER) is wait


@pytest.mark.parametrize("ends", ["terminated", "normally"])
async def test_end_of_the_durable_process_that_made_a_link_reaches_the_other(
    here: Outside, ends: str
) -> None:
    async def starter() -> str:
        linked, events = actors.listen("linked"), actors.events()
        holder = await actors.spawn_monitored(shared)
        pid = await actors.spawn(links_to, holder, actors.self_pid())
        await linked.receive()
        if ends == "terminated":
            await actors.terminate(pid)
        else:  # which only removes the link
            await actors.send(pid, "break")
            await actors.send(holder, "over")
        event = await events.receive()
        assert isinstance(event, actors.Exit)
        return event.reason

    expected = "link_down" if ends == "terminated" else "normal"
    assert await here.node.execute(starter, on="trio") == expected


@pytest.mark.parametrize("where", ["trio", WORKER])
async def test_times_are_what_they_are_in_memory(here: Outside, where: str) -> None:
    now = datetime.fromisoformat("2026-03-02T15:00:00+00:00")
    assert await here.node.execute(opens_at_nine, now, on=where) == "2026-03-03T09:00:00-03:00"
    assert await here.node.execute(kind_of, now, on=where) == "a time"


@pytest.mark.parametrize("where", ["trio", WORKER])
async def test_object_with_an_async_call_is_a_function(here: Outside, where: str) -> None:
    assert await here.node.execute(charges, 5, on=where) == ["charged 5", "charged 5"]
