"""Small concurrent programs, each a promise of the semantics: true under every schedule, on every host."""

from collections.abc import Awaitable, Callable

import actors


async def counter() -> None:
    async for message in actors.inbox():
        if message.topic == "stop":
            return
        if message.reply_to is not None:
            await actors.reply(message, message.payload)


async def send_numbers(to: actors.PID, count: int) -> None:
    for number in range(count):
        await actors.send(to, "odd" if number % 2 else "even", number)


async def messages_of_one_sender_never_overtake() -> None:
    """Semantics 7 and 9: in order, across topics, exactly once."""
    me = actors.self_pid()
    senders = [await actors.spawn(send_numbers, me, 4) for _ in range(3)]
    came: dict[actors.PID | None, list[int]] = {}
    for _ in range(12):
        message = await actors.inbox().receive()
        came.setdefault(message.sender, []).append(message.payload)
    assert came == {sender: [0, 1, 2, 3] for sender in senders}


async def no_wake_up_is_lost() -> None:
    """Semantics 28 and 30: what is sent on a channel is received, whoever waits."""
    jobs: actors.Channel[int] = actors.Channel(1)
    done: actors.Channel[int] = actors.Channel()

    async def worker() -> None:
        async for job in jobs:
            await done.send(job)

    for _ in range(2):
        actors.start_soon(worker)

    async def feed() -> None:
        for job in range(4):
            await jobs.send(job)

    actors.start_soon(feed)
    assert sorted([await done.receive() for _ in range(4)]) == [0, 1, 2, 3]


async def each_monitor_fires_once() -> None:
    """Semantics 17: each of several monitors gives exactly one exit, whenever it was made."""
    pid = await actors.spawn(counter)

    async def stop() -> None:
        await actors.send(pid, "stop")

    actors.start_soon(stop)
    refs = [await actors.monitor(pid) for _ in range(3)]
    events = [await actors.events().receive() for _ in refs]
    assert [event.ref for event in events if isinstance(event, actors.Exit)] == refs
    await actors.sleep("1s")
    assert (await actors.select(actors.events(), default=True)).channel is None


async def after_unlink_a_link_has_no_effect() -> None:
    """Semantics 23, with the signal in the queue or on its way."""
    actors.set_options(trap_links=True)
    pid = await actors.spawn_linked(counter)

    async def kill() -> None:
        await actors.terminate(pid)

    actors.start_soon(kill)
    await actors.sleep("0s")
    await actors.unlink(pid)
    await actors.sleep("1s")
    assert (await actors.select(actors.events(), default=True)).channel is None


async def whoever_sees_an_exit_can_take_the_name() -> None:
    """Semantics 4: names are released before the monitors fire."""

    async def named() -> None:
        await actors.names.register("the name")
        await actors.inbox().receive()

    for _ in range(2):
        pid = await actors.spawn_monitored(named)
        await actors.send(pid, "stop")
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        assert event.reason == "normal", event
        await actors.names.register("the name")
        await actors.names.unregister("the name")


async def exit_comes_with_the_last_message() -> None:
    """Semantics 20: when the exit is there, so is every message."""

    async def speak(to: actors.PID) -> None:
        await actors.send(to, "last", 1)

    await actors.spawn_monitored(speak, actors.self_pid())
    await actors.events().receive()
    assert (await actors.select(actors.inbox(), default=True)).channel is not None


async def a_call_gets_its_own_answer_or_an_error() -> None:
    """Semantics 16: under late replies and deaths, exactly one of reply, death, timeout; nothing in the mailbox."""

    async def slow() -> None:
        async for message in actors.inbox():
            await actors.sleep("2s" if message.payload % 2 else "0s")
            await actors.reply(message, message.payload)

    pid = await actors.spawn(slow)
    for number in range(4):
        try:
            assert await actors.call(pid, "ask", number, timeout="1s") == number
            assert number % 2 == 0
        except actors.Error as error:
            if error.kind != actors.TIMEOUT:
                raise
            await actors.sleep("5s")
    await actors.sleep("10s")
    assert (await actors.select(actors.inbox(), actors.events(), default=True)).channel is None


SCENARIOS: list[Callable[[], Awaitable[None]]] = [
    messages_of_one_sender_never_overtake,
    no_wake_up_is_lost,
    each_monitor_fires_once,
    after_unlink_a_link_has_no_effect,
    whoever_sees_an_exit_can_take_the_name,
    exit_comes_with_the_last_message,
    a_call_gets_its_own_answer_or_an_error,
]
