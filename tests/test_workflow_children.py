"""The options of spawns inside durable processes: each seen on the server, or refused with the words that say why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from actors import ALREADY_EXISTS, INVALID, PID, Error
from tests.bridging import Outside, outside
from tests.outside_entries import app, collect_until_stop, hello, spawn_child, wait_for_finish


def table(**options: Any) -> dict[str, Any]:
    return {f"temporal.workflow.{name}": value for name, value in options.items()}


async def child(here: Outside, target: str, name: str | None = None, *messages: Any, **options: Any) -> Any:
    """What spawning a child in a durable process gives: its PID, or kind, message and details of the error."""
    given = table(parent_close_policy="abandon", **options)
    return await here.node.execute(spawn_child, target, name, given, list(messages))


async def test_process_for_activities_is_no_workflow_whoever_spawns_it(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        kind, message, _ = await child(here, "out:only_an_activity")
        assert (kind, "activity=True" in message) == (INVALID, True)
        with pytest.raises(Error, match="activity=True") as caught:
            await here.node.spawn("out:only_an_activity")
        assert caught.value.message == message


async def test_w15_every_option_of_a_child_is_seen_on_the_server(temporal_address: str) -> None:
    when = datetime(2026, 1, 2, tzinfo=UTC)
    attributes = {
        "customer_id": "c",
        "order_total": 9.5,
        "order_count": 3,
        "vip": True,
        "ordered_at": when,
        "order_tags": ["a", "b"],
    }
    async with outside(temporal_address, app) as here:
        name = here.new_id()
        pid = await child(
            here,
            "out:wait_for_finish",
            "a name",
            id=name,
            task_queue=here.task_queue,
            execution_timeout="24h",
            run_timeout=3_600_000,
            task_timeout=timedelta(seconds=30),
            id_conflict_policy="use_existing",
            id_reuse_policy="allow_duplicate",
            execution_error_when_already_started=False,
            retry_policy={"initial_interval": 10, "maximum_attempts": 3},
            memo={"source": "api"},
            search_attributes=attributes,
            enable_eager_start=True,
            wait_for_cancellation=True,
            namespace="default",
            priority=2,
            fairness_key="tenant-1",
            fairness_weight=2.5,
            static_summary="an order",
            static_details="of *Ada*",
        )
        assert pid == PID("default", "temporal", name)
        event = await here.started(pid)
        assert event.parent_workflow_execution.workflow_id
        assert event.task_queue.name == here.task_queue
        assert event.workflow_execution_timeout.ToTimedelta() == timedelta(hours=24)
        assert event.workflow_run_timeout.ToTimedelta() == timedelta(hours=1)
        assert event.workflow_task_timeout.ToTimedelta() == timedelta(seconds=30)
        assert event.retry_policy.maximum_attempts == 3
        assert event.priority.priority_key == 2
        assert event.priority.fairness_key == "tenant-1"
        assert event.priority.fairness_weight == 2.5
        found = await here.describe(pid)
        assert await here.portal.call(found.memo) == {"source": "api"}
        pairs: Any = found.typed_search_attributes.search_attributes
        shown = {pair.key.name: pair.value for pair in pairs}
        assert {name: shown[name] for name in attributes} == attributes
        assert await here.portal.call(found.static_summary) == "an order"
        assert await here.portal.call(found.static_details) == "of *Ada*"
        await here.node.terminate(pid)
        scheduled = await child(here, "out:hello", cron_schedule="0 */6 * * *")
        assert (await here.started(scheduled)).cron_schedule == "0 */6 * * *"
        await here.node.terminate(scheduled)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"start_delay": "5s"}, "start_delay='5s' is not valid: expected no delay: a child starts at once"),
    ({"namespace": "other"}, "namespace='other' is not valid: expected 'default', where its parent is"),
    (
        {"cron_schedule": "99 * * * *"},
        """such as "0 */6 * * *"; '99' is no minute from 0 to 59""",
    ),
    (
        {"search_attributes": {"nobody_registered_this": 1}},
        "search-attribute create --namespace default --name nobody_registered_this --type Int`",
    ),
    (
        {"search_attributes": {"order_count": "many"}},
        "['order_count']='many' is not valid: expected a value for its type in namespace 'default', Int",
    ),
    ({"id": "x" * 1001}, "is not valid: expected a non-empty string of at most 1000 bytes"),
    ({"task_queue": "ü" * 501}, "is not valid: expected a non-empty string of at most 1000 bytes"),
    ({"execution_timout": "5s"}, "; did you mean temporal.workflow.execution_timeout?"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED, ids=lambda value: str(value)[:30])
async def test_w15_bad_option_of_a_child_is_an_error_and_not_a_task_that_fails_for_ever(
    temporal_address: str, options: dict[str, Any], words: str
) -> None:
    async with outside(temporal_address, app) as here:
        kind, message, _ = await child(here, "out:hello", **options)
        assert kind == INVALID
        assert message.endswith(words), message


async def test_w15_child_with_a_name_that_is_too_long_is_refused(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        kind, message, _ = await child(here, "out:hello", "n" * 1001)
        assert kind == INVALID
        assert message.startswith("name='nnn")


@pytest.mark.parametrize("conflict", ["use_existing", "fail", "terminate_existing"])
@pytest.mark.parametrize("reuse", ["reject_duplicate", "allow_duplicate_failed_only"])
async def test_w15_child_whose_id_was_used_is_refused_and_not_taken_for_one_that_runs(
    temporal_address: str, conflict: str, reuse: str
) -> None:
    async with outside(temporal_address, app) as here:
        name = here.new_id()
        await here.node.spawner(name=name).execute(hello)
        policies = {"id_conflict_policy": conflict, "id_reuse_policy": reuse}
        kind, message, details = await child(here, "out:hello", name, **policies)
        assert (kind, details) == (ALREADY_EXISTS, {"pid": f"{{default@temporal|{name}}}"})
        assert "was used before" in message
        again = await child(here, "out:hello", name, id_conflict_policy=conflict)
        assert again == PID("default", "temporal", name)


async def test_w13_w19_messages_of_a_child_come_with_the_start_or_in_one_batch_to_the_existing(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        name = here.new_id()
        first = await child(here, "out:collect_until_stop", name, 1, 2)
        assert await child(here, "out:collect_until_stop", name, 3, 4, 5) == first
        kind, _, details = await child(here, "out:collect_until_stop", name, 6, 7, id_conflict_policy="fail")
        assert (kind, details["pid"]) == (ALREADY_EXISTS, str(first))
        run_id = (await here.describe(first)).run_id
        signals = [
            event.workflow_execution_signaled_event_attributes.signal_name
            for event in await here.history(first)
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        assert signals == ["@batch"]
        again = await child(
            here, "out:collect_until_stop", name, 8, 9, id_conflict_policy="terminate_existing"
        )
        assert again == first
        assert run_id is not None
        old = await here.portal.call(here.client.get_workflow_handle(name, run_id=run_id).describe)
        assert old.status is WorkflowExecutionStatus.TERMINATED
        await here.node.send(first, "stop")
        found = await here.portal.call(here.handle(first).result)
        assert found == {"initial": 0, "found": [8, 9]}


async def test_w11_child_reaches_the_existing_process_with_its_messages(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawner(name=here.new_id()).spawn(collect_until_stop)
        assert await child(here, "out:collect_until_stop", pid.id, 1, 2) == pid
        waiting = await here.node.spawn(wait_for_finish)
        assert await child(here, "out:wait_for_finish", waiting.id) == waiting
        await here.node.send(pid, "stop")
        found = await here.portal.call(here.handle(pid).result)
        assert found == {"initial": 0, "found": [1, 2]}
        await here.node.terminate(waiting)
