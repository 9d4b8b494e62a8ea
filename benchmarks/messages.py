"""Messages there and back, and messages one way (P1 to P5)."""

from __future__ import annotations

import math
from time import perf_counter
from typing import Any

import trio

import actors
from benchmarks import _erlang
from benchmarks._harness import Figure, Peer, module_missing, rate


async def pong() -> None:
    async for message in actors.inbox():
        assert message.sender is not None
        await actors.send(message.sender, "pong", message.payload)


async def ping(main: actors.PID, peer: actors.PID, trips: int) -> None:
    box = actors.inbox()
    await box.receive()
    for number in range(trips):
        await actors.send(peer, "ping", number)
        await box.receive()
    await actors.send(main, "done")


def round_trips(host: str, pairs: int, count: int) -> float:
    """Pairs of processes that send each other messages, each pair its share of `count`."""

    async def main() -> float:
        trips = max(1, count // pairs)
        me = actors.self_pid()
        pings = [
            await actors.spawn(ping, me, await actors.spawn(pong, on=host), trips, on=host)
            for _ in range(pairs)
        ]
        await actors.sleep("1ms")
        start = perf_counter()
        for each in pings:
            await actors.send(each, "go")
        for _ in pings:
            await actors.inbox().receive()
        return (perf_counter() - start) * count / (trips * pairs)

    async def execute() -> float:
        return float(await actors.spawner(context={"trace": "abc"}).execute(main, on=host))

    return float(actors.run(execute))


def green_round_trips(n: int, seconds: float) -> float:
    return rate(lambda count: round_trips("green", n, count), seconds)


def trio_round_trips(n: int, seconds: float) -> float:
    return rate(lambda count: round_trips("trio", n, count), seconds)


def memory_channel_round_trips(n: int, seconds: float) -> float:
    async def run(count: int) -> float:
        there, received = trio.open_memory_channel[int](0)
        back, answered = trio.open_memory_channel[int](0)

        async def echo() -> None:
            async for value in received:
                await back.send(value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            start = perf_counter()
            for number in range(count):
                await there.send(number)
                await answered.receive()
            elapsed = perf_counter() - start
            nursery.cancel_scope.cancel()
        return elapsed

    return rate(lambda count: trio.run(run, count), seconds)


def pykka_asks(n: int, seconds: float) -> float:
    import pykka

    class Echo(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            return message

    ref = Echo.start()

    def run(count: int) -> float:
        start = perf_counter()
        for number in range(count):
            ref.ask(number)
        return perf_counter() - start

    try:
        return rate(run, seconds)
    finally:
        ref.stop()


def xoscar_calls(n: int, seconds: float) -> float:
    import asyncio

    import xoscar

    class Echo(xoscar.Actor):
        def echo(self, value: int) -> int:
            return value

    async def run(count: int) -> float:
        pool = await xoscar.create_actor_pool("127.0.0.1:0", n_process=0)
        async with pool:
            ref = await xoscar.create_actor(Echo, address=pool.external_address, uid="echo")
            start = perf_counter()
            for number in range(count):
                await ref.echo(number)
            return perf_counter() - start

    return rate(lambda count: asyncio.run(run(count)), seconds)


# One way


def one_way(n: int, seconds: float) -> float:
    async def take(count: int) -> float:
        box = actors.inbox()
        await box.receive()
        start = perf_counter()
        for _ in range(count):
            await box.receive()
        return perf_counter() - start

    async def give(target: actors.PID, count: int) -> None:
        for number in range(count + 1):
            await actors.send(target, "number", number)

    async def main(count: int) -> float:
        actors.events()
        target = await actors.spawn_monitored(take, count, on="trio")
        for _ in range(n):
            await actors.spawn(give, target, count // n + 1, on="trio")
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        return float(event.result.unwrap())

    return rate(lambda count: float(actors.run(main, count)), seconds, 10_000)


def memory_channel_one_way(n: int, seconds: float) -> float:
    async def run(count: int) -> float:
        send, receive = trio.open_memory_channel[int](math.inf)

        async def give() -> None:
            for number in range(count + 1):
                await send.send(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(give)
            await receive.receive()
            start = perf_counter()
            for _ in range(count):
                await receive.receive()
            return perf_counter() - start

    return rate(lambda count: trio.run(run, count), seconds)


def pykka_tells(n: int, seconds: float) -> float:
    import threading

    import pykka

    done = threading.Event()

    class Sink(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> Any:
            if message is None:
                done.set()

    ref = Sink.start()

    def run(count: int) -> float:
        done.clear()
        start = perf_counter()
        for number in range(count):
            ref.tell(number)
        ref.tell(None)
        done.wait()
        return perf_counter() - start

    try:
        return rate(run, seconds)
    finally:
        ref.stop()


FIGURES = (
    Figure(
        "P1",
        "green round trips",
        "/s",
        green_round_trips,
        (
            Peer("P1", "trio memory channels", memory_channel_round_trips, 6, 10),
            Peer("P2", "Pykka ask", pykka_asks, 15, 25, module_missing("pykka")),
            Peer("P2", "xoscar call", xoscar_calls, 15, 25, module_missing("xoscar")),
            Peer("P3", "Erlang/OTP, one scheduler", _erlang.round_trips, 0.2, 0.5, _erlang.missing),
        ),
        (1, 100, 10_000),
        (1, 30, 1000),
        n="pairs",
    ),
    Figure(
        "P4",
        "trio process round trips",
        "/s",
        trio_round_trips,
        (Peer("P4", "trio memory channels", memory_channel_round_trips, 1.3, 1.8),),
        (1, 30, 1000),
        n="pairs",
    ),
    Figure(
        "P5",
        "one-way messages into one trio process",
        "/s",
        one_way,
        (
            Peer("P5", "trio memory channel", memory_channel_one_way, 5, 10),
            Peer("P5", "Pykka tell", pykka_tells, 3, None, module_missing("pykka")),
        ),
        (1, 10, 100),
        n="senders",
    ),
)
