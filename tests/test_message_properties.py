"""Messages between processes under every interleaving: semantics 7, 9, 11, 12 and 16."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from itertools import count
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

import actors
from actors import PID, Channel, Message, payload_of
from actors._channels.mailbox import Listener
from tests.moves import many
from tests.searching_scheduler import SearchingKernel

TOPICS = ("a", "b", "c")
CHOICES = many(st.integers(0, 8), 100)


def run(kernel: SearchingKernel, choices: list[int]) -> None:
    """Run everybody: by `choices` as long as there are any, then in turn; the clock goes too, at the latest when nobody
    can run."""
    order = iter(choices)
    while kernel.search.runnable or kernel.search.timers:
        choice = next(order, 0)
        if kernel.search.runnable and not (choice == 8 and kernel.search.timers):
            kernel.search.step(choice)
        else:
            kernel.search.advance()


READS: list[tuple[str, str]] = [
    *[(verb, topic) for verb in ("listen", "unlisten") for topic in TOPICS],
    *[("receive", topic) for topic in (*TOPICS, "the inbox", "the inbox")] * 2,
    ("select", "all"),
    ("wait", "a turn"),
]
Random(0).shuffle(READS)


@settings(max_examples=4 * settings().max_examples)
@given(
    st.lists(st.lists(st.sampled_from(TOPICS), max_size=8), min_size=1, max_size=3),
    many(st.sampled_from(READS), 30),
    CHOICES,
)
def test_messages_of_a_sender_come_exactly_once_and_in_order(
    senders: list[list[str]], reads: list[tuple[str, str]], choices: list[int]
) -> None:
    """Semantics 7, 9, 11: A to B is FIFO across all topics, whatever the receiver listens to and unlistens meanwhile:
    no message is received while an older one of its sender lies in the same channel, none is lost, none comes twice."""
    kernel = SearchingKernel()
    unread: dict[PID, list[Message]] = {}  # by sender, in order of sending
    received: list[Message] = []
    sent: list[Message] = []

    async def sender(to: PID, topics: list[str]) -> None:
        mine = unread[actors.self_pid()] = []
        for number, topic in enumerate(topics):
            message = Message(topic, number, actors.self_pid())
            assert await actors.send(to, topic, number)
            mine.append(message)
            sent.append(message)
            await actors.sleep("0s")
        if len(kernel.table) == 2:
            done.append(True)

    async def receiver() -> None:
        listening: dict[str, Channel[Message]] = {}

        def check(channel: Channel[Message], message: Message) -> None:
            assert message.sender is not None
            assert (message.topic in listening) == isinstance(channel, Listener)
            assert isinstance(channel, Listener) == (channel is not actors.inbox())
            if message.topic in listening:
                assert channel is listening[message.topic]
            waiting = unread[message.sender]
            here = [
                one
                for one in waiting
                if one.topic == message.topic or not listening.keys() & {one.topic, message.topic}
            ]
            assert message == here[0]
            waiting.remove(message)
            received.append(message)

        for verb, where in reads:
            channel = listening.get(where, actors.inbox())
            if verb == "listen":
                listening[where] = actors.listen(where, messages=True)
            elif verb == "unlisten" and where in listening:
                actors.unlisten(listening.pop(where))
            elif verb == "receive" and channel.can_receive():
                check(channel, await channel.receive())
            elif verb == "select":
                picked = await actors.select(*listening.values(), actors.inbox(), default=True)
                if picked.channel is not None:
                    check(picked.channel, picked.value)
            elif verb == "wait":
                await actors.sleep("0s")
        while not done:
            await actors.sleep("1h")
        for channel in (*listening.values(), actors.inbox()):
            while channel.can_receive():
                check(channel, await channel.receive())

    done: list[bool] = []
    to = kernel.put(receiver)
    for topics in senders:
        kernel.put(sender, to, topics)
    run(kernel, choices)
    assert all(event.reason == "normal" for event in kernel.exits), kernel.exits
    assert len(kernel.exits) == 1 + len(senders)
    assert len(received) == len(sent) == sum(map(len, senders))
    assert not any(unread.values())


@given(st.lists(st.one_of(st.none(), st.integers(), st.tuples(st.integers(), st.integers())), max_size=4))
def test_payload_of_one_value_is_the_value_and_of_several_their_tuple(values: list[object]) -> None:
    """Semantics 12: a payload of one value arrives as the value, of several as a tuple, of none as None."""
    kernel = SearchingKernel()

    async def receiver() -> None:
        message = await actors.inbox().receive()
        expected = values[0] if len(values) == 1 else tuple(values) or None
        assert message == Message("topic", expected, sender)
        assert message.payload == payload_of(tuple(values))

    async def send(to: PID) -> None:
        await actors.send(to, "topic", *values)

    pid = kernel.put(receiver)
    sender = kernel.put(send, pid)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "normal", kernel.exit_of(pid)


@attrs.frozen
class Plan:
    """How a server treats one call: after `delay` ms, it answers so often, answers later still, or ends."""

    delay: int
    answers: int
    then: str


@attrs.frozen
class Asking:
    """A caller: whom it calls, how long it waits in ms, and when it is ended, if it is."""

    server: int
    timeout: int
    ended: int | None


PLANS = st.builds(
    Plan,
    st.sampled_from([0, 0, 5, 10]),
    st.sampled_from([0, 1, 1, 1, 2]),
    st.sampled_from(["go on"] * 3 + ["end", "crash"]),
)
ASKING = st.builds(
    Asking,
    st.integers(0, 1),
    st.sampled_from([0, 5, 10, 20]),
    st.sampled_from([None, None, None, None, 0, 5, 10]),
)


@settings(max_examples=4 * settings().max_examples)
@given(
    st.lists(st.lists(PLANS, max_size=3), min_size=2, max_size=2),
    st.lists(ASKING, min_size=1, max_size=4),
    CHOICES,
)
def test_call_gives_exactly_one_of_reply_death_and_timeout(
    plans: list[list[Plan]], askings: list[Asking], choices: list[int]
) -> None:
    """Semantics 16: the reply to this call, the target's death, or the timeout; a late reply never shows up."""
    kernel = SearchingKernel()
    results: Counter[PID] = Counter()
    values: dict[
        int, tuple[int, float]
    ] = {}  # by call, what was answered first while its caller waited, and when
    numbers = count()

    async def serve(plans: list[Plan]) -> None:
        for plan in plans:
            message = await actors.inbox().receive()
            if plan.delay:
                await actors.sleep(f"{plan.delay}ms")
            for _ in range(plan.answers):
                waits = message.payload in waiting
                answer = next(numbers)
                taken = await actors.reply(message, answer)
                if waits:
                    assert taken
                    values.setdefault(message.payload, (answer, kernel.search.clock))
            if plan.then != "go on":
                ended[actors.self_pid()] = kernel.search.clock
            if plan.then == "crash":
                raise ValueError("crash")
            if plan.then == "end":
                return
        async for _ in actors.inbox():
            pass

    waiting: dict[int, float] = {}
    kinds: set[str] = set()
    ended: dict[PID, float] = {}

    async def ask(asking: Asking, number: int) -> None:
        me, server = actors.self_pid(), servers[asking.server]
        waiting[number] = kernel.search.clock + asking.timeout / 1000
        try:
            value = await actors.call(server, "question", number, timeout=f"{asking.timeout}ms")
            assert value == values[number][0]
            assert values[number][1] <= waiting[number]
        except actors.Error as error:
            if error.kind == actors.TIMEOUT:
                assert number not in values or values[number][1] >= waiting[number]
                assert kernel.search.clock >= waiting[number]
                assert ended.get(server, math.inf) >= waiting[number]
            else:
                assert number not in values
                assert kernel.find(server) is server
                kinds.add(error.kind)
        finally:
            del waiting[number]
        results[me] += 1
        await actors.sleep("1h")
        assert not actors.inbox().can_receive()
        assert actors.running_process().events is None

    def end(pid: PID) -> None:
        kernel.at_once(kernel.terminate(None, pid, ""))

    servers = [kernel.put(serve, one) for one in plans]
    callers = []
    for number, asking in enumerate(askings):
        pid = kernel.put(ask, asking, number)
        callers.append(pid)
        if asking.ended is not None:
            kernel.search.call_later(asking.ended / 1000, partial(end, pid))
    run(kernel, choices)
    for pid, asking in zip(callers, askings, strict=True):
        event = kernel.exit_of(pid)
        if asking.ended is None:
            assert event.reason == "normal", event
            assert results[pid] == 1
        else:
            assert event.reason == "terminated", event
    assert not waiting
    assert kinds <= {actors.UNAVAILABLE, actors.NOT_FOUND}
    for server in servers:
        process = kernel.find(server)
        if not isinstance(process, PID):
            assert not process.watchers or all(ref.owner == kernel.pid for ref in process.watchers)
    assert not any(kernel.calls.answer(number, None) for number in range(kernel.next_number()))
