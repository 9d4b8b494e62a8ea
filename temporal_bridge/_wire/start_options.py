"""The options of a durable spawn: `temporal.workflow.*` and `mailbox.*`, checked when the process is spawned.

What the server would refuse is refused here wherever that can be known. In a workflow that matters: there the server
refuses the whole workflow task, which is then tried again for ever.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import temporalio.common
import temporalio.workflow
from temporalio.common import (
    AutoUpgradeVersioningOverride,
    PinnedVersioningOverride,
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    VersioningOverride,
    WorkerDeploymentVersion,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from actors import (
    ALREADY_EXISTS,
    PID,
    Capacity,
    Error,
    RetryPolicy,
    SpawnRequest,
    invalid,
    not_one_of,
    option_seconds,
)
from temporal_bridge._wire.cron import fault_of

_PREFIX = "temporal.workflow."

# The server's limits, in bytes.
_LONGEST_ID = 1000
_LONGEST_FAIRNESS_KEY = 64
_LONGEST_ATTRIBUTE = 2048
_MOST_ATTRIBUTES = 100
_LARGEST_ATTRIBUTES = 36 * 1024
_LONGEST_SUMMARY = 400
_LONGEST_DETAILS = 20_000


@attrs.frozen
class StartOptions:
    """What the options of a durable spawn say. None where Temporal's own default counts."""

    id: str | None = None
    task_queue: str | None = None
    execution_timeout: timedelta | None = None
    run_timeout: timedelta | None = None
    task_timeout: timedelta = timedelta(seconds=5)
    """Half of Temporal's: a worker that dies, and a deployment that does not fit, hold a process up for so long."""
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
    priority: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None
    versioning_override: VersioningOverride | None = None
    static_summary: str | None = None
    static_details: str | None = None
    max_pending: int | None = None
    """How many activities, children, signals and cancel requests of the process may be under way, of each kind."""
    capacity: Capacity | None = None
    """That of the mailbox, of which Temporal knows nothing."""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> StartOptions:
        """Read an option table.

        Raises:
            Error: kind INVALID, naming the option, its value, and what is accepted.
        """
        values: dict[str, Any] = {"capacity": Capacity.of(options)}
        for option, value in options.items():
            if option in Capacity.OPTIONS:
                continue
            field = option.removeprefix(_PREFIX)
            if field == option or field not in _FIELDS:
                raise not_one_of("option", option, [*(_PREFIX + name for name in _FIELDS), *Capacity.OPTIONS])
            values[field] = _FIELDS[field](value, option)
        return cls(**values)

    def for_temporal(self) -> dict[str, Any]:
        """What starting a workflow and starting a child both take, by the names of Temporal's SDK."""
        return {
            "execution_timeout": self.execution_timeout,
            "run_timeout": self.run_timeout,
            "task_timeout": self.task_timeout,
            "id_reuse_policy": self.id_reuse_policy,
            "retry_policy": self.retry_policy,
            "cron_schedule": self.cron_schedule,
            "memo": self.memo,
            "search_attributes": self.search_attributes,
            "priority": Priority(self.priority, self.fairness_key, self.fairness_weight),
            "versioning_override": self.versioning_override,
            "static_summary": self.static_summary,
            "static_details": self.static_details,
        }

    @property
    def fails_if_running(self) -> bool:
        """Whether a spawn under an id that runs is an error."""
        return (
            self.execution_error_when_already_started
            or self.id_conflict_policy is WorkflowIDConflictPolicy.FAIL
        )


def workflow_id_of(request: SpawnRequest, options: StartOptions) -> str | None:
    """The workflow id that a spawn asks for: the option, else the name; None when it leaves that to us.

    Raises:
        Error: kind INVALID, when the name cannot be a workflow's id.
    """
    if options.id is not None or request.name is None:
        return options.id
    return _id(request.name, "name")


def already_running(pid: PID) -> Error:
    """The error of a spawn that does not want an existing process."""
    return Error(
        f"{pid} is running already: choose another id, or id_conflict_policy use_existing or terminate_existing",
        kind=ALREADY_EXISTS,
        details={"pid": str(pid)},
    )


def was_used(pid: PID, options: StartOptions) -> Error:
    """The error of a spawn whose reuse policy refuses the id of one that has ended."""
    return Error(
        f"the id of {pid} was used before, and id_reuse_policy={options.id_reuse_policy.name.lower()!r} refuses to use"
        " it again: choose another id or another policy",
        kind=ALREADY_EXISTS,
        details={"pid": str(pid)},
    )


def _text(longest: int) -> Callable[[Any, str], str]:
    def read(value: Any, name: str) -> str:
        if isinstance(value, str) and value:
            try:
                if len(value.encode()) <= longest:
                    return value
            except UnicodeEncodeError:  # half a character, which no payload carries
                pass
        raise invalid(name, value, f"a non-empty string of at most {longest} bytes")

    return read


