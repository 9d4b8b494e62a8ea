"""The server, line by line as OTP describes `gen_server`; on every host."""

from __future__ import annotations

from typing import Any, assert_type

import pytest

import actors
from actors import PID, Error, Exit
from supervision import (
    ChildSpec,
    Ignore,
    Refused,
    Server,
    StateMachine,
    Supervisor,
    call,
    cast,
    change_code,
    get_state,
    handle_call,
    handle_cast,
    handle_info,
    replace_state,
    resume,
    start,
    start_server,
    stop_server,
    suspend,
)
from tests.hosts import on_every_host
from tests.supervised import end_of, pid_of, reason_of

journal: list[str] = []


@pytest.fixture(autouse=True)
def empty_journal() -> None:
    journal.clear()


class Counter(Server):
    n: int

    def init(self, first: int = 0) -> None:
        self.n = first

    @handle_call
    def increment(self, by: int = 1) -> int:
        self.n += by
        return self.n

    @handle_call
    async def slowly(self, length: str) -> str:
        await actors.sleep(length)
        return length

    @handle_cast
    def reset(self) -> None:
        self.n = 0

    @handle_cast
    async def add(self, *numbers: int) -> None:
        self.n += sum(numbers)

    @handle_info("tick")
    def on_tick(self, payload: object) -> None:
        journal.append(f"tick {payload}")

    @handle_call
    def crash(self) -> None:
        raise ValueError("asked to crash")

    @handle_call
    def refuse(self) -> None:
        raise Refused("not today", kind=actors.PERMISSION_DENIED)

    @handle_call
    def quit(self, reason: Any) -> str:
        self.stop(reason)
        return "quitting"

    async def terminate(self, reason: str) -> None:
        await actors.sleep("100ms")
        journal.append(f"terminate {reason}")


async def reference(pid: PID) -> Exit:
    """The exit of a process that is linked to the running one, which traps links."""
    return await end_of(pid)


# Calls and casts


@on_every_host
async def test_call_gives_what_the_handler_returns_and_its_type() -> None:
    pid = await start_server(Counter, 5)
    n = await call(pid, Counter.increment, 2, timeout="5s")
    assert_type(n, int)
    assert n == 7
    assert_type(await call(pid, Counter.increment, 2), int)
    assert_type(await call(pid, Counter.increment, by=1), int)
    assert_type(await call(pid, Counter.increment), int)
    assert await call(pid, "increment", 1) == 12
    await stop_server(pid)


@on_every_host
async def test_async_handler_gives_what_it_returns_and_its_type() -> None:
    pid = await start_server(Counter)
    assert_type(await call(pid, Counter.slowly, "1s"), str)
    assert_type(await call(pid, Counter.slowly, "1s", timeout="2s"), str)
    assert await call(pid, Counter.slowly, "2s") == "2s"
    await stop_server(pid)


@on_every_host
async def test_cast_does_not_wait_and_is_handled_in_order() -> None:
    pid = await start_server(Counter, 5)
    assert await cast(pid, Counter.reset)
    assert await cast(pid, Counter.add, 1, 2, 3)
    assert await call(pid, Counter.increment, 1) == 7
    await stop_server(pid)
    assert await cast(pid, Counter.reset) is False  # OTP: never fails


@on_every_host
async def test_any_process_can_call_and_cast_by_name() -> None:
    pid = await start_server(Counter)
    assert await actors.call(pid, "increment") == 1
    assert await actors.call(pid, "increment", 2) == 3
    assert await actors.send(pid, "add", 1, 2)
    assert await actors.call(pid, "increment", 0) == 6
    await stop_server(pid)


@on_every_host
async def test_info_handler_gets_the_payload_of_its_topic() -> None:
    pid = await start_server(Counter)
    await actors.send(pid, "tick", 1)
    await actors.send(pid, "tick", 1, 2)
    await actors.send(pid, "tick")
    await call(pid, Counter.increment)
    assert journal == ["tick 1", "tick (1, 2)", "tick None"]
    await stop_server(pid)


