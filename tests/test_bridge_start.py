"""Starting durable processes: names, ids, options, messages; each seen on a real server."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import trio
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import ContinueAsNewInitiator, TaskQueueType
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

import actors
from actors import ALREADY_EXISTS, CONFLICT, INVALID, NOT_FOUND, PID, TIMEOUT, Error
from temporal_bridge import workflow
from tests.bridging import Outside, next_exit, outside
from tests.eventually import eventually
from tests.outside_entries import (
    app,
    collect,
    collect_and_fail_once,
    collect_until_stop,
    fail_until,
    hello,
    inner_context,
    own_context,
    own_info,
    renamed,
    set_attributes,
    sleeper,
    wait_for_finish,
)


async def until_found(here: Outside, query: str) -> list[str]:
    """The workflows of a query; visibility lags behind, so it asks until there is one."""
    ids: list[str] = []

    async def ask() -> bool:
        ids[:] = [found.id async for found in here.client.list_workflows(query)]
        return bool(ids)

    await eventually(partial(here.portal.call, ask))
    return ids


async def test_w01_w09_spawn_from_plain_code_runs_the_entry_on_its_worker(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn("out:hello", "you", on="out:worker")
        assert pid == PID("default", "temporal", pid.id)
        assert PID.parse(str(pid)) == pid
        found = await here.describe(pid)
        assert (found.workflow_type, found.task_queue) == ("out:hello", here.task_queue)


async def test_w09_spawn_from_a_local_process_records_it_as_the_parent(temporal_address: str) -> None:
    async def body() -> tuple[Any, PID]:
        pid = await actors.spawner().with_message("a", 1).spawn(collect, 1)
        await actors.monitor(pid)
        return (await next_exit()).result.value, actors.self_pid()

    async with outside(temporal_address, app) as here:
        found, me = await here.as_process(body)
        assert found == [["a", 1, me]]


async def test_w02_renamed_process_is_spawned_by_id_by_function_and_by_its_type(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        for target in ("out:renamed", renamed, "CustomOrderType"):
            assert await here.node.execute(target) == "CustomOrderType"
        pid = await here.node.spawn(renamed)
        assert (await here.describe(pid)).workflow_type == "CustomOrderType"


async def test_w04_info_is_what_the_server_says(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid = await here.node.spawn(own_info)
        found: workflow.Info = await here.portal.call(here.handle(pid).result)
        described = await here.describe(pid)
        assert found.workflow_id == pid.id
        assert found.run_id == described.run_id
        assert (found.workflow_type, found.task_queue) == ("out:own_info", here.task_queue)
        assert (found.namespace, found.attempt) == ("default", 1)
        assert found.history_length >= 3
        assert found.history_size > 0


async def test_w07_attributes_set_by_the_process_are_found_by_a_list_query(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        search = {
            "customer_id": here.new_id("customer"),
            "order_total": 9.5,
            "order_count": 3,
            "vip": True,
            "ordered_at": when,
            "order_tags": ["a", "b"],
        }
        pid = await here.node.spawn(set_attributes, search, {"notes": "Priority", "source": ["web"]})
        ids = await until_found(
            here, f"customer_id = '{search['customer_id']}' AND order_total > 9 AND vip = true"
        )
        assert ids == [pid.id]
        found = await here.describe(pid)
        shown = {pair.key.name: pair.value for pair in found.typed_search_attributes.search_attributes}
        assert {name: shown[name] for name in search} == search
        assert await here.portal.call(found.memo) == {"notes": "Priority", "source": ["web"]}
        await here.node.terminate(pid)


async def test_w15_attribute_that_the_namespace_does_not_have_is_told_with_what_to_do(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(options={"temporal.workflow.search_attributes": {"colour": "red"}})
        with pytest.raises(Error, match="register it with `temporal operator") as told:
            await spawner.spawn(wait_for_finish, 1)
        assert told.value.kind == actors.INVALID


# Names and ids


async def test_w11_name_gives_the_process_that_runs_and_ignores_the_input(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        named = here.node.spawner(name=here.new_id("order"))
        first = await named.spawn(wait_for_finish, 1)
        assert await named.spawn(wait_for_finish, 2) == first
        assert first.id == named.name
        await here.node.send(first, "finish", "x")
        assert await here.portal.call(here.handle(first).result) == "x"


async def test_w11_monitor_and_link_reach_the_existing_process(temporal_address: str) -> None:
    async def body(name: str) -> list[Any]:
        actors.set_options(trap_links=True)
        named = actors.spawner(name=name)
        await named.spawn(wait_for_finish)
        pid = await named.spawn_linked_monitored(wait_for_finish)
        await actors.terminate(pid, "enough")
        events = [await actors.events().receive() for _ in range(2)]
        return sorted(type(event).__name__ + " " + event.reason for event in events)

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, here.new_id()) == ["Exit terminated", "LinkDown terminated"]


async def test_w12_explicit_id_wins_over_the_name(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        wanted = here.new_id("explicit")
        spawner = here.node.spawner(name="a-name", options={"temporal.workflow.id": wanted})
        pid = await spawner.spawn(sleeper)
        assert pid.id == wanted
        assert (await here.describe(pid)).id == wanted
        await here.node.terminate(pid)


async def test_w12_without_name_or_id_each_spawn_is_a_new_workflow(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        assert await here.node.spawn(hello) != await here.node.spawn(hello)


async def test_w13_use_existing_is_the_default_and_can_be_said(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        options = {"temporal.workflow.id": here.new_id()}
        first = await here.node.spawner(options=options).spawn(sleeper)
        run_id = (await here.describe(first)).run_id
        options["temporal.workflow.id_conflict_policy"] = "use_existing"
        assert await here.node.spawner(options=options).spawn(sleeper) == first
        assert (await here.describe(first)).run_id == run_id
        await here.node.terminate(first)


FAILING = [
    {"temporal.workflow.id_conflict_policy": "fail"},
    {"temporal.workflow.execution_error_when_already_started": True},
]


@pytest.mark.parametrize("options", FAILING, ids=["w13_fail", "w14_error_when_already_started"])
@pytest.mark.parametrize("messages", [0, 1, 2])
async def test_w13_w14_fail_says_who_runs_also_with_messages(
    temporal_address: str, options: dict[str, Any], messages: int
) -> None:
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(name=here.new_id(), options=options)
        for number in range(messages):
            spawner = spawner.with_message("item", number)
        pid = await spawner.spawn(collect_until_stop)
        with pytest.raises(Error, match="is running already") as raised:
            await spawner.spawn(collect_until_stop)
        assert raised.value.kind == ALREADY_EXISTS
        assert raised.value.details["pid"] == str(pid)
        await here.node.send(pid, "stop")
        # The messages of the failed spawn were not delivered, those of the first all were.
        found = await here.portal.call(here.handle(pid).result)
        assert found["found"] == list(range(messages))


async def test_w14_error_when_already_started_is_said_only_when_asked_for(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(name=here.new_id())
        pid = await spawner.spawn(sleeper)
        option = "temporal.workflow.execution_error_when_already_started"
        assert await spawner.with_options({option: False}).spawn(sleeper) == pid
        with pytest.raises(Error) as raised:
            await spawner.with_options({option: True}).spawn(sleeper)
        assert (raised.value.kind, raised.value.details["pid"]) == (ALREADY_EXISTS, str(pid))
        await here.node.terminate(pid)


@pytest.mark.parametrize("length", ["1h30m", 5_400_000, timedelta(minutes=90)], ids=str)
async def test_w16_duration_is_text_milliseconds_or_timedelta(temporal_address: str, length: Any) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(here, run_timeout=length)
        assert event.workflow_run_timeout.ToTimedelta() == timedelta(minutes=90)
        await here.node.terminate(pid)


@pytest.mark.parametrize("messages", [0, 2])
async def test_w13_terminate_existing_ends_the_old_one_and_starts_anew(
    temporal_address: str, messages: int
) -> None:
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(
            name=here.new_id(), options={"temporal.workflow.id_conflict_policy": "terminate_existing"}
        )
        for number in range(messages):
            spawner = spawner.with_message("item", number)
        pid = await spawner.spawn(collect_until_stop, 1)
        old = (await here.describe(pid)).run_id
        assert await spawner.spawn(collect_until_stop, 2) == pid
        assert old is not None
        ended = await here.portal.call(here.client.get_workflow_handle(pid.id, run_id=old).describe)
        assert ended.status is WorkflowExecutionStatus.TERMINATED
        await here.node.send(pid, "stop")
        found = await here.portal.call(here.handle(pid).result)
        assert found == {"initial": 2, "found": list(range(messages))}


async def test_w13_watcher_of_the_terminated_existing_one_is_told(temporal_address: str) -> None:
    async def body(name: str) -> Any:
        spawner = actors.spawner(
            name=name, options={"temporal.workflow.id_conflict_policy": "terminate_existing"}
        )
        await spawner.spawn_monitored(sleeper)
        pid = await spawner.spawn(sleeper)
        event = await next_exit()
        await actors.terminate(pid)
        return event.reason

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body, here.new_id()) == "terminated"


# Options (W15): each seen on the server. The ids are above.


async def started_with(here: Outside, **options: Any) -> tuple[PID, Any]:
    table = {f"temporal.workflow.{name}": value for name, value in options.items()}
    pid = await here.node.spawner(options=table).spawn(wait_for_finish)
    return pid, await here.started(pid)


async def test_w15_task_queue_wins_over_the_workers(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(here, task_queue="another-queue")
        assert event.task_queue.name == "another-queue"
        await here.node.terminate(pid)


async def test_w15_w16_timeouts_are_the_servers_as_text_milliseconds_or_timedelta(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(
            here, execution_timeout="24h", run_timeout=3_600_000, task_timeout=timedelta(seconds=30)
        )
        assert event.workflow_execution_timeout.ToTimedelta() == timedelta(hours=24)
        assert event.workflow_run_timeout.ToTimedelta() == timedelta(hours=1)
        assert event.workflow_task_timeout.ToTimedelta() == timedelta(seconds=30)
        await here.node.terminate(pid)


@pytest.mark.parametrize("which", ["execution_timeout", "run_timeout"])
async def test_w15_timeout_ends_the_process(temporal_address: str, which: str) -> None:
    async def body() -> Any:
        await actors.spawner(options={f"temporal.workflow.{which}": "100ms"}).spawn_monitored(sleeper)
        event = await next_exit()
        assert event.result.error is not None
        return event.reason, event.result.error.kind, event.result.error.details["timeout_type"]

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == ("timed_out", TIMEOUT, "workflow")


async def test_w15_reuse_policies_of_a_closed_id(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        name = here.new_id()

        async def spawn(policy: str, messages: int = 0) -> PID:
            spawner = here.node.spawner(name=name, options={"temporal.workflow.id_reuse_policy": policy})
            for number in range(messages):
                spawner = spawner.with_message("item", number)
            return await spawner.spawn(hello)

        pid = await spawn("allow_duplicate")
        await here.portal.call(here.handle(pid).result)
        for policy in ("reject_duplicate", "allow_duplicate_failed_only"):
            for messages in (0, 1, 2):
                with pytest.raises(Error, match="was used before") as raised:
                    await spawn(policy, messages)
                assert raised.value.kind == ALREADY_EXISTS
        assert await spawn("allow_duplicate", 1) == pid
        await here.portal.call(here.handle(pid).result)
        failing = here.node.spawner(name=here.new_id())
        with pytest.raises(Error, match="not yet"):
            await failing.execute(fail_until, 2)
        await failing.with_options(
            {"temporal.workflow.id_reuse_policy": "allow_duplicate_failed_only"}
        ).spawn(hello)


async def test_w15_w17_retry_policy_is_the_servers_and_retries_follow_one_pid(temporal_address: str) -> None:
    policy = {
        "initial_interval": 10,
        "backoff_coefficient": 1.5,
        "maximum_interval": "1s",
        "maximum_attempts": 5,
        "non_retryable_error_types": ["CONFLICT"],
    }
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(options={"temporal.workflow.retry_policy": policy})
        assert await spawner.execute(fail_until, 3) == 3
        pid = await spawner.spawn(wait_for_finish)
        found = (await here.started(pid)).retry_policy
        assert found.initial_interval.ToTimedelta() == timedelta(milliseconds=10)
        assert found.backoff_coefficient == 1.5
        assert found.maximum_interval.ToTimedelta() == timedelta(seconds=1)
        assert found.maximum_attempts == 5
        assert "CONFLICT" in found.non_retryable_error_types
        await here.node.terminate(pid)


async def test_w17_kinds_that_make_no_sense_to_retry_are_not_retried(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        table = {"initial_interval": 10, "non_retryable_error_types": ["TIMEOUT"]}
        spawner = here.node.spawner(options={"temporal.workflow.retry_policy": table})
        for kind in ("INVALID", "NOT_FOUND", "TIMEOUT"):
            with pytest.raises(Error, match=r"^no$") as raised:
                await spawner.execute("out:fail_as", kind)
            assert raised.value.kind == kind
        assert await spawner.execute("out:fail_as", "UNKNOWN") == 3


async def test_w15_cron_schedule_is_the_servers(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(here, cron_schedule="0 */6 * * *")
        assert event.cron_schedule == "0 */6 * * *"
        assert event.first_workflow_task_backoff.ToTimedelta() > timedelta(0)
        assert event.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE
        await here.node.terminate(pid)


async def test_w15_memo_and_search_attributes_are_seen_by_describe_and_list(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        customer = here.new_id("customer")
        pid, _ = await started_with(
            here,
            memo={"source": "api", "tags": [1, 2]},
            search_attributes={"customer_id": customer, "order_count": 2, "order_tags": ("x", "y")},
        )
        assert await until_found(here, f"customer_id = '{customer}' AND order_count = 2") == [pid.id]
        found = await here.describe(pid)
        assert await here.portal.call(found.memo) == {"source": "api", "tags": [1, 2]}
        await here.node.terminate(pid)


async def test_w15_unknown_search_attribute_is_refused_at_the_spawn(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        with pytest.raises(Error, match="nobody_registered_this") as raised:
            await started_with(here, search_attributes={"nobody_registered_this": "x"})
        assert raised.value.kind == INVALID


async def test_w15_eager_start_gives_the_first_task_to_this_worker(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        _, event = await started_with(here)
        assert not event.eager_execution_accepted
        pid, event = await started_with(here, enable_eager_start=True)
        assert event.eager_execution_accepted
        await here.node.send(pid, "finish", 1)
        assert await here.portal.call(here.handle(pid).result) == 1


async def test_w15_start_delay_holds_the_first_task_back(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(here, start_delay="5m")
        assert event.first_workflow_task_backoff.ToTimedelta() == timedelta(minutes=5)
        await here.node.terminate(pid)
        pid = await here.node.spawner(options={"temporal.workflow.start_delay": "100ms"}).spawn(hello)
        assert await here.portal.call(here.handle(pid).result) == {"hello": "world"}


@pytest.mark.parametrize("policy", ["terminate", "abandon", "request_cancel"])
async def test_w18_parent_close_policy_decides_on_children(temporal_address: str, policy: str) -> None:
    async def body() -> Any:
        options = {"temporal.workflow.parent_close_policy": policy}
        parent = await actors.spawn_monitored("out:spawn_then_wait", options, actors.self_pid())
        child = await actors.listen("child").receive()
        await actors.monitor(child)
        await actors.terminate(parent)
        if policy == "abandon":
            await actors.send(child, "finish", "alone")
        events = [await next_exit(), await next_exit()]
        (event,) = [event for event in events if event.pid == child]
        return event.reason, event.result.value

    expected = {
        "terminate": ("terminated", None),
        "abandon": ("normal", "alone"),
        "request_cancel": ("cancelled", None),
    }
    async with outside(temporal_address, app) as here:
        assert await here.as_process(body) == expected[policy]


async def test_w15_wait_for_cancellation_makes_cancel_wait_for_the_end(temporal_address: str) -> None:
    async def body() -> bool:
        spawner = actors.spawner(options={"temporal.workflow.wait_for_cancellation": True})
        pid = await spawner.spawn("out:cleans_up", actors.self_pid())
        await actors.cancel(pid)
        return (await actors.describe(pid)).status == "canceled"

    async with outside(temporal_address, app) as here:
        assert await here.as_process(body)


async def test_w15_priority_is_the_servers(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(here, priority=2)
        assert event.priority.priority_key == 2
        await here.node.terminate(pid)


@pytest.mark.parametrize("messages", [0, 1, 2])
@pytest.mark.parametrize("policy", ["use_existing", "fail", "terminate_existing"])
async def test_w15_w19_eager_start_is_eager_with_messages_and_every_policy_too(
    temporal_address: str, policy: str, messages: int
) -> None:
    async with outside(temporal_address, app) as here:
        options = {
            "temporal.workflow.enable_eager_start": True,
            "temporal.workflow.id_conflict_policy": policy,
        }
        spawner = here.node.spawner(name=here.new_id(), options=options)
        for number in range(messages):
            spawner = spawner.with_message("item", number)
        pid = await spawner.spawn(collect_until_stop)
        assert (await here.started(pid)).eager_execution_accepted
        expected = list(range(messages))
        if policy == "use_existing":  # a second time they reach the one that runs
            assert await spawner.spawn(collect_until_stop) == pid
            expected *= 2
        await here.node.send(pid, "stop")
        found = await here.portal.call(here.handle(pid).result)
        assert found["found"] == expected


async def test_w15_fairness_and_texts_for_people_are_the_servers(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        pid, event = await started_with(
            here,
            fairness_key="tenant-1",
            fairness_weight=2,
            static_summary="an order",
            static_details="of *Ada*",
        )
        assert (event.priority.fairness_key, event.priority.fairness_weight) == ("tenant-1", 2.0)
        found = await here.describe(pid)
        assert await here.portal.call(found.static_summary) == "an order"
        assert await here.portal.call(found.static_details) == "of *Ada*"
        await here.node.terminate(pid)


async def test_w15_versioning_override_pins_a_process_to_a_version_of_its_workers(
    temporal_address: str,
) -> None:
    deployment, queue = f"d-{uuid.uuid4()}", f"q-{uuid.uuid4()}"

    def versioned(build_id: str) -> dict[str, Any]:
        table = {"deployment_name": deployment, "build_id": build_id, "behavior": "auto_upgrade"}
        return {"task_queue": queue, "options": {"versioning": table}, "patience": 60}

    async with (
        outside(temporal_address, app, node=None, **versioned("old")) as here,
        outside(temporal_address, app, **versioned("new")),
    ):
        for build_id in ("old", "new"):
            await eventually(partial(here.portal.call, is_known, here.client, queue, deployment, build_id))
        await eventually(partial(here.portal.call, has_become_current, here.client, deployment, "old"))

        async def runs_on(override: Any) -> tuple[str, Any]:
            given = {} if override is None else {"temporal.workflow.versioning_override": override}
            pid = await here.node.spawner(options=given).with_message("finish", 1).spawn(wait_for_finish)
            await here.portal.call(here.handle(pid).result)
            found = (await here.describe(pid)).raw_info.versioning_info
            return found.deployment_version.build_id, found.versioning_override.WhichOneof("override")

        assert await runs_on(None) == ("old", None)
        assert await runs_on({"deployment_name": deployment, "build_id": "new"}) == ("new", "pinned")
        assert await runs_on("auto_upgrade") == ("old", "auto_upgrade")
        with pytest.raises(Error, match="is not present in task queue") as raised:
            await runs_on({"deployment_name": deployment, "build_id": "never"})
        assert raised.value.kind == CONFLICT


async def is_known(client: Client, queue: str, deployment: str, build_id: str) -> bool:
    """Whether the server knows of the worker of a version, which it does some time after its first poll."""
    version = WorkerDeploymentVersion(deployment_name=deployment, build_id=build_id)
    request = DescribeWorkerDeploymentVersionRequest(namespace=client.namespace, deployment_version=version)
    try:
        found = await client.workflow_service.describe_worker_deployment_version(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return any(
        (each.name, each.type) == (queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
        for each in found.version_task_queues
    )


async def has_become_current(client: Client, deployment: str, build_id: str) -> bool:
    """Make a version current, if the server lets it already."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=deployment, build_id=build_id
    )
    try:
        await client.workflow_service.set_worker_deployment_current_version(request)
    except RPCError as error:
        if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            raise
        return False
    return True


