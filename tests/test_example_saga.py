"""The saga: a failure at each step undoes what was done before, the latest first."""

from __future__ import annotations

import pytest
import trio

from examples.saga.bookings import booked, log
from examples.saga.trip import STEPS, app, trip
from tests.bridging import outside


@pytest.fixture(autouse=True)
def nothing_booked() -> None:
    booked.clear()
    log.clear()


async def test_w42_trip_without_a_failure_books_everything(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker="saga:worker") as here:
        outcome = await here.node.execute(trip, {"id": 1})
        assert outcome["status"] == "completed"
        assert outcome["bookings"] == {step: f"{step}-1" for step in STEPS}
        assert booked == {f"{step}-1": step for step in STEPS}


@pytest.mark.parametrize("fails_at", STEPS)
async def test_w42_failure_at_a_step_undoes_the_steps_before_in_reverse(
    temporal_address: str, fails_at: str
) -> None:
    async with outside(temporal_address, app, worker="saga:worker") as here:
        outcome = await here.node.execute(trip, {"id": 2, "fails_at": fails_at})
    assert outcome == {"status": "failed", "step": fails_at, "error": f"no {fails_at} left"}
    before = STEPS[: STEPS.index(fails_at)]
    assert log == [
        *(f"book {step}" for step in (*before, fails_at)),
        *(f"cancel {step}" for step in reversed(before)),
    ]
    assert booked == {}


async def test_w42_trips_at_once_do_not_touch_each_other(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker="saga:worker") as here:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                order = {"id": number, "fails_at": STEPS[number % 4] if number % 4 < 3 else None}
                nursery.start_soon(here.node.execute, trip, order)
        assert sorted(booked) == sorted(f"{step}-{number}" for number in (3, 7) for step in STEPS)
