"""The life of a process: spawn, tasks, the end, upgrade, cancel and terminate (semantics 1, 3 to 6, 25, 26)."""

from __future__ import annotations

import functools
import gc
import weakref
from typing import Any

import pytest

import actors
from actors import Cancel, Exit, kernel_of, running_process, select
from tests.hosts import clock, crash, echo, exit_of, forever, me, next_exit, on_every_host, settle

app = actors.Namespace("test_process")


@app.process
async def declared(value: int = 1) -> int:
    return value + 1


@app.function
async def a_function() -> None:
    pass


def not_async() -> None:
    pass


class Doubler:
    async def __call__(self, value: int) -> int:
        return value * 2

    async def method(self, value: int) -> int:
        return value * 3


# Spawn (semantics 1)


@on_every_host
async def test_spawn_returns_before_the_process_has_run() -> None:
    ran: list[bool] = []

    async def child() -> None:
        ran.append(True)

    pid = await actors.spawn(child)
    assert ran == []
    assert (await actors.describe(pid)).status == "running"
    await settle()
    assert ran == [True]


@on_every_host
async def test_process_gets_its_arguments_and_knows_its_own_pid() -> None:
    seen: list[Any] = []

    async def child(*args: Any) -> None:
        seen.append((actors.self_pid(), args))

    pid = await actors.spawn(child, 1, "two")
    await settle()
    assert seen == [(pid, (1, "two"))]


@on_every_host
async def test_entry_can_be_spawned_by_its_function_and_by_its_id() -> None:
    assert await actors.execute(declared, 1) == 2
    assert await actors.execute("test_process:declared", 1) == 2


@on_every_host
async def test_methods_partials_and_callable_objects_can_be_spawned() -> None:
    thing = Doubler()
    assert await actors.execute(thing, 2) == 4
    assert await actors.execute(thing.method, 2) == 6
    assert await actors.execute(functools.partial(declared, 5)) == 6
    assert await actors.execute(functools.partial(thing, 2)) == 4


@on_every_host
async def test_callable_that_is_not_known_to_give_an_awaitable_is_refused_with_what_to_write() -> None:
    channel = actors.Channel[int]()
    what_to_write = r"write `async def task\(\): return await"
    with pytest.raises(actors.Error, match=what_to_write) as caught:
        actors.start_soon(channel.receive)
    assert caught.value.kind == actors.INVALID
    with pytest.raises(actors.Error, match=what_to_write):
        await actors.spawn(channel.receive)


@on_every_host
@pytest.mark.parametrize("target", [not_async, None, 1, int, Doubler, lambda: None, b"app:x", a_function])
async def test_spawn_of_what_is_no_async_function_raises(target: Any) -> None:
    before = kernel_of(me()).statistics()
    for verb in (
        actors.spawn,
        actors.spawn_linked,
        actors.spawn_monitored,
        actors.spawn_linked_monitored,
        actors.execute,
        actors.upgrade,
    ):
        if target is None and verb is actors.upgrade:
            continue  # None stands for the code that runs already
        with pytest.raises(actors.Error, match="target=") as caught:
            await verb(target)
        assert caught.value.kind == actors.INVALID
    assert kernel_of(me()).statistics() == before


@on_every_host
async def test_spawn_by_an_unknown_entry_or_host_raises() -> None:
    for attempt in (
        lambda: actors.spawn("test_process:unknown"),
        lambda: actors.spawn("unknown"),
        lambda: actors.spawn(""),
        lambda: actors.spawn(forever, on="test_process:worker"),
        lambda: actors.spawner(on="nowhere").spawn(forever),
        lambda: actors.execute(forever, on="nowhere"),
        lambda: actors.upgrade("test_process:unknown"),
    ):
        with pytest.raises(actors.Error) as caught:
            await attempt()
        assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_arguments_that_do_not_fit_are_an_error_at_the_spawn() -> None:
    before = len(kernel_of(me()).table)
    for verb in (actors.spawn, actors.spawn_linked, actors.spawn_monitored, actors.execute):
        with pytest.raises(actors.Error, match=r"declared.*value.*too many") as caught:
            await verb(declared, 1, 2, 3)
        assert caught.value.kind == actors.INVALID
    assert len(kernel_of(me()).table) == before


