"""Records the histories that `test_recorded_histories_replay` replays: one of each kind of durable process.

    python -m tests.histories.record            # those that are not there yet
    python -m tests.histories.record --again    # all of them

Recorded histories must replay for ever: do not record one again because it fails, but mend the code.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

import actors
from actors import PID, Exit
from temporal_bridge import EmbeddedServer
from tests.bridging import Outside, outside
from tests.workflow_entries import (
    WORKER,
    call_it,
    call_many,
    cleans_up,
    collect,
    echo,
    ends,
    exchange,
    fails,
    handlers,
    links,
    monitors,
    parent_of,
    polite,
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
}


async def _to_echo(target: Callable[..., Awaitable[Any]], arg: Any) -> PID:
    return await _run(target, await actors.spawn(echo), arg)


async def _run_ends(verb: str) -> PID:
    return await _run(ends, verb, await actors.spawn(stubborn))


async def _cancelled_cleaning() -> PID:
    return await _ended_by("cancel", None, cleans_up, actors.self_pid())


async def _record(here: Outside, name: str, body: Callable[[], Awaitable[PID]]) -> None:
    async def recording() -> PID:
        return await body()

    pid = await here.node.execute(recording, on="trio")
    history = await here.portal.call(here.handle(pid).fetch_history)
    (HERE / f"{name}.json.gz").write_bytes(gzip.compress(history.to_json().encode(), mtime=0))
    sys.stdout.write(f"{name}: {len(history.events)} events\n")


async def _main(again: bool) -> None:
    async with EmbeddedServer(database=False) as server, outside(server.address, wf, worker=WORKER) as here:
        for name, body in RECORDINGS.items():
            if again or not (HERE / f"{name}.json.gz").exists():
                with trio.fail_after(60):
                    await _record(here, name, body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--again", action="store_true", help="record also those that are there")
    trio.run(_main, parser.parse_args().again)
