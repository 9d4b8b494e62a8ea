"""The dispatcher: a local process that starts a durable one per order, hears of its progress and watches its end.

Its parent, the office, keeps the table and ends when every order has. The orders run in memory, or on a worker in
another OS process; the dispatcher need not know.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import attrs

import actors
from actors import PID, Cancel, Error, Exit, Message, select
from examples.orders import process
from examples.orders.process import Order, Outcome

PACE = "50ms"
"""The time between one order and the next."""

CREDIT_LIMIT = Decimal(5000)
"""Up to this total the dispatcher approves a large order."""


@attrs.frozen
class Ended:
    """An order that has ended: how, and which steps it reported on the way."""

    order_id: str
    pid: PID
    steps: tuple[str, ...]
    outcome: Outcome


async def dispatch(orders: Sequence[Order], host: str | None, database: Path, office: PID) -> None:
    """Start one process per order and see it to its end.

    Args:
        orders: what came in.
        host: where orders run: `"trio"`, or None for the worker that the entry names.
        database: the file that the functions of the shop write; it travels as context.
        office: the process that is told `ended` of each order.
    """
    spawner = actors.spawner(on=host).with_context(database=str(database))
    progress, events, pace = actors.listen("progress", messages=True), actors.events(), actors.every(PACE)
    waiting = deque(orders)
    by_pid: dict[PID, Order] = {}
    steps: dict[str, list[str]] = {order["id"]: [] for order in orders}
    while waiting or by_pid:
        picked = await select(progress, events, pace)
        match picked.value:
            case datetime():
                # By name: an order that runs already, because this is a dispatcher started anew, is not started twice.
                one = waiting.popleft()
                named = spawner.with_name(f"order-{one['id']}")
                pid = await named.spawn_monitored(process.order, one, actors.self_pid())
                by_pid[pid] = one
                if not waiting:
                    pace.stop()
            case Message(payload=(str(order_id), str(step)), sender=PID() as pid) if order_id in steps:
                steps[order_id].append(step)
                if step == "needs approval" and pid in by_pid:
                    await _decide(pid, by_pid[pid])
            case Exit(pid=pid, result=result) if pid in by_pid:
                order_id = by_pid.pop(pid)["id"]
                outcome: Outcome = result.value if result.error is None else _crashed(result.error)
                await actors.send(office, "ended", Ended(order_id, pid, tuple(steps[order_id]), outcome))
            case Cancel():
                return
            case _:
                pass


async def _decide(pid: PID, order: Order) -> None:
    """Answer an order that asks for approval. Anybody can: `temporal workflow signal --name approve` does the same."""
    asks = f"order {order['id']} of {order['customer']} asks for approval of {order['total']}"
    if order["total"] <= CREDIT_LIMIT:
        print(f"         {asks}: approved")
        await actors.send(pid, "approve")
    else:
        print(f"         {asks}: rejected")
        await actors.send(pid, "reject", f"more than our limit of {CREDIT_LIMIT}")


def _crashed(error: Error) -> Outcome:
    return {"status": "failed", "step": "crash", "error": error.message}


async def office(
    orders: Sequence[Order], host: str | None, database: Path, halfway: Callable[[], Awaitable[None]] | None
) -> list[Ended]:
    """Run the dispatcher until every order has ended.

    Args:
        orders: what came in.
        host: as in `dispatch`.
        database: as in `dispatch`.
        halfway: called when half of them have ended.
    """
    ended = actors.listen("ended")
    await actors.spawn_linked(dispatch, orders, host, database, actors.self_pid())
    table: dict[str, Ended] = {}
    while len(table) < len(orders):
        end: Ended = await ended.receive()
        if end.order_id in table:
            continue
        table[end.order_id] = end
        print(f"{len(table):4}/{len(orders)}  order {end.order_id} {_how(end)}")
        if halfway is not None and len(table) == len(orders) // 2:
            await halfway()
    return [table[order["id"]] for order in orders]


def _how(end: Ended) -> str:
    steps = ", ".join(end.steps)
    if end.outcome["status"] == "completed":
        return f"completed: {steps}"
    return f"failed at {end.outcome.get('step')}{f': {steps}' if steps else ''}"


def closing_table(ended: Sequence[Ended]) -> str:
    """One line per order: how it ended, its tracking number or what went wrong, and its PID."""
    rows = [("order", "outcome", "tracking, or why not", "PID")]
    for end in ended:
        outcome = end.outcome
        why = f"{outcome.get('step')}: {outcome.get('error')}"
        rows.append((end.order_id, outcome["status"], outcome.get("tracking", why), str(end.pid)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])