# Start-up messages (W19)


async def test_w19_messages_come_before_any_other_in_one_atomic_batch(temporal_address: str) -> None:
    async def body() -> Any:
        spawner = actors.spawner()
        for number in range(5):
            spawner = spawner.with_message("early", number)
        pid = await spawner.spawn_monitored(collect, 6)
        await actors.send(pid, "late", "x")
        event = await next_exit()
        return event.pid, event.result.value, actors.self_pid()

    async with outside(temporal_address, app) as here:
        pid, found, me = await here.as_process(body)
        assert found == [*(["early", number, me] for number in range(5)), ["late", "x", me]]
        signals = [
            event
            for event in await here.history(pid)
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        assert len(signals) == 2


async def test_w19_messages_reach_the_existing_process_and_the_input_does_not(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        named = here.node.spawner(name=here.new_id("counter"))
        first = await named.with_message("item", 3).spawn(collect_until_stop, 0)
        again = named.with_message("item", 2).with_message("item", (1, 2)).with_message("item")
        assert await again.spawn(collect_until_stop, 999) == first
        await here.node.send(first, "stop")
        found = await here.portal.call(here.handle(first).result)
        assert found == {"initial": 0, "found": [3, 2, (1, 2), None]}


async def test_w19_messages_with_every_policy_and_delay(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        for options in (
            {"temporal.workflow.start_delay": "50ms"},
            {"temporal.workflow.enable_eager_start": True},
            {"temporal.workflow.id_conflict_policy": "fail"},
        ):
            spawner = here.node.spawner(options=options).with_message("a", 1).with_message("b", {"c": 2})
            pid = await spawner.spawn(collect, 2)
            found = await here.portal.call(here.handle(pid).result)
            assert found == [["a", 1, None], ["b", {"c": 2}, None]], options


async def test_w19_fifty_spawns_of_one_name_at_once_start_one_process_with_all_messages(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        named = here.node.spawner(name=here.new_id())
        pids: set[PID] = set()

        async def spawn(number: int) -> None:
            pids.add(await named.with_message("item", number).spawn(collect_until_stop))

        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(spawn, number)
        (pid,) = pids
        await here.node.send(pid, "stop")
        found = await here.portal.call(here.handle(pid).result)
        assert sorted(found["found"]) == list(range(50))


@pytest.mark.parametrize("policy", ["use_existing", "fail"])
async def test_w19_retried_process_starts_with_its_messages_again_whatever_the_policy(
    temporal_address: str, policy: str
) -> None:
    options = {
        "temporal.workflow.retry_policy": {"initial_interval": 10},
        "temporal.workflow.id_conflict_policy": policy,
    }
    async with outside(temporal_address, app) as here:
        spawner = here.node.spawner(options=options).with_message("item", 1).with_message("item", 2)
        assert await spawner.execute(collect_and_fail_once, 2) == [1, 2]


async def test_w20_context_reaches_process_function_and_child_and_explicit_values_win(
    temporal_address: str,
) -> None:
    async with outside(temporal_address, app) as here:
        context = {"user_id": "user-1", "tenant": "tenant-1"}
        found = await here.node.spawner(context=context).execute(own_context)
        assert found == [
            context,
            context,
            {"user_id": "user-1", "tenant": "other", "trace_id": "t-1"},
            context,
        ]


async def test_w20_context_is_inherited_from_a_local_process(temporal_address: str) -> None:
    async def body() -> Any:
        return await actors.spawner(context={"b": 3}).execute(inner_context)

    async with outside(temporal_address, app) as here:
        found = await here.node.spawner(context={"a": 1, "b": 2}).execute(body, on="trio")
        assert found == {"a": 1, "b": 3}


# Refused at the call


async def test_spawn_refuses_what_cannot_be_durable(temporal_address: str) -> None:
    async def anonymous() -> None:
        return

    async with outside(temporal_address, app) as here:
        with pytest.raises(Error, match="declare it") as raised:
            await here.node.spawn(anonymous, on="out:worker")
        assert raised.value.kind == INVALID
        with pytest.raises(Error, match=r"activity=True.*funcs\.call") as raised:
            await here.node.spawn("out:long_task", None, 1)
        assert raised.value.kind == INVALID
        with pytest.raises(Error, match="'out:typo' is not there") as raised:
            await here.node.spawn(hello, on="out:typo")
        assert raised.value.kind == NOT_FOUND
        with pytest.raises(Error, match="'out:missing' is not known") as raised:
            await here.node.spawn("out:missing")
        assert raised.value.kind == NOT_FOUND
        with pytest.raises(Error, match="arguments of out:hello") as raised:
            await here.node.spawn(hello, "x" * 3_000_000)
        assert raised.value.kind == INVALID
        with pytest.raises(Error, match="type object cannot be serialised") as raised:
            await here.node.spawn(hello, object())
        assert raised.value.kind == INVALID
