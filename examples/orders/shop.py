"""The functions of the shop: ordinary code that reaches the outside world, here a SQLite file.

A durable process calls them as activities, and an activity may run twice: when its worker dies after the work and
before the answer. So each is idempotent: looking whether the work is done, and doing it, are one transaction.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import actors
from examples.orders.process import Address, Item, Outcome, app

STOCK = {
    "TEA-EARL-100": 80,
    "TEA-SENCHA-100": 60,
    "TEA-ROOIBOS-250": 60,
    "TEA-GYOKURO-50": 6,
    "COF-ETH-1000": 50,
    "COF-COL-1000": 50,
    "MUG-BLUE": 120,
    "POT-CAST-08": 20,
    "GRD-HAND": 15,
    "KET-GOOSE": 0,
    "MCH-ESP-2": 12,
}
DECLINED = {
    "tok_declined": "the bank declined the card",
    "tok_expired": "the card has expired",
    "tok_stolen": "the card was reported stolen",
}
CARRIERS = {
    **dict.fromkeys(("AT", "CH", "CZ", "DE", "PL"), "DHL"),
    **dict.fromkeys(("BE", "ES", "FR", "HR", "IT", "NL", "PT"), "DPD"),
    **dict.fromkeys(("DK", "FI", "NO", "SE"), "PostNord"),
    **dict.fromkeys(("GB", "GR", "IE"), "UPS"),
}
ANSWER_TIME = 0.03
"""Seconds between the work and the answer. A worker that is killed in between has charged, and is asked again."""

# Nothing here forbids a second charge of an order: that there is none is the functions' doing, and `proof.py` looks.
_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    number INTEGER PRIMARY KEY, function TEXT, about TEXT, attempt INTEGER, os_pid INTEGER, at REAL);
CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, received INTEGER, in_stock INTEGER);
CREATE TABLE IF NOT EXISTS reservations (order_id TEXT, sku TEXT, quantity INTEGER);
CREATE TABLE IF NOT EXISTS charges (payment_id TEXT PRIMARY KEY, order_id TEXT, customer TEXT, amount TEXT);
CREATE TABLE IF NOT EXISTS refunds (refund_id TEXT PRIMARY KEY, order_id TEXT, payment_id TEXT, amount TEXT);
CREATE TABLE IF NOT EXISTS shipments (tracking TEXT PRIMARY KEY, order_id TEXT, carrier TEXT, address TEXT);
CREATE TABLE IF NOT EXISTS outcomes (
    number INTEGER PRIMARY KEY, order_id TEXT, status TEXT, step TEXT, error TEXT, payment_id TEXT, tracking TEXT);
"""


