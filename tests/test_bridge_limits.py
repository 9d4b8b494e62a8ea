"""What a durable process sends is checked where it is sent: the limits of Temporal, one step below and one above."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

import actors
from actors import ALREADY_EXISTS, CONFLICT, INTERNAL, INVALID, Error, Exit
from temporal_bridge import TemporalClient
from temporal_bridge._wire.converter import LARGEST, MOST_BYTES
from tests.bridging import Outside, next_exit, outside
from tests.gate_entries import (
    answers,
    app,
    calls_local,
    crashes,
    crowds,
    fails,
    notes,
    reads,
    returns,
    shares_an_id,
    tries,
)

WORKER = "gate:worker"
A_LOT = LARGEST - 1000
"""A text that fits as one payload, with room for what it is wrapped in."""

LIMITS = [
    ("memo", A_LOT, LARGEST),
    ("memo key", 1000, 1001),
    ("search attribute", 2044, 2045),
    ("activity id", 1000, 1001),
    ("workflow id", 1000, 1001),
    ("topic", 1000, 1001),
    ("change id", 255, 256),
    ("argument", A_LOT, LARGEST),
    ("context", A_LOT, LARGEST),
    ("child memo", A_LOT, LARGEST),
    ("message", A_LOT, LARGEST),
]


async def end_of(here: Outside, target: Any, *args: Any) -> Exit:
    """How a process ends."""

    async def body() -> Exit:
        await actors.spawn_monitored(target, *args)
        return await next_exit()

    found = await here.as_process(body)
    assert isinstance(found, Exit)
    return found


@pytest.mark.parametrize(("what", "below", "above"), LIMITS, ids=[name for name, *_ in LIMITS])
async def test_what_fits_is_done_and_one_step_more_is_an_error_at_that_line(
    temporal_address: str, what: str, below: int, above: int
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert await here.node.execute(tries, what, above) == INVALID
        assert await here.node.execute(tries, what, below) == "done"


async def test_timer_of_any_length_is_one(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert await here.node.execute(tries, "timer", 900_000_000) == "done"


OUTSIDE = [
    ("name", 1000, 1001),
    ("topic", 1000, 1001),
    ("argument", A_LOT, LARGEST),
    ("context", A_LOT, LARGEST),
]


@pytest.mark.parametrize(("what", "below", "above"), OUTSIDE, ids=[name for name, *_ in OUTSIDE])
async def test_limits_are_the_same_from_outside(
    temporal_address: str, what: str, below: int, above: int
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:

        async def attempt(size: int) -> str:
            text = "x" * size
            try:
                if what == "name":
                    await here.node.spawner(name=text).spawn(answers)
                elif what == "topic":
                    await here.node.send(await here.node.spawn(answers), text, 1)
                elif what == "argument":
                    await here.node.spawn(notes, [[text, 0]], False)
                else:
                    await here.node.spawner(context={"note": text}).spawn(answers)
            except Error as error:
                return error.kind
            return "done"

        assert (await attempt(below), await attempt(above)) == ("done", INVALID)


async def test_result_that_fits_arrives_and_one_that_does_not_is_the_error_of_the_process(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert len(await here.node.execute(returns, A_LOT)) == A_LOT
        end = await end_of(here, returns, LARGEST)
        assert end.result.error is not None
        assert (end.reason, end.result.error.kind) == ("error", INVALID)


@pytest.mark.parametrize("key", [1, "", None, "\u00fc" * 501, "k" * 1001])
async def test_memo_field_without_a_proper_name_is_invalid_and_the_process_goes_on(
    temporal_address: str, key: Any
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert await here.node.execute(notes, [[key, 1], ["note", 1]], False) == [INVALID, "done"]


async def test_memos_of_one_task_are_checked_together_and_a_wait_makes_room(temporal_address: str) -> None:
    fields = [["note", 1_000_000]] * 5
    most = MOST_BYTES // 1_000_100
    async with outside(temporal_address, app, worker=WORKER) as here:
        told = await here.node.execute(notes, fields, False)
        assert told == ["done"] * most + [INVALID] * (5 - most)
        assert await here.node.execute(notes, fields, True) == ["done"] * 5


async def test_memo_is_checked_with_the_fields_that_were_set_before(temporal_address: str) -> None:
    fields = [[f"note{number}", 900_000] for number in range(3)]
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert await here.node.execute(notes, fields, True) == ["done", "done", INVALID]


@pytest.mark.parametrize(("pages", "size"), [(60, 95_000), (30, 200_000), (5, 1_900_000)])
async def test_results_of_local_functions_arrive_however_large_they_are_together(
    temporal_address: str, pages: int, size: int
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        assert await here.node.execute(reads, pages, size) == pages * size


async def test_id_of_a_call_that_is_in_use_is_an_error_of_the_second_and_free_after_the_first(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        kind, text, later = await here.node.execute(shares_an_id)
        assert (kind, later) == (ALREADY_EXISTS, "3")
        assert "activity.id='dup'" in text


async def test_no_more_is_under_way_than_asked_for_and_the_rest_waits(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        pid = await here.node.spawner(options={"temporal.workflow.max_pending": 3}).spawn(crowds, 7)
        assert await here.result(pid) == 7
        under_way = most = 0
        for event in await here.history(pid):
            under_way += event.HasField("activity_task_scheduled_event_attributes")
            under_way -= event.HasField("activity_task_completed_event_attributes")
            most = max(most, under_way)
        assert most == 3


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("activity.heartbeat_timeout", "10s"),
        ("activity.task_queue", "elsewhere"),
        ("activity.disable_eager_execution", True),
    ],
)
async def test_option_that_a_local_function_does_not_have_is_invalid(
    temporal_address: str, option: str, value: Any
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        kind, text = await here.node.execute(calls_local, option, value)
        assert kind == INVALID
        assert option in text
        assert "local" in text
        assert await here.node.execute(calls_local, "activity.start_to_close_timeout", "10s") == [2]


@pytest.mark.parametrize(
    ("text", "details", "causes"),
    [(3_000_000, 0, 0), (10, 3_000_000, 0), (10, 10, 300), (20_000, 40_000, 40)],
)
async def test_large_error_ends_the_process_and_arrives_shortened_with_its_kind(
    temporal_address: str, text: int, details: int, causes: int
) -> None:
    async with outside(temporal_address, app, worker=WORKER) as here:
        end = await end_of(here, fails, CONFLICT, text, details, causes)
        assert end.result.error is not None
        assert (end.reason, end.result.error.kind) == ("error", CONFLICT)
        assert end.result.error.message.startswith("x" * 10)
        assert end.result.error.details["rows"].strip("'")[:10] == "x" * min(10, details)
        chain, cause = 0, end.result.error.__cause__
        while cause is not None:
            chain, cause = chain + 1, cause.__cause__
        assert chain == min(causes, 19)
        pid = end.pid
        assert (await here.describe(pid)).status is WorkflowExecutionStatus.FAILED


async def test_crash_with_a_long_text_ends_the_process(temporal_address: str) -> None:
    async with outside(temporal_address, app, worker=WORKER, client=TemporalClient(temporal_address)) as here:
        end = await end_of(here, crashes, 3_000_000)
        assert end.result.error is not None
        assert (end.reason, end.result.error.kind) == ("error", INTERNAL)
        assert end.result.error.message.startswith("ValueError: xxx")
