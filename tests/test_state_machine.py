"""The state machine, line by line as OTP describes `gen_statem`; on every host."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import PID, Error
from supervision import (
    Called,
    ChildSpec,
    Entered,
    Inserted,
    Sent,
    State,
    StateEvent,
    StateMachine,
    Supervisor,
    TimedOut,
    call,
    change_code,
    get_state,
    resume,
    start,
    start_server,
    stop_server,
    suspend,
)
from tests.hosts import on_every_host
from tests.supervised import pid_of, reason_of

journal: list[str] = []


@pytest.fixture(autouse=True)
def empty_journal() -> None:
    journal.clear()


class Door(StateMachine):
    def init(self, code: str = "1234") -> State:
        self.code = code
        return self.locked

    async def locked(self, event: StateEvent) -> State | None:
        match event:
            case Called("unlock", (code,)):
                await self.reply(event, code == self.code)
                if code == self.code:
                    self.set_state_timeout("10s", "too long")
                    return self.open
            case Called("enter"):
                self.postpone()
            case Sent("explode"):
                raise ValueError("boom")
            case _:
                journal.append(f"locked {event}")
        return None

    async def open(self, event: StateEvent) -> State | None:
        match event:
            case Called("enter", (who,)):
                journal.append(f"{who} enters")
                await self.reply(event, who)
            case Called("lock"):
                await self.reply(event, True)
                return self.locked
            case TimedOut("state", _, payload):
                journal.append(payload)
                return "locked"
            case _:
                journal.append(f"open {event}")
        return None


class Script(StateMachine):
    """Two states that do what a message says, and write down what they see."""

    def init(self, *_: Any) -> State:
        return "a"

    async def a(self, event: StateEvent) -> State | None:
        return await self.act(event)

    async def b(self, event: StateEvent) -> State | None:
        return await self.act(event)

    async def act(self, event: StateEvent) -> State | None:
        match event:
            case Sent("do", do) | Inserted(do) if callable(do):
                result: State | None = do(self)
                return result
            case Called(name):
                journal.append(f"{self.state}: call {name}")
                await self.reply(event, self.state)
            case Sent("later", payload):
                if self.state == "a":
                    self.postpone()
                else:
                    journal.append(f"{self.state}: later {payload}")
            case Sent(topic, payload):
                journal.append(f"{self.state}: {topic} {payload}")
            case Inserted(value):
                journal.append(f"{self.state}: inserted {value}")
            case TimedOut(kind, name, payload):
                journal.append(f"{self.state}: {kind}{name} {payload}")
            case Entered(previous):
                journal.append(f"{self.state}: from {previous}")
            case _:
                journal.append(f"{self.state}: {type(event).__name__}")
        return None


class Entering(Script):
    state_enter = True


async def do(pid: PID, action: Any) -> None:
    await actors.send(pid, "do", action)


async def enter(pid: PID, who: str) -> None:
    await call(pid, "enter", who, timeout="1h")


@on_every_host
async def test_machine_starts_in_the_state_that_init_returns() -> None:
    pid = await start_server(Door)
    assert (await get_state(pid))["state"] == "locked"
    assert await call(pid, "unlock", "0000") is False
    assert await call(pid, "unlock", "1234") is True
    assert (await get_state(pid))["state"] == "open"
    assert await actors.call(pid, "lock") is True
    await stop_server(pid)


@on_every_host
async def test_postponed_events_come_again_in_order_once_the_state_changes() -> None:
    pid = await start_server(Door)
    for who in ("Ann", "Bob"):
        actors.start_soon(enter, pid, who)
        await actors.sleep("1ms")
    assert journal == []
    await call(pid, "unlock", "1234")
    await actors.sleep("1ms")
    assert journal == ["Ann enters", "Bob enters"]
    await stop_server(pid)


@on_every_host
async def test_postponed_events_come_before_what_was_not_received_yet() -> None:
    pid = await start_server(Script)
    await suspend(pid)
    await actors.send(pid, "later", 1)
    await actors.send(pid, "later", 2)
    await do(pid, lambda machine: machine.b)
    await actors.send(pid, "now", 3)
    await resume(pid)
    await actors.sleep("1ms")
    assert journal == ["b: later 1", "b: later 2", "b: now 3"]
    await stop_server(pid)


@on_every_host
async def test_event_that_is_postponed_again_waits_for_the_next_state() -> None:
    pid = await start_server(Script)
    await actors.send(pid, "later", 1)
    await do(pid, lambda machine: machine.a)  # the same state is no change
    await call(pid, "x")
    assert journal == ["a: call x"]
    await do(pid, lambda machine: machine.repeat_state())
    await call(pid, "x")
    assert journal == ["a: call x"] * 2
    await do(pid, lambda machine: machine.b)
    await call(pid, "x")
    assert journal[2:] == ["b: later 1", "b: call x"]
    await stop_server(pid)


@on_every_host
async def test_inserted_events_come_before_postponed_ones_and_messages_in_their_order() -> None:
    def act(machine: StateMachine) -> State:
        machine.next_event("x")
        machine.next_event("y")
        return "b"

    pid = await start_server(Script)
    await suspend(pid)
    await actors.send(pid, "later", 1)
    await do(pid, act)
    await actors.send(pid, "now", 2)
    await resume(pid)
    await actors.sleep("1ms")
    assert journal == ["b: inserted x", "b: inserted y", "b: later 1", "b: now 2"]
    await stop_server(pid)


# State enter


@on_every_host
async def test_states_are_entered_with_the_one_before() -> None:
    pid = await start_server(Entering)
    await do(pid, lambda machine: machine.b)
    await do(pid, lambda machine: machine.b)
    await do(pid, lambda machine: machine.repeat_state())
    await call(pid, "x")
    assert journal == ["a: from a", "b: from a", "b: from b", "b: call x"]
    await stop_server(pid)


@on_every_host
async def test_entered_state_comes_before_what_was_postponed() -> None:
    pid = await start_server(Entering)
    await actors.send(pid, "later", 1)
    await do(pid, lambda machine: machine.b)
    await call(pid, "x")
    assert journal == ["a: from a", "b: from a", "b: later 1", "b: call x"]
    await stop_server(pid)


@pytest.mark.parametrize("what", ["change", "postpone", "next_event"])
@on_every_host
async def test_state_that_is_entered_cannot_do_everything(what: str) -> None:
    class Restless(Script):
        state_enter = True

        async def b(self, event: StateEvent) -> State | None:
            if isinstance(event, Entered):
                if what == "change":
                    return self.a
                if what == "postpone":
                    self.postpone()
                else:
                    self.next_event(1)
            return None

    actors.set_options(trap_links=True)
    pid = await start_server(Restless)
    await do(pid, lambda machine: machine.b)
    assert (await reason_of(call(pid, "x")))[0] in (actors.UNAVAILABLE, actors.NOT_FOUND)


# Time-outs


@on_every_host
async def test_event_timeout_comes_unless_any_event_does() -> None:
    pid = await start_server(Script)
    await do(pid, lambda machine: machine.set_event_timeout("1s", "p"))
    await actors.sleep("500ms")
    await actors.send(pid, "note", 1)
    await actors.sleep("2s")
    assert journal == ["a: note 1"]
    await do(pid, lambda machine: machine.set_event_timeout("1s", "p"))
    await actors.sleep("2s")
    assert journal == ["a: note 1", "a: event p"]
    await stop_server(pid)


@on_every_host
async def test_state_timeout_is_cancelled_by_a_change_of_state_only() -> None:
    pid = await start_server(Door)
    await call(pid, "unlock", "1234")
    await actors.sleep("5s")
    await call(pid, "enter", "Ann")
    await actors.sleep("6s")
    assert journal == ["Ann enters", "too long"]
    await call(pid, "unlock", "1234")
    await call(pid, "lock")
    await actors.sleep("20s")
    assert journal == ["Ann enters", "too long"]
    await stop_server(pid)


@on_every_host
async def test_state_timeout_that_is_set_with_a_change_counts_for_the_new_state() -> None:
    def act(machine: StateMachine) -> State:
        machine.set_state_timeout("1s", "new")
        return "b"

    pid = await start_server(Script)
    await do(pid, lambda machine: machine.set_state_timeout("1s", "old"))
    await do(pid, act)
    await actors.sleep("2s")
    assert journal == ["b: state new"]
    await stop_server(pid)


@on_every_host
async def test_named_timeouts_live_until_they_fire_or_are_cancelled() -> None:
    pid = await start_server(Script)
    await do(pid, lambda machine: machine.set_named_timeout("x", "1s", 1))
    await do(pid, lambda machine: machine.set_named_timeout("y", "2s", 2))
    await do(pid, lambda machine: machine.set_named_timeout("z", "3s", 3))
    await do(pid, lambda machine: machine.cancel_timeout("named", "y"))
    await do(pid, lambda machine: machine.b)
    await actors.sleep("2500ms")
    await do(pid, lambda machine: machine.update_timeout("named", "new", "z"))
    await actors.sleep("2s")
    assert journal == ["b: namedx 1", "b: namedz new"]
    await stop_server(pid)


@on_every_host
async def test_timeout_that_is_set_again_starts_anew() -> None:
    pid = await start_server(Script)
    for number in range(3):
        await do(pid, lambda machine, number=number: machine.set_named_timeout("x", "2s", number))
        await actors.sleep("1s")
    assert journal == []
    await actors.sleep("2s")
    assert journal == ["a: namedx 2"]
    await stop_server(pid)


@on_every_host
async def test_timeout_of_no_length_comes_before_what_was_not_received_and_after_what_waits() -> None:
    def act(machine: StateMachine) -> None:
        machine.set_named_timeout("x", "0s", 1)
        machine.next_event("first")

    pid = await start_server(Script)
    await suspend(pid)
    await do(pid, act)
    await resume(pid)
    await actors.send(pid, "note", 2)
    await actors.sleep("1ms")
    assert journal == ["a: inserted first", "a: namedx 1", "a: note 2"]
    await stop_server(pid)


@on_every_host
async def test_timeouts_are_not_starved_by_messages() -> None:
    class Busy(Script):
        async def a(self, event: StateEvent) -> State | None:
            if isinstance(event, Sent) and event.topic == "again":
                await actors.sleep("100ms")
                await actors.send(actors.self_pid(), "again")
                return None
            return await self.act(event)

    pid = await start_server(Busy)
    await do(pid, lambda machine: machine.set_named_timeout("x", "1s", 1))
    await actors.send(pid, "again")
    await actors.sleep("3s")
    assert journal == ["a: namedx 1"]
    await stop_server(pid)


# Life


@on_every_host
async def test_unknown_state_ends_the_machine_and_its_caller_hears_of_it() -> None:
    class Lost(StateMachine):
        def init(self) -> State:
            return self.here

        def here(self, event: StateEvent) -> State:
            return "nowhere"

    actors.set_options(trap_links=True)
    pid = await start_server(Lost)
    assert await reason_of(call(pid, "x")) == (actors.UNAVAILABLE, "error")


@on_every_host
async def test_stop_in_a_state_runs_terminate_after_its_replies() -> None:
    class Quitter(StateMachine):
        def init(self) -> State:
            return self.here

        async def here(self, event: StateEvent) -> None:
            assert isinstance(event, Called)
            await self.reply(event, "bye")
            self.stop()

        def terminate(self, reason: str) -> None:
            journal.append(f"terminate {reason}")

    pid = await start_server(Quitter)
    assert await call(pid, "x") == "bye"
    await actors.sleep("1ms")
    assert journal == ["terminate normal"]


@on_every_host
async def test_machine_is_a_child_like_any_server() -> None:
    sup = await start(Supervisor([ChildSpec("door", Door, args=("9",), name="door")]))
    assert await call("door", "unlock", "9") is True
    before = await pid_of(sup, "door")
    await call(before, "lock")
    await actors.send("door", "explode")
    await actors.sleep("1ms")
    assert await pid_of(sup, "door") != before
    assert await call("door", "unlock", "9") is True
    await sup.stop()


class Gate(StateMachine):
    """What a `Door` becomes."""

    async def shut(self, event: StateEvent) -> State | None:
        if isinstance(event, Called):
            await self.reply(event, f"{self.state} {event.name}")
        return None

    @classmethod
    def code_change(cls, old_version: Any, state: dict[str, Any], extra: Any) -> Any:
        return {**state, "state": extra}


@on_every_host
async def test_code_of_a_suspended_machine_is_changed_if_it_has_the_state() -> None:
    pid = await start_server(Door)
    await suspend(pid)
    assert (await reason_of(change_code(pid, Gate, "locked")))[0] == actors.INVALID
    assert (await get_state(pid))["state"] == "locked"
    await change_code(pid, Gate, "shut")
    await resume(pid)
    assert await call(pid, "push") == "shut push"
    assert await get_state(pid) == {"code": "1234", "state": "shut"}


@on_every_host
async def test_actions_outside_a_state_are_refused() -> None:
    machine: list[StateMachine] = []

    class Leaky(Script):
        def init(self, *_: Any) -> State:
            machine.append(self)
            return "a"

    pid = await start_server(Leaky)
    await call(pid, "x")
    with pytest.raises(Error, match="while it handles an event"):
        machine[0].postpone()
    await stop_server(pid)
