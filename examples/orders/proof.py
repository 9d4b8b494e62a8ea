"""What has to be true of the shop's database at the end, whatever happened to the workers in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import attrs

from examples.orders.dispatcher import Ended

# Claims, each with a query for what breaks it.
_CLAIMS = {
    "no order was charged twice": """
        SELECT order_id FROM charges GROUP BY order_id HAVING count(*) > 1""",
    "no order was shipped twice": """
        SELECT order_id FROM shipments GROUP BY order_id HAVING count(*) > 1""",
    "none was shipped unpaid or after a refund": """
        SELECT order_id FROM shipments
        WHERE order_id NOT IN (SELECT order_id FROM charges) OR order_id IN (SELECT order_id FROM refunds)""",
    "every refund is paired with one charge of the same amount": """
        SELECT order_id FROM refunds AS r WHERE NOT EXISTS (
            SELECT 1 FROM charges AS c
            WHERE c.payment_id = r.payment_id AND c.order_id = r.order_id AND c.amount = r.amount)
        UNION SELECT order_id FROM refunds GROUP BY payment_id HAVING count(*) > 1""",
    "every charge was followed by a shipment or a refund": """
        SELECT order_id FROM charges
        WHERE order_id NOT IN (SELECT order_id FROM shipments UNION SELECT order_id FROM refunds)""",
    "what was received is in stock or was sold": """
        SELECT sku FROM stock LEFT JOIN (
            SELECT sku, sum(quantity) AS sold FROM reservations
            WHERE order_id IN (SELECT order_id FROM shipments) GROUP BY sku) USING (sku)
        WHERE received != in_stock + coalesce(sold, 0)""",
}


@attrs.frozen
class Claim:
    """Something that has to be true, and the orders (or articles) that break it."""

    text: str
    broken_by: tuple[str, ...] = ()


def check(database: Path, ended: Sequence[Ended]) -> list[Claim]:
    """Compare what the functions wrote with each other, and with what the orders themselves said at their end."""
    with closing(sqlite3.connect(database)) as rows:
        outcomes: dict[str, list[tuple[str, str | None, str | None]]] = {}
        for order_id, *outcome in rows.execute("SELECT order_id, status, payment_id, tracking FROM outcomes"):
            outcomes.setdefault(order_id, []).append((outcome[0], outcome[1], outcome[2]))
        said = {
            end.order_id: (end.outcome["status"], end.outcome.get("payment_id"), end.outcome.get("tracking"))
            for end in ended
        }
        completed = sum(status == "completed" for status, _, _ in said.values())
        written = {
            (order_id, payment, tracking)
            for order_id, payment, tracking in rows.execute(
                "SELECT order_id, payment_id, tracking FROM charges LEFT JOIN shipments USING (order_id)"
            )
        }
        return [
            Claim(
                f"{len(said)} orders ended exactly once: {completed} completed, {len(said) - completed} failed",
                tuple(order_id for order_id, one in said.items() if outcomes.get(order_id) != [one]),
            ),
            Claim(
                "each payment and parcel that an order told of is in the books",
                tuple(
                    order_id
                    for order_id, (_, payment, tracking) in said.items()
                    if payment is not None and (order_id, payment, tracking) not in written
                ),
            ),
            *(
                Claim(text, tuple(str(row[0]) for row in rows.execute(query).fetchall()))
                for text, query in _CLAIMS.items()
            ),
        ]


def calls(database: Path) -> tuple[int, int, list[int]]:
    """How many calls of functions there were, how many of them repeated an earlier one, and the OS processes."""
    with closing(sqlite3.connect(database)) as rows:
        count, different = rows.execute(
            "SELECT count(*), count(DISTINCT function || ' ' || about) FROM calls"
        ).fetchone()
        processes = rows.execute("SELECT os_pid FROM calls GROUP BY os_pid ORDER BY min(number)").fetchall()
        return count, count - different, [os_pid for (os_pid,) in processes]
