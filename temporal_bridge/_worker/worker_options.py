"""The options of a worker that go to Temporal's own as they are, checked when the worker is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import (
    PollerBehaviorAutoscaling,
    PollerBehaviorSimpleMaximum,
    WorkerDeploymentConfig,
    WorkerTuner,
)

from actors import INVALID, Duration, Error, invalid, seconds

Check = Callable[[Any, str], Any]
"""Takes a value and the name of its option; returns what Temporal's worker takes, or raises `Error`."""


def worker_settings(options: Mapping[str, Any], prefix: str = "options") -> dict[str, Any]:
    """The keyword arguments of `temporalio.worker.Worker` for an option table.

    Raises:
        Error: kind INVALID, naming the option, its value, and what is accepted.
    """
    settings: dict[str, Any] = {}
    for option, value in options.items():
        if option not in WORKER_OPTIONS:
            raise invalid(f"{prefix}: option", option, f"one of {', '.join(WORKER_OPTIONS)}")
        keyword, check = WORKER_OPTIONS[option]
        settings[keyword] = check(value, f"{prefix}.{option}")
    if "tuner" in settings:
        for option in ("max_concurrent_workflow_tasks", "max_concurrent_local_activities"):
            if option in settings:
                raise Error(
                    f"{prefix}.tuner and {prefix}.{option}={options[option]!r} exclude each other:"
                    " the tuner decides how much runs at once; leave one out",
                    kind=INVALID,
                    details={"name": f"{prefix}.{option}"},
                )
    return settings


def count(value: Any, name: str, least: int = 1) -> int:
    """A whole number that is large enough."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise invalid(name, value, f"a whole number of {least} or more")
    return value


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")
    return value


def text(value: Any, name: str) -> str:
    """A string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise invalid(name, value, "a non-empty string")
    return value


def length(value: Duration, name: str) -> timedelta:
    """A duration."""
    return timedelta(seconds=seconds(value, name))


def _number(value: Any, name: str, expected: str, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= most:
        raise invalid(name, value, expected)
    return float(value)


_share = partial(_number, expected="a number above 0 and up to 1", most=1)
_rate = partial(_number, expected="a number above 0", most=1e9)


def _table(
    value: Any, name: str, keys: Mapping[str, Check], required: tuple[str, ...], example: str
) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise invalid(name, cast("object", value), f"a table such as {example}")
    given = dict(cast("Mapping[str, Any]", value))
    for key in (*given, *required):
        if key not in keys or key not in given:
            raise invalid(name, given, f"a table such as {example}, with {', '.join(keys)}")
    return {key: keys[key](item, f"{name}.{key}") for key, item in given.items()}


def _pollers(value: Any, name: str) -> PollerBehaviorSimpleMaximum | PollerBehaviorAutoscaling:
    if not isinstance(value, Mapping):
        return PollerBehaviorSimpleMaximum(count(value, name))
    keys = {"minimum": count, "maximum": count, "initial": count}
    behavior = PollerBehaviorAutoscaling(
        **_table(value, name, keys, (), "{ minimum = 1, maximum = 100, initial = 5 }")
    )
    if not behavior.minimum <= behavior.initial <= behavior.maximum:
        raise invalid(name, cast("object", value), "minimum, initial and maximum in this order of size")
    return behavior


def _behavior(value: Any, name: str) -> VersioningBehavior:
    found = {"pinned": VersioningBehavior.PINNED, "auto_upgrade": VersioningBehavior.AUTO_UPGRADE}
    if not isinstance(value, str) or value not in found:
        raise invalid(name, value, '"pinned" or "auto_upgrade"')
    return found[value]


def _deployment_name(value: Any, name: str) -> str:
    if "." in text(value, name):
        raise invalid(name, value, "a name without '.', which separates it from the build id")
    return str(value)


def _versioning(value: Any, name: str) -> WorkerDeploymentConfig:
    keys: Mapping[str, Check] = {"deployment_name": _deployment_name, "build_id": text, "behavior": _behavior}
    example = '{ deployment_name = "orders", build_id = "1.4", behavior = "pinned" }'
    found = _table(value, name, keys, ("deployment_name", "build_id"), example)
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(found["deployment_name"], found["build_id"]),
        use_worker_versioning=True,
        default_versioning_behavior=found.get("behavior", VersioningBehavior.PINNED),
    )


def _tuner(value: Any, name: str) -> WorkerTuner:
    keys = {"target_memory_usage": _share, "target_cpu_usage": _share}
    example = "{ target_memory_usage = 0.8, target_cpu_usage = 0.9 }"
    return WorkerTuner.create_resource_based(**_table(value, name, keys, tuple(keys), example))


_SAME: Final[Mapping[str, Check]] = {
    "max_concurrent_workflow_tasks": partial(count, least=2),  # one keeps polling while one works
    "max_concurrent_local_activities": count,
    "max_concurrent_workflow_task_polls": count,
    "max_concurrent_activity_task_polls": count,
    "nonsticky_to_sticky_poll_ratio": _share,
    "sticky_queue_schedule_to_start_timeout": length,
    "max_activities_per_second": _rate,
    "max_task_queue_activities_per_second": _rate,
    "max_eager_activity_reservations_per_workflow_task": count,
    "max_heartbeat_throttle_interval": length,
    "default_heartbeat_throttle_interval": length,
    "no_remote_activities": flag,
    "disable_eager_activity_execution": flag,
    "disable_safe_workflow_eviction": flag,
    "disable_payload_error_limit": flag,
    "debug_mode": flag,
    "identity": text,
    "tuner": _tuner,
}
"""Options that Temporal's worker has by the same name, and how a value is checked."""

WORKER_OPTIONS: Final[Mapping[str, tuple[str, Check]]] = {
    **{option: (option, check) for option, check in _SAME.items()},
    "workflow_task_pollers": ("workflow_task_poller_behavior", _pollers),
    "activity_task_pollers": ("activity_task_poller_behavior", _pollers),
    "versioning": ("deployment_config", _versioning),
}
"""Each option, the keyword of Temporal's worker that it becomes, and how a value is checked."""
