"""The order, a durable process: waits to be paid for, and tells its status whenever it is asked."""

from __future__ import annotations

from typing import Any

import actors

app = actors.Namespace("http_orders")


@app.process(worker="http_orders:worker")
async def order(given: dict[str, Any]) -> dict[str, Any]:
    """Wait for `pay`; answer each `status` meanwhile. Who ordered is in the context, from the request."""
    status = {
        "id": given["id"],
        "status": "waiting for payment",
        "request_id": actors.context.get("request_id", None),
    }
    async for message in actors.inbox():
        if message.topic == "status":
            await actors.reply(message, status)
        elif message.topic == "pay":
            return {**status, "status": "paid"}
    return status
