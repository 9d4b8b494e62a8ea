"""Functions called from durable processes: activities, seen from outside."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from actors import (
    CANCELED,
    CONFLICT,
    INTERNAL,
    INVALID,
    NOT_FOUND,
    TIMEOUT,
    Cancel,
    Error,
)
from actors.funcs import FunctionInfo
from temporal_bridge import Worker
from temporal_bridge._wire import signals
from temporal_bridge._worker.headers import _WorkflowOutbound
from tests import outside_entries
from tests.bridging import Outside, outside
from tests.eventually import eventually
from tests.outside_entries import (
    app,
    calls_at_once,
    cancel_function,
    catch_function,
    other,
    run_function,
    use_long_task,
)


@contextmanager
def noted() -> Generator[list[Any]]:
    """What functions note while the block lasts."""
    outside_entries.calls.clear()
    yield outside_entries.calls


async def until(calls: list[Any], entry: Any) -> None:
    while entry not in calls:  # noqa: ASYNC110
        await trio.sleep(0.01)


async def is_at_work(here: Outside, entry: str) -> None:
    """Wait for a process of an entry that has run until it waits for something."""
    while not any(any(seen.waits) for seen in here.node.processes() if seen.entry == entry):  # noqa: ASYNC110
        await trio.sleep(0.01)


async def scheduled(here: Outside, options: dict[str, Any], entry: str = "out:echo", *args: Any) -> Any:
    """Call a function with options; what the server noted about it."""
    pid = await here.node.spawn(run_function, entry, list(args), options)
    await here.portal.call(here.handle(pid).result)
    (event,) = [
        event.activity_task_scheduled_event_attributes
        for event in await here.history(pid)
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return event


# What runs where


async def test_a01_a04_a10_function_is_an_activity_named_by_its_entry(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        event = await scheduled(here, {}, "out:echo", 1, (2, 3), {"a": None})
        assert event.activity_type.name == "out:echo"
        assert event.task_queue.name == here.task_queue
        assert await here.node.execute(run_function, "out:echo", [1, (2, 3), {"a": None}]) == [
            1,
            (2, 3),
            {"a": None},
        ]


async def test_a04_call_takes_and_gives_values(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        values = [1, (2, 3), {"a": None}]
        assert await here.node.execute(run_function, "out:echo", values) == values
        assert await here.node.execute(run_function, "out:echo", []) == []


async def test_a10_name_of_the_activity_is_the_id_of_the_entry(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        assert (await scheduled(here, {}, "out:about")).activity_type.name == "out:about"
        info: FunctionInfo = await here.node.execute(run_function, "out:about", [])
        assert info.entry == "out:about"


async def test_a01_function_runs_on_the_worker_it_names(temporal_address: str) -> None:
    queue = f"q-{uuid.uuid4()}"
    second = Worker("out:second", task_queue=queue, entries=[app])
    async with outside(temporal_address, app, workers=(second,)) as here:
        assert await here.node.execute(run_function, "out:where", []) == queue


async def test_a01_function_of_a_worker_that_nobody_knows_says_what_to_do(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        kind, retryable, message, *_ = await here.node.execute(
            catch_function, "out:on_a_worker_that_is_not_known", []
        )
        assert (kind, retryable) == (NOT_FOUND, False)
        assert "worker='out:nowhere'" in message
        assert "run=False" in message


async def test_a02_local_function_is_a_local_activity(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(run_function, "out:about_local", [])
        info: FunctionInfo = await here.portal.call(here.handle(pid).result)
        assert (info.entry, info.is_local, info.workflow_id) == ("out:about_local", True, pid.id)
        history = await here.history(pid)
        assert [event for event in history if event.HasField("marker_recorded_event_attributes")]
        assert not [event for event in history if event.HasField("activity_task_scheduled_event_attributes")]


async def test_a03_plain_function_runs_in_a_thread_with_its_context(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        name = await here.node.execute(run_function, "out:thread_name", [])
        assert name == "out:thread_name"
        spawner = here.node.spawner(context={"user_id": "u-1"})
        assert await spawner.execute(run_function, "out:context_in_thread", []) == ["u-1", 1]


async def test_function_info_says_what_call_it_is(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(
            run_function, "out:about", [], {"activity.id": "the-id", "activity.heartbeat_timeout": "30s"}
        )
        info = await here.portal.call(here.handle(pid).result)
        assert info == FunctionInfo(
            entry="out:about",
            id="the-id",
            attempt=1,
            task_queue=here.task_queue,
            workflow_id=pid.id,
            is_local=False,
            heartbeat_timeout=30.0,
        )


# Options (A06)


async def test_a05_a06_a08_timeouts_are_the_servers_and_ten_minutes_the_default(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        event = await scheduled(here, {})
        assert event.start_to_close_timeout.ToTimedelta() == timedelta(minutes=10)
        event = await scheduled(
            here,
            {
                "activity.start_to_close_timeout": "30s",
                "activity.schedule_to_close_timeout": 300_000,
                "activity.schedule_to_start_timeout": timedelta(minutes=1),
                "activity.heartbeat_timeout": "10s",
                "activity.id": "charge-7",
            },
        )
        assert event.start_to_close_timeout.ToTimedelta() == timedelta(seconds=30)
        assert event.schedule_to_close_timeout.ToTimedelta() == timedelta(minutes=5)
        assert event.schedule_to_start_timeout.ToTimedelta() == timedelta(minutes=1)
        assert event.heartbeat_timeout.ToTimedelta() == timedelta(seconds=10)
        assert event.activity_id == "charge-7"


async def test_a06_task_queue_wins_over_the_worker_named(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        options = {"activity.task_queue": here.task_queue}
        assert await here.node.execute(run_function, "out:where", [], options) == here.task_queue


async def test_a06_disabled_eager_execution_sends_the_call_through_the_task_queue() -> None:
    class Spy:
        def start_activity(self, input: Any) -> bool:
            return bool(input.disable_eager_execution)

    outbound = _WorkflowOutbound(cast("Any", Spy()))

    def call() -> Any:
        return outbound.start_activity(
            cast("Any", SimpleNamespace(headers={}, disable_eager_execution=False))
        )

    assert not call()
    token = signals.eager.set(False)
    assert call()
    signals.eager.reset(token)


async def test_a07_retry_policy_is_the_servers(temporal_address: str) -> None:
    policy = {
        "initial_interval": 2000,
        "backoff_coefficient": 1.5,
        "maximum_interval": "1m",
        "maximum_attempts": 0,
        "non_retryable_error_types": ["INVALID", "PERMISSION_DENIED"],
    }
    async with outside(temporal_address, app) as here:
        found = (await scheduled(here, {"activity.retry_policy": policy})).retry_policy
        assert found.initial_interval.ToTimedelta() == timedelta(seconds=2)
        assert found.backoff_coefficient == 1.5
        assert found.maximum_interval.ToTimedelta() == timedelta(minutes=1)
        assert found.maximum_attempts == 0
        assert {"INVALID", "PERMISSION_DENIED"} <= set(found.non_retryable_error_types)


FAST = {"activity.retry_policy": {"initial_interval": 10}}


async def test_a07_failed_calls_are_retried_by_kind(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        for kind in ("UNAVAILABLE", "INTERNAL", "TIMEOUT", "RATE_LIMITED", "UNKNOWN"):
            assert await here.node.execute(run_function, "out:succeeds_at", [3, kind], FAST) == 3
        for kind in ("INVALID", "NOT_FOUND", "PERMISSION_DENIED", "CONFLICT", "ALREADY_EXISTS", "CANCELED"):
            found = await here.node.execute(catch_function, "out:succeeds_at", [3, kind], FAST)
            assert found[:3] == [kind, False, "not yet"]
        listed = {
            "activity.retry_policy": {"initial_interval": 10, "non_retryable_error_types": ["INTERNAL"]}
        }
        assert (await here.node.execute(catch_function, "out:succeeds_at", [3, "INTERNAL"], listed))[
            0
        ] == INTERNAL
        twice = {"activity.retry_policy": {"initial_interval": 10, "maximum_attempts": 2}}
        assert (await here.node.execute(catch_function, "out:succeeds_at", [3], twice))[0] == "UNAVAILABLE"


async def test_a07_word_of_the_error_wins_over_its_kind(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        with noted() as calls:
            await here.node.execute(catch_function, "out:raises", ["UNAVAILABLE", "x", False], FAST)
            assert len(calls) == 1
        with noted() as calls:
            three = {"activity.retry_policy": {"initial_interval": 10, "maximum_attempts": 3}}
            found = await here.node.execute(catch_function, "out:raises", ["INVALID", "x", True], three)
            assert len(calls) == 3
            assert found[:2] == ["INVALID", True]


@pytest.mark.parametrize(
    ("which", "entry", "options"),
    [
        ("start_to_close", "out:sleeps_for_ever", {"activity.start_to_close_timeout": "100ms"}),
        ("heartbeat", "out:sleeps_for_ever", {"activity.heartbeat_timeout": "100ms"}),
        # So long that it has started by then, or else it would be the `schedule_to_start` that the server derives.
        ("schedule_to_close", "out:sleeps_for_ever", {"activity.schedule_to_close_timeout": "2s"}),
        (
            "schedule_to_start",
            "out:echo",
            {"activity.schedule_to_start_timeout": "100ms", "activity.task_queue": "nobody-is-here"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a08_each_timeout_is_told_by_its_type(
    temporal_address: str, which: str, entry: str, options: dict[str, Any]
) -> None:
    once = {"activity.retry_policy": {"maximum_attempts": 1}, **options}
    async with outside(temporal_address, app, graceful_shutdown_timeout="10ms") as here:
        kind, retryable, message, details, _ = await here.node.execute(catch_function, entry, [], once)
        assert (kind, retryable, details["timeout_type"]) == (TIMEOUT, True, which)
        assert f"{which}_timeout" in message


# Heartbeats (A09)


async def test_a09_a_later_attempt_goes_on_where_the_heartbeat_told(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        found = await here.node.execute(run_function, "out:resumes", [], FAST)
        assert found == [["step", 3, {"at": 1}], 2]


async def test_a09_details_that_cannot_be_serialised_are_refused_at_the_heartbeat(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        kind, _, message, *_ = await here.node.execute(catch_function, "out:beats_badly", [])
        assert kind == INVALID
        assert "type object cannot be serialised" in message


# Errors


async def test_a12_a13_errors_keep_kind_message_retryable_details_and_causes(temporal_address: str) -> None:
    once = {"activity.retry_policy": {"maximum_attempts": 1}}
    async with outside(temporal_address, app) as here:
        details = {"amount": -1, "seen": (1, 2)}
        found = await here.node.execute(
            catch_function, "out:raises", ["INVALID", "amount must be positive", None, details]
        )
        assert found == ["INVALID", False, "amount must be positive", details, ["INTERNAL"]]
        found = await here.node.execute(catch_function, "out:wraps", [], once)
        assert found == [CONFLICT, False, "payment API failed: declined", {"code": 7}, ["CONFLICT"]]
        # On to the one who executes: the whole chain, once more over a border.
        with pytest.raises(Error) as raised:
            await here.node.execute(run_function, "out:raises", ["INVALID", "no", None, {"a": 1}])
        assert (raised.value.kind, raised.value.message, raised.value.details) == ("INVALID", "no", {"a": 1})
        assert isinstance(raised.value.__cause__, Error)
        assert raised.value.__cause__.message == "KeyError: 'deep'"


async def test_w41_unreliable_function_fails_its_caller_only_when_its_policy_gives_up(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        assert await here.node.execute(run_function, "out:succeeds_at", [2, "INTERNAL"], FAST) == 2
        once = {"activity.retry_policy": {"maximum_attempts": 1}}
        with pytest.raises(Error, match=r"^not yet$") as raised:
            await here.node.execute(run_function, "out:succeeds_at", [2, "INTERNAL"], once)
        assert (raised.value.kind, raised.value.retryable) == (INTERNAL, True)


async def test_a13_error_in_a_durable_process_has_kind_retryable_and_message(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        found = await here.node.execute(catch_function, "out:raises", ["NOT_FOUND", "no such order"])
        assert found[:3] == [NOT_FOUND, False, "no such order"]


async def test_a14_crash_is_internal_and_retryable(temporal_address: str) -> None:
    once = {"activity.retry_policy": {"maximum_attempts": 1}}
    async with outside(temporal_address, app) as here:
        kind, retryable, message, details, _ = await here.node.execute(catch_function, "out:breaks", [], once)
        assert (kind, retryable, message) == (INTERNAL, True, "ZeroDivisionError: a bug")
        assert details == {"type": "ZeroDivisionError"}


async def test_a14_missing_function_is_not_found_and_not_retried(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        kind, retryable, message, *_ = await here.node.execute(catch_function, "elsewhere:not_served", [])
        assert (kind, retryable) == (NOT_FOUND, False)
        assert "'elsewhere:not_served' is not served by worker='out:worker'" in message
        kind, retryable, message, *_ = await here.node.execute(catch_function, "out:never_declared", [])
        assert (kind, retryable) == (NOT_FOUND, False)
    assert {entry.id for entry in other} == {"elsewhere:not_served"}


async def test_a14_result_that_cannot_be_serialised_is_an_error_that_says_so(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        kind, retryable, message, *_ = await here.node.execute(catch_function, "out:returns_badly", [])
        assert (kind, retryable) == (INVALID, False)
        assert "type object cannot be serialised" in message


async def test_function_cannot_be_called_with_what_it_does_not_take(temporal_address: str) -> None:
    once = {"activity.retry_policy": {"maximum_attempts": 1}}
    async with outside(temporal_address, app) as here:
        kind, _, message, *_ = await here.node.execute(catch_function, "out:thread_name", [1, 2, 3], once)
        assert kind == INVALID
        assert "too many positional arguments" in message


# Cancelling (A16)


async def cancelled_call(here: Outside, options: dict[str, Any], entry: str = "out:sleeps_for_ever") -> Any:
    with noted() as calls:
        key = str(uuid.uuid4())
        pid = await here.node.spawn(cancel_function, entry, [key], options)
        await until(calls, ("started", key))
        await here.node.send(pid, "cancel")
        found = await here.portal.call(here.handle(pid).result)
        at_once = ("stopped", key) in calls
        await until(calls, ("stopped", key))
        return found, at_once


async def test_a16_cancelled_call_stops_the_function_though_it_never_heartbeats(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        found, _ = await cancelled_call(here, {})
        assert found[0] == CANCELED


async def test_a03_a16_cancelled_plain_function_learns_of_it_at_its_next_heartbeat(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        found, _ = await cancelled_call(here, {}, "out:beats_in_a_thread")
        assert found[0] == CANCELED
        with noted() as calls:
            options = {
                "activity.start_to_close_timeout": "100ms",
                "activity.retry_policy": {"maximum_attempts": 1},
            }
            await here.node.execute(catch_function, "out:beats_in_a_thread", [""], options)
            await until(calls, ("stopped", ""))
            error = calls[-2]
            assert error.kind == CANCELED
            assert "out:beats_in_a_thread is over: it was cancelled, or took too long" in error.message


async def test_a03_as_many_plain_functions_run_at_once_as_the_worker_lets(temporal_address: str) -> None:
    async with outside(temporal_address, app, max_concurrent_activities=60) as here:
        with noted():
            assert await here.node.execute(calls_at_once, "out:rings", 60) == [60] * 60


async def test_a06_a16_wait_for_cancellation_waits_for_the_function(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        found, at_once = await cancelled_call(here, {"activity.wait_for_cancellation": True})
        assert found[0] == CANCELED
        assert at_once


async def test_a16_future_of_a_process_that_ends_is_cancelled(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        with noted() as calls:
            key = str(uuid.uuid4())
            pid = await here.node.spawn(run_function, "out:sleeps_for_ever", [key])
            await until(calls, ("started", key))
            await here.node.cancel(pid)
            await until(calls, ("stopped", key))


async def test_a16_call_under_way_when_the_bridge_is_left_unwinds_without_a_word(
    temporal_address: str,
) -> None:
    with noted() as calls:
        async with outside(temporal_address, app, graceful_shutdown_timeout="10ms") as here:
            await here.node.spawn(run_function, "out:sleeps_for_ever", ["left"])
            await until(calls, ("started", "left"))
    gc.collect()  # pytest fails a test in which a coroutine raises while it is collected


# Context (A11)


async def test_a11_context_of_the_spawn_and_of_the_executor(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(context={"user_id": "u", "tenant": "t"})
        found = await spawner.execute(run_function, "out:read_context", [], {}, {"tenant": "x", "trace": 1})
        assert found == {"user_id": "u", "tenant": "x", "trace": 1}


# Process activities (A15)


async def test_a15_process_activity_has_a_pid_and_is_addressable_while_it_runs(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        context = {"user_id": "u"}
        total, seen, pid = await here.node.spawner(context=context).execute(use_long_task, 4)
        assert (total, seen) == (0 + 1 + 2 + 3, context)
        assert (pid.node, pid.host) == (here.node.name, "trio")


async def test_a15_process_activity_is_reached_by_local_processes_too(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        caller = await here.node.spawn(run_function, "out:long_task", [None, 1])
        while not (found := [seen for seen in here.node.processes() if seen.entry == "out:long_task"]):  # noqa: ASYNC110
            await trio.sleep(0.01)
        (seen,) = found
        assert seen.parent == caller
        await here.node.send(seen.pid, "number", 41)
        assert (await here.portal.call(here.handle(caller).result))[0] == 41


async def test_a15_process_activity_is_cancelled_with_its_caller(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        with noted() as calls:
            caller = await here.node.spawn(run_function, "out:long_polite", [here.node.kernel.pid])
            await is_at_work(here, "out:long_polite")
            await here.node.cancel(caller)
            while not calls:  # noqa: ASYNC110
                await trio.sleep(0.01)
            (event,) = calls
            assert isinstance(event, Cancel)
            assert event.pid == caller
            while list(here.node.processes()):  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_a15_process_activity_heartbeats_by_itself(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        options = {"activity.heartbeat_timeout": "1s", "activity.retry_policy": {"maximum_attempts": 1}}
        caller = await here.node.spawn(run_function, "out:long_task", [None, 1], options)

        async def has_beaten_for_longer_than_its_timeout() -> bool:
            for found in (await here.describe(caller)).raw_description.pending_activities:
                lived = found.last_heartbeat_time.ToDatetime() - found.last_started_time.ToDatetime()
                return lived > timedelta(seconds=2)
            return False

        await eventually(has_beaten_for_longer_than_its_timeout)
        (seen,) = here.node.processes()
        await here.node.send(seen.pid, "number", 3)
        assert (await here.portal.call(here.handle(caller).result))[0] == 3


async def test_a15_process_activity_that_ends_badly_fails_its_call(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        caller = await here.node.spawn(catch_function, "out:long_task", [None, 1])
        while not (found := list(here.node.processes())):  # noqa: ASYNC110
            await trio.sleep(0.01)
        await here.node.terminate(found[0].pid, "why not")
        kind, _, message, *_ = await here.portal.call(here.handle(caller).result)
        assert (kind, message) == (CANCELED, "terminated: why not")


async def test_a15_stopped_worker_stops_its_process_activities_within_its_grace(
    temporal_address: str,
) -> None:
    with noted() as calls:
        async with outside(temporal_address, app, graceful_shutdown_timeout="200ms") as here:
            await here.node.spawn(run_function, "out:long_polite", [here.node.kernel.pid])
            await is_at_work(here, "out:long_polite")
        (event,) = calls
        assert isinstance(event, Cancel)
        assert event.reason == "shutdown"
