"""The entries of the seed's first example: the order, and the functions that it calls."""

from __future__ import annotations

from typing import Any

import actors
from actors import INVALID, NOT_FOUND, Error, Namespace

seed = Namespace("seed")

done: list[str] = []
"""What the functions did, in the program itself: they run outside the sandbox."""


@seed.process(worker="seed:worker")
async def order_workflow(order: dict[str, Any]) -> dict[str, Any]:
    try:
        payment = await actors.funcs.call(
            "seed:charge_payment", {"amount": order["total"], "customer": order["customer_id"]}
        )
    except Error as error:
        return {"status": "failed", "error": str(error)}

    await actors.sleep("1h")

    try:
        shipment = await actors.funcs.call(
            "seed:ship_order", {"order_id": order["id"], "address": order["shipping_address"]}
        )
    except Error as error:
        await actors.funcs.call("seed:refund_payment", payment["id"])
        return {"status": "failed", "error": str(error)}

    return {"status": "completed", "payment_id": payment["id"], "tracking": shipment["tracking_number"]}


@seed.function(worker="seed:worker")
async def charge_payment(payment: dict[str, Any]) -> dict[str, str]:
    done.append(f"charge {payment['amount']}")
    if payment["amount"] <= 0:
        raise Error("amount must be positive", kind=INVALID)
    return {"id": f"payment of {payment['customer']}"}


@seed.function(worker="seed:worker")
async def ship_order(shipment: dict[str, str]) -> dict[str, str]:
    done.append(f"ship {shipment['order_id']}")
    if not shipment["address"]:
        raise Error("no such address", kind=NOT_FOUND)
    return {"tracking_number": f"{shipment['order_id']} to {shipment['address']}"}


@seed.function(worker="seed:worker")
async def refund_payment(payment_id: str) -> None:
    done.append(f"refund {payment_id}")
