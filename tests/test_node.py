"""The node: entering and leaving, its verbs for code outside any process, several nodes, Ctrl-C (semantics 24, 27)."""

from __future__ import annotations

import functools
import logging
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

import actors
from actors import PID, Channel, Error, Node, select
from tests.hosts import crash, echo, forever


def in_trio(function: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test by a clock that jumps ahead whenever nothing can run."""

    def test() -> None:
        trio.run(function, clock=MockClock(autojump_threshold=0))

    test.__name__ = function.__name__
    test.__doc__ = function.__doc__
    return test


def in_trio_with(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """As `in_trio`, for a test with arguments."""

    @functools.wraps(function)
    def test(*args: Any, **kwargs: Any) -> None:
        trio.run(functools.partial(function, *args, **kwargs), clock=MockClock(autojump_threshold=0))

    return test


async def value(result: Any = 1) -> Any:
    return result


async def lingers(log: list[str], duration: str = "1s") -> None:
    """Take a while to stop."""
    try:
        await forever()
    finally:
        with actors.shield():
            await actors.sleep(duration)
        log.append("lingered")


async def stubborn(log: list[str]) -> None:
    """Read events, and stop for none."""
    try:
        async for event in actors.events():
            log.append(event.kind)  # noqa: PERF401 - looked at while it goes on
    finally:
        log.append("ended")


# Entering and leaving (semantics 27)


@in_trio
async def test_leaving_cancels_every_process_and_waits_for_its_end() -> None:
    log: list[str] = []

    async def reads_events() -> None:
        event = await actors.events().receive()
        assert isinstance(event, actors.Cancel)
        await actors.sleep("1s")
        log.append(event.reason)

    async with Node() as node:
        await node.spawn(reads_events)
        await node.spawn(lingers, log)
        await node.spawn(forever)
        await wait_all_tasks_blocked()
    assert log.count("shutdown") == log.count("lingered") == 1
    assert list(node.processes()) == []
    assert node.statistics().exits == {"normal": 1, "shutdown": 2}


@in_trio
async def test_processes_that_do_not_stop_in_time_are_terminated() -> None:
    for timeout, expected in (("2s", 2), ("0s", 0)):
        log: list[str] = []
        async with Node(shutdown_timeout=timeout) as node:
            await node.spawn(stubborn, log)
            await wait_all_tasks_blocked()
            before = trio.current_time()
        assert log[-1] == "ended"
        assert trio.current_time() - before == pytest.approx(expected)
        assert node.statistics().exits == {"terminated": 1}


@in_trio
async def test_shutdown_takes_no_longer_than_the_processes_do() -> None:
    async with Node(shutdown_timeout="1h") as node:
        await node.spawn(forever)
        before = trio.current_time()
    assert trio.current_time() == before


@in_trio
async def test_node_waits_for_a_process_that_shields_its_end() -> None:
    log: list[str] = []
    async with Node(shutdown_timeout="1s") as node:
        await node.spawn(lingers, log, "1h")
        await wait_all_tasks_blocked()
    assert log == ["lingered"]


@in_trio
async def test_closing_node_starts_no_more_processes() -> None:
    errors: list[str] = []

    async def respawns() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                try:
                    await actors.spawn(forever)
                except actors.Error as error:
                    errors.append(error.kind)

    async with Node() as node:
        spawner = node.spawner()
        await node.spawn(respawns)
        await wait_all_tasks_blocked()
    assert errors == [actors.CONFLICT]
    with pytest.raises(actors.Error, match="closing"):
        await spawner.spawn(forever)


async def fails_in_a_node(log: list[str], duration: str) -> None:
    async with Node() as node:
        await node.spawn(lingers, log, duration)
        await wait_all_tasks_blocked()
        raise ValueError("of the block")


@in_trio
async def test_error_of_the_block_comes_out_as_it_is_after_the_processes_have_stopped() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="of the block"):
        await fails_in_a_node(log, "1s")
    assert log == ["lingered"]


@in_trio
async def test_error_of_the_block_is_not_lost_when_the_program_is_cancelled_meanwhile() -> None:
    log: list[str] = []
    with trio.move_on_after(1), pytest.raises(ValueError, match="of the block"):
        await fails_in_a_node(log, "3s")
    assert log == ["lingered"]


@in_trio
async def test_crash_of_a_process_does_not_disturb_the_node() -> None:
    async with Node() as node:
        for _ in range(3):
            await node.spawn(crash)
        await wait_all_tasks_blocked()
        assert await node.execute(value) == 1


@in_trio
async def test_cancel_scope_around_the_node_ends_it_with_all_processes() -> None:
    log: list[str] = []

    async def unwinds() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("unwound")

    with trio.move_on_after(1) as scope:
        async with Node(shutdown_timeout="1h") as node:
            await node.spawn(unwinds)
            await node.spawn(forever)
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert log == ["unwound"]
    assert list(node.processes()) == []
    assert set(node.statistics().exits) == {"terminated"}


@in_trio
async def test_cancel_scope_inside_the_block_leaves_the_processes_alone() -> None:
    async with Node() as node:
        pid = await node.spawn(echo)
        with trio.move_on_after(1):
            await trio.sleep_forever()
        assert await node.call(pid, "question", 1) == 1


@in_trio
async def test_cancelled_node_reports_no_process_as_crashed() -> None:
    async def with_tasks() -> None:
        actors.start_soon(forever)
        actors.start_soon(trio.sleep_forever)
        await forever()

    with trio.move_on_after(1):
        async with Node() as node:
            await node.spawn(with_tasks)
            await trio.sleep_forever()
    assert node.statistics().exits == {"terminated": 1}


@in_trio
async def test_node_can_be_entered_once() -> None:
    node = Node("web")
    with pytest.raises(actors.Error, match="new"):
        await node.send("nobody", "topic")
    async with node:
        with pytest.raises(actors.Error, match="entered before"):
            await node.__aenter__()
        assert await node.execute(value) == 1
    with pytest.raises(actors.Error, match="entered before"):
        await node.__aenter__()
    pid = PID(node.name, "trio", "1")
    for verb in (
        lambda: node.spawn(value),
        lambda: node.execute(value),
        lambda: node.send(pid, "topic"),
        lambda: node.call(pid, "topic"),
        lambda: node.terminate(pid),
        lambda: node.cancel(pid),
        lambda: node.describe(pid),
    ):
        with pytest.raises(actors.Error, match="closed") as caught:
            await verb()
        assert caught.value.kind == actors.CONFLICT


@in_trio
async def test_name_of_a_node_carries_its_incarnation() -> None:
    async with Node("web") as one, Node("web") as two:
        assert one.name != two.name
        assert one.name.startswith("web.")
        assert (await one.spawn(forever)).node == one.name


@in_trio
async def test_nothing_outlives_its_node() -> None:
    async def main() -> None:
        actors.start_soon(forever)
        actors.every("1s")
        actors.funcs.start(trio.sleep_forever)
        await actors.spawn(forever)
        await actors.spawn(forever, on="green")
        await trio.to_thread.run_sync(lambda: None)

    before = trio.lowlevel.current_statistics().tasks_living
    async with Node() as node:
        await node.execute(main)
    assert trio.lowlevel.current_statistics().tasks_living == before


# Its verbs, for code outside any process


@asynccontextmanager
async def a_node() -> AsyncIterator[tuple[Node, PID]]:
    """A node with a process that answers."""
    async with Node() as node:
        yield node, await node.spawn(echo)


@in_trio
async def test_messages_from_outside_have_no_sender() -> None:
    async def tells() -> Any:
        return (await actors.inbox().receive()).sender

    async with Node() as node:
        pid = await node.spawn(tells)
        exits: list[Any] = []

        async def waits() -> None:
            exits.append(await node.execute(watches, pid))

        async def watches(target: PID) -> Any:
            await actors.monitor(target)
            event = await actors.events().receive()
            assert isinstance(event, actors.Exit)
            return event.result.value

        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            await wait_all_tasks_blocked()
            assert await node.send(pid, "topic", 1)
        assert exits == [None]
        assert not await node.send(pid, "topic", 1)
        assert not await node.send("nobody", "topic", 1)


@in_trio
async def test_call_from_outside_is_answered_times_out_and_fails_with_its_target() -> None:
    async with a_node() as (node, pid):
        assert await node.call(pid, "question", 1) == 1
        silent = await node.spawn(forever)
        before = trio.current_time()
        with pytest.raises(actors.Error, match="no reply") as caught:
            await node.call(silent, "question", timeout="2s")
        assert (caught.value.kind, trio.current_time() - before) == (actors.TIMEOUT, 2)
        with pytest.raises(actors.Error, match="does not exist"):
            await node.call("nobody", "question")
        async with trio.open_nursery() as nursery:

            async def ends_it() -> None:
                await node.terminate(silent)

            nursery.start_soon(ends_it)
            with pytest.raises(actors.Error, match="terminated") as caught:
                await node.call(silent, "question", timeout="1h")
        assert caught.value.kind == actors.UNAVAILABLE


@in_trio
async def test_many_calls_from_outside_find_their_replies() -> None:
    async with a_node() as (node, pid):
        got: dict[int, int] = {}

        async def asks(number: int) -> None:
            got[number] = await node.call(pid, "question", number)

        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(asks, number)
        assert got == {number: number for number in range(200)}


@in_trio
async def test_execute_from_outside_returns_raises_and_cancels() -> None:
    log: list[str] = []
    async with Node() as node:
        assert await node.execute(value, 5) == 5
        with pytest.raises(actors.Error, match="on purpose"):
            await node.execute(crash)
        with trio.move_on_after(1):
            await node.execute(lingers, log)
        await wait_all_tasks_blocked()
        await trio.sleep(2)
        assert log == ["lingered"]


@in_trio
async def test_cancel_and_terminate_from_outside() -> None:
    log: list[str] = []
    async with Node() as node:
        pid = await node.spawn(stubborn, log)
        await wait_all_tasks_blocked()
        assert await node.cancel(pid, deadline="1s", reason="please")
        await trio.sleep(2)
        assert log == ["CANCEL", "ended"]
        assert not await node.cancel(pid)
        assert not await node.terminate(pid)


@in_trio
async def test_spawner_of_a_node_spawns_processes_without_a_parent() -> None:
    async def tells() -> Any:
        return actors.context.all()

    async with Node() as node:
        spawner = node.spawner("named", context={"user": "ada"}, options={"mailbox.max": 1})
        pid = await spawner.spawn(forever)
        assert node.whereis("named") == pid
        assert node.whereis("nobody") is None
        assert (await node.describe("named")).parent is None
        assert await node.send(pid, "topic")
        assert not await node.send(pid, "topic")
        assert await node.spawner(context={"user": "ada"}).execute(tells) == {"user": "ada"}


@in_trio
async def test_processes_describes_all_of_them_oldest_first() -> None:
    async with Node() as node:
        pids = [await node.spawn(forever) for _ in range(3)]
        assert [description.pid for description in node.processes()] == pids
        assert node.statistics().processes == 3


@in_trio
async def test_dead_letters_of_a_node_can_be_subscribed_to() -> None:
    async with Node() as node:
        await node.send("nobody", "before")
        subscription = node.dead_letters()
        assert subscription.count == 1
        await node.send("nobody", "after", 1)
        letter = await subscription.channel.receive()
        assert (letter.message.topic, letter.message.payload, letter.message.sender) == ("after", 1, None)


@in_trio
async def test_channels_connect_outside_code_and_processes() -> None:
    questions, answers = Channel[int](), Channel[int](1)

    async def doubles() -> None:
        async for question in questions:
            await answers.send(question * 2)

    async with Node() as node:
        await node.spawn(doubles)
        for number in range(3):
            await questions.send(number)
            picked = await select(answers, Channel[int]())
            assert picked.value == number * 2
        with trio.move_on_after(1) as scope:
            await answers.receive()
        assert scope.cancelled_caught
        questions.close()


@in_trio
async def test_trio_task_that_was_not_spawned_counts_as_outside() -> None:
    async with Node() as node:
        with pytest.raises(actors.Error, match="needs a running process"):
            actors.self_pid()

        async def task() -> None:
            with pytest.raises(actors.Error, match="needs a running process"):
                await actors.spawn(forever)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(task)
        assert node.statistics().spawned == 0


def test_channel_without_any_scheduler_says_what_it_needs() -> None:
    async def uses(channel: Channel[int]) -> None:
        await channel.send(1)

    with pytest.raises(actors.Error, match="running node") as caught:
        uses(Channel[int](1)).send(None)
    assert caught.value.kind == actors.CONFLICT
    with pytest.raises(actors.Error, match="running node"):
        actors.shield().__enter__()


# Several nodes in one program


@in_trio
async def test_processes_of_two_nodes_send_to_and_call_each_other() -> None:
    async def asks(peer: PID) -> Any:
        return await actors.call(peer, "question", 1)

    async def sends(peer: PID) -> Any:
        await actors.send(peer, "message", 1)
        return (await actors.inbox().receive()).sender

    async with Node("one") as one, Node("two") as two:
        for on in ("trio", "green"):
            server = await two.spawn(echo, on=on)
            for mine in ("trio", "green"):
                assert await one.execute(asks, server, on=mine) == 1
                assert await one.execute(sends, server, on=mine) == server
            assert await one.call(server, "question", 2) == 2
            assert await one.send(server, "message")


@in_trio
async def test_messages_of_one_process_to_another_node_arrive_in_order() -> None:
    async def sends(target: PID) -> None:
        for number in range(1000):
            await actors.send(target, f"topic {number % 3}", number)

    async def receives() -> list[int]:
        return [(await actors.inbox().receive()).payload for _ in range(1000)]

    async with Node("one") as one, Node("two") as two, trio.open_nursery() as nursery:
        target = await two.spawn(receives)
        got: list[Any] = []

        async def waits() -> None:
            got.append(await one.execute(watched, target))

        async def watched(pid: PID) -> Any:
            await actors.monitor(pid)
            event = await actors.events().receive()
            assert isinstance(event, actors.Exit)
            return event.result.value

        nursery.start_soon(waits)
        await wait_all_tasks_blocked()
        await one.execute(sends, target)
        await wait_all_tasks_blocked()
        assert got == [list(range(1000))]


@in_trio
async def test_names_and_groups_are_of_one_node() -> None:
    async def registers() -> None:
        await actors.names.register("name")
        await actors.groups.join("group")
        await forever()

    async def looks() -> list[PID]:
        with pytest.raises(actors.Error, match="not registered"):
            await actors.names.lookup("name")
        return await actors.groups.members("group")

    async with Node("one") as one, Node("two") as two:
        await one.spawn(registers)
        await wait_all_tasks_blocked()
        assert one.whereis("name") is not None
        assert await two.execute(looks) == []
        assert not await two.send("name", "topic")


@in_trio
async def test_monitors_and_links_work_across_nodes() -> None:
    async def watches(target: PID) -> tuple[str, str]:
        actors.set_options(trap_links=True)
        await actors.monitor(target)
        await actors.link(target)
        await actors.send(target, "watched")
        events = {type(event): event for event in [await actors.events().receive() for _ in range(2)]}
        exit_, down = events[actors.Exit], events[actors.LinkDown]
        assert isinstance(exit_, actors.Exit)
        assert isinstance(down, actors.LinkDown)
        return exit_.reason, down.reason

    async def fails() -> None:
        await actors.inbox().receive()
        raise ValueError

    async def linked(target: PID) -> None:
        await actors.link(target)
        await forever()

    async with Node("one") as one, Node("two") as two:
        assert await one.execute(watches, await two.spawn(fails)) == ("error", "error")
        first = await one.spawn(forever)
        second = await two.spawn(linked, first)
        third = await one.spawn(linked, second)
        await wait_all_tasks_blocked()
        assert (await one.describe(second)).links == (first, third)
        await two.terminate(first)
        await wait_all_tasks_blocked()
        assert one.statistics().exits["link_down"] == two.statistics().exits["link_down"] == 1


@in_trio
async def test_watchers_learn_that_a_node_was_left_and_find_nobody_there_afterwards() -> None:
    async def watches(target: PID) -> Any:
        await actors.monitor(target)
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        return event.reason

    reasons: list[Any] = []
    async with Node("one") as one, trio.open_nursery() as nursery:
        async with Node("two") as two:
            pid = await two.spawn(forever)

            async def waits() -> None:
                reasons.append(await one.execute(watches, pid))

            nursery.start_soon(waits)
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert reasons == ["shutdown"]
        assert await one.execute(watches, pid) == "noproc"
        assert not await one.send(pid, "topic")
        with pytest.raises(actors.Error, match="does not exist"):
            await one.call(pid, "question")


@in_trio
async def test_process_can_run_a_node_of_its_own() -> None:
    async def outer() -> Any:
        async with Node("inner") as inner:
            pid = await inner.spawn(echo)
            await actors.monitor(pid)
            answers = (
                await inner.call(pid, "q", 1),
                await actors.call(pid, "q", 2),
                await inner.execute(value, 3),
            )
        event = await actors.events().receive()
        return answers, event.kind

    async with Node("outer") as node:
        assert await node.execute(outer) == ((1, 2, 3), actors.EXIT)


@in_trio
async def test_call_that_waits_for_another_nodes_process_fails_when_its_own_node_is_left() -> None:
    caught: list[actors.Error] = []

    async def call(node: Node, pid: PID) -> None:
        try:
            await node.call(pid, "question", timeout="1h")
        except actors.Error as error:
            caught.append(error)

    async with Node("other") as other, trio.open_nursery() as nursery:
        pid = await other.spawn(forever)
        async with Node("left") as node:
            nursery.start_soon(call, node, pid)
            await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        (error,) = caught
        assert error.kind == actors.CONFLICT
        assert f"node {node.name} was left" in error.message
        assert (await other.describe(pid)).watchers == 0


# run


def test_run_returns_what_main_returns_and_stops_the_others() -> None:
    log: list[str] = []

    async def main(*args: int) -> int:
        await actors.spawn(lingers, log, "1ms")
        await trio.lowlevel.checkpoint()
        return sum(args)

    assert actors.run(main, 1, 2) == 3
    assert log in ([], ["lingered"])
    assert threading.active_count() >= 1


def test_run_raises_what_main_raises() -> None:
    async def main() -> None:
        raise actors.Error("broken", kind=actors.CONFLICT)

    with pytest.raises(actors.Error, match="broken") as caught:
        actors.run(main)
    assert caught.value.kind == actors.CONFLICT
    with pytest.raises(actors.Error, match="ValueError: on purpose") as caught:
        actors.run(crash)
    assert isinstance(caught.value.__cause__, ValueError)


def test_run_names_its_node() -> None:
    async def main() -> str:
        return actors.self_pid().node.partition(".")[0]

    assert (actors.run(main), actors.run(main, name="web")) == ("main", "web")


@in_trio
async def test_run_inside_trio_says_what_to_use() -> None:
    with pytest.raises(actors.Error, match="Node") as caught:
        actors.run(value)
    assert caught.value.kind == actors.CONFLICT


# Ctrl-C and exit


async def raises(exception: BaseException) -> None:
    raise exception


async def spawns_what_raises(exception: BaseException, on: str) -> None:
    await actors.spawn(raises, exception, on=on)
    await forever()


async def interrupts() -> None:
    signal.raise_signal(signal.SIGINT)
    await trio.sleep(1)


async def spawns_what_interrupts() -> None:
    await actors.spawn(interrupts)
    await forever()


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), SystemExit(3)])
def test_ctrl_c_and_exit_in_main_or_in_any_process_end_the_program(exception: BaseException) -> None:
    with pytest.raises(type(exception)) as caught:
        actors.run(raises, exception)
    assert caught.value is exception
    for on in ("trio", "green"):
        with pytest.raises(type(exception)):
            actors.run(spawns_what_raises, exception, on)


def test_ctrl_c_by_signal_ends_the_program_and_unwinds_its_processes() -> None:
    for main in (interrupts, spawns_what_interrupts):
        with pytest.raises(KeyboardInterrupt):
            actors.run(main)


@in_trio
async def test_ctrl_c_in_a_process_of_a_node_ends_the_block() -> None:
    log: list[str] = []

    async def unwinds() -> None:
        try:
            await forever()
        finally:
            log.append("unwound")

    async def block() -> None:
        async with Node() as node:
            await node.spawn(unwinds)
            await wait_all_tasks_blocked()
            await node.spawn(raises, KeyboardInterrupt())
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await block()
    assert caught.group_contains(KeyboardInterrupt)
    assert log == ["unwound"]


# The crash report


@in_trio
async def test_crash_report_has_the_traceback_once() -> None:
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keep(logging.ERROR)
    logging.getLogger("everproc").addHandler(handler)
    try:
        async with Node() as node:
            pid = await node.spawn(crash, "unseen")
            await wait_all_tasks_blocked()
    finally:
        logging.getLogger("everproc").removeHandler(handler)
    (record,) = records
    text = logging.Formatter().format(record)
    for part in (str(pid), "tests.hosts:crash", "reason=error", "code outside any process"):
        assert part in text
    assert text.count("Traceback") == 1
    assert text.count("raise ValueError(message)") == 1


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of what was logged."""
    return [(record.levelname, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize("host", ["trio", "green"])
@in_trio_with
async def test_error_that_is_not_the_reason_of_an_end_is_logged(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def unwinds(text: str) -> None:
        try:
            await forever()
        finally:
            raise ValueError(text)

    async def fails_after_its_task() -> None:
        actors.start_soon(crash, "the reason")
        await unwinds("main")

    async def fails_before_its_task() -> None:
        actors.start_soon(unwinds, "task")
        await actors.sleep("1s")
        raise KeyError("the reason")

    async def main() -> None:
        events = actors.events()
        for function, args, lost, reason in (
            (unwinds, ("alone",), "alone", "terminated"),
            (fails_after_its_task, (), "main", "error"),
            (fails_before_its_task, (), "task", "error"),
        ):
            pid = await actors.spawn_monitored(function, *args, on=host)
            await actors.sleep("2s")
            await actors.terminate(pid)
            event = await events.receive()
            assert isinstance(event, actors.Exit)
            assert event.reason == reason
            (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
            assert str(pid) in record.getMessage()
            assert str(actors.self_pid()) in record.getMessage()
            assert f"ValueError: {lost}" in record.getMessage()
            assert "raise ValueError(text)" in logging.Formatter().format(record)
            caplog.clear()

    async with Node() as node:
        await node.execute(main)


@pytest.mark.parametrize("host", ["trio", "green"])
@in_trio_with
async def test_abnormal_end_that_nobody_watches_is_logged_and_a_clean_one_is_not(
    host: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "everproc")

    async def linked_to(pid: PID) -> None:
        await actors.link(pid)
        await forever()

    async with Node() as node:
        terminated, cancelled, watched = [await node.spawn(forever, on=host) for _ in range(3)]
        linked = await node.spawn(linked_to, terminated, on=host)
        await node.spawn(value, on=host)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_unavailable, node, watched)
            await wait_all_tasks_blocked()
            for pid in (terminated, watched):
                await node.terminate(pid, "enough")
        await node.cancel(cancelled, reason="please")
        await node.spawn(forever, on=host)
        await wait_all_tasks_blocked()
    by = "spawned by code outside any process"
    link_down = f"linked process {terminated} ended: terminated"
    here = "tests.test_node:test_abnormal_end_that_nobody_watches_is_logged_and_a_clean_one_is_not"
    assert sorted(told(caplog)) == sorted(
        [
            (
                "INFO",
                f"process {terminated} (tests.hosts:forever), {by}, ended with reason=terminated: terminated: enough",
            ),
            (
                "INFO",
                f"process {linked} ({here}.<locals>.linked_to), {by}, ended with reason=link_down: {link_down}",
            ),
            (
                "INFO",
                f"process {cancelled} (tests.hosts:forever), {by}, ended with reason=cancelled: cancelled: please",
            ),
        ]
    )


async def expect_unavailable(node: Node, pid: PID) -> None:
    with pytest.raises(actors.Error) as caught:
        await node.call(pid, "question")
    assert caught.value.kind == actors.UNAVAILABLE


def test_process_that_is_declared_for_activities_is_a_process_when_it_is_called_here() -> None:
    app = actors.Namespace("called_here")

    @app.process(activity=True)
    async def long_task(to: actors.PID) -> str:
        await actors.send(to, "at work", actors.self_pid())
        return str(await actors.inbox().receive())

    async def main() -> tuple[bool, str]:
        future = actors.funcs.start(long_task, actors.self_pid())
        pid = (await actors.inbox().receive()).payload
        future.cancel()
        try:
            await future.result()
        except actors.Error as error:
            await actors.sleep("0s")
            return await actors.send(pid, "x"), error.kind
        return True, "no error"

    assert actors.run(main) == (False, actors.CANCELED)


async def test_label_and_state_are_what_others_see_of_a_process_and_last_from_then_on() -> None:
    async def body() -> None:
        actors.set_options(label="till", state=lambda: {"open": True})
        actors.set_options(trap_links=True)
        with pytest.raises(Error, match="state=1"):
            actors.set_options(state=1)  # type: ignore[arg-type]
        await actors.inbox().receive()

    async with actors.Node("seen") as node:
        pid = await node.spawn(body, on="green")
        plain = await node.spawn(body, on="trio")
        await wait_all_tasks_blocked()
        assert ((await node.describe(pid)).label, node.state(pid)) == ("till", {"open": True})
        await node.terminate(plain)
        await wait_all_tasks_blocked()
        with pytest.raises(Error, match="is not on this node"):
            node.state(plain)


async def test_last_messages_are_recorded_from_when_they_are_asked_for_until_they_are_not() -> None:
    async def body() -> None:
        await actors.listen("never").receive()

    async with actors.Node("seen") as node:
        pid = await node.spawn(body)
        await node.send(pid, "a", 1)
        assert (await node.describe(pid)).recent is None
        node.record(pid, 2)
        for number in range(3):
            await node.send(pid, "b", number)
        recent = (await node.describe(pid)).recent
        assert recent is not None
        assert [message.payload for message in recent] == [1, 2]
        node.record(pid, 0)
        assert (await node.describe(pid)).recent is None