# The end (semantics 3 to 5)


@on_every_host
async def test_process_that_returns_ends_normally_with_its_value() -> None:
    event = await exit_of(declared, 41)
    assert (event.reason, event.result.value, event.result.error) == ("normal", 42, None)


@on_every_host
async def test_process_that_raises_ends_with_its_error() -> None:
    async def child() -> None:
        raise actors.Error("no", kind=actors.CONFLICT, retryable=True, details={"at": 1})

    event = await exit_of(child)
    error = event.result.error
    assert error is not None
    assert (event.reason, error.message, error.kind) == ("error", "no", actors.CONFLICT)
    assert (error.retryable, dict(error.details)) == (True, {"at": 1})


@on_every_host
async def test_any_other_exception_becomes_internal_with_its_type_and_text() -> None:
    event = await exit_of(crash, "broken")
    error = event.result.error
    assert error is not None
    assert (error.kind, error.message) == (actors.INTERNAL, "ValueError: broken")
    assert isinstance(error.__cause__, ValueError)


@on_every_host
async def test_exception_that_is_no_error_ends_the_process_and_nothing_else() -> None:
    class Strange(BaseException):
        pass

    async def child() -> None:
        raise Strange("strange")

    event = await exit_of(child)
    assert event.reason == "error"
    assert event.result.error is not None
    assert event.result.error.message == "Strange: strange"


@on_every_host
async def test_execute_returns_the_value_or_raises_the_error() -> None:
    assert await actors.execute(declared) == 2
    with pytest.raises(actors.Error, match="ValueError: on purpose"):
        await actors.execute(crash)


@on_every_host
async def test_execute_raises_when_the_process_is_terminated() -> None:
    async def child() -> None:
        await actors.terminate(actors.self_pid(), "enough")

    with pytest.raises(actors.Error, match="enough") as caught:
        await actors.execute(child)
    assert caught.value.kind == actors.CANCELED


@on_every_host
async def test_cancelled_execute_cancels_its_process() -> None:
    pids: list[actors.PID] = []

    async def child() -> None:
        pids.append(actors.self_pid())
        await forever()

    async def parent() -> None:
        await actors.execute(child)

    pid = await actors.spawn(parent)
    await settle()
    await actors.monitor(pids[0])
    await actors.terminate(pid)
    assert (await next_exit()).reason == "cancelled"


@on_every_host
async def test_cancelled_execute_leaves_a_process_alone_that_ran_under_the_name_before() -> None:
    named = actors.spawner(name="named")
    pid = await named.spawn(forever)

    async def executes() -> None:
        await named.execute(forever)

    waiting = await actors.spawn_monitored(executes)
    await settle()
    await actors.terminate(waiting)
    await next_exit()
    assert (await actors.describe(pid)).status == "running"


@on_every_host
async def test_finished_process_leaves_nothing_in_the_tables() -> None:
    kernel = kernel_of(me())
    before = len(kernel.table), len(kernel.names)

    async def child() -> None:
        await actors.names.register("temporary")
        await actors.groups.join("temporary")
        actors.every("1s")
        actors.start_soon(forever)

    await exit_of(child)
    assert (len(kernel.table), len(kernel.names)) == before
    assert await actors.groups.members("temporary") == []


@on_every_host
async def test_finished_process_is_freed() -> None:
    held: list[weakref.ref[actors.Process]] = []

    async def child() -> None:
        actors.listen("topic")
        actors.every("1s")
        held.append(weakref.ref(me()))

    for _ in range(3):
        await exit_of(child)
    await settle()
    gc.collect()
    assert [reference() for reference in held] == [None] * 3


