"""What only the green host promises; what all hosts promise is in the behaviour suite."""

from __future__ import annotations

import asyncio
import gc
import traceback
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing

import actors
from actors._runtime import green_scheduler as green_host
from actors._runtime.green_scheduler import GreenScheduler

HOSTS = ("trio", "green")


def green_of(node: actors.Node) -> GreenScheduler:
    scheduler = node.kernel.wiring.schedulers["green"]
    assert isinstance(scheduler, GreenScheduler)
    return scheduler


async def forever() -> None:
    await actors.inbox().receive()


async def echo() -> None:
    async for message in actors.inbox():
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.sender is not None:
            await actors.send(message.sender, message.topic, message.payload)


# What a green process cannot await


async def sleep() -> None:
    await trio.sleep(1)


async def checkpoint() -> None:
    await trio.lowlevel.checkpoint()


async def shielded_checkpoint() -> None:
    await trio.lowlevel.cancel_shielded_checkpoint()


async def scope() -> None:
    with trio.move_on_after(1):
        await actors.sleep("1ms")


async def nursery() -> None:
    async with trio.open_nursery():
        await actors.sleep("1ms")


async def thread() -> None:
    await trio.to_thread.run_sync(int)


async def memory_channel() -> None:
    await trio.open_memory_channel[int](0)[1].receive()


async def asyncio_future() -> None:
    loop = asyncio.new_event_loop()
    try:
        await loop.create_future()
    finally:
        loop.close()


FOREIGN = (sleep, checkpoint, shielded_checkpoint, scope, nursery, thread, memory_channel, asyncio_future)


@pytest.mark.parametrize("offence", FOREIGN)
async def test_a_foreign_awaitable_is_an_error_at_its_line_that_names_the_three_ways_out(
    offence: Callable[[], Awaitable[None]],
) -> None:
    async with actors.Node() as node:
        with pytest.raises(actors.Error) as caught:
            await node.execute(offence, on="green")
    for way_out in ('on="trio"', "actors.in_trio", "actors.funcs.call"):
        assert way_out in caught.value.message
    assert any(frame.name == offence.__name__ for frame in traceback.extract_tb(caught.value.__traceback__))


@pytest.mark.parametrize("offence", FOREIGN)
async def test_after_a_foreign_awaitable_the_process_and_the_others_go_on(
    offence: Callable[[], Awaitable[None]],
) -> None:
    async def offender() -> str:
        for _ in range(3):
            with pytest.raises(actors.Error):
                await offence()
        await actors.sleep("1ms")
        return str(await actors.call(neighbour, "still", "there"))

    async with actors.Node() as node:
        neighbour = await node.spawn(echo, on="green")
        assert await node.execute(offender, on="green") == "there"
        with trio.CancelScope() as around:
            around.cancel()
            await trio.lowlevel.checkpoint()
        assert around.cancelled_caught
        assert await node.call(neighbour, "and", "here") == "here"


async def test_an_event_that_a_green_process_could_not_await_wakes_only_those_who_could() -> None:
    event = trio.Event()

    async def offender() -> None:
        await event.wait()

    async with actors.Node() as node:
        with pytest.raises(actors.Error):
            await node.execute(offender, on="green")
        assert event.statistics().tasks_waiting == 0
        event.set()
        assert await node.execute(returns, 1, on="green") == 1


# The door to trio


async def returns(value: Any) -> Any:
    return value


@pytest.mark.parametrize("host", HOSTS)
async def test_in_trio_gives_the_value(host: str) -> None:
    async def sleeps(value: int) -> int:
        await trio.lowlevel.checkpoint()
        return value

    async def body() -> int:
        return await actors.in_trio(sleeps, 7)

    async with actors.Node() as node:
        assert await node.execute(body, on=host) == 7


@pytest.mark.parametrize("host", HOSTS)
async def test_in_trio_raises_the_error_as_it_is(host: str) -> None:
    error = OSError("no such thing")

    async def fails() -> None:
        await trio.lowlevel.checkpoint()
        raise error

    async def body() -> None:
        with pytest.raises(OSError, match="no such thing") as caught:
            await actors.in_trio(fails)
        assert caught.value is error

    async with actors.Node() as node:
        await node.execute(body, on=host)


