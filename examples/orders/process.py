"""The life of an order: a process that awaits nothing but `actors` calls, so that it runs in memory and durably alike.

This module has no side effects and imports nothing that has: Temporal's sandbox imports it again for every order.
"""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any, Literal, NotRequired, TypedDict

import actors
from actors import PID, Channel, select

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
    outcome = await _handle(order, _News(order["id"], dispatcher))
    await shop.call("app:record_outcome", order["id"], outcome)
    return outcome


class _News:
    """Tells the dispatcher how far an order is: the one that started it, or one started anew, which says so."""

    def __init__(self, order_id: str, dispatcher: PID) -> None:
        self.order_id = order_id
        self.dispatcher = dispatcher
        self.dispatchers: Channel[PID] = actors.listen("dispatcher")

    async def report(self, step: str) -> None:
        while (newer := await select(self.dispatchers, default=True)).channel is not None:
            self.dispatcher = newer.value
        # News is a courtesy: an order goes on when its dispatcher cannot be reached.
        with contextlib.suppress(actors.Error):
            await actors.send(self.dispatcher, "progress", self.order_id, step)


async def _handle(order: Order, news: _News) -> Outcome:
    try:
        await shop.call("app:reserve_stock", order["id"], order["items"])
    except actors.Error as error:
        return _failed("stock", error)
    await news.report("reserved")

    if order["total"] >= LARGE:
        refusal = await _refusal(order.get("approval_timeout", "10m"), news)
        if refusal is not None:
            await shop.call("app:release_stock", order["id"])
            await news.report("released")
            return {"status": "failed", "step": "approval", "error": refusal}
        await news.report("approved")

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
        await news.report("released")
        return _failed("payment", error)
    await news.report("charged")

    await actors.sleep(order["wait"])

    try:
        shipment = await shop.call(
            "app:ship_order", {"order_id": order["id"], "address": order["shipping_address"]}
        )
    except actors.Error as error:
        await shop.call("app:refund_payment", payment["id"])
        await news.report("refunded")
        await shop.call("app:release_stock", order["id"])
        await news.report("released")
        return {**_failed("shipping", error), "payment_id": payment["id"]}
    await news.report("shipped")
    return {"status": "completed", "payment_id": payment["id"], "tracking": shipment["tracking_number"]}


async def _refusal(timeout: str, news: _News) -> str | None:
    """Ask, and wait for a message: None when it is `approve`, else why the order is refused."""
    approve, reject, late = actors.listen("approve"), actors.listen("reject"), actors.after(timeout)
    while True:
        await news.report("needs approval")
        picked = await select(approve, reject, news.dispatchers, late)
        if picked.channel is approve:
            return None
        if picked.channel is reject:
            return _text(picked.value) or "rejected"
        if picked.channel is late:
            return f"nobody approved it within {timeout}"
        news.dispatcher = picked.value  # who was asked is gone, and the question too


def _failed(step: str, error: actors.Error) -> Outcome:
    return {"status": "failed", "step": step, "error": error.message}


def _text(payload: Any) -> str:
    """The payload of a message that anybody may have sent, also by hand."""
    return payload if isinstance(payload, str) else ""