@on_every_host
async def test_dead_process_takes_no_messages() -> None:
    event = await exit_of(declared)
    assert not await actors.send(event.pid, "topic", 1)


@on_every_host
async def test_name_is_free_and_groups_are_left_when_exit_and_link_down_arrive() -> None:
    actors.set_options(trap_links=True)

    async def child(name: str) -> None:
        await actors.names.register(name)
        await actors.groups.join("children")
        raise ValueError

    for number in range(10):
        name = f"name {number}"
        if number % 2:
            await actors.spawn_monitored(child, name)
        else:
            await actors.spawn_linked(child, name)
        await actors.events().receive()
        await actors.names.register(name)
        assert await actors.groups.members("children") == []


# Tasks (semantics 3)


@on_every_host
async def test_tasks_are_cancelled_and_awaited_when_the_function_returns() -> None:
    log: list[str] = []

    async def task() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")
            log.append("task over")

    async def child() -> str:
        actors.start_soon(task)
        await settle()
        return "value"

    before = clock()
    event = await exit_of(child)
    assert (event.reason, event.result.value) == ("normal", "value")
    assert log == ["task over"]
    assert clock() - before >= 1


@on_every_host
async def test_error_in_a_task_ends_the_whole_process_with_it() -> None:
    log: list[str] = []

    async def child() -> None:
        actors.start_soon(crash, "in a task")
        try:
            await forever()
        finally:
            log.append("unwound")

    event = await exit_of(child)
    assert event.reason == "error"
    assert event.result.error is not None
    assert event.result.error.message == "ValueError: in a task"
    assert log == ["unwound"]


@on_every_host
async def test_error_in_a_task_that_is_being_cancelled_is_not_lost() -> None:
    async def task() -> None:
        try:
            await forever()
        finally:
            raise ValueError("while unwinding")

    async def child() -> None:
        actors.start_soon(task)
        await settle()

    event = await exit_of(child)
    assert event.reason == "error"
    assert event.result.error is not None
    assert "while unwinding" in event.result.error.message


@on_every_host
async def test_tasks_share_the_pid_and_the_mailbox_of_their_process() -> None:
    async def task(pids: list[actors.PID]) -> None:
        pids.append(actors.self_pid())
        pids.append((await actors.inbox().receive()).payload)

    pids: list[actors.PID] = []
    actors.start_soon(task, pids)
    await actors.send(actors.self_pid(), "pid", actors.self_pid())
    await settle()
    assert pids == [actors.self_pid()] * 2


@on_every_host
async def test_task_that_ends_leaves_its_process_running() -> None:
    async def task() -> int:
        return 1

    for _ in range(100):
        actors.start_soon(task)
    await settle()
    assert len((await actors.describe(actors.self_pid())).waits) == 1


@on_every_host
async def test_task_started_while_the_process_is_ending_is_cancelled() -> None:
    log: list[str] = []

    async def late() -> None:
        try:
            await forever()
        finally:
            log.append("late task unwound")

    async def child() -> None:
        try:
            await forever()
        finally:
            actors.start_soon(late)

    pid = await actors.spawn(child)
    await settle()
    await actors.monitor(pid)
    await actors.terminate(pid)
    assert (await next_exit()).reason == "terminated"
    assert log in ([], ["late task unwound"])


# Terminate (semantics 25)