@pytest.mark.parametrize("host", HOSTS)
async def test_in_trio_runs_outside_the_process_with_its_ambient_context(host: str) -> None:
    async def outside() -> str:
        with pytest.raises(actors.Error, match="running process"):
            actors.self_pid()
        value: str = actors.context.get("user")
        return value

    async def body() -> str:
        user = await actors.in_trio(outside)
        assert actors.self_pid().host == host
        return user

    async with actors.Node() as node:
        assert await node.spawner(context={"user": "ann"}).execute(body, on=host) == "ann"


@pytest.mark.parametrize("host", HOSTS)
async def test_cancelling_the_process_cancels_in_trio_and_waits_for_it(host: str) -> None:
    log: list[str] = []
    started = trio.Event()

    async def sleeps() -> None:
        try:
            started.set()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            log.append("function")

    async def body() -> None:
        try:
            await actors.in_trio(sleeps)
        finally:
            log.append("process")

    async with actors.Node() as node:
        pid = await node.spawn(body, on=host)
        await started.wait()
        await node.terminate(pid)
        await trio.testing.wait_all_tasks_blocked()
        assert node.statistics().exits == {"terminated": 1}
    assert log == ["function", "process"]


async def test_a_value_that_in_trio_gives_in_spite_of_a_cancellation_is_not_lost() -> None:
    async def stubborn() -> int:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return 7
        raise AssertionError

    async def body() -> None:
        got.append(await actors.in_trio(stubborn))
        await actors.sleep("0s")
        got.append(8)

    got: list[int] = []
    async with actors.Node() as node:
        pid = await node.spawn(body, on="green")
        await trio.testing.wait_all_tasks_blocked()
        await node.terminate(pid)
    assert got == [7]


async def test_a_program_that_is_cancelled_cancels_in_trio_and_the_green_process() -> None:
    log: list[str] = []

    async def sleeps() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("function")

    async def body() -> None:
        try:
            await actors.in_trio(sleeps)
        finally:
            log.append("process")

    with trio.CancelScope() as program:
        async with actors.Node() as node:
            await node.spawn(body, on="green")
            await trio.testing.wait_all_tasks_blocked()
            program.cancel()
            await trio.lowlevel.checkpoint()
    assert program.cancelled_caught
    assert log == ["function", "process"]


async def test_in_trio_refuses_what_is_not_async() -> None:
    async def body() -> None:
        await actors.in_trio(len, "text")  # type: ignore[arg-type]

    async with actors.Node() as node:
        with pytest.raises(actors.Error, match="async function"):
            await node.execute(body, on="green")


async def test_functions_of_a_green_process_run_in_trio() -> None:
    async def slow(value: int) -> int:
        await trio.lowlevel.checkpoint()
        return value

    async def body() -> tuple[int, str]:
        return await actors.funcs.call(slow, 1), await actors.funcs.call(str.upper, "a")

    async with actors.Node() as node:
        assert await node.execute(body, on="green") == (1, "A")


# Turns


async def test_a_node_without_green_processes_has_no_task_for_them() -> None:
    async with actors.Node() as node:
        before = trio.lowlevel.current_statistics().tasks_living
        await node.spawn(forever, on="trio")
        assert trio.lowlevel.current_statistics().tasks_living == before + 1
        await node.spawn(forever, on="green")
        await node.spawn(forever, on="green")
        assert trio.lowlevel.current_statistics().tasks_living == before + 2


async def ring(size: int, tokens: int) -> None:
    async def member(after: actors.PID) -> None:
        async for message in actors.inbox():
            await actors.send(after, "token", message.payload)

    async def first() -> None:
        after = (await actors.inbox().receive()).payload
        for token in range(tokens):
            await actors.send(after, "token", token)
        await member(after)

    head = last = await actors.spawn(first, on="green")
    for _ in range(size - 1):
        last = await actors.spawn(member, last, on="green")
    await actors.send(head, "start", last)
    await forever()