@on_every_host
async def test_message_without_a_handler_is_logged_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    pid = await start_server(Counter)
    await actors.send(pid, "unhandled", 1)
    assert await call(pid, Counter.increment) == 1
    assert [record.levelname for record in caplog.records if "unhandled" in record.message] == ["WARNING"]
    await stop_server(pid)


@on_every_host
async def test_call_of_no_handler_is_the_callers_error() -> None:
    pid = await start_server(Counter)
    assert (await reason_of(call(pid, "nothing")))[0] == actors.NOT_FOUND
    assert (await reason_of(call(pid, Counter.reset)))[0] == actors.INVALID
    assert (await reason_of(call(pid, Counter.terminate, "x")))[0] == actors.INVALID
    assert (await reason_of(call(pid, "increment", 1, 2, 3)))[0] == actors.INVALID
    assert (await reason_of(call(pid, "increment", than=3)))[0] == actors.INVALID
    assert await call(pid, Counter.increment) == 1
    await stop_server(pid)


@on_every_host
async def test_handler_can_refuse_a_call_and_go_on() -> None:
    pid = await start_server(Counter)
    with pytest.raises(Refused, match="not today") as refused:
        await call(pid, Counter.refuse)
    assert refused.value.kind == actors.PERMISSION_DENIED
    assert await call(pid, Counter.increment) == 1
    await stop_server(pid)


@on_every_host
async def test_call_that_takes_too_long_times_out_and_its_late_reply_vanishes() -> None:
    pid = await start_server(Counter)
    assert (await reason_of(call(pid, Counter.slowly, "3s", timeout="1s")))[0] == actors.TIMEOUT
    await actors.sleep("5s")
    picked = await actors.select(actors.inbox(), actors.events(), default=True)
    assert picked.channel is None
    assert await call(pid, Counter.increment) == 1
    await stop_server(pid)


@on_every_host
async def test_call_of_a_dead_server_fails_at_once() -> None:
    pid = await start_server(Counter)
    await stop_server(pid)
    assert await reason_of(call(pid, Counter.increment)) == (actors.NOT_FOUND, "noproc")


@on_every_host
async def test_full_server_refuses_calls_and_casts() -> None:
    pid = await start_server(Counter, options={"mailbox.max": 2})
    actors.start_soon(slowly, pid, "2s")
    await actors.sleep("1s")
    assert [await cast(pid, Counter.reset) for _ in range(3)] == [True, True, False]
    assert (await reason_of(call(pid, Counter.increment)))[0] == actors.UNAVAILABLE
    await actors.sleep("2s")
    assert await call(pid, Counter.increment) == 1
    await stop_server(pid)


async def slowly(pid: PID, length: str) -> None:
    await call(pid, Counter.slowly, length)


# Start


@on_every_host
async def test_start_returns_after_init_and_raises_its_error() -> None:
    class Slow(Counter):
        async def init(self, first: int = 0) -> None:  # type: ignore[override]
            await actors.sleep("1h")
            if first < 0:
                raise Error("negative", kind=actors.INVALID)
            self.n = first

    pid = await start_server(Slow, 3)
    assert await call(pid, Slow.increment) == 4
    with pytest.raises(Error, match="negative") as failure:
        await start_server(Slow, -1)
    assert failure.value.kind == actors.INVALID
    await stop_server(pid)


@on_every_host
async def test_failed_start_does_not_end_the_starter_and_frees_the_name() -> None:
    class Bad(Server):
        def init(self) -> None:
            raise KeyError("x")

    for _ in range(2):
        with pytest.raises(Error, match="KeyError"):
            await start_server(Bad, name="bad")


