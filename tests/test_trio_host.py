"""What only the trio host promises: any trio call works in a process (semantics 3, 6, 15, 25)."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing

import actors
from actors import Channel, Node, select
from tests.hosts import NodeHost, echo, exit_of, forever, me, next_exit, settle


def in_a_process(body: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test as a process of a node."""

    @functools.wraps(body)
    def test() -> None:
        NodeHost("trio").run(body)

    return test


async def in_nursery(*functions: Callable[[], Awaitable[Any]]) -> None:
    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


# Trio in a process


@in_a_process
async def test_nurseries_scopes_and_timeouts_of_trio_work_in_a_process() -> None:
    done: list[Any] = []

    async def task(number: int) -> None:
        await trio.sleep(number)
        done.append(number)

    await in_nursery(*(functools.partial(task, number) for number in (2, 1)))
    with trio.move_on_after(1) as scope:
        await actors.inbox().receive()
    assert scope.cancelled_caught
    with pytest.raises(trio.TooSlowError):
        with trio.fail_after(1):
            await actors.sleep("1h")
    assert done == [1, 2]


@in_a_process
async def test_trio_tasks_of_a_process_act_as_the_process() -> None:
    seen: list[Any] = []

    async def task() -> None:
        seen.append(actors.self_pid())
        seen.append((await actors.inbox().receive()).payload)

    await actors.send(actors.self_pid(), "topic", 1)
    await in_nursery(task)
    assert seen == [actors.self_pid(), 1]


@in_a_process
async def test_channels_are_cancelled_by_scopes_of_trio_without_losing_a_value() -> None:
    channel = Channel[int]()
    for wait in (channel.receive, lambda: channel.send(1), lambda: select(channel, Channel[int]())):
        with trio.move_on_after(1) as scope:
            await wait()
        assert scope.cancelled_caught
    assert (await select(channel, channel.sending(1), default=True)).channel is None


@in_a_process
async def test_busy_receiver_and_sender_stay_cancellable() -> None:
    channel = Channel[int](1)
    count = 0
    with trio.CancelScope() as scope:
        while True:
            await channel.send(1)
            await channel.receive()
            count += 1
            if count == 10:
                scope.cancel()
    assert count < 1000
    with trio.CancelScope() as scope:
        scope.cancel()
        while True:
            await actors.send(actors.self_pid(), "topic")
    assert scope.cancelled_caught


@in_a_process
async def test_process_is_terminated_in_any_wait_of_trio() -> None:
    async def waits_in_nursery() -> None:
        await in_nursery(forever, trio.sleep_forever)

    async def waits_for_event() -> None:
        await trio.Event().wait()

    for function in (trio.sleep_forever, waits_in_nursery, waits_for_event):
        pid = await actors.spawn_monitored(function)
        await settle()
        await actors.terminate(pid)
        assert (await next_exit()).reason == "terminated"


@in_a_process
async def test_cancelled_process_that_fails_while_it_unwinds_ends_with_its_error() -> None:
    async def fails() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while unwinding")

    async def child() -> None:
        await in_nursery(fails, trio.sleep_forever)

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid)
    event = await next_exit()
    assert event.reason == "error"
    assert event.result.error is not None
    assert event.result.error.message == "ValueError: while unwinding"


@in_a_process
async def test_error_in_a_nursery_is_the_error_of_the_process() -> None:
    async def fails() -> None:
        raise actors.Error("in a nursery", kind=actors.CONFLICT)

    async def child() -> None:
        await in_nursery(trio.sleep_forever, fails)

    event = await exit_of(child)
    assert event.result.error is not None
    assert (event.result.error.message, event.result.error.kind) == ("in a nursery", actors.CONFLICT)


@in_a_process
async def test_several_errors_in_a_nursery_are_all_in_the_error_of_the_process() -> None:
    async def fails(number: int) -> None:
        raise ValueError(number)

    async def child() -> None:
        await in_nursery(functools.partial(fails, 1), functools.partial(fails, 2))

    event = await exit_of(child)
    assert event.result.error is not None
    cause = event.result.error.__cause__
    assert isinstance(cause, ExceptionGroup)
    assert len(cause.exceptions) == 2


@in_a_process
async def test_scope_of_a_process_does_not_cancel_what_it_spawned() -> None:
    with trio.CancelScope() as scope:
        pid = await actors.spawn(echo)
        scope.cancel()
        await trio.lowlevel.checkpoint()
    assert await actors.call(pid, "question", 1) == 1


# Upgrade from inside of trio (semantics 6)


