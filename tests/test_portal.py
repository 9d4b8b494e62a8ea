"""The portal between trio and asyncio, with a real loop in a real thread."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import traceback
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import CANCELED, CONFLICT, INTERNAL, INVALID, UNAVAILABLE, Error
from temporal_bridge._asyncio import threads as _portal_sides
from temporal_bridge._asyncio.portal import Portal

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def with_portal(body: Callable[[Portal], Awaitable[None]]) -> None:
    """Run `body` in a trio run and a portal of its own, and see that nothing outlives it."""

    async def main() -> None:
        async with Portal(name="portal under test") as portal:
            await body(portal)

    trio.run(main)
    assert_nothing_left()


def assert_nothing_left() -> None:
    assert [thread.name for thread in threading.enumerate() if "portal" in thread.name] == []


def errors_logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        f"{record.getMessage()} {record.exc_info[1]!r}" if record.exc_info else record.getMessage()
        for record in caplog.records
        if record.name == "everproc.bridge"
    ]


class InAsyncio:
    """A call that says when it runs, ends when told, and remembers how it ended."""

    def __init__(self, at_cancel: Callable[[], Awaitable[str]] | None = None) -> None:
        self.token = trio.lowlevel.current_trio_token()
        self.started = trio.Event()
        self.at_cancel = at_cancel
        self.history: list[str] = []

    async def __call__(self) -> str:
        self.history.append("started")
        self.token.run_sync_soon(self.started.set)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.history.append("cancelled")
            await asyncio.sleep(0)
            if self.at_cancel is not None:
                return await self.at_cancel()
            raise
        finally:
            self.history.append("ended")
        return "never"


# From trio to asyncio.


def test_a_call_returns_the_result_of_a_function_that_ran_in_the_thread_of_the_loop() -> None:
    async def add(a: int, b: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return a + b, threading.current_thread().name

    async def body(portal: Portal) -> None:
        assert await portal.call(add, 1, 2) == (3, "portal under test")

    with_portal(body)


def test_an_exception_of_a_call_is_raised_in_trio_with_the_frames_of_both_sides() -> None:
    async def failing_in_asyncio() -> None:
        await asyncio.sleep(0)
        raise ValueError("from asyncio")

    async def calling_in_trio(portal: Portal) -> None:
        await portal.call(failing_in_asyncio)

    async def body(portal: Portal) -> None:
        with pytest.raises(ValueError, match="from asyncio") as caught:
            await calling_in_trio(portal)
        frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert frames.index("calling_in_trio") < frames.index("failing_in_asyncio")

    with_portal(body)


def test_a_call_sees_the_context_of_its_caller_and_leaves_it_alone() -> None:
    async def rename() -> str:
        before = who.get()
        who.set("asyncio")
        return before

    async def body(portal: Portal) -> None:
        who.set("trio")
        assert await portal.call(rename) == "trio"
        assert who.get() == "trio"

    with_portal(body)


def test_many_calls_run_at_the_same_time() -> None:
    async def body(portal: Portal) -> None:
        arrived = 0
        everyone = asyncio.Event()

        async def meet() -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 100:
                everyone.set()
            await everyone.wait()

        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(portal.call, meet)
        assert arrived == 100

    with_portal(body)


def test_cancelling_the_caller_cancels_the_asyncio_task_and_waits_for_its_end() -> None:
    async def body(portal: Portal) -> None:
        fn = InAsyncio()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(portal.call, fn)
            await fn.started.wait()
            nursery.cancel_scope.cancel()
        assert fn.history == ["started", "cancelled", "ended"]

    with_portal(body)


def test_a_result_that_comes_despite_the_cancel_is_returned() -> None:
    async def body(portal: Portal) -> None:
        async def save() -> str:
            return "saved"

        fn = InAsyncio(save)
        results: list[str] = []

        async def caller() -> None:
            results.append(await portal.call(fn))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await fn.started.wait()
            nursery.cancel_scope.cancel()
        assert results == ["saved"]

    with_portal(body)


def test_an_error_that_comes_despite_the_cancel_is_raised() -> None:
    async def body(portal: Portal) -> None:
        async def fail() -> str:
            raise ValueError("while cleaning up")

        fn = InAsyncio(fail)
        errors: list[str] = []

        async def caller() -> None:
            try:
                await portal.call(fn)
            except ValueError as error:
                errors.append(str(error))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(caller)
            await fn.started.wait()
            nursery.cancel_scope.cancel()
        assert errors == ["while cleaning up"]

    with_portal(body)


def test_a_call_in_a_scope_that_is_cancelled_already_ends_as_cancelled() -> None:
    async def body(portal: Portal) -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await portal.call(asyncio.Event().wait)
        assert scope.cancelled_caught

    with_portal(body)


def test_a_cancellation_that_asyncio_made_itself_is_an_error_and_not_a_trio_cancellation() -> None:
    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def body(portal: Portal) -> None:
        with pytest.raises(Error, match="cancel_myself was cancelled from within asyncio") as caught:
            await portal.call(cancel_myself)
        assert caught.value.kind == CANCELED

    with_portal(body)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), BaseException("base")])
def test_an_exit_raised_by_a_call_reaches_its_caller_and_the_loop_lives_on(error: BaseException) -> None:
    async def leave() -> None:
        raise error

    async def body(portal: Portal) -> None:
        with pytest.raises(type(error)):
            await portal.call(leave)
        assert await portal.call(asyncio.sleep, 0, "alive") == "alive"

    with_portal(body)


def test_a_function_that_cannot_be_called_so_fails_its_own_call() -> None:
    async def body(portal: Portal) -> None:
        with pytest.raises(TypeError, match="positional argument"):
            await portal.call(functools.partial(asyncio.sleep, 0, "result", "one too many"))
        with pytest.raises(TypeError, match="await"):
            await portal.call(lambda: 3)  # type: ignore[arg-type, return-value]

    with_portal(body)


def test_a_call_may_come_from_another_trio_run_than_the_one_that_opened_the_portal() -> None:
    async def body(portal: Portal) -> None:
        results: list[str] = []

        async def elsewhere() -> None:
            results.append(await portal.call(asyncio.sleep, 0, "heard"))

        await trio.to_thread.run_sync(trio.run, elsewhere)
        assert results == ["heard"]

    with_portal(body)


def test_call_soon_keeps_the_order_and_the_context_of_each_thread() -> None:
    async def body(portal: Portal) -> None:
        seen: list[tuple[str, int]] = []

        def from_thread(name: str) -> None:
            who.set(name)
            for number in range(200):
                portal.call_soon(lambda n: seen.append((who.get(), n)), number)

        threads = [threading.Thread(target=from_thread, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        await portal.call(asyncio.sleep, 0)
        assert len(seen) == 600
        for name in "abc":
            assert [number for thread_name, number in seen if thread_name == name] == list(range(200))

    with_portal(body)


# From asyncio to trio.


def test_in_trio_runs_a_trio_task_and_returns_its_result() -> None:
    async def add(a: int, b: int) -> tuple[int, bool]:
        await trio.lowlevel.checkpoint()
        return a + b, trio.lowlevel.in_trio_run()

    async def body(portal: Portal) -> None:
        assert await portal.call(portal.in_trio, add, 1, 2) == (3, True)

    with_portal(body)


def test_an_exception_of_in_trio_is_raised_in_asyncio_with_the_frames_of_both_sides() -> None:
    async def failing_in_trio() -> None:
        await trio.lowlevel.checkpoint()
        raise ValueError("from trio")

    async def body(portal: Portal) -> None:
        async def calling_in_asyncio() -> list[str]:
            with pytest.raises(ValueError, match="from trio") as caught:
                await portal.in_trio(failing_in_trio)
            return [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]

        frames = await portal.call(calling_in_asyncio)
        assert frames.index("calling_in_asyncio") < frames.index("failing_in_trio")

    with_portal(body)


def test_in_trio_and_in_trio_soon_see_the_context_of_their_caller_and_leave_it_alone() -> None:
    async def body(portal: Portal) -> None:
        seen: list[str] = []

        def note() -> None:
            seen.append(who.get())
            who.set("changed")

        async def note_in_a_task() -> None:
            note()

        async def caller() -> None:
            who.set("asyncio")
            assert portal.in_trio_soon(note)
            await portal.in_trio(note_in_a_task)
            await portal.in_trio(note_in_a_task)
            seen.append(who.get())

        who.set("trio")
        await portal.call(caller)
        assert seen == ["asyncio"] * 4
        assert who.get() == "trio"

    with_portal(body)


def test_cancelling_the_asyncio_caller_cancels_the_trio_task_and_waits_for_its_end() -> None:
    async def body(portal: Portal) -> None:
        history: list[str] = []
        started = trio.Event()

        async def in_trio() -> None:
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                history.append("cleaning")
                with trio.CancelScope(shield=True):
                    await trio.lowlevel.checkpoint()
                history.append("clean")

        async def caller() -> None:
            try:
                await portal.in_trio(in_trio)
            except asyncio.CancelledError:
                history.append("cancelled")
                raise

        async with trio.open_nursery() as nursery:
            nursery.start_soon(portal.call, caller)
            await started.wait()
            nursery.cancel_scope.cancel()
        assert history == ["cleaning", "clean", "cancelled"]

    with_portal(body)


def test_a_result_of_in_trio_that_comes_despite_the_cancel_is_returned() -> None:
    async def body(portal: Portal) -> None:
        started, may_end = trio.Event(), trio.Event()
        results: list[str] = []

        async def in_trio() -> str:
            started.set()
            with trio.CancelScope(shield=True):
                await may_end.wait()
            return "saved"

        async def caller() -> None:
            results.append(await portal.in_trio(in_trio))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(portal.call, caller)
            await started.wait()
            nursery.cancel_scope.cancel()
            may_end.set()
        assert results == ["saved"]

    with_portal(body)


def test_an_asyncio_timeout_around_in_trio_ends_the_trio_task() -> None:
    async def body(portal: Portal) -> None:
        ended = False

        async def in_trio() -> None:
            nonlocal ended
            try:
                await trio.sleep_forever()
            finally:
                ended = True

        async def caller() -> None:
            async with asyncio.timeout(0.01):
                await portal.in_trio(in_trio)

        with pytest.raises(TimeoutError):
            await portal.call(caller)
        assert ended

    with_portal(body)


def test_a_task_of_in_trio_is_not_cancelled_by_the_scope_around_the_portal_but_by_its_caller() -> None:
    history: list[str] = []

    async def main() -> None:
        started = trio.Event()

        async def in_trio() -> None:
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                history.append("trio")

        with trio.CancelScope() as scope:
            async with Portal(name="portal under test") as portal:

                async def caller() -> None:
                    try:
                        await portal.in_trio(in_trio)
                    except asyncio.CancelledError as error:
                        history.append(str(error))

                portal.call_soon(lambda: tasks.append(asyncio.ensure_future(caller())))
                await started.wait()
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught

    tasks: list[asyncio.Task[None]] = []
    trio.run(main)
    assert history == ["trio", "the Portal 'portal under test' is closing"]
    assert_nothing_left()


def test_calls_into_trio_run_in_the_order_asked() -> None:
    async def body(portal: Portal) -> None:
        seen: list[int] = []

        async def append_in_a_task(number: int) -> None:
            seen.append(number)

        async def caller() -> None:
            for number in range(100):
                assert portal.in_trio_soon(seen.append, number)
            await portal.in_trio(append_in_a_task, 100)

        await portal.call(caller)
        assert seen == list(range(101))

    with_portal(body)


def test_an_exception_of_in_trio_soon_is_logged_and_trio_runs_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("nobody waits for me")

    async def body(portal: Portal) -> None:
        async def caller() -> bool:
            return portal.in_trio_soon(fail)

        assert await portal.call(caller)
        await portal.call(portal.in_trio, trio.sleep, 0)

    with_portal(body)
    assert errors_logged(caplog) == [
        "a function given to Portal.in_trio_soon() raised ValueError('nobody waits for me')"
    ]


@pytest.mark.parametrize("error", [ValueError("x"), BaseException("base")])
def test_any_other_exception_of_in_trio_reaches_the_asyncio_caller_as_it_is(error: BaseException) -> None:
    async def fail() -> None:
        raise error

    async def body(portal: Portal) -> None:
        with pytest.raises(type(error)) as caught:
            await portal.call(portal.in_trio, fail)
        assert caught.value is error

    with_portal(body)


def test_an_exit_raised_in_trio_is_an_error_for_the_asyncio_caller_and_the_loop_lives_on() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    async def body(portal: Portal) -> None:
        with pytest.raises(Error, match=r"leave raised SystemExit\(3\)") as caught:
            await portal.call(portal.in_trio, leave)
        assert caught.value.kind == INTERNAL
        assert isinstance(caught.value.__cause__, SystemExit)
        assert await portal.call(asyncio.sleep, 0, "alive") == "alive"

    with_portal(body)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_ctrl_c_that_hits_a_task_of_in_trio_ends_the_block_and_is_raised_from_it(grouped: bool) -> None:
    async def interrupted() -> None:
        raise BaseExceptionGroup("tasks", [KeyboardInterrupt()]) if grouped else KeyboardInterrupt()

    async def main() -> None:
        async with Portal(name="portal under test") as portal:
            with pytest.raises((Error, BaseExceptionGroup)):
                await portal.call(portal.in_trio, interrupted)
            await trio.sleep_forever()

    with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
        trio.run(main)
    assert isinstance(caught.value, BaseExceptionGroup) == grouped
    assert_nothing_left()


def test_in_trio_on_the_loop_of_another_portal_is_refused() -> None:
    async def main() -> None:
        async with Portal(name="portal one") as one, Portal(name="portal two") as two:
            with pytest.raises(Error, match=r"its own portal, name='portal two'") as caught:
                await one.call(two.in_trio, trio.sleep, 0)
            assert caught.value.kind == INVALID

    trio.run(main)
    assert_nothing_left()


# Errors that nobody awaits.


def test_an_exception_of_a_callback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("nobody waits for me")

    async def body(portal: Portal) -> None:
        portal.call_soon(fail)

    with_portal(body)
    (logged,) = errors_logged(caplog)
    assert "Exception in callback" in logged
    assert "ValueError('nobody waits for me')" in logged


def test_an_exception_of_a_task_that_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("nobody waits for me")

    async def forget() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])

    async def body(portal: Portal) -> None:
        await portal.call(forget)
        gc.collect()
        await portal.call(asyncio.sleep, 0)

    with_portal(body)
    (logged,) = errors_logged(caplog)
    assert "Task exception was never retrieved" in logged
    assert "ValueError('nobody waits for me')" in logged


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_that_leaves_a_callback_ends_the_block_in_order_and_is_raised_from_it(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    history: list[str] = []

    def leave() -> None:
        raise error

    async def main() -> None:
        async with Portal(name="portal under test") as portal:
            fn = InAsyncio()
            fn.history = history
            async with trio.open_nursery() as nursery:
                nursery.start_soon(portal.call, fn)
                await fn.started.wait()
                portal.call_soon(leave)

    with pytest.raises(type(error)):
        trio.run(main)
    assert history == ["started", "cancelled", "ended"]
    assert any(repr(error) in line for line in errors_logged(caplog))
    assert_nothing_left()


# The life of a portal.


def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    async def body(portal: Portal) -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        with_portal(body)
    assert_nothing_left()


def test_leaving_cancels_what_still_runs_and_waits_for_it() -> None:
    history: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def last_words() -> None:
        history.append("child")

    async def background(started: Callable[[], object]) -> None:
        started()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            history.append("parent")
            tasks.append(asyncio.create_task(last_words()))

    async def body(portal: Portal) -> None:
        started = trio.Event()

        def start() -> None:
            tasks.append(asyncio.ensure_future(background(lambda: portal.in_trio_soon(started.set))))

        portal.call_soon(start)
        await started.wait()

    with_portal(body)
    assert history[0] == "parent"
    assert all(task.done() for task in tasks)


def test_the_loop_runs_on_for_a_tenth_of_a_second_after_its_last_task() -> None:
    ran: list[str] = []

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_later(0.09, ran.append, "late")

    async def body(portal: Portal) -> None:
        portal.call_soon(lambda: tasks.append(asyncio.ensure_future(late())))
        await portal.call(asyncio.sleep, 0)

    tasks: list[asyncio.Task[None]] = []
    with_portal(body)
    assert ran == ["late"]


def test_a_portal_in_a_cancelled_scope_still_stops_in_order() -> None:
    async def main() -> None:
        with trio.CancelScope() as scope:
            async with Portal(name="portal under test") as portal:
                fn = InAsyncio()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(portal.call, fn)
                    await fn.started.wait()
                    scope.cancel()
        assert scope.cancelled_caught
        assert fn.history == ["started", "cancelled", "ended"]
        with trio.CancelScope() as scope:
            scope.cancel()
            async with Portal(name="portal under test"):
                pytest.fail("entering is a checkpoint")

    trio.run(main)
    assert_nothing_left()


def test_a_task_that_does_not_end_is_logged_and_left_behind_and_its_caller_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    may_end = threading.Event()

    async def main() -> None:
        async def stubborn(started: Callable[[], object]) -> None:
            started()
            while not may_end.is_set():
                try:
                    await asyncio.sleep(0.001)
                except asyncio.CancelledError:
                    pass

        errors: list[Error] = []

        async def caller(portal: Portal) -> None:
            try:
                await portal.call(stubborn, lambda: portal.in_trio_soon(started.set))
            except Error as error:
                errors.append(error)

        started = trio.Event()
        async with trio.open_nursery() as nursery, Portal(name="portal under test", grace="20ms") as portal:
            nursery.start_soon(caller, portal)
            await started.wait()
        (error,) = errors
        assert error.kind == UNAVAILABLE
        assert "stubborn was not run, or not to its end" in str(error)

    trio.run(main)
    assert any("not ended 0.02 s after they were cancelled" in line for line in errors_logged(caplog))
    # asyncio reports the destroyed task when it is collected: here, not in the middle of another test.
    caplog.clear()
    gc.collect()
    assert any("Task was destroyed but it is pending" in line for line in errors_logged(caplog))
    caplog.clear()
    assert_nothing_left()


def test_a_blocked_thread_is_logged_and_left_behind(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_portal_sides, "_PATIENCE", 0.01)
    may_end = threading.Event()

    async def main() -> None:
        async with Portal(name="portal under test", grace="0s") as portal:
            portal.call_soon(may_end.wait)

    trio.run(main)
    (logged,) = errors_logged(caplog)
    assert "thread 'portal under test' of a Portal has not ended" in logged
    (left,) = [thread for thread in threading.enumerate() if thread.name == "portal under test"]
    may_end.set()
    left.join()
    assert_nothing_left()


def test_jobs_of_the_default_executor_end_with_the_portal() -> None:
    async def body(portal: Portal) -> None:
        async def job() -> str:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(None, lambda: threading.current_thread().name)

        assert (await portal.call(job)).startswith("portal under test-executor")

    with_portal(body)


def test_several_portals_live_side_by_side() -> None:
    async def main() -> None:
        async with Portal(name="portal one") as one, Portal(name="portal two") as two:

            async def name() -> str:
                return threading.current_thread().name

            async def through_both() -> list[str]:
                return [await name(), await one.in_trio(two.call, name)]

            assert await one.call(through_both) == ["portal one", "portal two"]

    trio.run(main)
    assert_nothing_left()


def test_outside_its_block_a_portal_refuses_work_and_says_so() -> None:
    async def main() -> None:
        portal = Portal(name="portal under test")

        async def refuses() -> None:
            with pytest.raises(
                Error, match=r"name='portal under test' is closed, fn=sleep was not run"
            ) as caught:
                await portal.call(asyncio.sleep, 0)
            assert caught.value.kind == UNAVAILABLE
            with pytest.raises(Error, match="is closed") as caught:
                portal.call_soon(print)
            assert caught.value.kind == UNAVAILABLE
            assert not portal.in_trio_soon(print)

        await refuses()
        async with portal:
            pass
        await refuses()
        with pytest.raises(Error, match="entered once, name='portal under test'") as caught:
            await portal.__aenter__()
        assert caught.value.kind == CONFLICT

    trio.run(main)


def test_a_portal_does_not_mind_a_clock_that_jumps() -> None:
    async def main() -> None:
        async with Portal(name="portal under test") as portal:
            assert await portal.call(asyncio.sleep, 0.05, "done") == "done"
            await wait_all_tasks_blocked()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert_nothing_left()
