"""Time, timers, randomness, tasks and options: the verbs that concern one process alone (semantics 31)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import actors
from actors import ChannelClosed, select
from tests.hosts import clock, crash, exit_of, forever, me, next_exit, on_every_host, settle


def ticks(channel: actors.Channel[datetime]) -> int:
    """How many ticks wait to be received."""
    assert isinstance(channel, actors.Queue)
    return channel.unread


# Sleep


@on_every_host
async def test_sleep_waits_as_long_as_it_is_told() -> None:
    before = clock()
    for duration in ("250ms", "1s", "1m30s", "24h", timedelta(hours=1)):
        await actors.sleep(duration)
    assert clock() - before == pytest.approx(0.25 + 1 + 90 + 86400 + 3600)


@on_every_host
async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    woken: list[int] = []

    async def sleeper(number: int) -> None:
        await actors.sleep(f"{number}s")
        woken.append(number)

    for number in (3, 1, 2, 5, 4):
        actors.start_soon(sleeper, number)
    await actors.sleep("10s")
    assert woken == [1, 2, 3, 4, 5]


@on_every_host
async def test_sleep_of_no_time_lets_others_run() -> None:
    ran: list[int] = []

    async def other() -> None:
        ran.append(1)

    actors.start_soon(other)
    before = clock()
    for _ in range(3):
        await actors.sleep("0s")
    assert ran == [1]
    assert clock() == before


@on_every_host
async def test_ten_thousand_sleepers_wake() -> None:
    for number in range(10_000):
        await actors.spawn_monitored(actors.sleep, f"{number % 100}ms")
    for _ in range(10_000):
        assert (await next_exit()).reason == "normal"


# After and every


@on_every_host
async def test_after_gives_the_time_once() -> None:
    before = clock()
    timer = actors.after("2s")
    time = await timer.receive()
    assert clock() - before == pytest.approx(2)
    assert time.tzinfo is UTC
    await actors.sleep("1h")
    assert ticks(timer) == 0


@on_every_host
async def test_after_bounds_a_select() -> None:
    timer = actors.after("1s")
    picked = await select(actors.inbox(), timer)
    assert picked.channel is timer
    await actors.send(actors.self_pid(), "topic")
    assert (await select(actors.inbox(), actors.after("1s"))).channel is actors.inbox()


@on_every_host
async def test_every_ticks_at_its_interval_until_it_is_closed() -> None:
    before = clock()
    ticker = actors.every("2s")
    times = [(await ticker.receive(), clock())[1] - before for _ in range(5)]
    assert times == pytest.approx([2, 4, 6, 8, 10])
    ticker.close()
    with pytest.raises(ChannelClosed):
        await ticker.receive()


@on_every_host
async def test_tick_that_nobody_has_received_is_not_doubled_and_the_beat_is_kept() -> None:
    before = clock()
    ticker = actors.every("1s")
    await actors.sleep("5500ms")
    assert ticks(ticker) == 1
    await ticker.receive()
    await ticker.receive()
    assert clock() - before == pytest.approx(6)


@on_every_host
async def test_stopped_ticker_ticks_no_more_until_it_is_reset() -> None:
    ticker = actors.every("1s")
    ticker.stop()
    await actors.sleep("10s")
    assert ticks(ticker) == 0
    before = clock()
    ticker.reset()
    await ticker.receive()
    assert clock() - before == pytest.approx(1)
    ticker.reset("3s")
    times = [(await ticker.receive(), clock())[1] - before for _ in range(2)]
    assert times == pytest.approx([4, 7])


@on_every_host
async def test_reset_drops_a_tick_that_waits() -> None:
    timer = actors.after("1s")
    assert isinstance(timer, actors.Ticker)
    await actors.sleep("2s")
    assert ticks(timer) == 1
    timer.reset("5s")
    assert ticks(timer) == 0
    before = clock()
    await timer.receive()
    assert clock() - before == pytest.approx(5)


@on_every_host
async def test_reset_of_a_closed_ticker_raises() -> None:
    ticker = actors.every("1s")
    ticker.close()
    with pytest.raises(ChannelClosed):
        ticker.reset()


@on_every_host
async def test_timers_end_with_their_process() -> None:
    timers: list[actors.Channel[datetime]] = []

    async def child() -> None:
        timers.extend((actors.every("1s"), actors.after("5s")))

    await exit_of(child)
    await actors.sleep("1h")
    assert [ticks(timer) for timer in timers] == [0, 0]


@on_every_host
async def test_timer_of_no_time_fires_at_once_and_an_interval_of_no_time_is_refused() -> None:
    before = clock()
    await actors.after("0s").receive()
    assert clock() == before
    with pytest.raises(actors.Error, match="interval='0s'"):
        actors.every("0s")
    with pytest.raises(actors.Error, match="duration='0s'"):
        actors.every("1s").reset("0s")


# Now and randomness


@on_every_host
async def test_now_is_aware_and_in_utc() -> None:
    now = actors.now()
    assert now.tzinfo is UTC
    assert actors.now() >= now


@on_every_host
async def test_uuid4_and_random_bytes_are_of_their_form_and_differ() -> None:
    ids = {actors.uuid4() for _ in range(100)}
    assert len(ids) == 100
    assert {(type(one), one.version, one.variant) for one in ids} == {(uuid.UUID, 4, uuid.RFC_4122)}
    assert [len(actors.random_bytes(count)) for count in (0, 1, 32, 1000)] == [0, 1, 32, 1000]
    assert actors.random_bytes(32) != actors.random_bytes(32)


# Tasks and shields


@on_every_host
async def test_task_starts_soon_and_not_at_once() -> None:
    ran: list[int] = []

    async def task(number: int) -> None:
        ran.append(number)

    actors.start_soon(task, 1)
    assert ran == []
    await settle()
    assert ran == [1]


@on_every_host
async def test_shields_can_be_nested() -> None:
    log: list[str] = []

    async def child() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                with actors.shield():
                    await actors.sleep("1s")
                await actors.sleep("1s")
                log.append("slept")
            await actors.sleep("0s")
            log.append("went on")

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.terminate(pid)
    await next_exit()
    assert log == ["slept"]


@on_every_host
async def test_shield_holds_for_one_task_only() -> None:
    log: list[str] = []

    async def task() -> None:
        try:
            await forever()
        finally:
            log.append("unwound")

    async def child() -> None:
        actors.start_soon(task)
        with actors.shield():
            await actors.sleep("1s")
            log.append("slept")
        await forever()

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.terminate(pid)
    await next_exit()
    assert log == ["unwound", "slept"]


# Fairness (semantics 15)


@on_every_host
async def test_process_that_never_waits_lets_others_run_whatever_verb_it_uses() -> None:
    pid = await actors.spawn(forever)

    async def other() -> None:
        while True:
            reductions.append(1)
            await actors.sleep("0s")

    async def link_and_unlink() -> None:
        await actors.link(pid)
        await actors.unlink(pid)

    async def monitor_and_unmonitor() -> None:
        await actors.unmonitor(await actors.monitor(pid))

    async def join_and_leave() -> None:
        await actors.groups.join("group")
        await actors.groups.leave("group")

    async def register_and_unregister() -> None:
        await actors.names.register("name")
        await actors.names.unregister("name")

    for verb in (
        lambda: actors.send(pid, "topic"),
        lambda: actors.send("nobody", "topic"),
        lambda: actors.cancel("nobody"),
        lambda: actors.describe(pid),
        lambda: select(default=True),
        lambda: actors.groups.broadcast("group", "topic"),
        lambda: actors.groups.members("group"),
        link_and_unlink,
        monitor_and_unmonitor,
        join_and_leave,
        register_and_unregister,
    ):
        reductions: list[int] = []
        busy_with = await actors.spawn(other)
        for _ in range(2000):
            await verb()
        await actors.terminate(busy_with)
        await settle()
        assert len(reductions) >= 5


# Outside of a process


def outside_of_a_process(function: Any, *args: Any) -> Any:
    """Call a function as code that no process runs."""
    token = actors.current_process.set(actors.OUTSIDE)
    try:
        return function(*args)
    finally:
        actors.current_process.reset(token)


@on_every_host
async def test_verbs_say_so_when_no_process_runs() -> None:
    pid = await actors.spawn(forever)

    def drive(verb: Any) -> None:
        verb().send(None)

    for function in (
        actors.self_pid,
        actors.inbox,
        actors.events,
        actors.get_options,
        actors.set_options,
        actors.now,
        actors.uuid4,
        lambda: actors.listen("topic"),
        lambda: actors.unlisten(actors.Channel()),
        lambda: actors.after("1s"),
        lambda: actors.every("1s"),
        lambda: actors.random_bytes(1),
        lambda: actors.start_soon(forever),
        lambda: drive(lambda: actors.send(pid, "topic")),
        lambda: drive(lambda: actors.spawn(forever)),
        lambda: drive(lambda: actors.spawn_monitored(forever)),
        lambda: drive(lambda: actors.spawn_linked(forever)),
        lambda: drive(lambda: actors.execute(forever)),
        lambda: drive(lambda: actors.call(pid, "topic")),
        lambda: drive(lambda: actors.reply(actors.Message("topic"))),
        lambda: drive(lambda: actors.monitor(pid)),
        lambda: drive(lambda: actors.unmonitor(pid)),
        lambda: drive(lambda: actors.link(pid)),
        lambda: drive(lambda: actors.unlink(pid)),
        lambda: drive(lambda: actors.terminate(pid)),
        lambda: drive(lambda: actors.cancel(pid)),
        lambda: drive(lambda: actors.upgrade()),
        lambda: drive(lambda: actors.sleep("1s")),
        lambda: drive(lambda: actors.describe(pid)),
        lambda: drive(lambda: actors.names.register("name")),
        lambda: drive(lambda: actors.names.lookup("name")),
        lambda: drive(lambda: actors.groups.join("group")),
        lambda: drive(lambda: actors.funcs.call("app:function")),
        lambda: actors.funcs.start("app:function"),
    ):
        with pytest.raises(actors.Error, match="needs a running process") as caught:
            outside_of_a_process(function)
        assert caught.value.kind == actors.CONFLICT


@on_every_host
async def test_process_that_has_ended_can_use_no_verb_any_more() -> None:
    processes: list[actors.Process] = []

    async def child() -> None:
        processes.append(me())

    await exit_of(child)
    token = actors.current_process.set(processes[0])
    try:
        with pytest.raises(actors.Error, match="has ended"):
            actors.start_soon(crash)
    finally:
        actors.current_process.reset(token)
