"""The life of an order: a process that awaits nothing but `actors` calls, so that it runs in memory and durably alike.

This module has no side effects and imports nothing that has: Temporal's sandbox imports it again for every order.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

import actors
from actors import PID, select

app = actors.Namespace("app")

LARGE = Decimal(500)
"""From this total on, an order is not charged before somebody approves it."""

# Every function of the shop can safely be called again: a call that a dying worker left unanswered is tried anew.
shop = actors.funcs.Executor().with_options(
    {
        "activity.start_to_close_timeout": "3s",
        "activity.retry_policy": {
            "initial_interval": "200ms",
            "maximum_interval": "2s",
            "maximum_attempts": 10,
        },
    }
)


class Item(TypedDict):
    sku: str
    quantity: int


class Address(TypedDict):
    street: str
    city: str
    country: str


class Order(TypedDict):
    id: str
    customer: str
    items: list[Item]
    total: Decimal
    card: str
    shipping_address: Address
    wait: str
    """How long a customer may think better of it: the time between charging and shipping."""
    approval_timeout: NotRequired[str]


class Outcome(TypedDict):
    status: Literal["completed", "failed"]
    step: NotRequired[str]
    error: NotRequired[str]
    payment_id: NotRequired[str]
    tracking: NotRequired[str]


@app.process(worker="app:worker")
async def order(order: Order, dispatcher: PID) -> Outcome:
    """Reserve, charge, wait, ship; what was done is undone when a later step fails."""
    outcome = await _handle(order, dispatcher)
    await shop.call("app:record_outcome", order["id"], outcome)
    return outcome


async def _handle(order: Order, dispatcher: PID) -> Outcome:
    async def report(step: str) -> None:
        # News is a courtesy: an order goes on when its dispatcher cannot be reached.
        with contextlib.suppress(actors.Error):
            await actors.send(dispatcher, "progress", order["id"], step)

    try:
        await shop.call("app:reserve_stock", order["id"], order["items"])
    except actors.Error as error:
        return _failed("stock", error)
    await report("reserved")

    if order["total"] >= LARGE:
        await report("needs approval")
        refusal = await _refusal(order.get("approval_timeout", "10m"))
        if refusal is not None:
            await shop.call("app:release_stock", order["id"])
            await report("released")
            return {"status": "failed", "step": "approval", "error": refusal}
        await report("approved")

    try:
        payment = await shop.call(
            "app:charge_payment",
            {
                "order_id": order["id"],
                "amount": order["total"],
                "customer": order["customer"],
                "card": order["card"],
            },
        )
    except actors.Error as error:
        await shop.call("app:release_stock", order["id"])
        await report("released")
        return _failed("payment", error)
    await report("charged")

    await actors.sleep(order["wait"])

    try:
        shipment = await shop.call(
            "app:ship_order", {"order_id": order["id"], "address": order["shipping_address"]}
        )
    except actors.Error as error:
        await shop.call("app:refund_payment", payment["id"])
        await report("refunded")
        await shop.call("app:release_stock", order["id"])
        await report("released")
        return {**_failed("shipping", error), "payment_id": payment["id"]}
    await report("shipped")
    return {"status": "completed", "payment_id": payment["id"], "tracking": shipment["tracking_number"]}


async def _refusal(timeout: str) -> str | None:
    """Wait for a message: None when it is `approve`, else why the order is refused."""
    approve, reject = actors.listen("approve"), actors.listen("reject")
    picked = await select(approve, reject, actors.after(timeout))
    if picked.channel is approve:
        return None
    if picked.channel is reject:
        return _text(picked.value) or "rejected"
    return f"nobody approved it within {timeout}"


def _failed(step: str, error: actors.Error) -> Outcome:
    return {"status": "failed", "step": step, "error": error.message}


def _text(payload: Any) -> str:
    """The payload of a message that anybody may have sent, also by hand."""
    return payload if isinstance(payload, str) else ""
