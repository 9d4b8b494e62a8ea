"""Records the histories that `test_recorded_histories_replay` replays: of each kind of durable process and example.

    python -m tests.histories.record            # those that are not there yet
    python -m tests.histories.record --again    # all of them

Recorded histories must replay for ever: do not record one again because it fails, but mend the code.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import trio

import actors
import examples.saga.bookings  # noqa: F401 - declares the functions
from actors import PID, Exit
from examples.http_orders.order import app as http_orders
from examples.http_orders.order import order as http_order
from examples.orders.process import app as orders
from examples.orders.shop import create_database
from examples.saga.trip import app as saga
from examples.saga.trip import trip
from supervision import call, cast, start_server, stop_server
from temporal_bridge import EmbeddedServer, Worker
from temporal_bridge.devserver.server import DYNAMIC_CONFIG
from tests.bridging import Outside, outside
from tests.call_entries import WORKER as CALLS
from tests.call_entries import adder, calls
from tests.cluster_entries import WORKER as CLUSTER
from tests.cluster_entries import asks, cluster, frees, holder, sees
from tests.mailbox_entries import WORKER as MAILBOXES
from tests.mailbox_entries import calls_it, keeps, mailboxes
from tests.other_program import OtherProgram, other_program
from tests.server_entries import WORKER as SERVERS
from tests.server_entries import Counter, Door, servers
from tests.workflow_entries import (
    WORKER,
    answers_later,
    call_it,
    call_many,
    cleans_up,
    collect,
    counts_cancels,
    echo,
    ends,
    exchange,
    fails,
    handlers,
    keeps_everything,
    links,
    monitors,
    parent_of,
    polite,
    send_to,
    send_to_self,
    sleeps,
    spawns,
    stubborn,
    takes_turns,
    ticks,
    two_topics,
    uses_everything,
    values,
    waits,
    wf,
    worker_pool,
)

HERE = Path(__file__).parent


async def _run(target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    pid = await actors.spawn_monitored(target, *args)
    event = await actors.events().receive()
    assert isinstance(event, Exit)
    return pid


async def _with_messages(
    target: Callable[..., Awaitable[Any]], args: list[Any], *messages: tuple[Any, ...]
) -> PID:
    pid = await actors.spawn_monitored(target, *args)
    for message in messages:
        await actors.send(pid, *message)
    await actors.events().receive()
    return pid


async def _ended_by(
    verb: str, deadline: str | None, target: Callable[..., Awaitable[Any]], *args: Any
) -> PID:
    pid = await actors.spawn_monitored(target, *args)
    await actors.execute(ends, verb, pid, deadline)
    await actors.events().receive()
    return pid


async def _relation(kind: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    target = await actors.spawn(waits)
    pid = await actors.spawn_monitored(kind, target, *args)
    await actors.sleep("200ms")
    await actors.terminate(target)
    await actors.events().receive()
    return pid


async def _to_local(target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    async def answer() -> None:
        async for message in actors.inbox():
            await actors.reply(message, message.payload)

    return await _run(target, await actors.spawn(answer, on="trio"), *args)


async def _answering(target: Callable[..., Awaitable[Any]]) -> PID:
    pid = await actors.spawn_monitored(target, actors.self_pid(), 5)
    async for message in actors.inbox():
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
            break
        assert message.sender is not None
        await actors.send(message.sender, message.topic, message.payload)
        if message.payload == 4:
            break
    await actors.events().receive()
    return pid


NOWHERE = {"street": "Nowhere 1", "city": "Nowhere", "country": "XX"}
ORDER: dict[str, Any] = {
    "id": "1001",
    "customer": "Amelie Hofmann",
    "items": [{"sku": "TEA-EARL-100", "quantity": 2}],
    "card": "tok_visa",
    "shipping_address": {"street": "Lindenallee 14", "city": "Potsdam", "country": "DE"},
    "wait": "20ms",
}

RECORDINGS: dict[str, Callable[[], Awaitable[PID]]] = {
    "inbox": lambda: _with_messages(collect, [3], ("a",), ("b", 1), ("c", 1, 2)),
    "select": lambda: _with_messages(two_topics, [], ("add", 1), ("take", 2), ("done",)),
    "handlers": lambda: _with_messages(
        handlers, [], ("good", 1), ("bad", 2), ("good", "last"), ("bad", "last")
    ),
    "self-send": lambda: _run(send_to_self),
    "exchange-local": lambda: _answering(exchange),
    "call-local": lambda: _answering(call_it),
    "calls-answered-with-their-delivery": lambda: _to_local(call_many, 6, 3),
    "exchange-durable": lambda: _to_echo(exchange, 5),
    "call-durable": lambda: _to_echo(call_it, 5),
    "child": lambda: _run(parent_of, "wf:returns", 1),
    "child-fails": lambda: _run(parent_of, "wf:fails", "CONFLICT", "no"),
    "fails": lambda: _run(fails, "CONFLICT", "no"),
    "named-child": lambda: _run(spawns, "wf:returns", "a-name", {}, 1),
    "monitor": lambda: _relation(monitors, 2),
    "link": lambda: _relation(links, True),
    "link-down": lambda: _relation(links, False),
    "terminates": lambda: _run_ends("terminate"),
    "cancels": lambda: _run_ends("cancel"),
    "cancelled-politely": lambda: _ended_by("cancel", "60s", polite),
    "cancelled-late": lambda: _ended_by("cancel", "50ms", stubborn),
    "cancelled-cleans-up": lambda: _cancelled_cleaning(),
    "channels": lambda: _run(worker_pool, 10),
    "timers": lambda: _run(ticks, 3),
    "sleep": lambda: _run(sleeps, "20ms"),
    "random": lambda: _with_messages(values, [], ("go",)),
    "upgrade": lambda: _with_messages(takes_turns, [3, []], *[("n", number) for number in range(4)]),
    "functions": lambda: _run(uses_everything),
    "called-by-updates": lambda: _called(),
    "bounded-mailbox": lambda: _bounded(),
    "server": lambda: _served(),
    "state-machine": lambda: _machine(),
    "cancelled-three-times": lambda: _cancelled(3, counts_cancels, False, []),
    "shut-down": lambda: _shut_down(),
    "upgrade-carries-all": lambda: _upgrading(),
    "upgrade-hands-a-call-on": lambda: _asking(answers_later, False),
    "cluster-names-over-an-upgrade": lambda: _with_messages(holder, ["name-1", 1], ("turn",), ("end",)),
    "cluster-name-of-a-dead-process": lambda: _freeing("name-2"),
    "cluster-asks": lambda: _looking("name-3"),
    "cluster-sees": lambda: _seeing("name-4"),
    "cluster-registry": lambda: _registry(),
    "example-saga": lambda: _run(trip, {"id": 1}),
    "example-saga-undone": lambda: _run(trip, {"id": 2, "fails_at": "car"}),
    "example-http-order": lambda: _with_messages(http_order, [{"id": "1"}], ("pay",)),
    "example-order": lambda: _ordering({**ORDER, "total": Decimal("25.80")}),
    "example-order-approved": lambda: _ordering({**ORDER, "total": Decimal(600)}, "approve"),
    "example-order-undone": lambda: _ordering({**ORDER, "total": Decimal(20), "shipping_address": NOWHERE}),
}

UPGRADED: dict[str, Callable[[], Awaitable[PID]]] = {
    "server-upgraded": lambda: _served(),
    "state-machine-upgraded": lambda: _machine(),
    "cluster-registry-upgraded": lambda: _busy_registry(),
}
"""Those on a server that advises to continue as new after few events."""

OTHER_PROGRAM: dict[str, Callable[[OtherProgram], Awaitable[PID]]] = {
    "monitor-of-a-dead-node": lambda other: _killed_while(monitors, other),
    "link-to-a-dead-node": lambda other: _killed_while(links, other, True),
    "message-to-a-dead-node": lambda other: _to_the_dead(send_to, other),
}
"""Those that need another program, which they kill."""

WORKERS = (
    Worker(CLUSTER, task_queue="cluster", entries=[cluster]),
    Worker("saga:worker", task_queue="saga", entries=[saga]),
    Worker("http_orders:worker", task_queue="http_orders", entries=[http_orders]),
    Worker("app:worker", task_queue="orders", entries=[orders]),
    Worker(MAILBOXES, task_queue="mailboxes", entries=[mailboxes]),
    Worker(CALLS, task_queue="calls", entries=[calls]),
    Worker(SERVERS, task_queue="servers", entries=[servers]),
)


async def _cancelled(times: int, target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    pid = await actors.spawn_monitored(target, *args)
    for _ in range(times):
        await actors.cancel(pid, "60s", "please")
    await actors.events().receive()
    return pid


async def _shut_down() -> PID:
    pid = await actors.spawn_monitored(waits)
    await actors.sleep("300ms")
    await actors.cancel(pid, "5s", "shutdown")
    await actors.events().receive()
    return pid


async def _upgrading() -> PID:
    child, other = await actors.spawn(waits), await actors.spawn(waits)
    pid = await actors.spawner(context={"tenant": "t-1"}).spawn_monitored(keeps_everything, child, other)
    await actors.sleep("300ms")
    await actors.send(pid, "topic", "for the listener")
    await actors.send(child, "finish", 1)
    await actors.terminate(other)
    await actors.events().receive()
    return pid


async def _freeing(name: str) -> PID:
    await actors.call(await actors.spawn(holder, name), "ask", "has it")
    return await _run(frees, name)


async def _looking(name: str) -> PID:
    """Looks for a name and a group, and is refused the name."""
    held = await actors.spawn(holder, name)
    await actors.call(held, "ask", "has it")
    pid = await _run(asks, name)
    await actors.send(held, "end")
    return pid


async def _seeing(name: str) -> PID:
    """Watches a group in which somebody joins and leaves."""
    pid = await actors.spawn_monitored(sees, name, actors.self_pid(), 2)
    await actors.listen("ready").receive()
    await actors.send(await actors.spawn(holder, name), "end")
    await actors.events().receive()
    return pid


async def _busy_registry() -> PID:
    """The one that all these have used; on a Temporal server that is asked to, over upgrades."""
    await _with_messages(holder, ["name-1", 1], ("turn",), ("end",))
    await _freeing("name-2")
    await _looking("name-3")
    await _seeing("name-4")
    return await _registry()


async def _registry() -> PID:
    """The one that all recordings before have used."""
    return PID("default", "temporal", "everproc-cluster")


async def _killed_while(target: Callable[..., Awaitable[Any]], other: OtherProgram, *args: Any) -> PID:
    pid = await actors.spawn_monitored(target, other.pids[0], *args)
    await actors.sleep("2s")
    await other.kill()
    await actors.events().receive()
    return pid


async def _to_the_dead(target: Callable[..., Awaitable[Any]], other: OtherProgram) -> PID:
    await other.kill()
    return await _run(target, other.pids[0])


async def _asking(target: Callable[..., Awaitable[Any]], *args: Any) -> PID:
    pid = await actors.spawn_monitored(target, *args)
    await actors.call(pid, "ask", "who?")
    await actors.events().receive()
    return pid


async def _ordering(order: dict[str, Any], *messages: str) -> PID:
    with TemporaryDirectory() as directory:
        database = Path(directory) / "shop.db"
        create_database(database)
        spawner = actors.spawner(context={"database": str(database)})
        pid = await spawner.spawn_monitored("app:order", order, actors.self_pid())
        for message in messages:
            await actors.sleep("200ms")
            await actors.send(pid, message)
        await actors.events().receive()
    return pid


async def _to_echo(target: Callable[..., Awaitable[Any]], arg: Any) -> PID:
    return await _run(target, await actors.spawn(echo), arg)


async def _run_ends(verb: str) -> PID:
    return await _run(ends, verb, await actors.spawn(stubborn))


async def _cancelled_cleaning() -> PID:
    return await _ended_by("cancel", None, cleans_up, actors.self_pid())


async def _called() -> PID:
    pid = await actors.spawn_monitored(adder)
    for number in range(3):
        await actors.call(pid, "add", number)
    await actors.send(pid, "stop")
    await actors.events().receive()
    return pid


async def _bounded() -> PID:
    """It refuses a message, and a call of a durable process, before an upgrade and after it."""
    spawner = actors.spawner(options={"mailbox.max": 1})
    pid = await spawner.spawn_monitored(keeps)
    for last in ("turn", "go"):
        await actors.sleep("300ms")
        for number in range(2):
            await actors.send(pid, "n", number)
        await _run(calls_it, pid)
        await actors.send(pid, last)
    await actors.events().receive()
    return pid


async def _served() -> PID:
    """A server with whatever it may have; on a Temporal server that is asked to, over upgrades too."""
    pid = await start_server(Counter, 5)
    actors.start_soon(actors.call, pid, "wait")
    await call(pid, Counter.tick_every, "20ms")
    for number in range(20):
        await cast(pid, Counter.add, number)
        await call(pid, Counter.slowly, number)
    await call(pid, Counter.release)
    await stop_server(pid)
    return pid


async def _machine() -> PID:
    pid = await start_server(Door, "1234")
    await actors.send(pid, "push")
    await call(pid, "unlock", "1234")
    await actors.sleep("400ms")
    for _ in range(20):
        await call(pid, "look")
    await stop_server(pid)
    return pid


async def _record(here: Outside, name: str, body: Callable[[], Awaitable[PID]]) -> None:
    async def recording() -> PID:
        return await body()

    pid = await here.node.execute(recording, on="trio")
    history = await here.portal.call(here.handle(pid).fetch_history)
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(history.to_json().encode(), mtime=0))
    sys.stdout.write(f"{name}: {len(history.events)} events\n")


async def _main(again: bool) -> None:
    async with (
        EmbeddedServer(database=False) as server,
        outside(server.address, wf, worker=WORKER, workers=WORKERS, patience=600) as here,
    ):
        for name, body in RECORDINGS.items():
            if again or not (HERE / f"{name}.json.gz").exists():
                with trio.fail_after(60):
                    await _record(here, name, body)
        for name, killing in OTHER_PROGRAM.items():
            if again or not (HERE / f"{name}.json.gz").exists():
                with trio.fail_after(60):
                    async with other_program(server.address) as other:
                        await _record(here, name, partial(killing, other))


async def _main_hasty(again: bool) -> None:
    """On a server that advises to continue as new after few events."""
    with patch.dict(DYNAMIC_CONFIG, {"limit.historyCount.suggestContinueAsNew": "60"}):
        async with (
            EmbeddedServer(database=False) as server,
            outside(server.address, wf, worker=WORKER, workers=WORKERS, patience=600) as here,
        ):
            for name, body in UPGRADED.items():
                if again or not (HERE / f"{name}.json.gz").exists():
                    with trio.fail_after(60):
                        await _record(here, name, body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--again", action="store_true", help="record also those that are there")
    arguments = parser.parse_args()
    trio.run(_main, arguments.again)
    trio.run(_main_hasty, arguments.again)
