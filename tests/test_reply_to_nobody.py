"""A reply to a message that no process sent is False and a dead letter (semantics 8)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

import pytest

import actors
from tests.bridging import Outside, outside
from tests.eventually import eventually
from tests.workflow_entries import WORKER, answers_senders, wf


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, wf, worker=WORKER) as found:
        yield found


async def are_dead(here: Outside, count: int) -> bool:
    return here.node.dead_letters().count == count


@pytest.mark.parametrize("where", ["trio", "green", WORKER])
async def test_answer_to_code_outside_any_process_is_false_and_a_dead_letter(
    here: Outside, where: str
) -> None:
    before = here.node.dead_letters().count

    async def main() -> list[bool]:
        pid = await actors.spawner(on=where).spawn_monitored(answers_senders, 2)
        for number in range(2):
            assert await here.node.send(pid, "question", number)
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        told: list[bool] = event.result.unwrap()
        return told

    assert await here.node.execute(main, on="trio") == [False, False]
    await eventually(partial(are_dead, here, before + 2))


async def test_answer_to_a_client_of_temporals_own_is_false(here: Outside) -> None:
    pid = await here.node.spawn(answers_senders, 1)
    await here.portal.call(here.handle(pid).signal, "question", 1)
    assert await here.result(pid) == [False]
