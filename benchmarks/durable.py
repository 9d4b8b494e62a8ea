"""Durable processes next to Temporal's own SDK on the same server (P11 to P16)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from time import perf_counter

import trio

import actors
from benchmarks import durable_raw as raw
from benchmarks._harness import Figure, Peer, rate
from benchmarks.durable_processes import WORKER, Adding, asking, bench, counting, same, waiting
from supervision import call, start_server
from temporal_bridge import EmbeddedServer, TemporalBridge, TemporalClient, Worker

AT_ONCE = 50
METRICS = "EVERPROC_BENCHMARK_METRICS"


@contextmanager
def server() -> Generator[Mapping[str, str], None, None]:
    """A server in memory, in a program of its own, for all samples of one round."""
    command = [sys.executable, "-m", "benchmarks.durable"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        address, metrics = program.stdout.readline().split()
        try:
            yield {raw.ADDRESS: address, METRICS: metrics}
        finally:
            program.stdin.close()


def serve() -> None:
    """Serve until our input ends."""

    async def main() -> None:
        async with EmbeddedServer(database=False, metrics=True) as embedded:
            print(embedded.address, embedded.metrics_address, flush=True)
            await trio.to_thread.run_sync(sys.stdin.read)

    trio.run(main)


def measured(measure: Callable[[], Awaitable[float]], runs: bool = True) -> float:
    """What a local process returns on a node with a bridge, and with a worker if it `runs`."""

    async def main() -> float:
        worker = Worker(WORKER, task_queue=f"ours-{uuid.uuid4()}", entries=[bench], run=runs)
        async with (
            actors.Node("bench") as node,
            TemporalBridge(node, TemporalClient(os.environ[raw.ADDRESS]), worker),
        ):
            return float(await node.execute(measure, on="trio"))

    return trio.run(main)


async def at_once(tasks: int, function: Callable[[], Awaitable[None]]) -> None:
    """Run a function so many times at once, in tasks of the running process."""
    done = actors.Channel[None](tasks)

    async def task() -> None:
        await function()
        await done.send(None)

    for _ in range(tasks):
        actors.start_soon(task)
    for _ in range(tasks):
        await done.receive()


async def one_after_the_other(count: int, act: Callable[[int], Awaitable[object]]) -> float:
    """Seconds for so many."""
    start = perf_counter()
    for number in range(count):
        await act(number)
    return perf_counter() - start


async def ended() -> None:
    """Wait for the end of the process that is monitored, which has to be a good one."""
    event = await actors.events().receive()
    assert isinstance(event, actors.Exit)
    event.result.unwrap()


# Messages


def messages(n: int, seconds: float) -> float:
    """Messages per second into one durable process by n senders, each of which has many under way."""

    def run(count: int) -> float:
        async def sender(target: actors.PID, share: int) -> None:
            numbers = iter(range(share))

            async def send() -> None:
                for number in numbers:
                    await actors.send(target, "number", number)

            await at_once(min(share, 2000), send)

        async def measure() -> float:
            share = max(1, count // n)
            target = await actors.spawn_monitored(counting, share * n)
            start = perf_counter()
            for _ in range(n):
                await actors.spawn(sender, target, share, on="trio")
            await ended()
            return (perf_counter() - start) * count / (share * n)

        return measured(measure)

    return rate(run, seconds, 10_000)


def raw_messages(n: int, seconds: float) -> float:
    return rate(lambda count: raw.signals(count, AT_ONCE), seconds, 200)


def latency(n: int, seconds: float) -> float:
    """Milliseconds of one send to a durable process, one after the other."""

    def run(count: int) -> float:
        async def measure() -> float:
            target = await actors.spawn(counting, count)
            return await one_after_the_other(count, lambda number: actors.send(target, "number", number))

        return measured(measure)

    return 1000 / rate(run, seconds, 100)


def raw_latency(n: int, seconds: float) -> float:
    return 1000 / rate(lambda count: raw.signals(count, 1, received=False), seconds, 100)


def calls(n: int, seconds: float) -> float:
    """Milliseconds of one call of a durable `Server`, one after the other."""

    def run(count: int) -> float:
        async def measure() -> float:
            target = await start_server(Adding)
            return await one_after_the_other(count, lambda number: call(target, Adding.add, number))

        return measured(measure)

    return 1000 / rate(run, seconds, 50)


def raw_updates(n: int, seconds: float) -> float:
    return 1000 / rate(raw.updates, seconds, 50)


# Life


def executions(n: int, seconds: float) -> float:
    """Durable processes per second that are spawned and give their result, n at once."""

    def run(count: int) -> float:
        async def measure() -> float:
            numbers = iter(range(count))

            async def execute() -> None:
                for number in numbers:
                    await actors.execute(same, number)

            start = perf_counter()
            await at_once(n, execute)
            return perf_counter() - start

        return measured(measure)

    return rate(run, seconds, 2 * n)


def raw_executions(n: int, seconds: float) -> float:
    return rate(lambda count: raw.executions(count, n), seconds, 2 * n)


# From the inside


async def echo() -> None:
    async for message in actors.inbox():
        await actors.reply(message, message.payload)


def asks(n: int, count: int) -> tuple[float, int]:
    """Seconds for so many calls from a durable process to a local one, n at once, and the events of its history."""
    events: list[int] = []

    async def measure() -> float:
        local = await actors.spawn(echo, on="trio")
        start = perf_counter()
        pid = await actors.spawn_monitored(asking, local, count, n)
        await ended()
        elapsed = perf_counter() - start
        events.append((await actors.describe(pid)).details["history_length"])
        return elapsed

    return measured(measure), events[0]


def there_and_back(n: int, seconds: float) -> float:
    """Milliseconds of a call from a durable process to a local one."""
    return 1000 / rate(lambda count: asks(n, count)[0], seconds, 100)


def raw_local_activity(n: int, seconds: float) -> float:
    return 1000 / rate(raw.local_activities, seconds, 100)


def events_per_message(n: int, seconds: float) -> float:
    count = 200
    return (asks(n, 2 * count)[1] - asks(n, count)[1]) / count


# Watching


def requests() -> float:
    """How many requests the server has had."""
    with urllib.request.urlopen(os.environ[METRICS]) as response:
        text = response.read().decode()
    return sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if re.match(r'service_requests\{.*service_name="frontend"', line)
    )


def quiet_requests(n: int, seconds: float) -> float:
    """Requests per second while n durable processes are watched and nothing happens."""

    async def measure() -> float:
        numbers = iter(range(n))

        async def spawn() -> None:
            for _ in numbers:
                await actors.spawn_monitored(waiting)

        await at_once(AT_ONCE, spawn)
        await actors.sleep("5s")
        before, start = requests(), perf_counter()
        await actors.sleep(
            f"{20 * seconds:g}s"
        )  # of a long poll: each that is open is renewed once meanwhile
        return (requests() - before) / (perf_counter() - start)

    return measured(measure, runs=False)


FIGURES = (
    Figure(
        "P11",
        "messages into one durable process",
        "/s",
        messages,
        (Peer("P11", "SDK handle.signal, 50 at once", raw_messages, 10, 30),),
        (1, 10, 100),
        (1,),
        n="senders",
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P12",
        "one send to a durable process",
        "ms",
        latency,
        (Peer("P12", "SDK handle.signal", raw_latency, 1.15, 1.05),),
        less=True,
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P13",
        "durable spawn and result",
        "/s",
        executions,
        (Peer("P13", "SDK execute_workflow", raw_executions, 0.9, 1.0),),
        (50, 10, 200),
        (20,),
        n="at once",
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P14",
        "call from a durable process to a local one",
        "ms",
        there_and_back,
        (Peer("P14", "SDK local activity", raw_local_activity, 1.3, 1.1),),
        (1, 10, 100),
        (1,),
        n="calls at once",
        less=True,
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P14e",
        "history events for each such call",
        "events",
        events_per_message,
        (),
        (1, 10, 100),
        (1,),
        n="calls at once",
        less=True,
        first=1,
        aim=1,
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P15",
        "call of a durable Server",
        "ms",
        calls,
        (Peer("P15", "SDK execute_update", raw_updates, 1.3, 1.05),),
        less=True,
        quick_rounds=1,
        around=server,
    ),
    Figure(
        "P16",
        "requests while n processes are watched",
        "/s",
        quiet_requests,
        (),
        (2000, 5000, 10_000),
        n="watched",
        less=True,
        whole=True,
        quick_rounds=0,
        around=server,
    ),
)


if __name__ == "__main__":
    serve()
