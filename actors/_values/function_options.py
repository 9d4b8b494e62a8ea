"""The options of a call of a function, checked when they are given: time-outs and the retry policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import attrs

from actors._values.durations import option_seconds
from actors._values.errors import KINDS, Error, invalid, not_one_of

DEFAULT_START_TO_CLOSE = 600.0


@attrs.frozen
class RetryPolicy:
    """When a failed call is tried again. Intervals in seconds; `maximum_attempts` 0 is without limit."""

    initial_interval: float = 1.0
    backoff_coefficient: float = 2.0
    maximum_interval: float | None = None
    maximum_attempts: int = 0
    non_retryable_error_types: tuple[str, ...] = ()

    @classmethod
    def parse(cls, table: Mapping[str, Any], name: str) -> RetryPolicy:
        """Read the table of an option such as `activity.retry_policy`.

        Raises:
            Error: kind INVALID, naming the field, what it was and what is expected.
        """
        if not isinstance(table, Mapping):
            raise invalid(name, table, f"a mapping with some of {', '.join(_RETRY_FIELDS)}")
        for field in table:
            if field not in _RETRY_FIELDS:
                raise not_one_of(f"{name} field", field, _RETRY_FIELDS)
        values = {field: _RETRY_FIELDS[field](value, f"{name}.{field}") for field, value in table.items()}
        policy = cls(**values)
        longest = policy.maximum_interval
        if longest is not None and longest < policy.initial_interval:
            raise invalid(
                f"{name}.maximum_interval", table["maximum_interval"], "at least the initial_interval"
            )
        return policy

    def delay(self, error: Error, attempt: int) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed; None when it was the last.

        The attempts, the error's own word and the listed kinds decide; UNKNOWN is tried again.
        """
        if error.retryable is False or error.kind in self.non_retryable_error_types:
            return None
        if self.maximum_attempts and attempt >= self.maximum_attempts:
            return None
        # Past a certain power the product is as good as infinite, and would overflow a float.
        delay = self.initial_interval * self.backoff_coefficient ** min(attempt - 1, 64)
        longest = 100 * self.initial_interval if self.maximum_interval is None else self.maximum_interval
        return min(delay, longest)


def _interval(value: Any, name: str) -> float:
    length = option_seconds(value, name)
    if not length:
        raise invalid(name, value, "more than 0")
    return length


def _coefficient(value: Any, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 1 <= value < 1e6:
        raise invalid(name, value, "a number of 1 or more")
    return float(value)


def _attempts(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise invalid(name, value, "a whole number of 0 (no limit) or more")
    return value


def _kinds(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset):
        raise invalid(name, value, f"a list of error kinds, of {', '.join(KINDS)}")
    kinds = tuple(cast("Iterable[Any]", value))
    for kind in kinds:
        if not isinstance(kind, str) or kind not in KINDS:
            raise invalid(name, kind, f"error kinds, of {', '.join(KINDS)}")
    return kinds


_RETRY_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "initial_interval": _interval,
    "backoff_coefficient": _coefficient,
    "maximum_interval": _interval,
    "maximum_attempts": _attempts,
    "non_retryable_error_types": _kinds,
}


@attrs.frozen
class CallOptions:
    """The options of a call, checked. Lengths in seconds; None where the host's default counts."""

    start_to_close_timeout: float | None = None
    schedule_to_close_timeout: float | None = None
    schedule_to_start_timeout: float | None = None
    heartbeat_timeout: float | None = None
    id: str | None = None
    task_queue: str | None = None
    wait_for_cancellation: bool = False
    disable_eager_execution: bool = False
    retry_policy: RetryPolicy | None = None

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> CallOptions:
        """Read an option table.

        Raises:
            Error: kind INVALID, naming the option, its value, and what is accepted.
        """
        values: dict[str, Any] = {}
        for option, value in options.items():
            field = option.removeprefix("activity.") if isinstance(option, str) else ""
            if field == option or field not in _CALL_FIELDS:
                raise not_one_of("option", option, [f"activity.{name}" for name in _CALL_FIELDS])
            values[field] = _CALL_FIELDS[field](value, option)
        return cls(**values)


def _timeout(value: Any, name: str) -> float:
    return _interval(value, name)


_LONGEST_ID = 1000


def _text(value: Any, name: str) -> str:
    if isinstance(value, str) and value:
        try:
            if len(value.encode()) <= _LONGEST_ID:
                return value
        except UnicodeEncodeError:  # half a character, which nothing carries
            pass
    raise invalid(name, value, f"a non-empty string of at most {_LONGEST_ID} bytes")


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, value, "True or False")
    return value


_CALL_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "start_to_close_timeout": _timeout,
    "schedule_to_close_timeout": _timeout,
    "schedule_to_start_timeout": _timeout,
    "heartbeat_timeout": _timeout,
    "id": _text,
    "task_queue": _text,
    "wait_for_cancellation": _flag,
    "disable_eager_execution": _flag,
    "retry_policy": RetryPolicy.parse,
}