_id = _text(_LONGEST_ID)


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")
    return value


def _length(value: Any, name: str) -> timedelta:
    length = option_seconds(value, name)
    if not length:
        raise invalid(name, value, "a duration of more than 0")
    return timedelta(seconds=length)


def _priority(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 5:
        raise invalid(name, value, "a whole number from 1, the most urgent, to 5")
    return value


def _count(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise invalid(name, value, "a whole number of 1 or more")
    return value


def _weight(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.001 <= value <= 1000:
        raise invalid(name, value, "a number from 0.001 to 1000")
    return float(value)


def _versioning(value: Any, name: str) -> VersioningOverride:
    if value == "auto_upgrade":
        return AutoUpgradeVersioningOverride()
    if issubclass(value.__class__, Mapping) and set(value) == {"deployment_name", "build_id"}:
        return PinnedVersioningOverride(
            WorkerDeploymentVersion(
                _id(value["deployment_name"], f"{name}.deployment_name"),
                _id(value["build_id"], f"{name}.build_id"),
            )
        )
    raise invalid(
        name, value, '"auto_upgrade", or {"deployment_name": ..., "build_id": ...} of the workers to pin to'
    )


def _choice(choices: Mapping[str, Any]) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise not_one_of(name, value, choices, mark='"')
        return choices[value]

    return read


def memo_table(value: Any, name: str) -> Mapping[str, Any]:
    """The fields of a memo, with names that the server takes."""
    fields = _table(value, name)
    for key in fields:
        _id(key, f"{name} key")
    return fields


def _table(value: Any, name: str) -> Mapping[str, Any]:
    if not issubclass(value.__class__, Mapping):
        raise invalid(name, value, "a mapping of names to values")
    for key in value:
        if not isinstance(key, str) or not key:
            raise invalid(f"{name} key", key, "a non-empty string")
    return dict(value)


def _cron(value: Any, name: str) -> str:
    expected = 'a cron expression of five fields, such as "0 */6 * * *"'
    if not isinstance(value, str) or not value:
        raise invalid(name, value, expected)
    if (fault := fault_of(value)) is not None:
        raise invalid(name, value, f"{expected}; {fault}")
    return value


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
    pairs = [search_attribute(key, item, name) for key, item in _table(value, name).items()]
    check_sizes(pairs, name)
    return TypedSearchAttributes(pairs)


def check_sizes(pairs: Sequence[SearchAttributePair[Any]], name: str) -> None:
    """Refuse more search attributes at once, or larger ones, than the server takes.

    Raises:
        Error: kind INVALID.
    """
    size = sum(len(f"{pair.key.name}{pair.value!r}".encode()) for pair in pairs)
    if len(pairs) > _MOST_ATTRIBUTES or size > _LARGEST_ATTRIBUTES:
        raise invalid(
            name,
            f"{len(pairs)} search attributes of {size} bytes",
            f"at most {_MOST_ATTRIBUTES}, which take {_LARGEST_ATTRIBUTES} bytes at most",
        )


def search_attribute(key: str, value: Any, name: str) -> SearchAttributePair[Any]:
    """One search attribute: bool, int, float, datetime, a list of strings, or text as a keyword."""
    if isinstance(value, bool):
        return SearchAttributePair(SearchAttributeKey.for_bool(key), value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return SearchAttributePair(SearchAttributeKey.for_int(key), value)
    if isinstance(value, float) and math.isfinite(value):
        return SearchAttributePair(SearchAttributeKey.for_float(key), value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return SearchAttributePair(SearchAttributeKey.for_datetime(key), aware)
    texts: Any = [value] if isinstance(value, str) else value
    if type(texts) in (list, tuple) and all(isinstance(text, str) for text in texts) and _fits(texts):
        if isinstance(value, str):
            return SearchAttributePair(SearchAttributeKey.for_keyword(key), value)
        return SearchAttributePair(SearchAttributeKey.for_keyword_list(key), list(texts))
    raise invalid(
        f"{name}[{key!r}]",
        value,
        "a bool, int of 64 bits, finite float, datetime, string, or a list of strings, of at most"
        f" {_LONGEST_ATTRIBUTE} bytes",
    )


def _fits(texts: Sequence[str]) -> bool:
    try:
        return len(json.dumps(texts, ensure_ascii=False).encode()) <= _LONGEST_ATTRIBUTE
    except UnicodeEncodeError:
        return False


_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "id": _id,
    "task_queue": _id,
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
    "memo": memo_table,
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
    "namespace": _id,
    "priority": _priority,
    "fairness_key": _text(_LONGEST_FAIRNESS_KEY),
    "fairness_weight": _weight,
    "versioning_override": _versioning,
    "static_summary": _text(_LONGEST_SUMMARY),
    "static_details": _text(_LONGEST_DETAILS),
    "max_pending": _count,
}