async def test_a_busy_ring_leaves_every_other_turn_to_trio() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    async with actors.Node() as node, trio.open_nursery() as nursery:
        await node.spawn(ring, 1000, 1000, on="green")
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        green = green_of(node)
        while green.reductions < 10:
            await trio.lowlevel.checkpoint()
        client = await trio.testing.open_stream_to_socket_listener(listeners[0])
        await client.send_all(b"first")
        assert await client.receive_some() == b"first"
        reductions: list[int] = []
        for _ in range(20):
            before = green.reductions
            await client.send_all(b"ping")
            assert await client.receive_some() == b"ping"
            reductions.append(green.reductions - before)
        await client.aclose()
        nursery.cancel_scope.cancel()
    # There and back is a handful of wake-ups, and between two of them the ring has one turn.
    assert sorted(reductions)[len(reductions) // 2] <= 10


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """For each time that tasks are run: the number of the turn, and how many steps it may make."""
    made: list[tuple[int, int]] = []
    run = GreenScheduler.run

    def recorded(green: GreenScheduler, steps: int) -> None:
        made.append((green.reductions, steps))
        run(green, steps)

    monkeypatch.setattr(GreenScheduler, "run", recorded)
    return made


async def test_a_turn_ends_after_its_steps(
    monkeypatch: pytest.MonkeyPatch, runs: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(green_host, "perf_counter", lambda: 0.0)
    async with actors.Node() as node:
        await node.spawn(ring, 100, 100, on="green")
        while green_of(node).reductions < 5:
            await trio.lowlevel.checkpoint()
    for turn in range(1, 5):
        assert sum(steps for number, steps in runs if number == turn) == green_host.STEPS


async def test_a_turn_ends_after_its_time(
    monkeypatch: pytest.MonkeyPatch, runs: list[tuple[int, int]]
) -> None:
    clock = iter(range(1_000_000))
    monkeypatch.setattr(green_host, "perf_counter", lambda: float(next(clock)))
    async with actors.Node() as node:
        await node.spawn(ring, 100, 100, on="green")
        while green_of(node).reductions < 5:
            await trio.lowlevel.checkpoint()
    assert [number for number, _ in runs[:5]] == [1, 2, 3, 4, 5]


async def test_an_idle_host_takes_no_turns() -> None:
    async with actors.Node() as node:
        pids = [await node.spawn(echo, on="green") for _ in range(10)]
        await trio.testing.wait_all_tasks_blocked()
        reductions = green_of(node).reductions
        for _ in range(10):
            await trio.lowlevel.checkpoint()
        assert green_of(node).reductions == reductions
        assert await node.call(pids[3], "still", 1) == 1


async def test_all_timers_take_one_turn_for_each_instant(autojump_clock: trio.testing.MockClock) -> None:
    async def sleeper(length: str) -> None:
        await actors.sleep(length)

    async with actors.Node() as node:
        for number in range(90):
            await node.spawn(sleeper, f"{1 + number % 3}s", on="green")
        await trio.testing.wait_all_tasks_blocked()
        reductions = green_of(node).reductions
        await trio.sleep(2.5)
        assert node.statistics().exits == {"normal": 60}
        assert green_of(node).reductions <= reductions + 4


async def test_a_nearer_deadline_set_from_outside_wakes_the_host(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def late() -> None:
        await actors.sleep("1h")

    async with actors.Node() as node:
        pid = await node.spawn(late, on="green")
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        await node.cancel(pid, deadline="5s")
        async with actors.Node() as other:
            with pytest.raises(actors.Error, match="no reply"):
                await other.call(await node.spawn(forever_listening, on="green"), "hello", timeout="2s")
        assert trio.current_time() - before < 10


async def forever_listening() -> None:
    actors.events()
    while True:
        await actors.inbox().receive()


# Cancellation


async def test_every_await_of_a_terminated_process_raises_except_in_a_shield() -> None:
    log: list[str] = []

    async def body() -> None:
        for _ in range(3):
            try:
                await actors.sleep("1h")
            except BaseException as error:  # noqa: BLE001 - what it is, is the point
                log.append(type(error).__name__)
        with actors.shield():
            await actors.sleep("1ms")
            log.append("shielded")
        await actors.sleep("0s")
        log.append("not reached")

    async with actors.Node() as node:
        pid = await node.spawn(body, on="green")
        await trio.testing.wait_all_tasks_blocked()
        await node.terminate(pid)
    assert log == ["Cancelled", "Cancelled", "Cancelled", "shielded"]


async def test_a_task_that_is_cancelled_before_its_first_run_does_not_run() -> None:
    ran: list[int] = []

    async def body() -> None:
        ran.append(1)

    async with actors.Node() as node:
        pid = await node.spawn(body, on="green")
        assert await node.kernel.terminate(None, pid, "")
        await trio.testing.wait_all_tasks_blocked()
        assert node.statistics().exits == {"terminated": 1}
    assert ran == []


async def test_a_program_that_is_cancelled_unwinds_its_green_processes() -> None:
    log: list[str] = []

    async def body(number: int) -> None:
        try:
            await actors.inbox().receive()
        finally:
            with actors.shield():
                await actors.sleep("1ms")
            log.append(f"process {number}")

    with trio.CancelScope() as program:
        async with actors.Node() as node:
            for number in range(3):
                await node.spawn(body, number, on="green")
            await trio.testing.wait_all_tasks_blocked()
            program.cancel()
            await trio.lowlevel.checkpoint()
    assert program.cancelled_caught
    assert log == ["process 0", "process 1", "process 2"]


def test_an_exit_of_the_program_from_a_green_process_ends_the_program() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        await actors.spawn(forever, on="green")
        await actors.execute(leave, on="green")

    with pytest.raises(SystemExit) as caught:
        actors.run(main)
    assert caught.value.code == 3


# Errors


async def test_the_traceback_of_an_error_holds_only_the_frames_of_the_process() -> None:
    async def inner() -> None:
        await actors.sleep("1ms")
        raise ValueError("inner")

    async def outer() -> None:
        await inner()

    async with actors.Node() as node:
        with pytest.raises(actors.Error) as caught:
            await node.execute(outer, on="green")
    cause = caught.value.__cause__
    assert isinstance(cause, ValueError)
    assert [frame.name for frame in traceback.extract_tb(cause.__traceback__)] == ["outer", "inner"]


async def test_arguments_that_do_not_fit_are_an_error_at_the_spawn() -> None:
    async with actors.Node() as node:
        with pytest.raises(actors.Error, match="too many positional arguments") as caught:
            await node.execute(echo, "one too many", on="green")
        assert caught.value.kind == actors.INVALID
        assert list(node.processes()) == []


async def test_a_call_on_a_green_channel_from_a_foreign_task_says_what_is_wrong() -> None:
    async def body() -> None:
        box = actors.inbox()

        async def stray() -> None:
            with pytest.raises(actors.Error, match="outside it"):
                await box.receive()
            done.set()

        trio_nursery.start_soon(stray)
        await actors.in_trio(done.wait)

    done = trio.Event()
    async with trio.open_nursery() as trio_nursery, actors.Node() as node:
        await node.execute(body, on="green")


async def test_describe_says_where_a_green_process_waits() -> None:
    async def deep() -> None:
        await actors.inbox().receive()

    async def body() -> None:
        await deep()

    async with actors.Node() as node:
        pid = await node.spawn(body, on="green")
        await trio.testing.wait_all_tasks_blocked()
        ((*waits,),) = (await node.describe(pid)).waits
    names = [line.split()[-1] for line in waits]
    assert names[:2] == ["body", "deep"]
    assert all(line.startswith(("test_green_host.py:", "channel.py:")) for line in waits)


# Each process for itself


async def test_context_variables_belong_to_one_process() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)

    async def body(number: int) -> int:
        variable.set(number)
        for _ in range(3):
            await actors.sleep("0s")
            assert variable.get() == number
        return int(await actors.execute(child, on="green"))

    async def child() -> int:
        return variable.get()

    async with actors.Node() as node:
        pids: list[int] = []

        async def run(number: int) -> None:
            pids.append(await node.execute(body, number, on="green"))

        async with trio.open_nursery() as nursery:
            for number in range(1, 4):
                nursery.start_soon(run, number)
        assert sorted(pids) == [1, 2, 3]
        assert variable.get() == 0


class Payload:
    """Something that a weak reference can watch."""


async def test_memory_returns_when_processes_end() -> None:
    kept: list[weakref.ref[Any]] = []

    async def keeper(start: Payload) -> None:
        mine = Payload()
        kept.extend((weakref.ref(start), weakref.ref(mine)))
        message = await actors.inbox().receive()
        kept.append(weakref.ref(message.payload))

    async with actors.Node() as node:
        gc.collect()
        gc.disable()
        try:
            processes: list[weakref.ref[Any]] = []
            for _ in range(10):
                pid = await node.spawn(keeper, Payload(), on="green")
                processes.append(weakref.ref(node.kernel.table[pid.id]))
                await trio.testing.wait_all_tasks_blocked()
                await node.send(pid, "go", Payload())
            await trio.testing.wait_all_tasks_blocked()
            assert len(kept) == 30
            assert [watched() for watched in (*kept, *processes)] == [None] * 40
        finally:
            gc.enable()


def test_memory_returns_when_many_processes_have_answered_and_ended() -> None:
    async def answer() -> None:
        message = await actors.inbox().receive()
        await actors.reply(message, message.payload)

    async def ask(count: int) -> None:
        pids = [await actors.spawn(answer, on="green") for _ in range(count)]
        for number, pid in enumerate(pids):
            assert await actors.call(pid, "number", number) == number

    async def main() -> tuple[int, int, int]:
        await actors.execute(ask, 1000, on="green")  # what the first ones need stays
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        await actors.execute(ask, 1000, on="green")
        after, peak = tracemalloc.get_traced_memory()
        return before, after, peak

    tracemalloc.start()
    try:
        before, after, peak = actors.run(main)
    finally:
        tracemalloc.stop()
    assert peak - before > 1_000_000
    assert after - before < 50_000


async def test_an_idle_process_keeps_nothing_of_the_messages_it_has_handled() -> None:
    async def handle() -> None:
        while True:
            received(await actors.inbox().receive())

    watched: list[weakref.ref[Any]] = []

    def received(message: actors.Message) -> None:
        watched.append(weakref.ref(message.payload))

    async with actors.Node() as node:
        pid = await node.spawn(handle, on="green")
        for _ in range(3):
            await node.send(pid, "take", Payload())
            await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        assert [reference() for reference in watched] == [None] * 3


# Between hosts


@pytest.mark.parametrize("there", HOSTS)
@pytest.mark.parametrize("here", HOSTS)
async def test_processes_of_both_hosts_send_and_call(here: str, there: str) -> None:
    async def body() -> list[Any]:
        peer = await actors.spawn(echo, on=there)
        await actors.send(peer, "one", 1)
        return [(await actors.inbox().receive()).payload, await actors.call(peer, "two", 2)]

    async with actors.Node() as node:
        assert await node.execute(body, on=here) == [1, 2]


@pytest.mark.parametrize("there", HOSTS)
@pytest.mark.parametrize("here", HOSTS)
async def test_processes_of_both_hosts_monitor_and_link(here: str, there: str) -> None:
    async def fails() -> None:
        raise ValueError("no")

    async def body() -> list[Any]:
        actors.set_options(trap_links=True)
        events = actors.events()
        await actors.spawn_linked_monitored(fails, on=there)
        first, second = await events.receive(), await events.receive()
        victim = await actors.spawn_linked(forever, on=there)
        await actors.terminate(victim)
        third = await events.receive()
        return [(event.kind, event.reason) for event in (first, second, third)]

    async with actors.Node() as node:
        assert await node.execute(body, on=here) == [
            (actors.EXIT, "error"),
            (actors.LINK_DOWN, "error"),
            (actors.LINK_DOWN, "terminated"),
        ]


@pytest.mark.parametrize("there", HOSTS)
@pytest.mark.parametrize("here", HOSTS)
async def test_channels_and_select_work_between_hosts(here: str, there: str) -> None:
    async def producer(channel: actors.Channel[int]) -> None:
        for number in range(100):
            await channel.send(number)
        channel.close()

    async def body() -> list[int]:
        channel = actors.Channel[int]()
        never = actors.Channel[int]()
        await actors.spawn(producer, channel, on=there)
        numbers: list[int] = []
        while True:
            picked = await actors.select(never, channel)
            if not picked.ok:
                return numbers
            numbers.append(picked.value)

    async with actors.Node() as node:
        assert await node.execute(body, on=here) == list(range(100))
