"""Time, randomness, versions and replay of durable processes: W06, W08, W38 to W40 of the seed map."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHistory

import actors
import examples.orders.process as orders
from actors import PID, Error, Exit, Namespace, Node, portable_name, register
from actors._kernel import entries
from actors._values import portable
from examples.saga import trip
from temporal_bridge import TemporalBridge, TemporalClient, Worker, workflow
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import connect
from temporal_bridge._wire.data_converter import data_converter
from temporal_bridge._workflow.lint import offences_of
from temporal_bridge.replay import Replayed, read_histories, replay
from tests import workflow_offences
from tests.bridging import Outside, outside
from tests.eventually import eventually
from tests.histories.record import RECORDINGS, WORKERS  # which imports the examples, too
from tests.workflow_entries import (
    WORKER,
    echo,
    exchange,
    looks_at_its_history,
    parent_of,
    sleeps,
    ticks,
    tries_attributes,
    uses_everything,
    values,
    wf,
    worker_pool,
)
from tests.workflow_offences import offences

GLOBAL_STATE = ("counts_globally", "the global variable count", "an argument")
HISTORIES = Path(__file__).parent / "histories"


@pytest.fixture
async def here(temporal_address: str) -> AsyncGenerator[Outside, None]:
    async with outside(temporal_address, wf, offences, worker=WORKER) as found:
        yield found


async def replayed(
    portal: Portal, histories: Sequence[WorkflowHistory], *workers: Worker, **settings: Any
) -> list[Replayed]:
    async def run() -> list[Replayed]:
        return [result async for result in replay(histories, *workers, **settings)]

    return await portal.call(run)


async def check_replay(here: Outside, *pids: PID) -> None:
    """The histories of these processes replay with the code as it is."""
    histories = [await here.portal.call(here.handle(pid).fetch_history) for pid in pids]
    found = await replayed(here.portal, histories)
    assert [result.error for result in found] == [None] * len(pids)


async def test_w08_history_length_and_size_grow(here: Outside) -> None:
    length, size, later_length, later_size = await here.node.execute(looks_at_its_history)
    assert 0 < length < later_length
    assert 0 < size < later_size


async def test_w07_attribute_that_the_namespace_refuses_is_an_error_to_the_process_that_replays(
    here: Outside,
) -> None:
    unknown, mistyped = {"colour": "red", "vip": True}, {"order_count": 1.5}
    pid = await here.node.spawn(tries_attributes, {"vip": True}, unknown, {"order_total": 5}, mistyped)
    there, mended, other, wrong = await here.result(pid)
    assert (there, other) == ("set", "set")
    assert mended == (
        "INVALID search['colour']='red' is not valid: expected a search attribute that namespace 'default' has;"
        " register it with `temporal operator search-attribute create --namespace default --name colour --type Keyword`"
    )
    assert wrong == (
        "INVALID search['order_count']=1.5 is not valid: expected a value for its type in namespace 'default', Int"
    )
    await check_replay(here, pid)


async def test_w07_attribute_that_is_registered_after_its_refusal_is_taken_by_the_next_process(
    here: Outside,
) -> None:
    name = f"later{uuid.uuid4().hex}"
    first = await here.node.spawn(tries_attributes, {name: 5})
    assert (await here.result(first))[0].startswith("INVALID")
    kind = IndexedValueType.INDEXED_VALUE_TYPE_INT
    request = AddSearchAttributesRequest(namespace="default", search_attributes={name: kind})
    await here.portal.call(here.client.operator_service.add_search_attributes, request)

    async def taken() -> bool:
        told: list[str] = await here.node.execute(tries_attributes, {name: 5})
        return told == ["set"]

    await eventually(taken)
    await check_replay(here, first)


async def test_w38_sleep_takes_its_time_and_now_is_aware_utc(here: Outside) -> None:
    before, after = await here.node.execute(sleeps, "300ms")
    assert before.utcoffset() == timedelta(0)
    assert after - before >= timedelta(milliseconds=300)


async def test_w38_every_ticks_in_step(here: Outside) -> None:
    found = await here.node.execute(ticks, 5)
    assert len(found) == 5
    assert found == sorted(found)


@attrs.frozen
class Deployment:
    """A node and a worker of a task queue that outlives them."""

    node: Node
    portal: Portal
    client: Any


@asynccontextmanager
async def deployment(
    address: str, task_queue: str, *namespaces: Namespace, sandbox: bool = True
) -> AsyncGenerator[Deployment, None]:
    async with Portal("observer") as portal, Node("deployment") as node:
        converter = data_converter()
        client = await portal.call(lambda: connect(TemporalClient(address), data_converter=converter))
        worker = Worker(WORKER, task_queue=task_queue, entries=namespaces, sandbox=sandbox)
        async with TemporalBridge(node, TemporalClient(address), worker):
            yield Deployment(node, portal, client)


async def has_begun(here: Deployment, pid: PID) -> bool:
    """Whether its first workflow task is over."""
    found = await here.portal.call(here.client.get_workflow_handle(pid.id).describe)
    return int(found.history_length) >= 4


async def test_w38_worker_restart_in_the_middle_of_a_sleep_changes_nothing(temporal_address: str) -> None:
    queue = f"q-{uuid.uuid4()}"
    async with deployment(temporal_address, queue, wf) as first:
        pid = await first.node.spawn(sleeps, "700ms")
        handle = first.client.get_workflow_handle(pid.id)

        async def idle() -> bool:
            events = (await first.portal.call(handle.fetch_history)).events
            return any(event.HasField("timer_started_event_attributes") for event in events)

        await eventually(idle)
    async with deployment(temporal_address, queue, wf) as second:
        handle = second.client.get_workflow_handle(pid.id)
        before, after = await second.portal.call(handle.result)
    assert after - before >= timedelta(milliseconds=700)


# W06: a process of four deployments

versioned = Namespace("versioned")
supported = -1
"""The oldest version that the code still knows."""
deployed = 1
"""Which deployment's code runs: 1 has no version call, 2 has one, 3 a second version, 4 a third and a second change."""