@on_every_host
async def test_terminate_ends_a_process_whatever_it_does() -> None:
    async def receives() -> None:
        await actors.inbox().receive()

    async def sleeps() -> None:
        await actors.sleep("24h")

    async def selects() -> None:
        await select(actors.inbox(), actors.events(), actors.after("24h"))

    async def calls() -> None:
        await actors.call(owner, "question", timeout="24h")

    async def executes() -> None:
        await actors.execute(forever)

    async def is_busy() -> None:
        while True:
            await actors.sleep("0s")

    async def takes_turns() -> None:
        while True:
            await actors.send(actors.self_pid(), "topic")
            await actors.inbox().receive()

    owner = actors.self_pid()
    for function in (receives, sleeps, selects, calls, executes, is_busy, takes_turns):
        pid = await actors.spawn_monitored(function)
        if function not in (is_busy, takes_turns):
            await settle()
        assert await actors.terminate(pid, "enough")
        event = await next_exit()
        assert (event.pid, event.reason) == (pid, "terminated")
        assert event.result.error is not None
        assert event.result.error.message == "terminated: enough"
        assert event.result.error.kind == actors.CANCELED


@on_every_host
async def test_terminated_process_runs_its_finally_blocks_and_awaits_in_them_raise() -> None:
    log: list[str] = []

    async def child() -> None:
        try:
            await forever()
        finally:
            log.append("finally")
            try:
                await actors.sleep("1s")
                log.append("slept")
            finally:
                log.append("raised")

    pid = await actors.spawn_monitored(child)
    await settle()
    before = clock()
    await actors.terminate(pid)
    await next_exit()
    assert log == ["finally", "raised"]
    assert clock() == before


@on_every_host
async def test_shielded_cleanup_runs_to_its_end_although_the_process_is_terminated() -> None:
    log: list[Any] = []
    server = await actors.spawn(echo)

    async def child() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")
                log.append(await actors.call(server, "question", "answered"))
            log.append("left the shield")
            await actors.sleep("1s")
            log.append("slept unshielded")

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.terminate(pid)
    await actors.sleep("500ms")
    assert await actors.terminate(pid, "again, during the shield")
    event = await next_exit()
    assert event.reason == "terminated"
    assert log == ["answered", "left the shield"]


@on_every_host
async def test_every_verb_raises_in_a_process_that_is_being_ended() -> None:
    pid = await actors.spawn(forever)
    reached: list[str] = []

    async def child(verb: Any) -> None:
        kernel_of(me()).cancel_here(me(), None, "", None)
        await verb()
        reached.append("reached")

    for verb in (
        lambda: actors.send(pid, "topic"),
        lambda: actors.call(pid, "topic"),
        lambda: actors.spawn(forever),
        lambda: actors.execute(forever),
        lambda: actors.monitor(pid),
        lambda: actors.link(pid),
        lambda: actors.unlink(pid),
        lambda: actors.describe(pid),
        lambda: actors.sleep("0s"),
        lambda: actors.sleep("1s"),
        lambda: actors.upgrade(),
        lambda: actors.inbox().receive(),
        lambda: actors.Channel[int](1).send(1),
        lambda: select(default=True),
    ):
        assert (await exit_of(child, verb)).reason == "cancelled"
    assert reached == []


@on_every_host
async def test_process_can_terminate_itself() -> None:
    log: list[str] = []

    async def child() -> None:
        await actors.terminate(actors.self_pid(), "by myself")
        log.append("went on")

    event = await exit_of(child)
    assert event.reason == "terminated"
    assert log == []


@on_every_host
async def test_process_can_terminate_itself_from_a_task() -> None:
    async def task() -> None:
        await actors.terminate(actors.self_pid())

    async def child() -> None:
        actors.start_soon(task)
        await forever()

    assert (await exit_of(child)).reason == "terminated"


@on_every_host
async def test_process_terminated_before_its_first_run_does_not_run() -> None:
    ran: list[bool] = []

    async def child() -> None:
        ran.append(True)

    pid = await actors.spawn_monitored(child)
    await actors.terminate(pid)
    assert (await next_exit()).reason == "terminated"
    assert ran == []


@on_every_host
async def test_terminated_process_cannot_become_a_normal_end() -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except BaseException:  # noqa: BLE001 - it catches its own cancellation
            return "still here"
        return ""

    pid = await actors.spawn_monitored(stubborn)
    await settle()
    await actors.terminate(pid)
    event = await next_exit()
    assert (event.reason, event.result.value) == ("terminated", None)


