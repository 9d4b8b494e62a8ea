"""The soak itself: what it takes for a violation, and what it says to a wrong option."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

import actors
from actors import CONFLICT, PID, Error, Namespace, Node
from benchmarks import soak
from benchmarks.soak_findings import LOOK, STILL, Findings, watch_for_stillness
from benchmarks.soak_processes import Books, Tally
from benchmarks.soak_programs import FORM, troubles
from tests.bridging import outside
from tests.eventually import eventually

UNFETCHED = "WARNING everproc.temporal: Failing workflow task: Fetching history failed: Status { code:"

turning = Namespace("out")
turned = False


@turning.process(worker="out:worker")
async def turns() -> None:
    """Code that is another after the first message."""
    await actors.listen("go").receive()
    if not turned:
        await actors.sleep("1ms")
    await actors.listen("go").receive()


def new_books() -> Books:
    return Books("taker", {"a": 0, "b": 0}, PID("default", "temporal", "server"))


def test_numbers_of_each_sender_in_order_are_fine() -> None:
    books = new_books()
    for sender, number in [("a", 1), ("b", 1), ("b", 2), ("a", 2)]:
        books.note(sender, number)
    books.close("a", 2)
    books.close("b", 2)
    assert books.done == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("lost", lambda books: books.note("a", 3)),
        ("doubled", lambda books: books.note("a", 1)),
        ("lost in the end", lambda books: books.close("a", 2)),
        ("the last lost, and then doubled", lambda books: (books.close("a", 1), books.close("a", 1))),
    ],
)
def test_a_number_that_is_lost_or_doubled_is_a_violation(name: str, wrong: Callable[[Books], None]) -> None:
    books = new_books()
    books.note("a", 1)
    with pytest.raises(Error) as caught:
        wrong(books)
    assert caught.value.kind == CONFLICT, name


@pytest.mark.parametrize("number", [1, 3])
def test_a_call_that_is_doubled_or_lost_ends_the_server(number: int) -> None:
    tally = Tally()
    tally.init()
    assert tally.count("caller", 1) == ["caller", 1]
    with pytest.raises(Error) as caught:
        tally.count("caller", number)
    assert caught.value.kind == CONFLICT


async def takes() -> None:
    """Whatever comes."""
    async for _ in actors.inbox():
        pass


async def test_round_in_which_nothing_moves_any_more_is_a_violation_and_says_who_was_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    findings = Findings()
    async with Node("still") as node:
        findings.pending[await node.spawn(takes, on="trio")] = "the one that waits"
        await watch_for_stillness(findings, node)
    (found,) = findings.violations
    assert found.startswith("nothing moves any more")
    assert "the one that waits" in found


async def test_round_goes_on_for_hours_while_one_process_of_many_handles_a_message_now_and_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    findings = Findings()
    async with Node("slow") as node:
        pids = [await node.spawn(takes, on="trio") for _ in range(5)]
        findings.pending.update(dict.fromkeys(pids, "one of five"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_for_stillness, findings, node)
            for _ in range(100):
                await trio.sleep(LOOK * (STILL - 2))
                await node.send(pids[-1], "go")
            nursery.cancel_scope.cancel()
    assert not findings.violations


def test_the_report_says_that_all_held_only_of_a_soak_that_was_finished() -> None:
    finished, told, violated = Findings(), Findings(), Findings()
    told.told = violated.told = "SIGINT"
    violated.violation("a number was lost")
    assert finished.report().startswith("nothing lost")
    assert told.report().startswith("ended by SIGINT")
    assert violated.report() == "VIOLATION a number was lost\nFAILED"


async def test_workflow_task_that_does_not_replay_is_trouble(
    temporal_address: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.INFO)
    log = tmp_path / "worker-a.log"

    async def handled(number: int) -> bool:
        return (await here.node.describe(pid)).handled == number

    async def found() -> bool:
        form = logging.Formatter(FORM)
        log.write_text("".join(form.format(record) + "\n" for record in caplog.records))
        return bool(troubles(tmp_path))

    async with outside(temporal_address, turning, sandbox=False, max_cached_workflows=0) as here:
        pid = await here.node.spawn(turns)
        await here.node.send(pid, "go")
        await eventually(partial(handled, 1))
        assert not await found()
        monkeypatch.setattr(sys.modules[__name__], "turned", True)
        await here.node.send(pid, "go")
        await eventually(found)
        await here.node.terminate(pid)
    (trouble,) = troubles(tmp_path)
    assert trouble.startswith("worker-a.log tells of trouble: ")
    assert "Nondeterminism error" in trouble


@pytest.mark.parametrize(
    ("line", "is_trouble"),
    [
        ("ERROR everproc: process {a.1@trio|2} (soak:exchange), ended with reason=error: a bug", True),
        ("ERROR asyncio: Task exception was never retrieved", True),
        ("CRITICAL everproc.bridge: it is over", True),
        ("Traceback (most recent call last):", True),
        ("ERROR everproc.temporal: gRPC call poll_workflow_task_queue retried 23 times", False),
        (
            "WARNING everproc.bridge: durable process {default@temporal|dies-1} ended with reason=error: on purpose",
            False,
        ),
        ("WARNING everproc.temporal: Task not found when completing", False),
        ("WARNING everproc.temporal: Failing workflow task {'run_id': '1', 'failure': 'a bug'}", True),
        (f"{UNFETCHED} Unavailable, message: tcp connect error", False),
        (f"{UNFETCHED} InvalidArgument, message: a bug", True),
    ],
)
def test_an_error_is_trouble_unless_it_is_that_the_server_is_out_of_reach(
    line: str, is_trouble: bool, tmp_path: Path
) -> None:
    stamp = "" if line.startswith("Traceback") else "2026-11-26 00:12:02,043 "
    (tmp_path / "node-a.log").write_text(
        f"2026-11-26 00:12:02,043 INFO everproc.bridge: ready\n{stamp}{line}\n"
    )
    (tmp_path / "server.log").write_text("time=1 level=ERROR msg=killed\n ERROR its: own affair\n")
    assert [line in found for found in troubles(tmp_path)] == [True] * is_trouble


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--seconds", "0", "more than 0"),
        ("--seconds", "nan", "more than 0"),
        ("--load", "inf", "more than 0"),
        ("--processes", "7", "8 or more"),
        ("--turns", "0", "1 or more"),
        ("--away", "-1", "0 or more"),
        ("--seed", "x", "invalid int value"),
        ("--logs", __file__, "exists"),
        ("--logs", str(Path(__file__).parent), "a new or an empty directory"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    option: str,
    value: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["soak", option, value])
    with pytest.raises(SystemExit) as ended:
        soak.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert option in said
    assert expected in said
