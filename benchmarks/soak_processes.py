"""The processes of the soak: they exchange numbered messages, and fail when one is lost, doubled or out of order."""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import attrs

import actors
from actors import PID, Error, Exit, Namespace, register
from supervision import Server, call, handle_call

T = TypeVar("T")

log = logging.getLogger("everproc.soak")

soak = Namespace("soak")
WORKER = "soak:worker"
LONG = "30m"
"""A call's time. What goes wrong is found otherwise, and a slow machine is not wrong."""

BURST = 3
"""How many numbers whoever has the turn sends."""

WORDS = 3
"""How many messages who `dies` sends before."""

NOTHING, TURN, LAST = "nothing", "the turn", "the last"
"""What a number brings with it."""


@soak.process(worker=WORKER)
class Tally(Server):
    """A durable server that fails when a call is lost or doubled. It continues as new now and then by itself."""

    def init(self) -> None:
        """Nobody has called."""
        self.calls: dict[str, int] = {}

    @handle_call
    def count(self, caller: str, number: int) -> list[Any]:
        """Check that this call is the caller's next."""
        expected = self.calls.get(caller, 0) + 1
        if number != expected:
            raise Error(f"call {number} of {caller} came, expected {expected}", kind="CONFLICT")
        self.calls[caller] = number
        return [caller, number]

    @handle_call
    def total(self) -> int:
        """How many calls came."""
        return sum(self.calls.values())


@register
@attrs.define
class Books:
    """What a process of the exchange has had and sent. It takes them along when it continues as new."""

    name: str
    taken: dict[str, int]
    """The last number of each sender."""
    server: PID
    """The `Tally` that it calls."""
    peers: list[PID] = attrs.field(factory=list[PID])
    sent: list[int] = attrs.field(factory=list[int])
    """The last number to each peer."""
    done: list[str] = attrs.field(factory=list[str])
    """The senders that have said what their last number was."""
    turns: int = 0
    ended: bool = False
    calls: int = 0
    """Of the server."""
    children: int = 0
    functions: int = 0
    failed: int = 0
    """Of the calls of functions, how many attempts failed."""

    def note(self, sender: str, number: int) -> None:
        """Check that a number is the next one."""
        expected = self.taken[sender] + 1
        if number != expected:
            what = "was doubled or late" if number < expected else "came after a loss"
            raise Error(
                f"{self.name}: number {number} of {sender} {what}, expected {expected}", kind="CONFLICT"
            )
        self.taken[sender] = number

    def close(self, sender: str, last: int) -> None:
        """Check that all numbers of a sender have come, which sends no more."""
        if last != self.taken[sender] or sender in self.done:
            raise Error(
                f"{self.name}: the last number of {sender} is {last}, and {self.taken[sender]} came",
                kind="CONFLICT",
            )
        self.done.append(sender)

    def result(self) -> list[Any]:
        """What a process gives in the end."""
        return [
            self.name,
            {
                "messages": sum(self.sent),
                "calls": self.calls,
                "children": self.children,
                "functions called": self.functions,
                "functions that failed and were tried again": self.failed,
            },
        ]


async def exchange(books: Books, then: Callable[[Books], Awaitable[None]] | None = None) -> list[Any]:
    """Takes numbers, each of its senders' in turn, until it is told to end and all senders have.

    A number may bring the turn. Whoever has it sends the next numbers to the next of its peers, and the turn with the
    last of them. So as many send at once as there are turns, however many processes there are; and the slower the
    server is, the less is asked of it.
    """
    if not books.peers:
        books.peers, has_turn = await actors.listen("peers").receive()
        books.sent = [0] * len(books.peers)
        if has_turn:
            await take_reduction(books)
    numbers, end = actors.listen("number"), actors.listen("end")
    while not books.ended or len(books.done) < len(books.taken):
        picked = await (actors.select(numbers) if books.ended else actors.select(end, numbers))
        if picked.channel is end:
            books.ended = True
            for peer, last in zip(books.peers, books.sent, strict=True):
                await tell(books, peer, last, LAST)
            continue
        sender, number, brings = picked.value
        if brings == LAST:
            books.close(sender, number)
            continue
        books.note(sender, number)
        if brings == TURN and not books.ended:
            await take_reduction(books)
            await call_server(books)
            if then is not None:
                await then(books)
    return books.result()


async def take_reduction(books: Books) -> None:
    """Send the next numbers to the next peer, and the turn with the last of them."""
    index = books.turns % len(books.peers)
    books.turns += 1
    for left in reversed(range(BURST)):
        books.sent[index] += 1
        await tell(books, books.peers[index], books.sent[index], NOTHING if left else TURN)