@on_every_host
async def test_init_can_ignore_the_start() -> None:
    class Shy(Server):
        def init(self) -> None:
            raise Ignore

    with pytest.raises(Ignore):
        await start_server(Shy)
    sup = await start(Supervisor([ChildSpec("shy", Shy)]))
    (child,) = await sup.which_children()
    assert child.status == "stopped"
    await sup.stop()


@on_every_host
async def test_start_that_takes_too_long_is_terminated() -> None:
    class Slow(Server):
        async def init(self) -> None:
            await actors.sleep("1d")

    assert await reason_of(start_server(Slow, timeout="2s", name="slow")) == (actors.TIMEOUT, "timeout")
    await actors.sleep("1ms")
    assert (await reason_of(actors.names.lookup("slow")))[0] == actors.NOT_FOUND


@on_every_host
async def test_name_that_is_taken_gives_already_started() -> None:
    pid = await start_server(Counter, name="counter")
    assert await call("counter", Counter.increment) == 1
    with pytest.raises(Error) as failure:
        await start_server(Counter, name="counter")
    assert failure.value.details["reason"] == "already_started"
    assert failure.value.details["pid"] == str(pid)
    await stop_server(pid)


@on_every_host
async def test_continue_runs_before_any_message_and_chains() -> None:
    class Loader(Counter):
        async def init(self, first: int = 0) -> None:  # type: ignore[override]
            self.n = first
            await actors.send(actors.self_pid(), "tick", "self")
            self.continue_with("load")

        async def handle_continue(self, value: str) -> None:
            journal.append(value)
            if value == "load":
                self.continue_with("more")

        @handle_call
        def again(self) -> str:
            self.continue_with("again")
            return "said"

    pid = await start_server(Loader)
    assert await call(pid, Loader.again) == "said"
    await call(pid, Loader.increment)
    assert journal == ["load", "more", "tick self", "again"]
    await stop_server(pid)


# The end


@on_every_host
async def test_reply_of_a_handler_that_stops_comes_after_terminate() -> None:
    pid = await start_server(Counter)
    ref = await actors.monitor(pid)
    assert await call(pid, Counter.quit, "normal") == "quitting"
    assert journal == ["terminate normal"]
    event = await actors.events().receive()
    assert isinstance(event, Exit)
    assert (event.ref, event.reason) == (ref, "normal")


@on_every_host
async def test_server_can_stop_with_another_reason() -> None:
    actors.set_options(trap_links=True)
    pid = await start_server(Counter)
    await call(pid, Counter.quit, "shutdown")
    event = await actors.events().receive()
    assert isinstance(event, actors.LinkDown)
    assert event.reason == "shutdown"


@on_every_host
async def test_crash_in_a_handler_runs_terminate_and_ends_the_server_and_its_caller_hears_why() -> None:
    actors.set_options(trap_links=True)
    pid = await start_server(Counter)
    with pytest.raises(Error) as failure:
        await call(pid, Counter.crash)
    assert failure.value.kind == actors.UNAVAILABLE
    assert failure.value.details["reason"] == "error"
    assert "asked to crash" in str(failure.value.__cause__)
    assert journal == ["terminate error"]


@on_every_host
async def test_type_error_inside_a_handler_is_a_crash() -> None:
    class Typo(Server):
        @handle_call
        def add(self, a: Any) -> int:
            result: int = 1 + a
            return result

    actors.set_options(trap_links=True)
    pid = await start_server(Typo)
    assert await reason_of(call(pid, Typo.add, "x")) == (actors.UNAVAILABLE, "error")


@on_every_host
async def test_asked_to_stop_it_terminates_between_two_messages() -> None:
    actors.set_options(trap_links=True)
    pid = await start_server(Counter)
    actors.start_soon(reason_of_call, pid)
    await actors.sleep("1ms")
    await actors.cancel(pid, "10s", "shutdown")
    await actors.sleep("3s")
    assert journal == ["1s", "terminate shutdown"]


async def reason_of_call(pid: PID) -> None:
    journal.append(await call(pid, Counter.slowly, "1s"))