@on_every_host
async def test_terminate_and_cancel_of_a_dead_process_return_false() -> None:
    event = await exit_of(declared)
    for dest in (event.pid, "nobody"):
        assert not await actors.terminate(dest)
        assert not await actors.cancel(dest)


@on_every_host
async def test_ten_thousand_processes_can_die_at_once() -> None:
    for _ in range(10_000):
        await actors.spawn_monitored(forever)
    before = kernel_of(me()).statistics()
    await settle()
    for process in list(kernel_of(me()).table.values()):
        if process.parent == actors.self_pid():
            await actors.terminate(process.pid)
    for _ in range(10_000):
        assert (await next_exit()).reason == "terminated"
    after = kernel_of(me()).statistics()
    assert before.processes - after.processes == 10_000
    assert after.exits["terminated"] == 10_000


# Cancel (semantics 26)


@on_every_host
async def test_process_that_reads_events_gets_cancel_as_an_event() -> None:
    seen: list[Any] = []

    async def child() -> str:
        seen.append(await actors.events().receive())
        return "stopped in order"

    pid = await actors.spawn_monitored(child)
    await settle()
    assert await actors.cancel(pid, reason="please")
    event = await next_exit()
    assert (event.reason, event.result.value) == ("normal", "stopped in order")
    assert seen == [Cancel(actors.self_pid(), "please", None)]


@on_every_host
async def test_process_that_never_opened_events_is_cancelled_at_its_next_await() -> None:
    log: list[str] = []

    async def child() -> None:
        try:
            await forever()
        finally:
            log.append("unwound")

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid, reason="please")
    event = await next_exit()
    assert event.reason == "cancelled"
    assert event.result.error is not None
    assert event.result.error.message == "cancelled: please"
    assert log == ["unwound"]


@on_every_host
async def test_cancelled_process_that_returns_ends_normally() -> None:
    async def child() -> str:
        try:
            await forever()
        except BaseException:  # noqa: BLE001 - it catches its own cancellation
            return "cleaned up"
        return ""

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid)
    event = await next_exit()
    assert (event.reason, event.result.value) == ("normal", "cleaned up")


@on_every_host
async def test_cancelled_process_that_raises_ends_with_its_error() -> None:
    async def child() -> None:
        try:
            await forever()
        finally:
            raise ValueError("cleanup failed")

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid)
    event = await next_exit()
    assert event.reason == "error"
    assert event.result.error is not None
    assert "cleanup failed" in event.result.error.message


@on_every_host
async def test_process_alive_at_the_deadline_of_a_cancel_is_terminated() -> None:
    seen: list[Any] = []

    async def child() -> None:
        async for event in actors.events():
            seen.append(event)  # noqa: PERF401 - and does not stop

    pid = await actors.spawn_monitored(child)
    await settle()
    before, now = clock(), actors.now()
    await actors.cancel(pid, deadline="2s")
    event = await next_exit()
    assert event.reason == "terminated"
    assert clock() - before == pytest.approx(2)
    (cancel,) = seen
    assert (cancel.deadline - now).total_seconds() == pytest.approx(2, abs=0.5)


@on_every_host
async def test_process_that_stops_before_the_deadline_is_not_terminated() -> None:
    async def child() -> str:
        await actors.events().receive()
        await actors.sleep("1s")
        return "in time"

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid, deadline="2s")
    event = await next_exit()
    assert (event.reason, event.result.value) == ("normal", "in time")
    await actors.sleep("10s")


@on_every_host
async def test_deadline_also_ends_a_process_that_shields_itself_from_a_cancel() -> None:
    async def child() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("10s")

    pid = await actors.spawn_monitored(child)
    await settle()
    before = clock()
    await actors.cancel(pid, deadline="2s")
    event = await next_exit()
    assert event.reason == "terminated"
    assert clock() - before == pytest.approx(10)


