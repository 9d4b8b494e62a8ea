"""Servers on a worker: the same classes, with a state that outlives runs, workers and machines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, assert_type

import pytest

import actors
from actors import INVALID, NOT_FOUND, PERMISSION_DENIED, PID, UNAVAILABLE, Error
from supervision import (
    Ignore,
    Server,
    call,
    cast,
    get_state,
    handle_call,
    replace_state,
    resume,
    start_server,
    stop_server,
    suspend,
)
from temporal_bridge import EmbeddedServer
from temporal_bridge.devserver.server import DYNAMIC_CONFIG
from tests.bridging import Outside, cached_or_evicted, outside
from tests.eventually import eventually
from tests.server_entries import WORKER, Counter, Door, Entry, Picky, calls_a_server, servers
from tests.test_workflow_replay import check_replay

here = cached_or_evicted(servers, worker=WORKER)


@pytest.fixture
async def hasty(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Outside, None]:
    """A server that advises to continue as new after few events."""
    monkeypatch.setitem(DYNAMIC_CONFIG, "limit.historyCount.suggestContinueAsNew", "60")
    async with (
        EmbeddedServer(database=False) as server,
        outside(server.address, servers, worker=WORKER, patience=100) as found,
    ):
        yield found


async def inside(here: Outside, body: Callable[[], Awaitable[Any]]) -> Any:
    async def process() -> Any:
        return await body()

    return await here.node.execute(process, on="trio")


async def test_the_same_class_runs_durably_and_calls_are_typed(here: Outside) -> None:
    name = here.new_id("counter")

    async def body() -> PID:
        pid = await start_server(Counter, 5, on=WORKER, name=name)
        n = await call(pid, Counter.increment, 2)
        assert_type(n, int)
        assert n == 7
        assert await call(pid, Counter.increment, by=1) == 8
        assert await cast(pid, Counter.add, 10)
        assert await call(pid, Counter.slowly, 1) == 19
        assert await call(pid, Counter.last) == [Entry(10)]
        assert await actors.call(pid, "increment", 1) == 20
        await actors.send(pid, "tick", 3)
        assert (await get_state(pid))["ticks"] == 3
        await stop_server(pid)
        return pid

    pid = await inside(here, body)
    assert pid == PID("default", "temporal", name)
    await check_replay(here, pid)


async def test_a_class_runs_in_memory_when_told_so(here: Outside) -> None:
    async def body() -> None:
        pid = await start_server(Counter, 5, on="green")
        assert pid.host == "green"
        assert await call(pid, Counter.increment, 2) == 7

    await inside(here, body)


async def test_starting_under_a_name_again_gives_the_one_that_runs(here: Outside) -> None:
    name = here.new_id("counter")

    async def body() -> None:
        first = await start_server(Counter, 5, name=name)
        await call(first, Counter.increment, 2)
        assert await start_server(Counter, 100, name=name) == first
        assert await call(first, Counter.increment, 2) == 9

    await inside(here, body)


async def test_it_outlives_the_process_that_started_it_and_its_crash(here: Outside) -> None:
    async def body() -> None:
        await start_server(Counter, 5, name="crashed-starter")
        raise ValueError("on purpose")

    with pytest.raises(Error, match="on purpose"):
        await inside(here, body)
    pid = PID("default", "temporal", "crashed-starter")
    assert await here.node.call(pid, "increment", 1) == 6
    await here.node.terminate(pid)


@pytest.mark.parametrize(
    ("handler", "args", "kind", "text"),
    [
        ("nothing", (), NOT_FOUND, "has no method 'nothing' with @handle_call"),
        ("increment", (1, 2, 3), INVALID, "increment: .*argument"),
        ("refuse", (), PERMISSION_DENIED, "not today"),
        ("odd", (), INVALID, "the reply to 'odd': .*cannot be serialised"),
    ],
)
async def test_refused_call_gives_its_error_and_the_server_goes_on(
    here: Outside, handler: str, args: tuple[Any, ...], kind: str, text: str
) -> None:
    async def body() -> PID:
        pid = await start_server(Counter)
        with pytest.raises(Error, match=text) as caught:
            await call(pid, handler, *args)
        assert caught.value.kind == kind
        local = await start_server(Counter, on="trio")
        if handler != "odd":
            with pytest.raises(Error) as there:
                await call(local, handler, *args)
            assert (there.value.kind, there.value.message) == (kind, caught.value.message)
        assert await call(pid, Counter.last) == []
        return pid

    pid = await inside(here, body)
    if kind in (NOT_FOUND, INVALID) and handler != "odd":  # refused before it became part of the history
        assert not any(handler in str(event) for event in await here.history(pid))


async def test_crash_of_a_handler_ends_it_with_its_error(here: Outside) -> None:
    async def body() -> None:
        pid = await start_server(Counter)
        with pytest.raises(Error) as caught:
            await call(pid, Counter.crash)
        assert caught.value.kind == UNAVAILABLE
        assert str(caught.value.__cause__) == "ValueError: asked to crash"

    await inside(here, body)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("fail", "no disk"),
        ("odd", "attribute 'lock' of Picky cannot be carried over an upgrade"),
        ("stop", "init stopped it"),
    ],
)
async def test_failed_start_gives_the_error_of_init(here: Outside, how: str, text: str) -> None:
    async def body() -> None:
        with pytest.raises(Error, match=text):
            await start_server(Picky, how)

    await inside(here, body)


async def test_start_that_is_ignored_raises_ignore(here: Outside) -> None:
    async def body() -> None:
        with pytest.raises(Ignore):
            await start_server(Picky, "ignore")

    await inside(here, body)


class Undeclared(Server):
    @handle_call
    def nothing(self) -> None: ...


async def test_class_without_a_declaration_cannot_be_durable(here: Outside) -> None:
    async def body() -> None:
        with pytest.raises(Error, match="declare it with") as caught:
            await start_server(Undeclared, on=WORKER)
        assert caught.value.kind == INVALID

    await inside(here, body)


async def test_state_can_be_seen_and_replaced_and_handling_suspended(here: Outside) -> None:
    async def body() -> PID:
        pid = await start_server(Counter, 5)
        await suspend(pid)
        await cast(pid, Counter.add, 1)
        assert (await get_state(pid))["n"] == 5
        await resume(pid)
        assert await call(pid, Counter.increment, 0) == 6
        assert (await replace_state(pid, {**await get_state(pid), "n": 50}))["n"] == 50
        with pytest.raises(Error, match="cannot be serialised") as caught:
            await replace_state(pid, lambda state: state)
        assert caught.value.kind == INVALID
        return pid

    pid = await inside(here, body)
    before = len(await here.history(pid))
    state = await here.portal.call(here.handle(pid).query, "get_state")
    assert state["n"] == 50
    assert len(await here.history(pid)) == before


async def test_any_temporal_client_can_call_it(here: Outside) -> None:
    async def body() -> PID:
        return await start_server(Counter, 5)

    pid = await inside(here, body)
    assert await here.portal.call(lambda: here.handle(pid).execute_update("increment", 2)) == 7
    await here.portal.call(lambda: here.handle(pid).signal("add", 2))
    assert await here.node.call(pid, "increment", 0) == 9


async def test_durable_processes_call_it_by_messages(here: Outside) -> None:
    async def body() -> PID:
        return await start_server(Counter)

    pid = await inside(here, body)
    assert await here.node.execute(calls_a_server, pid, 3) == [2, 4, 6]
    kinds = [str(event.WhichOneof("attributes")) for event in await here.history(pid)]
    assert sum("update_accepted" in kind for kind in kinds) == 1  # that of its start


# Long life


@pytest.mark.timeout(240)
async def test_thousands_of_calls_and_casts_over_many_runs_lose_and_double_nothing(hasty: Outside) -> None:
    seen: list[int] = []

    async def ask(pid: PID, count: int) -> None:
        last = 0
        for _ in range(count):
            now = await call(pid, Counter.increment, 1, timeout="30s")
            assert now > last
            last = now
            seen.append(now)

    async def tell(pid: PID, count: int) -> None:
        for _ in range(count):
            assert await cast(pid, Counter.add, 10_000)

    async def body() -> PID:
        pid = await start_server(Counter)
        ends = actors.events()
        for _ in range(6):
            await actors.spawn_monitored(ask, pid, 250)
            await actors.spawn_monitored(tell, pid, 300)
        for _ in range(12):
            event = await ends.receive()
            assert event.reason == "normal", event
        assert await call(pid, Counter.increment, 0) == 1_800 * 10_000 + 1_500
        assert await call(pid, Counter.upgraded) >= 10
        return pid

    pid = await inside(hasty, body)
    assert sorted(number % 10_000 for number in seen) == list(range(1, 1_501))
    assert len(await hasty.history(pid)) < 500
    await check_replay(hasty, pid)


async def upgrade(pid: PID) -> None:
    """Have so much happen that it goes on in a new run."""
    before = await call(pid, Counter.upgraded)
    while await call(pid, Counter.upgraded, timeout="20s") == before:
        pass


async def test_deferred_calls_timers_and_suspension_go_over_an_upgrade(hasty: Outside) -> None:
    answers = actors.Channel[int](capacity=3)

    async def wait(pid: PID) -> None:
        await answers.send(await actors.call(pid, "wait", timeout="30s"))

    async def body() -> None:
        pid = await start_server(Counter, 5)
        for _ in range(3):
            actors.start_soon(wait, pid)
        await call(pid, Counter.tick_every, "50ms")
        await upgrade(pid)
        ticks = (await get_state(pid))["ticks"]
        while (await get_state(pid))["ticks"] < ticks + 2:
            await actors.sleep("50ms")
        assert await call(pid, Counter.stop_ticking)
        await upgrade(pid)
        assert await call(pid, Counter.release, timeout="20s") == 3
        assert [await answers.receive() for _ in range(3)] == [5, 5, 5]
        await call(pid, Counter.tick_once, "600ms")
        before = (await get_state(pid))["ticks"]
        await upgrade(pid)
        await suspend(pid)
        await cast(pid, Counter.add, 1)
        for _ in range(40):
            await get_state(pid)
        await resume(pid)
        assert await call(pid, Counter.increment, 0) == 6
        while (await get_state(pid))["ticks"] < before + 100:
            await actors.sleep("50ms")

    await inside(hasty, body)


async def test_attribute_that_cannot_be_carried_ends_it_with_an_error_that_names_it(hasty: Outside) -> None:
    async def body() -> None:
        pid = await start_server(Counter)
        await call(pid, Counter.hold_a_lock)
        with pytest.raises(Error) as caught:
            await upgrade(pid)
        cause = caught.value.__cause__
        assert isinstance(cause, Error)
        assert "attribute 'lock' of Counter cannot be carried over an upgrade" in cause.message
        assert cause.kind == INVALID

    await inside(hasty, body)


# State machines


async def test_state_machine_runs_durably(here: Outside) -> None:
    async def body() -> None:
        pid = await start_server(Door, "1234")
        await actors.send(pid, "push")
        assert await call(pid, "unlock", "no") is False
        assert await call(pid, "look") == ["locked", []]
        assert await call(pid, "unlock", "1234") is True
        assert await call(pid, "look") == ["open", ["pushed"]]
        await eventually(partial(is_locked, pid))

    await inside(here, body)


async def is_locked(pid: PID) -> bool:
    state: list[Any] = await call(pid, "look")
    return bool(state[0] == "locked")


async def test_state_machine_goes_over_an_upgrade_with_what_it_has_put_aside(hasty: Outside) -> None:
    async def body() -> None:
        pid = await start_server(Door, "1234")
        await actors.send(pid, "push")
        for _ in range(60):
            assert await call(pid, "look", timeout="20s") == ["locked", []]
        assert await call(pid, "unlock", "1234", timeout="20s") is True
        assert (await call(pid, "look"))[1] == ["pushed"]
        await eventually(partial(is_locked, pid))
        first = await hasty.started(pid)
        assert first.continued_execution_run_id

    await inside(hasty, body)


async def test_full_server_refuses_calls_at_once(here: Outside) -> None:
    async def body() -> tuple[list[str], int]:
        pid = await start_server(Counter, options={"mailbox.max": 1})
        outcomes = actors.Channel[str]()

        async def ask() -> None:
            try:
                await call(pid, Counter.slowly, 1, timeout="20s")
            except Error as error:
                await outcomes.send(error.kind)
            else:
                await outcomes.send("answered")

        for _ in range(8):
            actors.start_soon(ask)
        return [await outcomes.receive() for _ in range(8)], await call(pid, Counter.increment, 0)

    outcomes, count = await inside(here, body)
    assert set(outcomes) == {"answered", UNAVAILABLE}
    assert outcomes.count("answered") == count