@on_every_host
async def test_terminated_server_does_not_run_terminate() -> None:
    actors.set_options(trap_links=True)
    pid = await start_server(Counter)
    await actors.terminate(pid)
    assert (await end_of(pid)).reason in ("terminated", "noproc")
    assert journal == []


class Trapping(Counter):
    def init(self, first: int = 0) -> None:
        self.n = first
        actors.set_options(trap_links=True)

    def handle_event(self, event: Any) -> None:
        journal.append(type(event).__name__)


@pytest.mark.parametrize(("trapping", "told"), [(False, []), (True, ["terminate error"])])
@on_every_host
async def test_end_of_the_parent_runs_terminate_only_where_links_are_trapped(
    trapping: bool, told: list[str]
) -> None:
    pids: list[PID] = []

    async def parent() -> None:
        pids.append(await start_server(Trapping if trapping else Counter))
        raise ValueError("on purpose")

    await reason_of(actors.execute(parent))
    await actors.sleep("1s")
    assert (await reason_of(call(pids[0], Counter.increment)))[0] == actors.NOT_FOUND
    assert journal == told


@on_every_host
async def test_normal_end_of_the_parent_ends_only_who_traps_links() -> None:
    pids: list[PID] = []

    async def parent() -> None:
        pids.extend([await start_server(Trapping), await start_server(Counter)])

    await actors.execute(parent)
    await actors.sleep("1s")
    assert (await reason_of(call(pids[0], Counter.increment)))[0] == actors.NOT_FOUND
    assert await call(pids[1], Counter.increment) == 1
    assert journal == ["terminate normal"]
    await stop_server(pids[1])


@on_every_host
async def test_end_of_another_linked_process_is_an_event() -> None:
    async def other(pid: PID) -> None:
        await actors.link(pid)
        raise ValueError("on purpose")

    pid = await start_server(Trapping)
    await actors.spawn(other, pid)
    await actors.sleep("1s")
    assert journal == ["LinkDown"]
    assert await call(pid, Counter.increment) == 1
    await stop_server(pid)


@on_every_host
async def test_exit_of_a_monitored_process_comes_after_its_messages() -> None:
    class Watcher(Trapping):
        @handle_call
        async def watch(self, pid: PID) -> None:
            await actors.monitor(pid)
            await actors.sleep("1s")

    async def talker() -> None:
        await actors.inbox().receive()
        for number in range(3):
            await actors.send("watcher", "tick", number)

    pid = await start_server(Watcher, name="watcher")
    talking = await actors.spawn(talker)
    actors.start_soon(reason_of_watch, pid, talking, Watcher.watch)
    await actors.sleep("1ms")
    await actors.send(talking, "go")
    await actors.sleep("2s")
    assert journal == ["tick 0", "tick 1", "tick 2", "Exit"]
    await stop_server(pid)


async def reason_of_watch(pid: PID, talking: PID, watch: Any) -> None:
    await call(pid, watch, talking)


@on_every_host
async def test_stop_of_a_dead_server_is_noproc_and_a_slow_stop_times_out() -> None:
    pid = await start_server(Counter)
    assert (await reason_of(stop_server(pid, timeout="50ms")))[0] == actors.TIMEOUT
    await actors.sleep("100ms")
    assert await reason_of(stop_server(pid)) == (actors.NOT_FOUND, "noproc")


# Time-outs


class Idle(Counter):
    def init(self, first: int = 0) -> None:
        self.n = first
        self.set_timeout("2s")

    def handle_timeout(self) -> None:
        journal.append("timeout")

    @handle_call
    def soon(self) -> None:
        self.set_timeout("0s")


@on_every_host
async def test_timeout_comes_once_when_nothing_else_does() -> None:
    pid = await start_server(Idle)
    await actors.sleep("10s")
    assert journal == ["timeout"]
    await stop_server(pid)


