"""Knowing how durable processes end, and ending them, from local processes and plain code."""

from __future__ import annotations

import logging
import os
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import trio
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

import actors
from actors import CANCELED, INTERNAL, INVALID, NOT_FOUND, PID, Error, Exit, LinkDown
from temporal_bridge._client import watches as _watch
from temporal_bridge._client.temporal_host import TemporalHost
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge.devserver.program import find_temporal
from tests.bridging import Outside, Requests, next_event, next_exit, outside
from tests.eventually import eventually
from tests.outside_entries import (
    again,
    again_when_told,
    app,
    cleans_up,
    collect,
    crash,
    echo_calls,
    fail,
    fail_until,
    hello,
    link_to,
    monitor_it,
    parent_of_sleeper,
    polite,
    sleeper,
    stubborn,
    unserialisable,
    wait_for_finish,
)


async def watched_end(target: Any, *args: Any, options: dict[str, Any] | None = None) -> Exit:
    """As a process: spawn it monitored, and give its exit."""
    pid = await actors.spawner(options=options).spawn_monitored(target, *args)
    event = await next_exit()
    assert event.pid == pid
    return event


# What the exit says


async def test_w10_exit_holds_the_value(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await here.as_process(watched_end, hello, "you")
        assert (event.reason, event.result.value, event.result.error) == ("normal", {"hello": "you"}, None)


async def test_w10_w41_exit_holds_the_error_with_kind_details_and_causes(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await here.as_process(
            watched_end,
            fail,
            "CONFLICT",
            "no way",
            True,
            {"a": (1, 2), "b": datetime(2026, 1, 1, tzinfo=UTC)},
        )
        error = event.result.error
        assert event.reason == "error"
        assert (error.kind, error.message, error.retryable) == ("CONFLICT", "no way", True)
        assert error.details == {"a": (1, 2), "b": datetime(2026, 1, 1, tzinfo=UTC)}
        root = error.__cause__
        assert isinstance(root, Error)
        assert (root.kind, root.message, root.details, root.retryable) == (
            "RATE_LIMITED",
            "the root",
            {"root": 1},
            True,
        )


async def test_w10_crash_is_internal_with_type_and_text(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await here.as_process(watched_end, crash)
        error = event.result.error
        assert (event.reason, error.kind, error.message, error.retryable) == (
            "error",
            INTERNAL,
            "ValueError: a bug",
            True,
        )
        assert error.details["type"] == "ValueError"


async def test_result_that_cannot_be_serialised_is_an_error_that_says_so(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await here.as_process(watched_end, unserialisable)
        error = event.result.error
        assert (event.reason, error.kind) == ("error", INVALID)
        assert "type object cannot be serialised" in error.message


async def test_w30_execute_returns_the_value_or_raises_the_error(temporal_address: str) -> None:
    async def body() -> Any:
        return await actors.execute(hello, "inside", on="out:worker")

    async with outside(temporal_address, app) as here:
        assert await here.node.execute(hello, "outside") == {"hello": "outside"}
        assert await here.as_process(body) == {"hello": "inside"}
        with pytest.raises(Error, match="no way") as raised:
            await here.node.execute(fail, "NOT_FOUND", "no way")
        assert (raised.value.kind, raised.value.retryable) == (NOT_FOUND, False)


async def test_w30_cancelled_execute_leaves_the_durable_process_alone(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = PID("default", "temporal", here.new_id())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.node.spawner(name=pid.id).execute, wait_for_finish)
            await eventually(partial(is_there, here, pid))
            nursery.cancel_scope.cancel()
        assert await here.node.send(pid, "finish", 5)
        assert await here.portal.call(here.handle(pid).result) == 5


async def test_continue_as_new_and_retries_are_followed_to_the_end(temporal_address: str) -> None:
    retry = {"temporal.workflow.retry_policy": {"initial_interval": 10}}
    async with outside(temporal_address, app) as here:
        assert (await here.as_process(watched_end, again, 5)).result.value == 7
        assert (await here.as_process(partial(watched_end, options=retry), fail_until, 3)).result.value == 3
        assert await here.node.execute(again, 3) == 7


# Monitors


async def test_w31_monitor_after_the_start_and_of_a_closed_process(temporal_address: str) -> None:
    async def body() -> list[Any]:
        pid = await actors.spawn(wait_for_finish)
        first = await actors.monitor(pid)
        second = await actors.monitor(pid)
        await actors.send(pid, "finish", "x")
        events = [await next_exit(), await next_exit()]
        assert {event.ref for event in events} == {first, second}
        await actors.monitor(pid)
        events.append(await next_exit())
        return [(event.reason, event.result.value) for event in events]

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == [("normal", "x")] * 3


async def test_w31_monitor_of_nothing_is_noproc(temporal_address: str) -> None:
    async def body(pid: PID) -> Any:
        await actors.monitor(pid)
        event = await next_exit()
        assert event.result.error is not None
        return event.pid == pid, event.reason, event.result.error.kind

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, PID("default", "temporal", "nobody")) == (
            True,
            "noproc",
            NOT_FOUND,
        )


async def test_w31_monitor_means_the_process_of_now_and_not_a_later_one_of_its_id(
    temporal_address: str,
) -> None:
    async def body(name: str) -> Any:
        named = actors.spawner(name=name)
        pid = await named.spawn(wait_for_finish)
        await actors.send(pid, "finish", 1)
        await actors.monitor(pid)
        assert (await next_exit()).result.value == 1
        await named.spawn(wait_for_finish)
        await actors.monitor(pid)
        await actors.send(pid, "finish", 2)
        return (await next_exit()).result.value

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, here.new_id()) == 2


async def test_w34_nothing_comes_after_unmonitor(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn(wait_for_finish)
        ref = await actors.monitor(pid)
        await actors.monitor(pid)
        await actors.unmonitor(ref)
        await actors.unmonitor(pid)
        kept = await actors.spawn(wait_for_finish)
        await actors.monitor(kept)
        await actors.send(pid, "finish")
        await actors.monitor(pid)
        assert (await next_exit()).pid == pid
        await actors.send(kept, "finish")
        event = await next_exit()
        return event.pid == kept, (await actors.select(actors.events(), default=True)).channel

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == (True, None)


async def test_monitor_by_a_durable_process_of_a_local_one(temporal_address: str) -> None:
    async def watched() -> str:
        await actors.listen("go").receive()
        return "the value"

    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(watched, on="trio")
        watcher = await here.node.spawn(monitor_it, pid)
        while not (await here.node.describe(pid)).watchers:  # noqa: ASYNC110
            await trio.sleep(0.01)
        await here.node.send(pid, "go")
        found = await here.portal.call(here.handle(watcher).result)
        assert found == [pid, "normal", "the value", None]


# Links


async def test_w32_linked_process_that_is_terminated_comes_as_link_down(temporal_address: str) -> None:
    async def body() -> Any:
        actors.set_options(trap_links=True)
        pid = await actors.spawn(sleeper)
        await actors.link(pid)
        await actors.terminate(pid, "why not")
        event = await next_event()
        assert isinstance(event, LinkDown)
        assert event.result.error is not None
        return event.pid == pid, event.reason, event.result.error.kind

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == (True, "terminated", CANCELED)


async def test_w32_link_after_a_normal_end_has_no_effect(temporal_address: str) -> None:
    async def body() -> Any:
        actors.set_options(trap_links=True)
        pid = await actors.spawn_linked(wait_for_finish)
        await actors.monitor(pid)
        await actors.send(pid, "finish")
        event = await next_event()
        return type(event).__name__, (await actors.select(actors.events(), default=True)).channel

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("Exit", None)


async def test_w32_link_to_a_dead_or_missing_process_acts_as_noproc(temporal_address: str) -> None:
    async def body(here: Outside) -> Any:
        actors.set_options(trap_links=True)
        pid = await actors.spawn_monitored(hello)
        await next_exit()
        await actors.link(pid)
        dead = await next_event()
        await actors.link(PID("default", "temporal", here.new_id()))
        missing = await next_event()
        assert isinstance(dead, LinkDown)
        assert isinstance(missing, LinkDown)
        return dead.pid == pid, dead.reason, missing.reason

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, here) == (True, "noproc", "noproc")


async def test_w33_failure_of_a_durable_process_ends_the_linked_local_one(temporal_address: str) -> None:
    async def linked() -> None:
        await actors.spawn_linked(fail, "CONFLICT", "no way")
        await actors.sleep("1h")

    async def body() -> Any:
        await actors.spawn_monitored(linked)
        event = await next_exit()
        assert event.result.error is not None
        return event.reason, event.result.error.kind

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("link_down", "CONFLICT")


@pytest.mark.parametrize("trap", [False, True])
async def test_w33_death_of_a_local_process_reaches_the_linked_durable_one(
    temporal_address: str, trap: bool
) -> None:
    async def linked() -> None:
        await actors.listen("linked").receive()
        raise Error("local failure", kind="CONFLICT")

    async def body() -> Any:
        local = await actors.spawn(linked)
        durable = await actors.spawn_monitored(link_to, local, trap)
        event = await next_exit()
        assert event.pid == durable
        if trap:
            return event.result.value == [local, "error"]
        assert event.result.error is not None
        return event.reason == "link_down" and event.result.error.kind == "CONFLICT"

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body)


async def test_w33_local_process_links_and_dies(temporal_address: str) -> None:
    async def linked(durable: PID) -> None:
        await actors.link(durable)
        raise Error("local failure", kind="CONFLICT")

    async def body() -> Any:
        durable = await actors.spawn_monitored(sleeper)
        await actors.spawn(linked, durable)
        return (await next_exit()).reason

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == "link_down"


async def test_w34_unlinked_processes_do_not_hear_of_each_other(temporal_address: str) -> None:
    async def linked(durable: PID) -> None:
        await actors.link(durable)
        await actors.unlink(durable)
        raise Error("local failure")

    async def body() -> Any:
        actors.set_options(trap_links=True)
        durable = await actors.spawn(wait_for_finish)
        await actors.link(durable)
        await actors.unlink(durable)
        other = await actors.spawn_monitored(linked, durable)
        assert (await next_exit()).pid == other
        await actors.monitor(durable)
        await actors.send(durable, "finish", "alive")
        event = await next_exit()
        again = await actors.spawn(sleeper)
        await actors.link(again)
        await actors.unlink(again)
        await actors.monitor(again)
        await actors.terminate(again)
        return event.result.value, type(await next_event()).__name__

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("alive", "Exit")


# Ending


async def test_w35_terminate_is_forced_and_says_why(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn_monitored(stubborn)
        assert await actors.terminate(pid, "enough")
        event = await next_exit()
        assert event.result.error is not None
        assert not await actors.terminate(pid)
        return event.reason, event.result.error.kind, event.result.error.message

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("terminated", CANCELED, "terminated: enough")
        assert not await here.node.terminate(PID("default", "temporal", here.new_id()))


async def test_w36_cancel_is_an_event_with_reason_sender_and_deadline(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn_monitored(polite)
        assert await actors.cancel(pid, "5s", "closing time")
        event = await next_exit()
        return event.reason, event.result.value, actors.self_pid()

    async with outside(temporal_address, app) as here:
        reason, (why, by, due), me = await here.as_process(body)
        assert (reason, why, by) == ("normal", "closing time", me)
        assert 4 < due <= 5


async def test_w36_deadline_terminates_who_does_not_stop(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn_monitored(stubborn)
        await actors.cancel(pid, "100ms")
        event = await next_exit()
        assert event.result.error is not None
        assert "did not stop within" in event.result.error.message
        return event.reason, event.result.error.kind

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("terminated", CANCELED)


async def test_w36_process_that_reads_no_events_is_cancelled_at_its_next_await(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn_monitored(cleans_up, actors.self_pid())
        await actors.cancel(pid, reason="now")
        event = await next_exit()
        assert event.result.error is not None
        return event.reason, event.result.error.kind, (await actors.inbox().receive()).topic

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("cancelled", CANCELED, "cleaned")


@pytest.mark.parametrize("polls", [64, 0], ids=["poll", "feed"])
async def test_process_that_is_shut_down_closes_as_cancelled_and_whoever_watches_it_knows_better(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch, polls: int
) -> None:
    """After an upgrade too, and when its id has gone to another."""
    monkeypatch.setattr(_watch, "MOST_POLLS", polls)

    async def body(here: Outside, name: str) -> Any:
        spawner = actors.spawner(name=name)
        pid = await spawner.spawn_monitored(again_when_told, 1)
        first = (await here.describe(pid)).run_id
        await actors.send(pid, "next")

        async def has_upgraded() -> bool:
            return (await here.describe(pid)).run_id != first

        await eventually(has_upgraded)
        await actors.cancel(pid, reason="shutdown")
        ends = [await next_exit()]
        closed = await here.describe(pid)
        await actors.monitor(pid)
        ends.append(await next_exit())
        await spawner.spawn(again_when_told, 0)
        host = here.node.kernel.wiring.routes[DURABLE]
        assert isinstance(host, TemporalHost)
        later: actors.Queue[Exit] = actors.Queue()
        await host.watches.watch(pid, actors.MonitorRef(pid, 0), later.put, first)
        ends.append(await later.receive())
        await actors.terminate(pid)
        return closed.status, [(end.reason, end.result.error) for end in ends]

    async with outside(temporal_address, app) as here:
        status, ends = await here.as_process(partial(body, here, here.new_id()))
        assert status is WorkflowExecutionStatus.CANCELED
        for reason, error in ends:
            assert (reason, error.kind, error.message) == ("shutdown", CANCELED, "cancelled: shutdown")
            assert error.details == {"reason": "shutdown"}


@pytest.mark.parametrize("memo", ["stopped", {"everproc": 1}, {"everproc": 1, "kind": "ODD", "message": 5}])
async def test_memo_of_a_stranger_is_not_taken_for_the_end_of_a_process(
    temporal_address: str, memo: Any
) -> None:
    async def body() -> Any:
        options = {"temporal.workflow.memo": {"everproc_end": memo}}
        pid = await actors.spawner(options=options).spawn_monitored(sleeper)
        await actors.cancel(pid)
        return (await next_exit()).reason

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == "cancelled"


async def test_durable_parent_of_a_process_that_is_shut_down_knows_why_it_ended(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        child = here.new_id()
        parent = await here.node.spawn(parent_of_sleeper, child)

        async def is_shut_down() -> bool:
            found: bool = await here.node.execute(shut_down, PID("default", DURABLE, child), on="trio")
            return found

        await eventually(is_shut_down)
        assert await here.portal.call(here.handle(parent).result) == ["shutdown", "cancelled: shutdown"]


async def shut_down(pid: PID) -> bool:
    return await actors.cancel(pid, reason="shutdown")


async def test_w36_cancel_of_nothing_is_false(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        nobody = PID("default", "temporal", here.new_id())
        assert not await here.node.cancel(nobody)
        assert not await here.node.cancel(nobody, "5s")


async def command(*args: str, address: str) -> None:
    """The `temporal` command, as a stranger uses it."""
    await trio.run_process(
        [
            await find_temporal(),
            "workflow",
            *args,
            "--address",
            address,
            "--namespace",
            "default",
            "--disable-config-file",
        ],
        capture_stdout=True,
        capture_stderr=True,
        env={**os.environ, "HOME": "/nonexistent"},
    )


async def test_w36_cancel_from_the_command_line_is_the_same_event(temporal_address: str) -> None:
    async def body() -> Any:
        pid = await actors.spawn_monitored(polite)
        await command("cancel", "--workflow-id", pid.id, address=temporal_address)
        return (await next_exit()).result.value

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ["", None, None]


async def test_signals_from_the_command_line_are_messages(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(collect, 3)
        for number, given in enumerate(('{"x":1}', "[1,2]", '"text"')):
            await command(
                *("signal", "--workflow-id", pid.id, "--name", f"topic-{number}", "--input", given),
                address=temporal_address,
            )
        assert await here.portal.call(here.handle(pid).result) == [
            ["topic-0", {"x": 1}, None],
            ["topic-1", [1, 2], None],
            ["topic-2", "text", None],
        ]


# Looking in


async def test_describe_tells_what_the_server_and_the_process_know(temporal_address: str) -> None:
    async def body() -> Any:
        spawner = actors.spawner(context={"user_id": "u"}).with_message("a", 1).with_message("b", 2)
        pid = await spawner.spawn_linked(wait_for_finish)
        found = await actors.describe(pid)
        await actors.send(pid, "finish")
        await actors.monitor(pid)
        await next_exit()
        return found, actors.self_pid(), await actors.describe(pid)

    async with outside(temporal_address, app) as here:
        found, me, after = await here.as_process(body)
        assert (found.entry, found.status, found.parent) == ("out:wait_for_finish", "running", me)
        assert (found.mailbox, found.topics, found.links) == (2, {"finish": 0}, (me,))
        assert found.context == {"user_id": "u"}
        assert "wait_for_finish" in str(found.waits)
        assert found.details["task_queue"] == here.task_queue
        assert found.details["history_length"] >= 3
        assert (after.status, after.mailbox) == ("completed", None)
        with pytest.raises(Error) as raised:
            await here.node.describe(PID("default", "temporal", here.new_id()))
        assert raised.value.kind == NOT_FOUND


async def test_describe_of_a_process_without_a_worker_tells_what_the_server_knows(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        options = {"temporal.workflow.task_queue": here.new_id("nobody")}
        pid = await here.node.spawner(options=options).spawn(sleeper)
        found = await here.node.describe(pid)
        assert (found.entry, found.status, found.mailbox) == ("out:sleeper", "running", None)
        await here.node.terminate(pid)


async def test_calls_and_messages_between_plain_code_and_a_durable_process(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(echo_calls)
        assert await here.node.call(pid, "x", {"deep": [1, (2, 3)]}) == {"deep": [1, (2, 3)]}
        assert await here.node.send(pid, "stop")
        await here.portal.call(here.handle(pid).result)
        assert not await here.node.send(pid, "late")
        with pytest.raises(Error) as raised:
            await here.node.call(pid, "late")
        assert raised.value.kind in (NOT_FOUND, actors.UNAVAILABLE)


# The watch service


FEED = "list_workflow_executions"
POLL = "get_workflow_execution_history"


async def test_two_hundred_are_started_watched_and_ended_by_one_node(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def body(count: int) -> Any:
        pids: list[PID] = []

        async def start() -> None:
            pids.append(await actors.spawn_monitored(wait_for_finish))

        for _ in range(count):
            actors.start_soon(start)
        while len(pids) < count:
            await actors.sleep("10ms")
        # They are watched now, and nothing happens: only the feed asks, and that not for each. It may take a moment
        # until all have been looked at, and each long poll is renewed now and then.
        while True:
            requests.counts.clear()
            await requests.made(FEED, 4)
            if requests.counts.keys() == {FEED}:
                break
        ends: Counter[str] = Counter()

        async def end(number: int, pid: PID) -> None:
            if number % 2:
                await actors.terminate(pid)
            else:
                await actors.send(pid, "finish", number)

        for number, pid in enumerate(pids):
            actors.start_soon(end, number, pid)
        seen: set[PID] = set()
        for _ in range(count):
            event = await next_exit()
            seen.add(event.pid)
            ends[event.reason] += 1
        assert (await actors.select(actors.events(), default=True)).channel is None
        return ends, len(seen)

    with trio.fail_after(60):
        async with outside(temporal_address, app) as here:
            ends, seen = await here.as_process(body, 200)
            assert ends == {"normal": 100, "terminated": 100}
            assert seen == 200


async def test_feed_follows_retries_and_continue_as_new_and_reads_no_later_run(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_watch, "MOST_POLLS", 0)
    retry = {"temporal.workflow.retry_policy": {"initial_interval": 10}}

    async def body(name: str) -> Any:
        values: list[Any] = []
        pid = await actors.spawn_monitored(again_when_told, 2)
        for _ in range(3):
            await actors.send(pid, "next")
        values.append((await next_exit()).result.value)
        values.append((await watched_end(fail_until, 3, options=retry)).result.value)
        values.append((await watched_end(hello)).result.value)
        spawner = actors.spawner(
            name=name, options={"temporal.workflow.id_conflict_policy": "terminate_existing"}
        )
        await spawner.spawn_monitored(sleeper)
        later = await spawner.spawn(sleeper)
        values.append((await next_exit()).reason)
        ref = await actors.monitor(later)
        await actors.unmonitor(ref)
        await actors.terminate(later)
        return values

    async with outside(temporal_address, app) as here:
        found = await here.as_process(body, here.new_id())
        assert found == ["done", 3, {"hello": "world"}, "terminated"]


async def has_begun(here: Outside, pid: PID) -> bool:
    return len(await here.history(pid)) >= 4


async def is_there(here: Outside, pid: PID) -> bool:
    try:
        await here.node.describe(pid)
    except Error as error:
        if error.kind != NOT_FOUND:
            raise
        return False
    return True


async def is_gone(here: Outside, pid: PID) -> bool:
    return not await is_there(here, pid)


@pytest.mark.parametrize("polls", [64, 0], ids=["poll", "feed"])
async def test_reset_is_followed_and_not_taken_for_the_end(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch, polls: int
) -> None:
    monkeypatch.setattr(_watch, "MOST_POLLS", polls)
    requests = Requests(monkeypatch)

    async def reset(here: Outside, pid: PID) -> None:
        request = ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=pid.id),
            reason="try that again",
            workflow_task_finish_event_id=4,
            request_id=here.new_id(),
        )
        await here.portal.call(here.client.workflow_service.reset_workflow_execution, request)

    async def body(here: Outside) -> Any:
        actors.set_options(trap_links=True)
        pid = await actors.spawn_linked_monitored(wait_for_finish)
        await eventually(partial(has_begun, here, pid))
        await reset(here, pid)
        requests.counts.clear()
        await requests.made(POLL if polls else FEED, 1 if polls else 2)  # it has looked after the reset
        await actors.send(pid, "finish", "after")
        event = await next_event()
        assert isinstance(event, Exit)  # and not a LinkDown
        return event.reason, event.result.value

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, here) == ("normal", "after")


async def test_deleted_process_is_gone_for_its_watchers(temporal_address: str) -> None:
    async def body(here: Outside) -> Any:
        pid = await actors.spawn_monitored(wait_for_finish)
        request = DeleteWorkflowExecutionRequest(
            namespace="default", workflow_execution=WorkflowExecution(workflow_id=pid.id)
        )
        await here.portal.call(here.client.workflow_service.delete_workflow_execution, request)
        first = (await next_exit()).reason
        await eventually(partial(is_gone, here, pid))
        assert not await actors.send(pid, "finish")
        await actors.monitor(pid)
        return first, (await next_exit()).reason

    async with outside(temporal_address, app) as here:
        first, second = await here.as_process(body, here)
        assert first in ("terminated", "noproc")
        assert second == "noproc"


async def test_closed_bridge_tells_watchers_that_there_is_no_connection(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    told: list[Any] = []
    watching = trio.Event()

    async def watcher() -> None:
        await actors.spawn_monitored(sleeper)
        watching.set()
        told.append((await next_exit()).reason)

    async with actors.Node("outer") as node:
        async with outside(temporal_address, app, node=node) as here:
            pid = await here.node.spawn(watcher, on="trio")
            await watching.wait()
        while not told:  # noqa: ASYNC110
            await trio.sleep(0.01)
        assert told == ["noconnection"]
        with pytest.raises(Error):
            await node.spawn(hello)
        assert pid.node == node.name
    assert not caplog.records
