"""Functions that processes call: values, errors, context, options, retries (semantics 34 to 36)."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any

import pytest
import trio
import trio.testing

import actors
from actors import funcs
from tests.hosts import clock, exit_of, forever, next_exit, on_every_host, settle

app = actors.Namespace("test_functions")


@app.function
async def add(one: int, two: int = 1) -> int:
    return one + two


@app.function(name="called-otherwise")
async def renamed() -> str:
    return "renamed"


@app.process
async def a_process() -> None:
    pass


async def fails(kind: str | None = None) -> None:
    if kind is None:
        raise ValueError("on purpose")
    raise actors.Error("on purpose", kind=kind, details={"at": 1})


async def sleeps(seconds: float = 3600) -> str:
    await trio.sleep(seconds)
    return "slept"


class Flaky:
    """Fails so many times, and notes when and with what it was called."""

    def __init__(self, failures: int, kind: str = actors.UNAVAILABLE) -> None:
        self.failures = failures
        self.kind = kind
        self.times: list[float] = []
        self.attempts: list[int] = []
        self.details: list[tuple[Any, ...]] = []

    async def __call__(self) -> str:
        self.times.append(trio.current_time())
        self.attempts.append(funcs.info().attempt)
        self.details.append(funcs.heartbeat_details())
        funcs.heartbeat("got to", len(self.times))
        if len(self.times) <= self.failures:
            raise actors.Error("flaky", kind=self.kind)
        return "at last"


def with_options(**options: Any) -> funcs.Executor:
    return funcs.Executor().with_options({f"activity.{name}": value for name, value in options.items()})


def retrying(**policy: Any) -> funcs.Executor:
    return with_options(retry_policy=policy)


# Calls


@on_every_host(needs="functions")
async def test_call_returns_the_value() -> None:
    assert await funcs.call(add, 1, 2) == 3
    assert await funcs.call("test_functions:add", 1) == 2
    assert await funcs.call("test_functions:called-otherwise") == "renamed"
    assert await funcs.call(functools.partial(add, 5), 5) == 10


@on_every_host(needs="functions")
async def test_call_of_an_unknown_function_or_a_process_raises() -> None:
    wrong: list[tuple[Any, str]] = [
        ("test_functions:unknown", actors.NOT_FOUND),
        ("", actors.NOT_FOUND),
        (a_process, actors.INVALID),
        ("test_functions:a_process", actors.INVALID),
        (1, actors.INVALID),
        (None, actors.INVALID),
    ]
    for target, kind in wrong:
        for verb in (funcs.start, funcs.Executor().start):
            with pytest.raises(actors.Error) as caught:
                verb(target)
            assert caught.value.kind == kind
        with pytest.raises(actors.Error) as caught:
            await funcs.call(target)
        assert caught.value.kind == kind


@on_every_host(needs="functions")
async def test_error_of_a_function_arrives_unchanged_and_any_other_exception_as_internal() -> None:
    with pytest.raises(actors.Error, match="on purpose") as caught:
        await funcs.call(fails, actors.CONFLICT)
    assert (caught.value.kind, dict(caught.value.details)) == (actors.CONFLICT, {"at": 1})
    with pytest.raises(actors.Error, match="ValueError: on purpose") as caught:
        await funcs.call(fails)
    assert caught.value.kind == actors.INTERNAL
    assert isinstance(caught.value.__cause__, ValueError)


@on_every_host(needs="functions")
async def test_wrong_arguments_of_a_function_are_an_error_at_the_call() -> None:
    with pytest.raises(actors.Error, match="argument") as caught:
        await funcs.call(add)
    assert caught.value.kind == actors.INVALID


@on_every_host(needs="functions")
async def test_failing_functions_disturb_nobody() -> None:
    class Strange(BaseException):
        pass

    async def strange() -> None:
        raise Strange("strange")

    async def group() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise ValueError("in a nursery")

    async def fails_when_cancelled() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            try:
                await trio.sleep_forever()
            finally:
                raise ValueError("while cancelled")

    for function, options in (
        (strange, {}),
        (group, {}),
        (fails_when_cancelled, {"start_to_close_timeout": "1s"}),
        (fails_when_cancelled, {"schedule_to_close_timeout": "1s"}),
    ):
        with pytest.raises(actors.Error):
            await with_options(**options).call(function)
    future = funcs.start(fails_when_cancelled)
    await settle()
    future.cancel()
    with pytest.raises(actors.Error):
        await future.result()
    assert await funcs.call(add, 1) == 2


@on_every_host(needs="functions")
async def test_function_runs_outside_of_any_process() -> None:
    async def asks() -> None:
        actors.self_pid()

    with pytest.raises(actors.Error, match="needs a running process"):
        await funcs.call(asks)


# Futures


@on_every_host(needs="functions")
async def test_future_gives_its_result_as_often_as_wanted() -> None:
    future = funcs.start(add, 1)
    assert not future.done
    assert [await future.result() for _ in range(3)] == [2, 2, 2]
    assert future.done
    failed = funcs.start(fails)
    for _ in range(2):
        with pytest.raises(actors.Error, match="on purpose"):
            await failed.result()


@on_every_host(needs="functions")
async def test_future_gives_its_result_to_all_who_wait() -> None:
    future = funcs.start(sleeps, 5)
    got: list[str] = []

    async def waiter() -> None:
        got.append(await future.result())

    for _ in range(3):
        actors.start_soon(waiter)
    await actors.sleep("6s")
    assert got == ["slept"] * 3


@on_every_host(needs="functions")
async def test_future_has_a_channel_for_select() -> None:
    slow, quick = funcs.start(sleeps), funcs.start(add, 1)
    quick_channel = quick.channel()
    picked = await actors.select(slow.channel(), quick_channel)
    assert picked.channel is quick_channel
    assert picked.value == actors.Result(2)
    assert [result async for result in quick_channel] == []
    assert [result async for result in quick.channel()] == [actors.Result(2)]


@on_every_host(needs="functions")
async def test_error_of_a_function_whose_result_nobody_asks_for_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard, seen, cancelled = funcs.start(fails), funcs.start(fails), funcs.start(sleeps)
    seen_channel = seen.channel()
    unhandled = [funcs.start(fails)]
    await settle()
    with pytest.raises(actors.Error, match="on purpose"):
        await heard.result()
    await seen_channel.receive()
    cancelled.cancel()
    await settle()
    del heard, seen, cancelled
    assert caplog.records == []
    unhandled.clear()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    for part in ("tests.test_functions:fails", str(actors.self_pid()), "ValueError: on purpose"):
        assert part in record.getMessage()
    assert "raise ValueError" in logging.Formatter().format(record)


@on_every_host(needs="functions")
async def test_error_of_a_function_that_is_cancelled_with_its_call_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("while it was cancelled")

    async def calls() -> None:
        await funcs.call(fails_when_cancelled)

    pid = await actors.spawn_monitored(calls)
    await settle()
    await actors.terminate(pid)
    assert (await next_exit()).reason == "terminated"
    (record,) = caplog.records
    assert "ValueError: while it was cancelled" in record.getMessage()


@on_every_host(needs="functions")
async def test_functions_run_side_by_side() -> None:
    before = clock()
    futures = [funcs.start(sleeps, 10) for _ in range(100)]
    assert [await future.result() for future in futures] == ["slept"] * 100
    assert clock() - before == pytest.approx(10)


@on_every_host(needs="functions")
async def test_cancelled_future_ends_with_canceled() -> None:
    future = funcs.start(sleeps)
    await settle()
    future.cancel()
    future.cancel()
    with pytest.raises(actors.Error, match="cancelled") as caught:
        await future.result()
    assert caught.value.kind == actors.CANCELED
    future.cancel()


@on_every_host(needs="functions")
async def test_cancel_before_the_function_has_begun_keeps_it_from_running() -> None:
    ran: list[bool] = []

    async def function() -> None:
        ran.append(True)

    future = funcs.start(function)
    future.cancel()
    with pytest.raises(actors.Error) as caught:
        await future.result()
    assert caught.value.kind == actors.CANCELED
    assert ran == []


@on_every_host(needs="functions")
async def test_cancelled_call_cancels_its_function_and_waits_for_it() -> None:
    log: list[str] = []

    async def function() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append("unwound")

    async def child() -> None:
        try:
            await funcs.call(function)
        finally:
            log.append("call over")

    pid = await actors.spawn_monitored(child)
    await settle()
    await actors.terminate(pid)
    await next_exit()
    assert log == ["unwound", "call over"]


@on_every_host(needs="functions")
async def test_functions_of_a_process_are_cancelled_with_its_end() -> None:
    log: list[str] = []

    async def function() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("unwound")

    async def child() -> None:
        funcs.start(function)
        await settle()

    await exit_of(child)
    await settle()
    assert log == ["unwound"]


# Context


@on_every_host(needs="functions")
async def test_function_sees_the_context_of_its_caller_and_what_its_executor_adds() -> None:
    async def sees() -> dict[str, Any]:
        return actors.context.all()

    async def child() -> tuple[Any, Any]:
        return await funcs.call(sees), await funcs.Executor().with_context(b=20, c=30).call(sees)

    plain, added = await actors.spawner(context={"a": 1, "b": 2}).execute(child)
    assert plain == {"a": 1, "b": 2}
    assert added == {"a": 1, "b": 20, "c": 30}


@on_every_host(needs="functions")
async def test_executor_is_immutable_and_copies_what_it_is_given() -> None:
    options, context = {"activity.id": "one"}, {"a": 1}
    executor = funcs.Executor(options, context)
    executor.with_options({"activity.id": "two"}).with_context(a=2)
    options["activity.id"] = "three"
    context["a"] = 3
    assert (dict(executor.options), dict(executor.context)) == ({"activity.id": "one"}, {"a": 1})


# Timeouts and retries


@on_every_host(needs="functions")
async def test_function_that_takes_too_long_fails_with_timeout() -> None:
    for name in ("start_to_close_timeout", "schedule_to_close_timeout"):
        before = clock()
        with pytest.raises(actors.Error, match=name) as caught:
            await with_options(**{name: "2s"}).call(sleeps)
        assert caught.value.kind == actors.TIMEOUT
        assert caught.value.details["timeout_type"] == name.removesuffix("_timeout")
        assert clock() - before == pytest.approx(2)


@on_every_host(needs="functions")
async def test_bare_number_in_an_option_is_milliseconds() -> None:
    before = clock()
    with pytest.raises(actors.Error, match="start_to_close"):
        await with_options(start_to_close_timeout=1500).call(sleeps)
    assert clock() - before == pytest.approx(1.5)


@on_every_host(needs="functions")
async def test_function_is_tried_once_unless_a_policy_asks_for_more() -> None:
    flaky = Flaky(1)
    with pytest.raises(actors.Error, match="flaky"):
        await funcs.call(flaky)
    assert len(flaky.times) == 1


@on_every_host(needs="functions")
async def test_policy_tries_again_with_growing_intervals() -> None:
    flaky = Flaky(5)
    policy = {"initial_interval": "1s", "backoff_coefficient": 2, "maximum_interval": "5s"}
    assert await retrying(**policy).call(flaky) == "at last"
    waits = [later - earlier for earlier, later in zip(flaky.times, flaky.times[1:], strict=False)]
    assert waits == pytest.approx([1, 2, 4, 5, 5])
    assert flaky.attempts == [1, 2, 3, 4, 5, 6]


@on_every_host(needs="functions")
async def test_each_attempt_sees_the_last_heartbeat_of_the_one_before() -> None:
    flaky = Flaky(2)
    await retrying().call(flaky)
    assert flaky.details == [(), ("got to", 1), ("got to", 2)]


@on_every_host(needs="functions")
async def test_policy_gives_up_after_its_attempts_and_at_what_makes_no_sense_to_retry() -> None:
    for policy, kind, attempts in (
        ({"maximum_attempts": 3}, actors.UNAVAILABLE, 3),
        ({"maximum_attempts": 3}, actors.UNKNOWN, 3),
        ({"maximum_attempts": 3}, actors.INVALID, 1),
        ({"maximum_attempts": 3, "non_retryable_error_types": ["UNAVAILABLE"]}, actors.UNAVAILABLE, 1),
    ):
        flaky = Flaky(100, kind)
        with pytest.raises(actors.Error, match="flaky") as caught:
            await retrying(**policy).call(flaky)
        assert caught.value.kind == kind
        assert len(flaky.times) == attempts


@on_every_host(needs="functions")
async def test_schedule_to_close_bounds_all_attempts_together() -> None:
    flaky = Flaky(100)
    before = clock()
    with pytest.raises(actors.Error, match="schedule_to_close") as caught:
        await with_options(schedule_to_close_timeout="10s", retry_policy={}).call(flaky)
    assert clock() - before == pytest.approx(10)
    assert isinstance(caught.value.__cause__, actors.Error)
    assert caught.value.__cause__.message == "flaky"


@on_every_host(needs="functions")
async def test_function_that_gives_no_heartbeat_in_time_fails_with_timeout() -> None:
    times: list[float] = []

    async def falls_silent(beats: int) -> str:
        for number in range(beats):
            await trio.sleep(0.75)
            funcs.heartbeat(number)
        times.append(trio.current_time())
        try:
            await trio.sleep(0.75 if beats == 9 else 3600)
        finally:
            times.append(trio.current_time())
        return "done"

    beating = with_options(heartbeat_timeout="1s")
    assert await beating.call(falls_silent, 9) == "done"
    times.clear()
    with pytest.raises(actors.Error) as caught:
        await beating.call(falls_silent, 2)
    assert caught.value.kind == actors.TIMEOUT
    assert caught.value.details["timeout_type"] == "heartbeat"
    assert times[1] - times[0] == pytest.approx(1)
    assert await beating.call(heartbeat_timeout) == 1


async def heartbeat_timeout() -> float | None:
    return funcs.info().heartbeat_timeout


@on_every_host(needs="functions")
async def test_info_tells_what_call_a_function_serves() -> None:
    async def sees() -> funcs.FunctionInfo:
        return funcs.info()

    info = await with_options(id="payment-1").call(sees)
    assert isinstance(info, funcs.FunctionInfo)
    assert info.entry.endswith("sees")
    assert (info.id, info.attempt, info.is_local) == ("payment-1", 1, True)
    ids = {(await funcs.call(sees)).id for _ in range(10)}
    assert len(ids) == 10


@on_every_host(needs="functions")
async def test_heartbeat_and_info_need_a_function_that_was_called() -> None:
    for function in (funcs.heartbeat, funcs.heartbeat_details, funcs.info):
        with pytest.raises(actors.Error, match=r"funcs\.call") as caught:
            function()
        assert caught.value.kind == actors.CONFLICT


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"timeout": "5s"}, "option='timeout'"),
        ({"activity.timeout": "5s"}, "option='activity.timeout'"),
        ({1: "5s"}, "option=1"),
        ({"activity.start_to_close_timeout": "soon"}, "activity.start_to_close_timeout='soon'"),
        ({"activity.start_to_close_timeout": 0}, "activity.start_to_close_timeout=0"),
        ({"activity.heartbeat_timeout": -1}, "activity.heartbeat_timeout=-1"),
        ({"activity.schedule_to_close_timeout": float("nan")}, "activity.schedule_to_close_timeout=nan"),
        ({"activity.schedule_to_start_timeout": True}, "activity.schedule_to_start_timeout=True"),
        ({"activity.start_to_close_timeout": 10**400}, "activity.start_to_close_timeout="),
        ({"activity.id": ""}, "activity.id=''"),
        ({"activity.task_queue": 5}, "activity.task_queue=5"),
        ({"activity.wait_for_cancellation": 1}, "activity.wait_for_cancellation=1"),
        ({"activity.retry_policy": 3}, "activity.retry_policy=3"),
        ({"activity.retry_policy": {"attempts": 3}}, "field='attempts'"),
        ({"activity.retry_policy": {"maximum_attempts": -1}}, "retry_policy.maximum_attempts=-1"),
        ({"activity.retry_policy": {"maximum_attempts": 2.5}}, "retry_policy.maximum_attempts=2.5"),
        ({"activity.retry_policy": {"backoff_coefficient": 0.5}}, "retry_policy.backoff_coefficient=0.5"),
        ({"activity.retry_policy": {"initial_interval": 0}}, "retry_policy.initial_interval=0"),
        (
            {"activity.retry_policy": {"initial_interval": "5s", "maximum_interval": "1s"}},
            "retry_policy.maximum_interval='1s'",
        ),
        (
            {"activity.retry_policy": {"non_retryable_error_types": "INVALID"}},
            "retry_policy.non_retryable_error_types='INVALID'",
        ),
        (
            {"activity.retry_policy": {"non_retryable_error_types": ["BAD"]}},
            "retry_policy.non_retryable_error_types='BAD'",
        ),
    ],
)
def test_bad_option_is_refused_when_it_is_given(options: Any, named: str) -> None:
    for give in (funcs.Executor, funcs.Executor().with_options):
        with pytest.raises(actors.Error) as caught:
            give(options)
        assert caught.value.kind == actors.INVALID
        assert named in str(caught.value)


# Plain functions, which run in threads: by the real clock, because a mocked one jumps while a thread is at work


async def run_in_a_node(body: Any) -> None:
    async with actors.Node() as node:
        await node.execute(body)


def test_plain_function_runs_in_a_thread_with_its_context() -> None:
    async def body() -> None:
        def function(value: int) -> Any:
            funcs.heartbeat(1)
            return value, threading.get_ident(), actors.context.all(), funcs.info().attempt

        result = await funcs.Executor().with_context(user="ada").call(function, 7)
        assert result[0] == 7
        assert result[1] != threading.get_ident()
        assert result[2:] == ({"user": "ada"}, 1)
        with pytest.raises(actors.Error, match="ZeroDivisionError"):
            await funcs.call(lambda: 1 // 0)

    trio.run(run_in_a_node, body)


def test_plain_function_that_takes_too_long_is_given_up_at_once_and_waited_for_by_the_node() -> None:
    release = threading.Event()
    ended: list[str] = []

    def function() -> None:
        release.wait()
        ended.append("thread")

    async def body() -> None:
        with pytest.raises(actors.Error) as caught:
            await with_options(start_to_close_timeout=1).call(function)
        assert caught.value.kind == actors.TIMEOUT
        assert ended == []
        future = funcs.start(function)
        future.cancel()
        with pytest.raises(actors.Error) as caught:
            await future.result()
        assert caught.value.kind == actors.CANCELED
        release.set()

    trio.run(run_in_a_node, body)
    assert "thread" in ended


def test_plain_function_that_was_given_up_learns_of_it_at_its_next_heartbeat() -> None:
    ended: list[actors.Error] = []
    started = threading.Event()

    def function() -> None:
        started.set()
        try:
            while True:
                funcs.heartbeat()
                threading.Event().wait(0.001)
        except actors.Error as error:
            ended.append(error)

    async def body() -> None:
        future = funcs.start(function)
        await trio.to_thread.run_sync(started.wait)
        future.cancel()
        with pytest.raises(actors.Error, match="was cancelled"):
            await future.result()

    trio.run(run_in_a_node, body)  # waits for the thread, which ends by itself
    (error,) = ended
    assert error.kind == actors.CANCELED
    assert "is over: it was cancelled, or took too long" in error.message


@pytest.mark.parametrize("late", ["cancelled", "too late"])
def test_error_of_a_plain_function_that_was_given_up_is_logged(
    late: str, caplog: pytest.LogCaptureFixture
) -> None:
    started, release = threading.Event(), threading.Event()

    def function() -> None:
        started.set()
        release.wait()
        raise ValueError("after all")

    async def body() -> None:
        if late == "cancelled":
            future = funcs.start(function)
            await trio.to_thread.run_sync(started.wait)
            future.cancel()
        else:
            future = with_options(start_to_close_timeout=1).start(function)
        with pytest.raises(actors.Error):
            await future.result()
        assert caplog.records == []
        release.set()

    trio.run(run_in_a_node, body)
    (record,) = caplog.records
    assert "ValueError: after all" in record.getMessage()


def test_plain_function_that_waits_too_long_for_a_thread_fails_with_timeout() -> None:
    release = threading.Event()
    ran: list[str] = []

    async def body() -> None:
        limiter = trio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        first = funcs.start(release.wait)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(actors.Error) as caught:
            await with_options(schedule_to_start_timeout=1).call(ran.append, "never")
        assert caught.value.kind == actors.TIMEOUT
        assert caught.value.details["timeout_type"] == "schedule_to_start"
        release.set()
        assert await first.result() is True
        await with_options(schedule_to_start_timeout="1h").call(ran.append, "in time")

    trio.run(run_in_a_node, body)
    assert ran == ["in time"]


def test_function_cannot_outlive_its_node() -> None:
    log: list[str] = []

    async def function() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("unwound")

    async def body() -> None:
        funcs.start(function)
        await forever()

    async def main() -> None:
        async with actors.Node() as node:
            await node.spawn(body)
            await settle_trio()
        assert log == ["unwound"]

    async def settle_trio() -> None:
        await trio.testing.wait_all_tasks_blocked()

    trio.run(main)
