"""The trip: books step by step, and undoes what it booked when a later step fails.

This module has no side effects and imports nothing that has: Temporal's sandbox imports it again for every trip.
"""

from __future__ import annotations

from typing import Any, TypedDict

import actors

app = actors.Namespace("saga")

STEPS = ("flight", "hotel", "car")

booking = actors.funcs.Executor().with_options(
    {"activity.start_to_close_timeout": "10s", "activity.retry_policy": {"maximum_attempts": 3}}
)
# A compensation is tried until it has worked: half a trip is worse than a late refund.
undoing = actors.funcs.Executor().with_options({"activity.retry_policy": {"maximum_interval": "1m"}})


class Outcome(TypedDict, total=False):
    status: str
    bookings: dict[str, str]
    step: str
    error: str


@app.process(worker="saga:worker")
async def trip(order: dict[str, Any]) -> Outcome:
    """Book all that an order wants, or nothing."""
    compensations: list[tuple[str, str]] = []
    bookings: dict[str, str] = {}
    for step in STEPS:
        try:
            reference = await booking.call(f"saga:book_{step}", order)
        except actors.Error as error:
            with actors.shield():  # also when the trip is being cancelled
                await compensate(compensations)
            return {"status": "failed", "step": step, "error": error.message}
        bookings[step] = reference
        compensations.append((f"saga:cancel_{step}", reference))
    return {"status": "completed", "bookings": bookings}


async def compensate(compensations: list[tuple[str, str]]) -> None:
    """Undo the latest first."""
    while compensations:
        function, reference = compensations.pop()
        await undoing.call(function, reference)
