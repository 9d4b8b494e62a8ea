"""Servers by key: started by the first message, one for each key (Orleans' grains)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, assert_type

import pytest

import actors
from actors import INVALID, PID, Error
from supervision import call, cast, get_state
from tests.bridging import Outside, outside
from tests.server_entries import WORKER, Counter, asks_by_key, servers


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, servers, worker=WORKER) as found:
        yield found


async def inside(here: Outside, body: Callable[[], Awaitable[Any]]) -> Any:
    async def process() -> Any:
        return await body()

    return await here.node.execute(process, on="trio")


async def test_first_call_starts_it_and_later_ones_find_it(here: Outside) -> None:
    key = here.new_id("user")

    async def body() -> None:
        counter = Counter.at(key, on=WORKER)
        n = await call(counter, Counter.increment, 2)
        assert_type(n, int)
        assert n == 2
        assert await call(Counter.at(key), Counter.increment, 2, timeout="10s") == 4
        assert await cast(counter, Counter.add, 10)
        assert await call(counter, Counter.increment, 0) == 14
        assert await call(counter, Counter.key_of_it) == key
        assert await call(Counter.at(f"{key}-2", on=WORKER), Counter.increment, 1) == 1
        pid = PID("default", "temporal", f"servers:Counter/{key}")
        assert (await get_state(pid))["n"] == 14

    await inside(here, body)


async def test_one_that_has_ended_is_started_again(here: Outside) -> None:
    async def body() -> None:
        counter = Counter.at(here.new_id(), on=WORKER)
        await call(counter, Counter.increment, 2)
        with pytest.raises(Error):
            await call(counter, Counter.crash)
        assert await call(counter, Counter.increment, 1) == 1

    await inside(here, body)


async def test_many_first_calls_at_once_start_one(here: Outside) -> None:
    answers: list[int] = []

    async def ask(key: str) -> None:
        answers.append(await call(Counter.at(key, on=WORKER), Counter.increment, 1, timeout="20s"))

    async def body() -> None:
        key = here.new_id()
        ends = actors.events()
        for _ in range(20):
            await actors.spawn_monitored(ask, key)
        for _ in range(20):
            assert (await ends.receive()).reason == "normal"

    await inside(here, body)
    assert sorted(answers) == list(range(1, 21))


async def test_code_outside_any_process_names_its_node(here: Outside) -> None:
    counter = Counter.at(here.new_id(), on=WORKER, node=here.node)
    assert await call(counter, Counter.increment, 2) == 2
    assert await cast(counter, Counter.add, 5)
    assert await call(counter, Counter.increment, 0) == 7


async def test_durable_processes_find_it_and_leave_it_behind(here: Outside) -> None:
    key = here.new_id()
    assert await here.node.execute(asks_by_key, key, 3) == [1, 2, 3]
    again = Counter.at(key, on=WORKER, node=here.node)
    assert await call(again, Counter.increment, 1) == 4


async def test_in_memory_there_is_one_for_each_key_of_a_node() -> None:
    async def body() -> None:
        for host in ("trio", "green"):
            counter = Counter.at(f"user-{host}", on=host)
            assert await call(counter, Counter.increment, 2) == 2
            assert await call(counter, Counter.increment, 2) == 4
            assert await call(counter, Counter.key_of_it) == f"user-{host}"
            assert await call(Counter.at("other", on=host), Counter.increment, 1) >= 1

    async with actors.Node("grains") as node:
        await node.execute(body, on="trio")


@pytest.mark.parametrize("key", ["", 7, None])
async def test_bad_key_is_refused(key: Any) -> None:
    with pytest.raises(Error, match="key=") as caught:
        Counter.at(key)
    assert caught.value.kind == INVALID