@on_every_host
async def test_any_message_cancels_the_timeout_and_a_system_message_restarts_it() -> None:
    pid = await start_server(Idle)
    await actors.sleep("1s")
    await get_state(pid)
    await actors.sleep("1500ms")
    assert journal == []
    await actors.sleep("1s")
    assert journal == ["timeout"]
    await call(pid, Idle.soon)
    await actors.sleep("1ms")
    assert journal == ["timeout"] * 2
    second = await start_server(Idle)
    await call(second, Idle.increment)
    await actors.sleep("10s")
    assert journal == ["timeout"] * 2
    await stop_server(pid)
    await stop_server(second)


@on_every_host
async def test_timers_send_messages_until_they_are_cancelled() -> None:
    class Clock(Counter):
        def init(self, first: int = 0) -> None:
            self.n = first
            self.timers = [self.send_after("1s", "tick", "once"), self.send_every("2s", "tick", "again")]

        @handle_call
        def cancel(self) -> list[bool]:
            return [timer.cancel() for timer in self.timers]

    pid = await start_server(Clock)
    await actors.sleep("5s")
    assert journal == ["tick once", "tick again", "tick again"]
    assert await call(pid, Clock.cancel) == [False, True]
    await actors.sleep("5s")
    assert len(journal) == 3
    await stop_server(pid)


# Deferred replies


@on_every_host
async def test_deferred_call_is_answered_later() -> None:
    class Desk(Server):
        def init(self) -> None:
            self.waiting: list[Any] = []

        @handle_call
        def wait(self) -> str:
            self.waiting.append(self.defer())
            return "not this"

        @handle_call
        async def serve(self, value: str) -> list[bool]:
            return [await self.reply(waiting, value) for waiting in self.waiting]

    got: list[str] = []

    async def wait(pid: PID) -> None:
        got.append(await call(pid, Desk.wait))

    pid = await start_server(Desk)
    for _ in range(2):
        actors.start_soon(wait, pid)
    await actors.sleep("1s")
    assert got == []
    assert await call(pid, Desk.serve, "yes") == [True, True]
    await actors.sleep("1ms")
    assert got == ["yes", "yes"]
    assert await call(pid, Desk.serve, "again") == [False, False]
    await stop_server(pid)


# sys


class Late(Server):
    @handle_call
    def ask(self, number: int) -> Any:
        actors.start_soon(self._answer, self.defer(), number)

    async def _answer(self, question: actors.Message, number: int) -> None:
        await actors.sleep("1s")
        await actors.reply(question, number)


@on_every_host
async def test_deferred_call_can_be_answered_by_any_reply() -> None:
    pid = await start_server(Late)
    assert await call(pid, Late.ask, 5) == 5
    assert await actors.call(pid, "ask", 6) == 6


@on_every_host
async def test_server_that_calls_itself_is_told_so() -> None:
    class Selfish(Server):
        @handle_call
        async def ask(self) -> object:
            return (await reason_of(actors.call(actors.self_pid(), "ask")))[1]

    assert await call(await start_server(Selfish), Selfish.ask) == "calling_self"


