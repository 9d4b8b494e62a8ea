"""The log of Temporal's SDK in our words: one line each, at the right level, and the details at DEBUG."""

from __future__ import annotations

import logging

import pytest

from actors import NOT_FOUND
from temporal_bridge._wire.sdk_log import CORE, CoreLog
from tests.bridging import outside
from tests.gate_entries import app, calls_function

ONCE = {"activity.retry_policy": {"maximum_attempts": 1}}

CALLS = [
    ("gate:breaks", {}, "INTERNAL", logging.WARNING, "failed: ValueError: a bug"),
    (
        "gate:sleeps",
        {"activity.start_to_close_timeout": "100ms"},
        "TIMEOUT",
        logging.WARNING,
        "exceeded its timeout",
    ),
    ("gate:slow_here", {"activity.start_to_close_timeout": "100ms"}, "TIMEOUT", logging.WARNING, "exceeded"),
]


@pytest.mark.parametrize(
    ("function", "options", "kind", "level", "text"), CALLS, ids=[name for name, *_ in CALLS]
)
async def test_function_that_fails_or_is_too_slow_is_told_in_one_line(
    temporal_address: str,
    caplog: pytest.LogCaptureFixture,
    function: str,
    options: dict[str, str],
    kind: str,
    level: int,
    text: str,
) -> None:
    caplog.set_level(logging.INFO)
    async with outside(temporal_address, app, worker="gate:worker") as here:
        assert await here.node.execute(calls_function, function, {**ONCE, **options}) == kind
    records = [record for record in caplog.records if function in record.getMessage()]
    (record,) = records
    assert record.levelno == level
    assert text in record.getMessage()
    assert record.exc_info is None
    assert "\n" not in record.getMessage()
    assert not [found for found in caplog.records if "Traceback" in (found.exc_text or "")]


async def test_function_whose_caller_has_ended_is_nothing_to_warn_of(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with outside(temporal_address, app, worker="gate:worker") as here:
        pid = await here.node.spawn(calls_function, "gate:sleeps", {})
        await here.node.terminate(pid)
        assert await here.node.execute(calls_function, "gate:unknown", ONCE) == NOT_FOUND
    assert not [record for record in caplog.records if "Activity not found" in record.getMessage()]
    told = [record for record in caplog.records if "gate:sleeps" in record.getMessage()]
    assert not [record for record in told if record.levelno > logging.INFO]


FAILURE = (
    "[sdk_core::temporalio_sdk_core::worker::workflow] Failing workflow task {'run_id': 'run-1', 'failure': 'Failure {"
    ' failure: Some(Failure { message: "too large", source: "", stack_trace: "" }) }\'}'
)
STATUS = (
    "[sdk_core::temporalio_client::retry] gRPC call poll failed"
    " {'error': 'Status { code: Unavailable, message: \"away\" }'}"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (FAILURE, "Temporal: a workflow task of run run-1 failed, and is tried again: too large"),
        (STATUS, "Temporal: gRPC call poll failed: away"),
        ("[sdk_core::x] Task not found when completing {'token': 'x'}", None),
        ("[sdk_core::x] Tried to complete untracked local activity {}", None),
        ("[sdk_core::x] Nothing else.", "Temporal: Nothing else"),
        ("of somebody else", "of somebody else"),
    ],
)
def test_core_of_the_sdk_is_told_without_the_debug_output_of_its_types(said: str, told: str | None) -> None:
    record = logging.LogRecord(CORE, logging.WARNING, "", 0, said, (), None)
    assert CoreLog().filter(record) is (told is not None)
    assert told is None or record.getMessage() == told
