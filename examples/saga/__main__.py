"""Some trips, one for each way it can go."""

from __future__ import annotations

import trio

import actors
from examples.saga.bookings import booked, log
from examples.saga.trip import STEPS, app, trip
from temporal_bridge import TemporalBridge, TemporalClient, Worker


async def main() -> None:
    worker = Worker("saga:worker", task_queue="saga", entries=[app])
    async with actors.Node("saga") as node, TemporalBridge(node, TemporalClient(), worker):
        for number, fails_at in enumerate((None, *STEPS)):
            outcome = await node.execute(trip, {"id": number, "fails_at": fails_at})
            print(f"trip {number}: {outcome}")
            print(f"        {', '.join(log)}")
            log.clear()
    print(f"booked in the end: {', '.join(booked)}")


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        pass
