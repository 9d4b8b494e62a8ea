"""The processes of the soak: they exchange numbered messages, and fail when one is lost, doubled or out of order."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import actors
from actors import PID, Error, Exit, Namespace

T = TypeVar("T")

log = logging.getLogger("everproc.soak")

soak = Namespace("soak")
WORKER = "soak:worker"
ROUNDS_OF_FUNCTIONS = 3


class Ledger:
    """The last number of each sender."""

    def __init__(self, senders: list[str], count: int, last: dict[str, int] | None = None) -> None:
        self._count = count
        self.last = dict.fromkeys(senders, 0) if last is None else dict(last)

    def note(self, sender: str, number: int, by: str) -> None:
        """Check that a number is the next one."""
        expected = self.last[sender] + 1
        if number != expected:
            what = "was doubled or late" if number < expected else "came after a loss"
            raise Error(f"{by}: number {number} of {sender} {what}, expected {expected}", kind="CONFLICT")
        self.last[sender] = number

    @property
    def complete(self) -> bool:
        """Whether every sender has sent all of its numbers."""
        return all(last == self._count for last in self.last.values())


async def exchange(name: str, count: int, senders: list[str], pause: str) -> str:
    """Waits for `peers`, sends each of them the numbers up to `count`, and takes as many from each sender."""
    peers: list[PID] = await actors.listen("peers").receive()
    numbers = actors.listen("n")
    done = actors.Channel[None](1)

    async def send() -> None:
        for number in range(1, count + 1):
            for peer in peers:
                if not await actors.send(peer, "n", name, number):
                    raise Error(f"{name}: {peer} took no message", kind="NOT_FOUND")
            await actors.sleep(pause)
        await done.send(None)

    actors.start_soon(send)
    ledger = Ledger(senders, count)
    while not ledger.complete:
        sender, number = await numbers.receive()
        ledger.note(sender, number, name)
    await done.receive()
    return name


@soak.function(worker=WORKER)
async def flaky(number: int) -> int:
    """Fails more often than not."""
    if random.random() < 0.6:
        raise Error("on purpose", kind="UNAVAILABLE")
    return number * 2


@soak.process(worker=WORKER)
async def durable(name: str, count: int, senders: list[str], pause: str) -> str:
    """A durable process of the exchange, which calls functions that fail."""
    retrying = actors.funcs.Executor().with_options(
        {
            "activity.start_to_close_timeout": "5s",
            "activity.retry_policy": {"initial_interval": "50ms", "maximum_interval": "500ms"},
        }
    )
    for number in range(ROUNDS_OF_FUNCTIONS):
        if await retrying.call("soak:flaky", number) != number * 2:
            raise Error(f"{name}: a function gave another's result", kind="CONFLICT")
    return await exchange(name, count, senders, pause)


@soak.process(worker=WORKER)
async def upgrading(name: str, count: int, senders: list[str], taken: int = 0, last: Any = None) -> str:
    """One that only takes numbers, and continues as new all the time."""
    ledger = Ledger(senders, count, last)
    numbers = actors.listen("n")
    while not ledger.complete:
        sender, number = await numbers.receive()
        ledger.note(sender, number, name)
        taken += 1
        if taken % 25 == 0 and not ledger.complete:
            await actors.upgrade(upgrading, name, count, senders, taken, ledger.last)
    return name


@soak.process(worker=WORKER)
async def dies(reason: str) -> str:
    """One that ends as it is told: each of its monitors must fire once."""
    await actors.listen("end").receive()
    if reason == "error":
        raise Error("on purpose", kind="CONFLICT")
    return "normal"


@soak.process(worker=WORKER)
async def watches(pid: PID, boss: PID) -> str:
    """Monitors a process, tells so, and gives the reason of its end: exactly one."""
    events = actors.events()
    await actors.monitor(pid)
    await actors.send(boss, "watching")
    event = await events.receive()
    if not isinstance(event, Exit):
        raise Error(f"expected an exit and got {event!r}")
    late = await actors.select(events, actors.after("500ms"))
    if isinstance(late.value, Exit):
        raise Error(f"a monitor fired twice: {late.value!r}", kind="CONFLICT")
    return event.reason


async def sits(name: str) -> None:
    """Has a name in the cluster, and waits to be killed with its node."""
    await register(name)
    async for message in actors.inbox():
        await actors.reply(message, message.payload)


async def keeper(name: str) -> None:
    """Starts local processes on the node it runs on, for whoever asks by its name in the cluster."""
    await register(name)
    async for message in actors.inbox():
        if message.topic == "exchange":
            await actors.reply(message, [await actors.spawn(exchange, *each) for each in message.payload])
        elif message.topic == "sit":
            await actors.reply(message, [await actors.spawn(sits, each) for each in message.payload])


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What it gives; it is asked again while it is out of reach, as it may be while the server is away."""
    while True:
        try:
            return await ask()
        except Error as error:
            if error.kind != actors.UNAVAILABLE:
                raise
            log.warning("%s; asking again", error)
        await actors.sleep("1s")


async def register(name: str) -> None:
    """Take a name of the cluster."""
    await patiently(partial(actors.names.register, name, scope="cluster"))


async def found(name: str) -> PID:
    """Who has a name of the cluster, which it may be about to take."""
    while True:
        try:
            return await patiently(partial(actors.names.lookup, name, scope="cluster"))
        except Error as error:
            if error.kind != actors.NOT_FOUND:
                raise
        await actors.sleep("100ms")