@on_every_host
async def test_state_is_the_attributes_and_can_be_replaced() -> None:
    pid = await start_server(Counter, 5)
    assert await get_state(pid) == {"n": 5}
    assert await replace_state(pid, {"n": 7}) == {"n": 7}
    assert await replace_state(pid, lambda state: {"n": state["n"] * 2}) == {"n": 14}
    with pytest.raises(Error, match="ZeroDivisionError"):
        await replace_state(pid, lambda state: {"n": state["n"] // 0})
    assert (await reason_of(replace_state(pid, 5)))[0] == actors.INVALID  # type: ignore[arg-type]
    assert await call(pid, Counter.increment) == 15
    await stop_server(pid)


class Doubling(Counter):
    """What `Counter` is replaced by: it counts twice as fast, and in another attribute."""

    code_version = 2

    @classmethod
    def code_change(cls, old_version: Any, state: dict[str, Any], extra: Any) -> Any:
        if extra == "fail":
            raise ValueError("cannot convert")
        if extra == "nonsense":
            return 5
        journal.append(f"from {old_version} with {extra}")
        return {"total": state["n"]}

    total: int

    @handle_call
    def increment(self, by: int = 1) -> int:
        self.total += 2 * by
        return self.total

    @handle_call
    def double(self) -> int:
        return 2 * self.total


@on_every_host
async def test_code_of_a_suspended_server_is_changed_and_its_mailbox_stays() -> None:
    pid = await start_server(Counter, 5)
    await suspend(pid)
    await actors.send(pid, "tick", 1)
    await change_code(pid, Doubling, "extra")
    await actors.send(pid, "tick", 2)
    assert await get_state(pid) == {"total": 5}
    assert journal == ["from None with extra"]
    await resume(pid)
    assert await call(pid, Doubling.double) == 10
    assert await call(pid, Counter.increment, 1) == 7
    assert journal[1:] == ["tick 1", "tick 2"]


@on_every_host
async def test_change_of_code_that_fails_changes_nothing() -> None:
    class Slotted(Counter):
        __slots__ = ("more",)

    pid = await start_server(Counter, 5)
    assert (await reason_of(change_code(pid, Doubling)))[0] == actors.CONFLICT  # it is not suspended
    await suspend(pid)
    with pytest.raises(Error, match="cannot convert"):
        await change_code(pid, Doubling, "fail")
    assert (await reason_of(change_code(pid, Doubling, "nonsense")))[0] == actors.INVALID
    assert (await reason_of(change_code(pid, Slotted)))[0] == actors.INVALID
    assert (await reason_of(change_code(pid, StateMachine)))[0] == actors.INVALID
    assert (await reason_of(change_code(pid, int)))[0] == actors.INVALID  # type: ignore[arg-type]
    await resume(pid)
    assert await call(pid, Counter.increment) == 6


@on_every_host
async def test_suspended_server_keeps_messages_until_it_is_resumed() -> None:
    pid = await start_server(Counter)
    await suspend(pid)
    await cast(pid, Counter.add, 2)
    assert (await reason_of(call(pid, Counter.increment, timeout="1s")))[0] == actors.TIMEOUT
    assert await get_state(pid) == {"n": 0}
    await resume(pid)
    assert await call(pid, Counter.increment, 10) == 13
    await stop_server(pid)


# Children


@on_every_host
async def test_server_is_a_child_and_starts_anew_when_it_crashes() -> None:
    sup = await start(Supervisor([ChildSpec("counter", Counter, args=(5,), name="counter")]))
    first = await pid_of(sup, "counter")
    assert await call("counter", Counter.increment) == 6
    assert (await reason_of(call("counter", Counter.crash)))[0] == actors.UNAVAILABLE
    assert await pid_of(sup, "counter") != first
    assert await call("counter", Counter.increment) == 6
    await sup.stop()
    assert journal == ["terminate error", "terminate shutdown"]


@on_every_host
async def test_inherited_and_overridden_handlers_work() -> None:
    class Double(Counter):
        def increment(self, by: int = 1) -> int:
            return super().increment(2 * by)

    pid = await start_server(Double)
    assert await call(pid, Counter.increment, 2) == 4
    await cast(pid, Double.reset)
    await stop_server(pid)


def test_bad_declarations_are_refused() -> None:
    with pytest.raises(Error):
        handle_info("")
    with pytest.raises(Error):
        handle_info("@x")
    with pytest.raises(Error):
        handle_call(5)  # type: ignore[type-var]


@on_every_host
async def test_what_is_no_server_is_not_started() -> None:
    assert (await reason_of(start_server(Counter())))[0] == actors.INVALID  # type: ignore[arg-type]
    assert (await reason_of(start_server(int)))[0] == actors.INVALID  # type: ignore[arg-type]