@on_every_host
async def test_process_can_cancel_itself() -> None:
    async def child() -> None:
        await actors.cancel(actors.self_pid())
        raise AssertionError("went on")

    assert (await exit_of(child)).reason == "cancelled"


@on_every_host
async def test_terminate_counts_more_than_a_cancel_before_it() -> None:
    async def child() -> str:
        with actors.shield():
            await actors.sleep("1s")
        return "value"

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.cancel(pid)
    await actors.terminate(pid, "now")
    event = await next_exit()
    assert event.reason == "terminated"
    assert event.result.error is not None
    assert event.result.error.message == "terminated: now"


# Upgrade (semantics 6)


@on_every_host
async def test_upgrade_keeps_pid_mailbox_monitors_links_names_and_context() -> None:
    owner = actors.self_pid()
    actors.set_options(trap_links=True)

    async def first() -> None:
        await actors.names.register("upgraded")
        await actors.groups.join("group")
        await actors.monitor(stranger)
        actors.listen("listened")
        await actors.send(owner, "ready")
        await settle()
        await actors.upgrade(second, 1, "two")

    async def second(*args: Any) -> None:
        unread = await actors.inbox().receive()
        heard = await actors.listen("listened").receive()
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        await actors.send(
            owner, "now", actors.self_pid(), args, unread.payload, heard, event.pid, actors.context.all()
        )
        raise ValueError("the end")

    stranger = await actors.spawn(forever)
    pid = await actors.spawner(context={"user": "ada"}).spawn_linked_monitored(first)
    assert (await actors.inbox().receive()).topic == "ready"
    await actors.send(pid, "unread", 1)
    await actors.send(pid, "listened", 2)
    await actors.terminate(stranger)
    message = await actors.inbox().receive()
    assert message.payload == (pid, (1, "two"), 1, 2, stranger, {"user": "ada"})
    kinds = {(await actors.events().receive()).kind for _ in range(2)}
    assert kinds == {actors.EXIT, actors.LINK_DOWN}


@on_every_host
async def test_upgrade_keeps_the_name_while_it_goes_on() -> None:
    async def first() -> None:
        await actors.names.register("upgraded")
        await actors.inbox().receive()
        await actors.upgrade(echo)

    pid = await actors.spawn(first)
    await settle()
    await actors.send(pid, "go")
    assert await actors.call("upgraded", "question", 1) == 1
    assert await actors.names.lookup("upgraded") == pid


@on_every_host
async def test_upgrade_without_a_target_starts_the_same_code_again() -> None:
    async def count(number: int = 0) -> int:
        if number < 100:
            await actors.upgrade(None, number + 1)
        return number

    assert await actors.execute(count) == 100


@on_every_host
async def test_upgrade_unwinds_the_function_and_cancels_its_tasks_first() -> None:
    log: list[str] = []

    async def task() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")
            log.append("task unwound")

    async def first() -> None:
        actors.start_soon(task)
        await settle()
        try:
            await actors.upgrade(second)
        finally:
            log.append("function unwound")

    async def second() -> list[str]:
        log.append("second runs")
        return log

    assert await actors.execute(first) == ["function unwound", "task unwound", "second runs"]


@on_every_host
async def test_upgrade_from_a_task_replaces_the_function() -> None:
    log: list[str] = []

    async def task() -> None:
        await actors.upgrade(second)

    async def first() -> None:
        actors.start_soon(task)
        try:
            await forever()
        finally:
            log.append("function unwound")

    async def second() -> str:
        log.append("second runs")
        return "second"

    assert await actors.execute(first) == "second"
    assert log == ["function unwound", "second runs"]


@on_every_host
async def test_upgrade_to_a_target_that_fails_ends_the_process_with_its_error() -> None:
    async def first(target: Any) -> None:
        await actors.upgrade(target)

    async def needs_arguments(one: int, two: int) -> None:
        pass

    event = await exit_of(first, crash)
    assert event.reason == "error"
    assert event.result.error is not None
    assert "on purpose" in event.result.error.message
    assert (await exit_of(first, needs_arguments)).reason == "error"