async def call_server(books: Books) -> None:
    """Call the server, which counts our calls."""
    books.calls += 1
    answer = await call(books.server, Tally.count, books.name, books.calls, timeout=LONG)
    if answer != [books.name, books.calls]:
        raise Error(f"{books.name}: call {books.calls} got the answer {answer}", kind="CONFLICT")


async def tell(books: Books, peer: PID, number: int, brings: str) -> None:
    """Send a number to a peer. It is there: it does not end before its last has come."""
    if not await actors.send(peer, "number", books.name, number, brings):
        raise Error(f"{books.name}: {peer} took no message", kind="NOT_FOUND")


@soak.function(worker=WORKER)
async def flaky(number: int) -> list[int]:
    """Fails more often than not; the result, and which attempt gave it."""
    if random.random() < 0.6:
        raise Error("on purpose", kind="UNAVAILABLE")
    return [number * 2, actors.funcs.info().attempt]


@soak.process(worker=WORKER)
async def durable(books: Books) -> list[Any]:
    """A durable process of the exchange, which calls functions that fail, and has children."""
    return await exchange(books, work)


async def work(books: Books) -> None:
    """Call a function, or have a child."""
    if books.turns % 3:
        await call_function(books)
    elif await actors.execute(child, books.turns) == books.turns * 2:
        books.children += 1
    else:
        raise Error(f"{books.name}: a child gave another's result", kind="CONFLICT")


@soak.process(worker=WORKER)
async def child(number: int) -> int:
    """The child of a durable process."""
    return number * 2


async def call_function(books: Books) -> None:
    """Call one that fails, until it has not."""
    retrying = actors.funcs.Executor().with_options(
        {
            "activity.start_to_close_timeout": "5s",
            "activity.retry_policy": {"initial_interval": "50ms", "maximum_interval": "500ms"},
        }
    )
    value, attempt = await retrying.call("soak:flaky", books.turns)
    if value != books.turns * 2:
        raise Error(f"{books.name}: a function gave another's result", kind="CONFLICT")
    books.functions += 1
    books.failed += attempt - 1


@soak.process(worker=WORKER)
async def upgrading(books: Books) -> list[Any]:
    """One that continues as new all the time."""
    return await exchange(books, continue_as_new)


async def continue_as_new(books: Books) -> None:
    """Go on in a new run."""
    await actors.upgrade(upgrading, books)


@soak.process(worker=WORKER)
async def dies(reason: str, boss: PID) -> list[Any]:
    """One that ends as it is told, after some words: each of its monitors must fire once, and then."""
    await actors.listen("end").receive()
    for _ in range(WORDS):
        await actors.send(boss, "word", actors.self_pid())
    if reason == "error":
        raise Error("on purpose", kind="CONFLICT")
    return [reason, {}]


@soak.process(worker=WORKER)
async def watches(pid: PID, boss: PID) -> list[Any]:
    """Monitors another, tells so, takes its numbers if it `sits`, and gives how it ended: exactly once, and last."""
    events, numbers, expected = actors.events(), actors.listen("number"), 1
    await actors.monitor(pid)
    await actors.send(pid, "count")
    await actors.send(boss, "watching")
    while (picked := await actors.select(numbers, events)).channel is numbers:
        if picked.value != expected:
            raise Error(f"number {picked.value} of {pid} came, expected {expected}", kind="CONFLICT")
        expected += 1
    late = await actors.select(events, numbers, actors.after("500ms"))
    if late.channel is numbers or isinstance(late.value, Exit):
        raise Error(f"after the end of {pid} came {late.value!r}", kind="CONFLICT")
    if not isinstance(picked.value, Exit):
        raise Error(f"expected an exit and got {picked.value!r}")
    return [picked.value.reason, {}]


async def sits(name: str) -> None:
    """Has a name in the cluster, is in a group of that name, and is killed with its node.

    Until then it sends numbers to whoever has asked for them.
    """
    await hold(name)
    await patiently(partial(actors.groups.join, name, scope="cluster"))
    inbox, ticks = actors.inbox(), actors.every("500ms")
    last: dict[PID, int] = {}
    while True:
        picked = await actors.select(inbox, ticks)
        if picked.channel is ticks:
            for watcher, number in last.items():
                last[watcher] = number + 1
                await actors.send(watcher, "number", number + 1)
        elif picked.value.topic == "count":
            last[picked.value.sender] = 0
        else:
            await actors.reply(picked.value, picked.value.payload)


async def keeper(name: str) -> None:
    """Starts local processes on the node it runs on, for whoever asks by its name in the cluster."""
    await hold(name)
    async for message in actors.inbox():
        if message.topic == "exchange":
            await actors.reply(message, [await actors.spawn(exchange, each) for each in message.payload])
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


async def hold(name: str) -> None:
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
