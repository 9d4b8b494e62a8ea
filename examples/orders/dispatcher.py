"""The dispatcher: a local process that starts a durable one per order, hears of its progress and watches its end.

The office keeps the table, and ends when every order has. It has the dispatcher supervised: one started anew asks the
office for the orders that are open, finds them by name, and goes on with them. The orders run in memory, or on a worker
in another OS process; the dispatcher need not know.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import attrs

import actors
from actors import ALREADY_EXISTS, PID, Cancel, Error, Exit, Message, Spawner, select
from examples.orders import process
from examples.orders.process import Order, Outcome
from supervision import ChildSpec, Supervisor, start

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


@attrs.frozen
class Setting:
    """Where orders run and write, and who approves the large ones.

    `database` is the file that the functions of the shop write; it travels as context. `host` is `"trio"`, or None for
    the worker that the entry names. `mark` makes the names of the orders different from those of others on the same
    server. `approval` is the command that approves the order whose name it is given; None leaves it to the dispatcher.
    """

    database: Path
    host: str | None = "trio"
    mark: str = ""
    approval: Callable[[str], str] | None = None

    def name(self, order: Order) -> str:
        """Of an order's process."""
        return f"order-{order['id']}{self.mark}"

    def spawner(self) -> Spawner:
        """How orders are spawned: durable ones with no second run under the name of one that has ended."""
        options = {} if self.host == "trio" else {"temporal.workflow.id_reuse_policy": "reject_duplicate"}
        return actors.spawner(on=self.host, options=options).with_context(database=str(self.database))


async def dispatch(setting: Setting, office: PID) -> None:
    """Start one process per open order and see it to its end; the office is told `ended` of each."""
    progress, events, pace = actors.listen("progress", messages=True), actors.events(), actors.every(PACE)
    waiting: deque[Order] = deque(await actors.call(office, "open orders"))
    steps: dict[str, list[str]] = {order["id"]: [] for order in waiting}
    by_pid: dict[PID, Order] = {}
    while waiting or by_pid:
        picked = await select(progress, events, pace)
        match picked.value:
            case datetime() if waiting:  # one more tick may be on its way
                one = waiting.popleft()
                by_pid[await _start(one, setting)] = one
                if not waiting:
                    pace.stop()
            case Message(payload=(str(order_id), str(step)), sender=PID() as pid) if order_id in steps:
                steps[order_id].append(step)
                if step == "needs approval" and pid in by_pid:
                    await _decide(pid, by_pid[pid], setting)
            case Exit(pid=pid, result=result) if pid in by_pid:
                order_id = by_pid.pop(pid)["id"]
                outcome: Outcome = result.value if result.error is None else _crashed(result.error)
                await actors.send(office, "ended", Ended(order_id, pid, tuple(steps[order_id]), outcome))
            case Cancel():
                return
            case _:
                pass


async def _start(order: Order, setting: Setting) -> PID:
    """The process of an order. One that runs already, for a dispatcher before this one, is told whom to report to."""
    named = setting.spawner().with_name(setting.name(order)).with_message("dispatcher", actors.self_pid())
    try:
        return await named.spawn_monitored(process.order, order, actors.self_pid())
    except Error as error:
        if error.kind != ALREADY_EXISTS:
            raise
        pid = PID.parse(
            error.details["pid"]
        )  # it has ended while nobody watched: its exit is still to be had
        await actors.monitor(pid)
        return pid


async def _decide(pid: PID, order: Order, setting: Setting) -> None:
    """Answer an order that asks for approval. Anybody can: `temporal workflow signal --name approve` does the same."""
    asks = f"order {order['id']} of {order['customer']} asks for approval of {order['total']}"
    if setting.approval is not None:
        print(f"         {asks}:\n           {setting.approval(setting.name(order))}")
    elif order["total"] <= CREDIT_LIMIT:
        print(f"         {asks}: approved")
        await actors.send(pid, "approve")
    else:
        print(f"         {asks}: rejected")
        await actors.send(pid, "reject", f"more than our limit of {CREDIT_LIMIT}")


def _crashed(error: Error) -> Outcome:
    return {"status": "failed", "step": "crash", "error": error.message}


async def office(
    orders: Sequence[Order],
    setting: Setting,
    halfway: Callable[[], Awaitable[object]] | None = None,
    others: Sequence[ChildSpec] = (),
) -> list[Ended]:
    """Have the dispatcher run until every order has ended.

    Args:
        orders: what came in.
        setting: where they run.
        halfway: called when half of them have ended.
        others: who else is supervised, started before the dispatcher and stopped after it.
    """
    news, asked = actors.listen("ended"), actors.listen("open orders", messages=True)
    dispatcher = ChildSpec(
        "dispatcher", dispatch, (setting, actors.self_pid()), restart="transient", name="dispatcher"
    )
    supervisor = await start(Supervisor([*others, dispatcher], max_restarts=3, within="1m"))
    table: dict[str, Ended] = {}
    try:
        while len(table) < len(orders):
            match (await select(news, asked)).value:
                case Message() as message:
                    await actors.reply(message, [order for order in orders if order["id"] not in table])
                case Ended(order_id) as end if order_id not in table:
                    table[order_id] = end
                    print(f"{len(table):4}/{len(orders)}  order {order_id} {_how(end)}")
                    if halfway is not None and len(table) == len(orders) // 2:
                        await halfway()
                case _:
                    pass
    finally:
        with actors.shield(), contextlib.suppress(Error):  # it may have ended, and us with it
            await supervisor.stop()
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