async def upgraded() -> str:
    return "upgraded"


@in_a_process
async def test_upgrade_works_from_a_nursery_and_from_a_task_in_a_nursery() -> None:
    log: list[str] = []

    async def unwinds() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("unwound")

    async def upgrades() -> None:
        await settle()
        await actors.upgrade(upgraded)

    async def from_the_block() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(unwinds)
            await settle()
            await actors.upgrade(upgraded)

    async def from_a_task_of_the_nursery() -> None:
        await in_nursery(unwinds, upgrades)

    async def from_a_task_of_the_process() -> None:
        actors.start_soon(upgrades)
        await in_nursery(unwinds)

    for function in (from_the_block, from_a_task_of_the_nursery, from_a_task_of_the_process):
        assert await actors.execute(function) == "upgraded"
    assert log == ["unwound"] * 3


@in_a_process
async def test_error_beside_an_upgrade_in_a_nursery_is_not_lost() -> None:
    async def fails() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while unwinding")

    async def child() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails)
            await settle()
            await actors.upgrade(upgraded)

    event = await exit_of(child)
    assert event.reason == "error"


@in_a_process
async def test_catching_exceptions_does_not_stop_an_upgrade() -> None:
    async def child() -> None:
        try:
            await actors.upgrade(upgraded)
        except Exception as error:
            raise AssertionError("caught") from error

    assert await actors.execute(child) == "upgraded"


# Tasks that outlive their process


def test_task_that_outlives_its_process_is_told_so() -> None:
    errors: list[str] = []

    async def outlives() -> None:
        await trio.sleep(1)
        for verb in (
            lambda: actors.send("nobody", "topic"),
            lambda: actors.spawn(forever),
            lambda: actors.sleep("1s"),
            lambda: actors.names.register("name"),
        ):
            with pytest.raises(actors.Error, match="has ended") as caught:
                await verb()
            errors.append(caught.value.kind)
        with pytest.raises(actors.Error, match="has ended"):
            actors.start_soon(forever)

    async def main() -> None:
        async with trio.open_nursery() as nursery, Node() as node:

            async def child() -> None:
                nursery.start_soon(outlives)

            await node.execute(child)
            await trio.sleep(2)
            assert node.statistics().processes == 0

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert errors == [actors.CONFLICT] * 4


# Time


@in_a_process
async def test_nearer_timer_that_is_set_later_fires_first() -> None:
    order: list[str] = []
    me().scheduler.call_later(10, lambda: order.append("late"))
    await actors.sleep("1s")
    me().scheduler.call_later(1, lambda: order.append("early"))
    await actors.sleep("5s")
    assert order == ["early"]
    await actors.sleep("5s")
    assert order == ["early", "late"]


@in_a_process
async def test_timer_that_sets_a_timer_of_no_time_does_not_stop_the_others() -> None:
    ran: list[int] = []
    scheduler = me().scheduler

    def again() -> None:
        ran.append(1)
        if len(ran) < 100:
            scheduler.call_later(0, again)

    scheduler.call_later(0, again)
    await actors.sleep("1s")
    assert len(ran) == 100


@in_a_process
async def test_cancelled_timer_does_not_fire() -> None:
    ran: list[int] = []
    timer = me().scheduler.call_later(1, lambda: ran.append(1))
    timer.cancel()
    timer.cancel()
    await actors.sleep("2s")
    assert ran == []


# Looking in


@in_a_process
async def test_describe_shows_where_each_task_of_a_process_waits() -> None:
    async def waits_in_a_task() -> None:
        await trio.sleep_forever()

    async def waits() -> None:
        actors.start_soon(waits_in_a_task)
        await actors.inbox().receive()

    pid = await actors.spawn(waits)
    assert (await actors.describe(pid)).waits == ((),)
    await settle()
    main, task = (await actors.describe(pid)).waits
    assert main[0].startswith("test_trio_host.py:")
    assert main[0].endswith(" waits")
    assert len(main) > 1
    assert task[0].endswith(" waits_in_a_task")


# Threads: by the real clock, because a mocked one jumps while a thread is at work


def test_process_can_use_threads_and_act_from_them() -> None:
    async def main() -> Any:
        pid = await actors.spawn(echo)

        def blocks() -> Any:
            trio.from_thread.run(actors.send, actors.self_pid(), "from a thread", 1)
            return trio.from_thread.run(functools.partial(actors.call, pid, "question", 2))

        return await trio.to_thread.run_sync(blocks), (await actors.inbox().receive()).payload

    assert actors.run(main) == (2, 1)