@versioned.process(worker=WORKER)
async def changing() -> list[Any]:
    found: list[Any] = [workflow.version("way", supported, deployed - 1)] if deployed > 1 else ["none"]
    await actors.listen("go").receive()
    if deployed == 1:
        return [*found, "none"]
    found.append(workflow.version("way", -1, deployed - 1))
    if deployed == 4:
        found.append(workflow.version("later", -1, 1))
    return found


async def test_w06_running_processes_keep_their_version_and_new_ones_get_the_newest(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = f"q-{uuid.uuid4()}"
    pids: list[PID] = []
    for number in (1, 2, 3, 4):
        monkeypatch.setattr(sys.modules[__name__], "deployed", number)
        async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
            pids.append(pid := await here.node.spawn(changing))
            handle = here.client.get_workflow_handle(pid.id)
            await eventually(partial(has_begun, here, pid))
    async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
        handles = [here.client.get_workflow_handle(pid.id) for pid in pids]
        for handle in handles:
            await here.portal.call(handle.signal, "go")
        found = [await here.portal.call(handle.result) for handle in handles]
        assert found == [[-1, -1, 1], [1, 1, 1], [2, 2, 1], [3, 3, 1]]
        histories = [await here.portal.call(handle.fetch_history) for handle in handles]
        again = await replayed(here.portal, histories, sandbox=False)
        assert [result.error for result in again] == [None] * 4
        # The code of an older deployment does not know what newer processes have done, and is told so.
        monkeypatch.setattr(sys.modules[__name__], "deployed", 2)
        again = await replayed(here.portal, histories, sandbox=False)
        assert again[3].error is not None
        assert "does not replay" in again[3].error.message


async def begun(address: str, queue: str, target: Any, monkeypatch: pytest.MonkeyPatch, number: int) -> PID:
    """A process that a deployment has begun, and that waits."""
    monkeypatch.setattr(sys.modules[__name__], "deployed", number)
    async with deployment(address, queue, versioned, sandbox=False) as here:
        pid = await here.node.spawn(target)
        await eventually(partial(has_begun, here, pid))
    return pid


async def task_failures(here: Deployment, pid: PID) -> list[str]:
    """Why workflow tasks of a process have failed."""
    history = await here.portal.call(here.client.get_workflow_handle(pid.id).fetch_history)
    return [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    ]


@pytest.mark.parametrize(
    ("number", "unfit", "text"),
    [
        (1, (3, 2), "version of 'way' is -1 in this execution, older than the supported 2"),
        (2, (3, 2), "version of 'way' is 1 in this execution, older than the supported 2"),
        (3, (2, -1), "version of 'way' is 2 in this execution, newer than the supported 1"),
    ],
    ids=["before the version call", "with an older version", "with a newer version"],
)
async def test_w06_process_of_an_unsupported_version_waits_for_code_that_supports_it(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch, number: int, unfit: tuple[int, int], text: str
) -> None:
    queue = f"q-{uuid.uuid4()}"
    pid = await begun(temporal_address, queue, changing, monkeypatch, number)
    module = sys.modules[__name__]
    before = module.supported
    monkeypatch.setattr(module, "deployed", unfit[0])
    monkeypatch.setattr(module, "supported", unfit[1])
    async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
        await here.portal.call(here.client.get_workflow_handle(pid.id).signal, "go")

        async def failed() -> bool:
            return bool(await task_failures(here, pid))

        await eventually(failed)
        (failure, *_) = await task_failures(here, pid)
        assert text in failure
        # The same from the recorded history.
        history = await here.portal.call(here.client.get_workflow_handle(pid.id).fetch_history)
        (again,) = await replayed(here.portal, [history], sandbox=False)
        assert again.error is not None
        assert text in again.error.message
    monkeypatch.setattr(module, "deployed", max(number, 2))
    monkeypatch.setattr(module, "supported", before)
    async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
        found = number - 1 if number > 1 else -1
        assert await here.portal.call(here.client.get_workflow_handle(pid.id).result) == [found, found]


@register
@attrs.frozen
class Book:
    name: str
    price: int = 0


@attrs.frozen
class BookWithoutPrice:
    name: str


@versioned.process(worker=WORKER)
async def sells(book: Book) -> str:
    await actors.listen("go").receive()
    return book.name


def lose_the_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(entries._entries, "versioned:sells")


def lose_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(portable._portable, portable_name(Book), BookWithoutPrice)


async def is_listed_as_suspended(here: Deployment, pid: PID) -> bool:
    host = here.node.kernel.wiring.routes["temporal"]
    return any(found.pid == pid and found.status == "suspended" for found in await host.processes(limit=1000))


@pytest.mark.parametrize("lose", [lose_the_entry, lose_a_field])
async def test_process_that_the_code_does_not_fit_waits_for_code_that_does(
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    lose: Callable[[pytest.MonkeyPatch], None],
) -> None:
    queue = f"q-{uuid.uuid4()}"
    async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
        pid = await here.node.spawn(sells, Book("Dune", 9))
        await eventually(partial(has_begun, here, pid))
    with monkeypatch.context() as patch:
        lose(patch)
        caplog.clear()
        caplog.set_level("WARNING")
        async with deployment(temporal_address, queue, sandbox=False) as here:
            assert await here.node.send(pid, "hello")

            async def failed() -> bool:
                return bool(await task_failures(here, pid))

            await eventually(failed)
            (failure, *_) = await task_failures(here, pid)
            assert failure.startswith("suspended: ")
            seen = await here.node.describe(pid)
            assert (seen.status, f"suspended: {seen.details['suspended']}") == ("suspended", failure)
            assert [record.message.partition(" is ")[0] for record in caplog.records] == [
                f"durable process {pid.id} (versioned:sells)"
            ]
            if lose is lose_a_field:  # once is enough: the server lists it after the second attempt
                await eventually(partial(is_listed_as_suspended, here, pid))
    async with deployment(temporal_address, queue, versioned, sandbox=False) as here:
        assert await here.node.send(pid, "go")
        assert await here.portal.call(here.client.get_workflow_handle(pid.id).result) == "Dune"


async def test_w39_what_replays_the_same(here: Outside) -> None:
    async def run() -> list[PID]:
        pids = [
            await actors.spawn_monitored(sleeps, "5ms"),
            await actors.spawn_monitored(ticks, 3),
            await actors.spawn_monitored(parent_of, "wf:returns", 1),
            await actors.spawn_monitored(exchange, await actors.spawn(echo), 3),
            await actors.spawn_monitored(uses_everything),  # an activity, a local one, a version
            await actors.spawn_monitored(worker_pool, 5),
            await actors.spawner().with_message("go").spawn_monitored(values),  # uuid, random bytes, now
        ]
        for _ in pids:
            event = await actors.events().receive()
            assert isinstance(event, Exit)
            assert event.reason == "normal"
        return pids

    pids = await here.node.execute(run, on="trio")
    await check_replay(here, *pids)


async def test_w39_uuid_random_and_now_are_the_same_after_a_replay(temporal_address: str) -> None:
    """Every workflow task replays the whole history, because the worker is a new one."""
    queue = f"q-{uuid.uuid4()}"
    async with deployment(temporal_address, queue, wf) as here:
        pid = await here.node.spawn(values)
        handle = here.client.get_workflow_handle(pid.id)
        await eventually(partial(has_begun, here, pid))
    async with deployment(temporal_address, queue, wf) as here:
        handle = here.client.get_workflow_handle(pid.id)
        await here.portal.call(handle.signal, "go")
        first, later = await here.portal.call(handle.result)
        assert first[0] != later[0]
        assert first[1] != later[1]
        assert first[2] < later[2]
        history = await here.portal.call(handle.fetch_history)
        assert [found.error for found in await replayed(here.portal, [history])] == [None]


@pytest.mark.parametrize(("offence", "call", "safe"), workflow_offences.OFFENCES)
async def test_w40_offence_ends_the_process_and_names_the_call_and_the_safe_one(
    here: Outside, offence: str, call: str, safe: str
) -> None:
    with pytest.raises(Error) as caught:
        await here.node.execute(f"offences:{offence}")
    assert caught.value.kind == "INVALID"
    assert call in caught.value.message
    assert safe in caught.value.message


async def test_w40_global_state_does_not_leak_from_one_process_into_another(here: Outside) -> None:
    assert [await here.node.execute("offences:counts_globally") for _ in range(3)] == [1, 1, 1]


NOT_SHOWN = {"foreign_awaitable"}
"""What no source shows: it is found when it is awaited."""


@pytest.mark.parametrize(("offence", "call", "safe"), [*workflow_offences.OFFENCES, GLOBAL_STATE])
def test_w40_lint_finds_in_the_source_what_the_sandbox_would_catch(
    offence: str, call: str, safe: str
) -> None:
    found = offences_of(getattr(workflow_offences, offence))
    assert bool(found) is (offence not in NOT_SHOWN)
    for error in found[:1]:
        assert call in error.message
        assert safe in error.message
        assert "workflow_offences.py:" in error.message


def test_w40_lint_leaves_alone_what_replays() -> None:
    entries = [
        entry for namespace in (wf, orders.app, trip.app) for entry in namespace if entry.kind == "process"
    ]
    assert len(entries) > 40
    assert {entry.id: offences_of(entry.function) for entry in entries if offences_of(entry.function)} == {}
    for harmless in (workflow_offences.allowed, workflow_offences.calls_a_function):
        assert offences_of(harmless) == ()


async def test_w40_worker_without_a_sandbox_tells_of_offences_and_ends_such_processes(
    temporal_address: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with outside(temporal_address, offences, worker=WORKER, sandbox=False) as here:
        told = [record.message for record in caplog.records if "whenever it is spawned" in record.message]
        assert any("offences:wall_clock" in text and "time.time may not be used" in text for text in told)
        assert any("offences:helped" in text for text in told)
        assert not any("offences:allowed" in text for text in told)
        for offence in ("wall_clock", "helped"):
            with pytest.raises(Error, match=r"time\.time may not be used") as caught:
                await here.node.execute(f"offences:{offence}")
            assert caught.value.kind == "INVALID"
        assert await here.node.execute("offences:allowed") == 1
        assert await here.node.execute("offences:calls_a_function") is True


async def test_process_that_suspends_is_tried_again_until_the_code_is_mended(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = f"q-{uuid.uuid4()}"
    async with deployment(temporal_address, queue, offences, sandbox=False) as here:
        pid = await here.node.spawn(workflow_offences.precious)
        handle = here.client.get_workflow_handle(pid.id)
        await here.portal.call(handle.signal, "go")

        async def failed() -> bool:
            events = (await here.portal.call(handle.fetch_history)).events
            return any("a bug" in str(event.workflow_task_failed_event_attributes) for event in events)

        await eventually(failed)
        assert (await here.portal.call(handle.describe)).status is WorkflowExecutionStatus.RUNNING
        # What it raises on purpose is its word, and no defect.
        with pytest.raises(Error, match="on purpose") as caught:
            await here.node.execute(workflow_offences.precious_but_it_refuses)
        assert caught.value.kind == "CONFLICT"
    monkeypatch.setattr(workflow_offences, "mended", True)
    async with deployment(temporal_address, queue, offences, sandbox=False) as here:
        assert await here.portal.call(here.client.get_workflow_handle(pid.id).result) is None


# Recorded histories


async def test_recorded_histories_replay() -> None:
    async with Portal("replay") as portal:
        workers = [
            Worker(name, task_queue=name, run=False) for name in (WORKER, *(worker.id for worker in WORKERS))
        ]
        histories = read_histories([HISTORIES])
        found = await replayed(portal, histories, *workers)
    assert len(found) == len(histories) >= len(RECORDINGS)
    assert {result.workflow_id: result.error for result in found if result.error is not None} == {}


def run_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "temporal_bridge.replay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


async def test_replay_command_says_which_histories_fail(here: Outside, tmp_path: Path) -> None:
    pid = await here.node.spawn(sleeps, "1ms")
    await here.result(pid)
    history = await here.portal.call(here.handle(pid).fetch_history)
    (tmp_path / f"{pid.id}.json").write_text(history.to_json())
    run = await trio.to_thread.run_sync(run_command, "--import", "tests.workflow_entries", str(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, "1 of 1 histories replay\n", "")
    changed = history.to_json_dict()
    for event in changed["events"]:
        if "workflowExecutionStartedEventAttributes" in event:
            event["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] = "wf:echo"
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    run = await trio.to_thread.run_sync(run_command, "--import", "tests.workflow_entries", str(tmp_path))
    assert run.returncode == 1
    assert "FAILED" in run.stdout
    assert "history: [TMPRL1100] Nondeterminism error:" in run.stdout
    assert "failure_info" not in run.stdout
    assert "1 of 2 histories replay" in run.stdout
    assert run.stderr == ""


def test_replay_command_says_which_entry_is_not_declared() -> None:
    run = run_command(str(HISTORIES / "inbox.json.gz"))
    assert run.returncode == 1
    assert "its entry='wf:collect' is not declared here" in run.stdout
    assert "--import" in run.stdout
    assert run.stderr == ""


async def test_replay_command_takes_the_histories_of_a_server(here: Outside, temporal_address: str) -> None:
    pids = [await here.node.spawn(sleeps, "1ms") for _ in range(3)]
    for pid in pids:
        await here.result(pid)
    query = f'TaskQueue="{here.task_queue}" AND ExecutionStatus="Completed"'

    async def all_are_listed() -> bool:
        return len([found async for found in here.client.list_workflows(query)]) == 3

    await eventually(partial(here.portal.call, all_are_listed))
    run = await trio.to_thread.run_sync(
        lambda: run_command(
            "--import", "tests.workflow_entries", "--address", temporal_address, "--query", query
        )
    )
    assert (run.returncode, run.stdout) == (0, "3 of 3 histories replay\n")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "give either files"),
        (("nowhere",), "does not exist"),
        (("--import", "tests.no_such_module", "tests"), "cannot be imported"),
        (("--worker", "nonsense", "tests"), "ID=QUEUE"),
        ((__file__,), "is not a history"),
        (("--query", "x", "tests/histories"), "give its --address"),
        (("--address", "localhost:1", "--limit", "0"), "x>=1"),
        (("--namespace", "", "tests/histories"), "expected the namespace"),
        (("--address", "nonsense"), "host:port"),
        (("--address", "localhost:1"), "no connection to Temporal"),
    ],
)
def test_replay_command_refuses_what_it_cannot_do(arguments: tuple[str, ...], expected: str) -> None:
    run = run_command(*arguments)
    assert run.returncode == 2
    assert expected in run.stderr
    assert "Traceback" not in run.stderr
