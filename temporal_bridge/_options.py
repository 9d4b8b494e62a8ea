"""The options of a durable spawn: `temporal.workflow.*`, checked when the process is spawned."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import temporalio.common
import temporalio.workflow
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from actors import RetryPolicy, invalid, option_seconds

_PREFIX = "temporal.workflow."


@attrs.frozen
class StartOptions:
    """What the options of a durable spawn say. None where Temporal's own default counts."""

    id: str | None = None
    task_queue: str | None = None
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta | None = None
    id_conflict_policy: WorkflowIDConflictPolicy = WorkflowIDConflictPolicy.USE_EXISTING
    id_reuse_policy: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE
    execution_error_when_already_started: bool = False
    retry_policy: temporalio.common.RetryPolicy | None = None
    cron_schedule: str = ""
    memo: Mapping[str, Any] | None = None
    search_attributes: TypedSearchAttributes | None = None
    enable_eager_start: bool = False
    start_delay: timedelta | None = None
    parent_close_policy: temporalio.workflow.ParentClosePolicy = (
        temporalio.workflow.ParentClosePolicy.TERMINATE
    )
    wait_for_cancellation: bool = False
    namespace: str | None = None
    priority: Priority = Priority.default

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> StartOptions:
        """Read an option table.

        Raises:
            Error: kind INVALID, naming the option, its value, and what is accepted.
        """
        values: dict[str, Any] = {}
        for option, value in options.items():
            field = option.removeprefix(_PREFIX)
            if field == option or field not in _FIELDS:
                raise invalid("option", option, "one of " + ", ".join(_PREFIX + name for name in _FIELDS))
            values[field] = _FIELDS[field](value, option)
        return cls(**values)

    @property
    def fails_if_running(self) -> bool:
        """Whether a spawn under an id that runs is an error."""
        return (
            self.execution_error_when_already_started
            or self.id_conflict_policy is WorkflowIDConflictPolicy.FAIL
        )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise invalid(name, value, "a non-empty string")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")
    return value


def _length(value: Any, name: str) -> timedelta:
    length = option_seconds(value, name)
    if not length:
        raise invalid(name, value, "a duration of more than 0")
    return timedelta(seconds=length)


def _priority(value: Any, name: str) -> Priority:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 5:
        raise invalid(name, value, "a whole number from 1, the most urgent, to 5")
    return Priority(priority_key=value)


def _choice(choices: Mapping[str, Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise invalid(name, value, "one of " + ", ".join(f'"{choice}"' for choice in choices))
        return choices[value]

    return read


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not issubclass(value.__class__, Mapping):
        raise invalid(name, value, "a mapping of names to values")
    for key in value:
        if not isinstance(key, str) or not key:
            raise invalid(f"{name} key", key, "a non-empty string")
    return dict(value)


def _cron(value: Any, name: str) -> str:
    fields = _text(value, name).split()
    if not (
        len(fields) == 5 or (len(fields) == 6 and fields[0].startswith("CRON_TZ=")) or value.startswith("@")
    ):
        raise invalid(name, value, 'a cron expression of five fields, such as "0 */6 * * *"')
    return str(value)


def retry_policy(value: Any, name: str) -> temporalio.common.RetryPolicy:
    """A retry policy table as Temporal's own."""
    return to_temporal(RetryPolicy.parse(value, name))


def to_temporal(policy: RetryPolicy) -> temporalio.common.RetryPolicy:
    """A retry policy as Temporal's own."""
    longest = policy.maximum_interval
    return temporalio.common.RetryPolicy(
        initial_interval=timedelta(seconds=policy.initial_interval),
        backoff_coefficient=policy.backoff_coefficient,
        maximum_interval=None if longest is None else timedelta(seconds=longest),
        maximum_attempts=policy.maximum_attempts,
        non_retryable_error_types=list(policy.non_retryable_error_types),
    )


def activity_retry_policy(policy: RetryPolicy | None) -> temporalio.common.RetryPolicy:
    """That of a call. A worker that does not know a function will not learn it: no retry, whoever's worker it is."""
    found = to_temporal(policy or RetryPolicy())
    return dataclasses.replace(
        found, non_retryable_error_types=[*(found.non_retryable_error_types or ()), "NotFoundError"]
    )


def search_attributes(value: Any, name: str) -> TypedSearchAttributes:
    """Search attributes with the types that their values have."""
    return TypedSearchAttributes(
        [search_attribute(key, item, name) for key, item in _table(value, name).items()]
    )


def search_attribute(key: str, value: Any, name: str) -> SearchAttributePair[Any]:
    """One search attribute: bool, int, float, datetime, a list of strings, or text as a keyword."""
    if isinstance(value, bool):
        return SearchAttributePair(SearchAttributeKey.for_bool(key), value)
    if isinstance(value, int):
        return SearchAttributePair(SearchAttributeKey.for_int(key), value)
    if isinstance(value, float):
        return SearchAttributePair(SearchAttributeKey.for_float(key), value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return SearchAttributePair(SearchAttributeKey.for_datetime(key), aware)
    if isinstance(value, str):
        return SearchAttributePair(SearchAttributeKey.for_keyword(key), value)
    if type(value) in (list, tuple) and all(isinstance(item, str) for item in value):
        return SearchAttributePair(SearchAttributeKey.for_keyword_list(key), list(value))
    raise invalid(f"{name}[{key!r}]", value, "a bool, int, float, datetime, string, or a list of strings")


_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "id": _text,
    "task_queue": _text,
    "execution_timeout": _length,
    "run_timeout": _length,
    "task_timeout": _length,
    "id_conflict_policy": _choice(
        {
            "use_existing": WorkflowIDConflictPolicy.USE_EXISTING,
            "fail": WorkflowIDConflictPolicy.FAIL,
            "terminate_existing": WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        }
    ),
    "id_reuse_policy": _choice(
        {
            "allow_duplicate": WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            "allow_duplicate_failed_only": WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            "reject_duplicate": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        }
    ),
    "execution_error_when_already_started": _flag,
    "retry_policy": retry_policy,
    "cron_schedule": _cron,
    "memo": _table,
    "search_attributes": search_attributes,
    "enable_eager_start": _flag,
    "start_delay": _length,
    "parent_close_policy": _choice(
        {
            "terminate": temporalio.workflow.ParentClosePolicy.TERMINATE,
            "abandon": temporalio.workflow.ParentClosePolicy.ABANDON,
            "request_cancel": temporalio.workflow.ParentClosePolicy.REQUEST_CANCEL,
        }
    ),
    "wait_for_cancellation": _flag,
    "namespace": _text,
    "priority": _priority,
}
