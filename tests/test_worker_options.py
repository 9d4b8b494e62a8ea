"""Options of a worker that go to Temporal's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import trio
from temporalio.common import VersioningBehavior
from temporalio.worker import PollerBehaviorAutoscaling, PollerBehaviorSimpleMaximum, WorkerTuner

import actors
from temporal_bridge import Worker
from tests.bridging import outside
from tests.outside_entries import app

GOOD: dict[str, tuple[Any, str, Any]] = {
    "max_concurrent_workflow_tasks": (20, "max_concurrent_workflow_tasks", 20),
    "max_concurrent_local_activities": (7, "max_concurrent_local_activities", 7),
    "max_concurrent_workflow_task_polls": (3, "max_concurrent_workflow_task_polls", 3),
    "max_concurrent_activity_task_polls": (4, "max_concurrent_activity_task_polls", 4),
    "nonsticky_to_sticky_poll_ratio": (0.5, "nonsticky_to_sticky_poll_ratio", 0.5),
    "sticky_queue_schedule_to_start_timeout": (
        "5s",
        "sticky_queue_schedule_to_start_timeout",
        timedelta(seconds=5),
    ),
    "max_activities_per_second": (100, "max_activities_per_second", 100.0),
    "max_task_queue_activities_per_second": (50.5, "max_task_queue_activities_per_second", 50.5),
    "max_eager_activity_reservations_per_workflow_task": (
        2,
        "max_eager_activity_reservations_per_workflow_task",
        2,
    ),
    "max_heartbeat_throttle_interval": ("2s", "max_heartbeat_throttle_interval", timedelta(seconds=2)),
    "default_heartbeat_throttle_interval": (
        "1s",
        "default_heartbeat_throttle_interval",
        timedelta(seconds=1),
    ),
    "no_remote_activities": (False, "no_remote_activities", False),
    "disable_eager_activity_execution": (True, "disable_eager_activity_execution", True),
    "disable_safe_workflow_eviction": (False, "disable_safe_workflow_eviction", False),
    "disable_payload_error_limit": (False, "disable_payload_error_limit", False),
    "debug_mode": (True, "debug_mode", True),
    "identity": ("worker-7", "identity", "worker-7"),
    "workflow_task_pollers": (4, "workflow_task_poller_behavior", PollerBehaviorSimpleMaximum(4)),
    "activity_task_pollers": (
        {"minimum": 1, "maximum": 8, "initial": 2},
        "activity_task_poller_behavior",
        PollerBehaviorAutoscaling(1, 8, 2),
    ),
}

BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"task_slots": 3},
        "options: option='task_slots' is not valid: expected one of max_concurrent_workflow_tasks",
    ),
    (
        {"max_concurrent_workflow_tasks": 1},
        "max_concurrent_workflow_tasks=1 is not valid: expected a whole number of 2",
    ),
    ({"max_concurrent_local_activities": True}, "max_concurrent_local_activities=True"),
    (
        {"nonsticky_to_sticky_poll_ratio": 1.5},
        "ratio=1.5 is not valid: expected a number above 0 and up to 1",
    ),
    (
        {"max_activities_per_second": "10"},
        "max_activities_per_second='10' is not valid: expected a number above 0",
    ),
    ({"sticky_queue_schedule_to_start_timeout": 5}, 'for 5 seconds write "5s"'),
    ({"debug_mode": "on"}, "debug_mode='on' is not valid: expected True or False"),
    ({"identity": " "}, "identity=' ' is not valid: expected a non-empty string"),
    (
        {"workflow_task_pollers": 0},
        "workflow_task_pollers=0 is not valid: expected a whole number of 1 or more",
    ),
    ({"workflow_task_pollers": {"least": 1}}, "with minimum, maximum, initial"),
    (
        {"activity_task_pollers": {"minimum": 9, "maximum": 3}},
        "minimum, initial and maximum in this order of size",
    ),
    ({"versioning": "1.0"}, "versioning='1.0' is not valid: expected a table such as { deployment_name ="),
    ({"versioning": {"build_id": "1"}}, "with deployment_name, build_id, behavior"),
    ({"versioning": {"deployment_name": "a.b", "build_id": "1"}}, "a name without '.'"),
    (
        {"versioning": {"deployment_name": "a", "build_id": "1", "behavior": "auto"}},
        'behavior=\'auto\' is not valid: expected "pinned" or "auto_upgrade"',
    ),
    ({"tuner": {"target_memory_usage": 0.8}}, "with target_memory_usage, target_cpu_usage"),
    (
        {"tuner": {"target_memory_usage": 80, "target_cpu_usage": 0.9}},
        "tuner.target_memory_usage=80 is not valid",
    ),
    (
        {
            "tuner": {"target_memory_usage": 0.8, "target_cpu_usage": 0.9},
            "max_concurrent_local_activities": 5,
        },
        "options.tuner and options.max_concurrent_local_activities=5 exclude each other",
    ),
]


@pytest.mark.parametrize("option", GOOD)
def test_option_becomes_what_temporals_worker_takes(option: str) -> None:
    value, keyword, expected = GOOD[option]
    assert Worker("a:w", task_queue="q", options={option: value}).settings()[keyword] == expected


def test_versioning_pins_unless_it_says_otherwise() -> None:
    for options, behavior in (
        ({}, VersioningBehavior.PINNED),
        ({"behavior": "auto_upgrade"}, VersioningBehavior.AUTO_UPGRADE),
    ):
        worker = Worker(
            "a:w",
            task_queue="q",
            options={"versioning": {"deployment_name": "orders", "build_id": "1.4", **options}},
        )
        config = worker.settings()["deployment_config"]
        assert config.version.to_canonical_string() == "orders.1.4"
        assert (config.use_worker_versioning, config.default_versioning_behavior) == (True, behavior)


def test_tuner_decides_instead_of_the_numbers() -> None:
    tuner = {"target_memory_usage": 0.8, "target_cpu_usage": 0.9}
    settings = Worker("a:w", task_queue="q", options={"tuner": tuner}).settings()
    assert isinstance(settings["tuner"], WorkerTuner)
    assert "max_concurrent_activities" not in settings


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message[:40] for _, message in BAD])
def test_bad_option_is_refused_with_its_value_and_what_is_accepted(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(actors.Error) as caught:
        Worker("a:w", task_queue="q", options=options)
    assert caught.value.kind == actors.INVALID
    assert message in caught.value.message


@pytest.mark.parametrize("tuned", [False, True], ids=["numbers", "tuner"])
async def test_worker_with_every_option_runs_processes_and_functions(
    temporal_address: str, tuned: bool
) -> None:
    options = {option: value for option, (value, _, _) in GOOD.items() if "task_polls" not in option}
    if tuned:
        del options["max_concurrent_workflow_tasks"], options["max_concurrent_local_activities"]
        options["tuner"] = {"target_memory_usage": 0.9, "target_cpu_usage": 0.9}
    async with outside(temporal_address, app, options=options) as out:
        assert await out.node.execute("out:hello", "you") == {"hello": "you"}
        assert await out.node.execute("out:run_function", "out:echo", [1]) == [1]


async def test_worker_says_its_version_to_the_server(temporal_address: str) -> None:
    versioning = {"deployment_name": "orders-here", "build_id": "1.4"}
    async with outside(temporal_address, app, options={"versioning": versioning}) as out:
        while "orders-here" not in await out.portal.call(_deployments, out.client):  # noqa: ASYNC110
            await trio.sleep(0.05)  # only the server can tell


async def _deployments(client: Any) -> list[str]:
    from temporalio.api.workflowservice.v1 import ListWorkerDeploymentsRequest

    request = ListWorkerDeploymentsRequest(namespace=client.namespace)
    answer = await client.workflow_service.list_worker_deployments(request)
    return [each.name for each in answer.worker_deployments]