def create_database(path: Path) -> None:
    """Make the tables and fill the shelves; what is there already stays."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_TABLES)
        database.executemany(
            "INSERT OR IGNORE INTO stock VALUES (?, ?, ?)",
            [(sku, quantity, quantity) for sku, quantity in STOCK.items()],
        )


@app.function(worker="app:worker")
def reserve_stock(order_id: str, items: list[Item]) -> None:
    """Take the items of an order off the shelf, all or none."""
    with _transaction("reserve_stock", order_id) as database:
        if _one(database, "SELECT 1 FROM reservations WHERE order_id = ?", order_id):
            return
        for item in items:
            sku, quantity = item["sku"], item["quantity"]
            row = _one(database, "SELECT in_stock FROM stock WHERE sku = ?", sku)
            if row is None:
                raise actors.Error(f"there is no article {sku}", kind=actors.NOT_FOUND)
            if row[0] < quantity:
                raise actors.Error(f"{quantity} of {sku} ordered, {row[0]} in stock", kind=actors.CONFLICT)
            database.execute("UPDATE stock SET in_stock = in_stock - ? WHERE sku = ?", (quantity, sku))
            database.execute("INSERT INTO reservations VALUES (?, ?, ?)", (order_id, sku, quantity))


@app.function(worker="app:worker")
def release_stock(order_id: str) -> None:
    """Put what was reserved for an order back on the shelf."""
    with _transaction("release_stock", order_id) as database:
        held = database.execute(
            "SELECT sku, quantity FROM reservations WHERE order_id = ?", (order_id,)
        ).fetchall()
        for sku, quantity in held:
            database.execute("UPDATE stock SET in_stock = in_stock + ? WHERE sku = ?", (quantity, sku))
        database.execute("DELETE FROM reservations WHERE order_id = ?", (order_id,))


@app.function(worker="app:worker")
def charge_payment(payment: dict[str, Any]) -> dict[str, str]:
    """Charge a card: `{"id": ...}` of the payment, the same again for the same order."""
    order_id, card = payment["order_id"], payment["card"]
    with _transaction("charge_payment", order_id) as database:
        charged = _one(database, "SELECT payment_id FROM charges WHERE order_id = ?", order_id)
        if charged is not None:
            return {"id": charged[0]}
        if card in DECLINED:
            raise actors.Error(DECLINED[card], kind=actors.PERMISSION_DENIED, details={"card": card})
        payment_id = f"pay_{secrets.token_hex(6)}"
        database.execute(
            "INSERT INTO charges VALUES (?, ?, ?, ?)",
            (payment_id, order_id, payment["customer"], str(payment["amount"])),
        )
        return {"id": payment_id}


@app.function(worker="app:worker")
def refund_payment(payment_id: str) -> dict[str, str]:
    """Pay back a whole payment: `{"id": ...}` of the refund, the same again for the same payment."""
    with _transaction("refund_payment", payment_id) as database:
        refunded = _one(database, "SELECT refund_id FROM refunds WHERE payment_id = ?", payment_id)
        if refunded is not None:
            return {"id": refunded[0]}
        charged = _one(database, "SELECT order_id, amount FROM charges WHERE payment_id = ?", payment_id)
        if charged is None:
            raise actors.Error(f"there is no payment {payment_id}", kind=actors.NOT_FOUND)
        refund_id = f"ref_{secrets.token_hex(6)}"
        database.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?)", (refund_id, charged[0], payment_id, charged[1])
        )
        return {"id": refund_id}


@app.function(worker="app:worker")
def ship_order(shipment: dict[str, Any]) -> dict[str, str]:
    """Hand a parcel to a carrier: `{"tracking_number": ...}`, the same again for the same order."""
    order_id = shipment["order_id"]
    address: Address = shipment["address"]
    with _transaction("ship_order", order_id) as database:
        shipped = _one(database, "SELECT tracking FROM shipments WHERE order_id = ?", order_id)
        if shipped is not None:
            return {"tracking_number": shipped[0]}
        carrier = CARRIERS.get(address["country"])
        if carrier is None:
            raise actors.Error(
                f"no carrier goes to {address['city']}, {address['country']}", kind=actors.NOT_FOUND
            )
        tracking = f"{carrier}-{secrets.randbelow(10**8):08d}"
        where = f"{address['street']}, {address['city']}, {address['country']}"
        database.execute("INSERT INTO shipments VALUES (?, ?, ?, ?)", (tracking, order_id, carrier, where))
        return {"tracking_number": tracking}


@app.function(worker="app:worker")
def record_outcome(order_id: str, outcome: Outcome) -> None:
    """Write down how an order ended."""
    with _transaction("record_outcome", order_id) as database:
        if _one(database, "SELECT 1 FROM outcomes WHERE order_id = ?", order_id):
            return
        details = (outcome.get(field) for field in ("step", "error", "payment_id", "tracking"))
        database.execute(
            "INSERT INTO outcomes (order_id, status, step, error, payment_id, tracking) VALUES (?, ?, ?, ?, ?, ?)",
            (order_id, outcome["status"], *details),
        )


@contextmanager
def _transaction(function: str, about: str) -> Generator[sqlite3.Connection, None, None]:
    """One transaction that nobody else writes in. That it was tried is noted before, and stays when it fails."""
    # The context comes from the dispatcher, by way of the order.
    address = f"{Path(actors.context.get('database')).absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(address, timeout=30, isolation_level=None, uri=True)) as database:
        database.execute(
            "INSERT INTO calls (function, about, attempt, os_pid, at) VALUES (?, ?, ?, ?, ?)",
            (function, about, actors.funcs.info().attempt, os.getpid(), time.time()),
        )
        database.execute("BEGIN IMMEDIATE")
        try:
            yield database
        except BaseException:  # the caller of the function gets it
            database.execute("ROLLBACK")
            raise
        database.execute("COMMIT")
    time.sleep(ANSWER_TIME)


def _one(database: sqlite3.Connection, query: str, *values: Any) -> Any:
    """The first row, or None."""
    return database.execute(query, values).fetchone()