@on_every_host
async def test_error_while_unwinding_for_an_upgrade_is_not_lost() -> None:
    async def unwinds_badly() -> None:
        try:
            await forever()
        finally:
            raise ValueError("while unwinding")

    async def in_the_function() -> None:
        try:
            await actors.upgrade(echo)
        finally:
            raise ValueError("while unwinding")

    async def in_a_task() -> None:
        actors.start_soon(unwinds_badly)
        await settle()
        await actors.upgrade(echo)

    async def asked_by_a_task() -> None:
        async def task() -> None:
            await actors.upgrade(echo)

        actors.start_soon(task)
        await unwinds_badly()

    for function in (in_the_function, in_a_task, asked_by_a_task):
        event = await exit_of(function)
        assert event.reason == "error"
        assert event.result.error is not None
        assert "while unwinding" in event.result.error.message


@on_every_host
async def test_terminate_wins_over_an_upgrade_that_is_unwinding() -> None:
    ran: list[bool] = []

    async def first() -> None:
        try:
            await actors.upgrade(second)
        finally:
            with actors.shield():
                await actors.sleep("1s")

    async def second() -> None:
        ran.append(True)

    for verb, reason in ((actors.terminate, "terminated"), (actors.cancel, "cancelled")):
        pid = await actors.spawn_monitored(first)
        await settle()
        await verb(pid)
        assert (await next_exit()).reason == reason
    assert ran == []


@on_every_host
async def test_a_task_cannot_bring_back_a_process_whose_function_has_returned() -> None:
    async def task() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.upgrade(forever)

    async def child() -> str:
        actors.start_soon(task)
        await settle()
        return "value"

    event = await exit_of(child)
    assert (event.reason, event.result.value) == ("normal", "value")


@on_every_host
async def test_call_that_waits_for_an_upgrading_target_is_answered_by_the_new_code() -> None:
    async def first() -> None:
        await actors.sleep("1s")
        await actors.upgrade(echo)

    pid = await actors.spawn(first)
    assert await actors.call(pid, "question", "answer") == "answer"


@on_every_host
async def test_call_taken_by_the_old_code_can_be_answered_by_the_new() -> None:
    async def first() -> None:
        message = await actors.inbox().receive()
        await actors.upgrade(second, message)

    async def second(message: actors.Message) -> None:
        await actors.reply(message, "from the new code")

    pid = await actors.spawn(first)
    assert await actors.call(pid, "question") == "from the new code"


@on_every_host
async def test_timers_and_channels_made_before_an_upgrade_go_on() -> None:
    async def first() -> None:
        await actors.upgrade(second, actors.after("2s"))

    async def second(timer: actors.Channel[Any]) -> str:
        await timer.receive()
        return "in time"

    before = clock()
    assert await actors.execute(first) == "in time"
    assert clock() - before == pytest.approx(2)


@on_every_host
async def test_each_await_of_a_terminated_process_raises_not_only_the_first() -> None:
    raised: list[int] = []

    async def stubborn() -> None:
        try:
            await actors.sleep("1h")
        finally:
            for number in range(3):
                try:
                    await actors.send(actors.self_pid(), "again")
                except BaseException:
                    raised.append(number)
                    if number == 2:
                        raise

    pid = await actors.spawn_monitored(stubborn)
    await settle()
    await actors.terminate(pid)
    assert (await next_exit()).reason == "terminated"
    assert raised == [0, 1, 2]


@on_every_host
async def test_process_keeps_nothing_of_timers_that_are_over_and_of_tickers_that_were_stopped() -> None:
    for _ in range(5):
        await actors.after("1ms").receive()
        actors.every("1h").stop()
        await actors.sleep("1ms")
    assert not running_process().owned
