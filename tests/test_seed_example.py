"""The seed's first example (W03), its body as written there: two calls, an hour's sleep, and a compensation."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
import trio

from actors import Node
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from tests.bridging import outside
from tests.eventually import eventually
from tests.seed_entries import done, order_workflow, seed

ORDER = {"id": "o-1", "total": 5000, "customer_id": "c-1", "shipping_address": "Rua Augusta 1"}
COMPLETED = {"status": "completed", "payment_id": "payment of c-1", "tracking": "o-1 to Rua Augusta 1"}


def ending(**changes: Any) -> tuple[Any, list[str]]:
    """How an order must end, and what was done for it."""
    if changes.get("total") == 0:
        return {"status": "failed", "error": "amount must be positive"}, ["charge 0"]
    if "shipping_address" in changes:
        failed = {"status": "failed", "error": "no such address"}
        return failed, ["charge 5000", "ship o-1", "refund payment of c-1"]
    return COMPLETED, ["charge 5000", "ship o-1"]


@pytest.mark.parametrize("changes", [{}, {"total": 0}, {"shipping_address": ""}], ids=str)
def test_w03_order_is_charged_waits_an_hour_and_is_shipped_or_refunded(
    time_skipping: TemporalClient, changes: dict[str, Any]
) -> None:
    async def main() -> Any:
        worker = Worker("seed:worker", task_queue=f"q-{uuid.uuid4()}", entries=[seed])
        with trio.fail_after(60):
            async with Node("seed") as node, TemporalBridge(node, time_skipping, worker):
                return await node.execute(order_workflow, {**ORDER, **changes})

    done.clear()
    assert (trio.run(main), done) == ending(**changes)


async def test_w03_hour_is_a_timer_of_the_real_server_that_outlives_the_worker(temporal_address: str) -> None:
    done.clear()
    queue = f"q-{uuid.uuid4()}"
    async with outside(temporal_address, seed, worker="seed:worker", task_queue=queue) as here:
        pid = await here.node.spawn(order_workflow, ORDER)

        async def sleeps() -> bool:
            return any(event.HasField("timer_started_event_attributes") for event in await here.history(pid))

        await eventually(sleeps)
    async with outside(temporal_address, seed, worker="seed:worker", task_queue=queue) as here:
        found = await here.node.describe(pid)
        assert (found.status, done) == ("running", ["charge 5000"])
        assert "order_workflow" in str(found.waits)
        (timer,) = [
            event.timer_started_event_attributes
            for event in await here.history(pid)
            if event.HasField("timer_started_event_attributes")
        ]
        assert timer.start_to_fire_timeout.ToTimedelta() == timedelta(hours=1)
        await here.node.terminate(pid)
