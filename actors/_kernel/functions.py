"""Functions that processes call: how a call is described, retried and awaited. Where they run is the host's affair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol, cast

import attrs

from actors._channels.channel import Channel, Queue
from actors._kernel.entries import Entry, function_entry
from actors._kernel.process import Process, running_process
from actors._scheduling.context import check_context, current_context, own_copy
from actors._scheduling.scheduler import current_process
from actors._values.durations import option_seconds
from actors._values.errors import CONFLICT, KINDS, Error, invalid, not_one_of
from actors._values.events import Result
from actors._values.pid import PID
from actors._values.portable import register

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


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise invalid(name, value, "a non-empty string")
    return value


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


@attrs.frozen
class FunctionCall:
    """A function to call: for a `FunctionHost`."""

    entry: Entry
    args: tuple[Any, ...]
    context: Mapping[str, Any]
    options: CallOptions


class Future:
    """A call of a function that goes on by itself. It is cancelled when its process ends."""

    __slots__ = ("_process", "_settled", "_result", "_stop", "_channels", "_if_unheard")

    def __init__(self, process: Process) -> None:
        self._process = process
        self._settled: Channel[None] = Channel()
        self._result: Result | None = None
        self._stop: Callable[[], None] | None = None
        self._channels: list[Queue[Result]] = []
        self._if_unheard: Callable[[], None] | None = None
        process.own(self)

    def __del__(self) -> None:
        self.forget()

    @property
    def owner(self) -> PID:
        """The process that made the call."""
        return self._process.pid

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._result is not None

    async def result(self) -> Any:
        """Wait for the value; as often as wanted.

        Raises:
            Error: the error the function failed with; CANCELED when the call was cancelled.
        """
        await self.ended()
        assert self._result is not None
        self._if_unheard = None
        return self._result.unwrap()

    async def ended(self) -> None:
        """Wait until the result is there, without asking for it."""
        if self._result is None:
            async for _ in self._settled:
                pass

    def cancel(self) -> None:
        """Have the function stop. The result is there once it has."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def channel(self) -> Channel[Result]:
        """A channel that gives the `Result` once and is then closed: for `select`."""
        channel: Queue[Result] = Queue()
        if self._result is None:
            self._channels.append(channel)
        else:
            self._if_unheard = None
            channel.put(self._result)
            channel.close()
        return channel

    def forget(self) -> None:
        """Nobody will ask for the result any more: an error that nobody has heard of is logged now."""
        if_unhandled, self._if_unheard = self._if_unheard, None
        if if_unhandled is not None:
            if_unhandled()

    # For the host

    def started(self, stop: Callable[[], None]) -> None:
        """The host has started the function, and `stop` cancels it."""
        self._stop = stop

    def settle(self, result: Result, if_unhandled: Callable[[], None] | None = None) -> None:
        """The function has ended. `if_unhandled` is called if it is forgotten before anybody asks for the result."""
        self._result = result
        self._if_unheard = None if self._channels else if_unhandled
        self._stop = None
        self._process.disown(self)
        self._settled.close()
        for channel in self._channels:
            channel.put(result)
            channel.close()


class FunctionHost(Protocol):
    """Runs functions for the processes of a kernel."""

    def start(self, call: FunctionCall, future: Future) -> None:
        """Start a call: tell `future.started`, and later `future.settle`. Does not wait."""


@attrs.frozen
class Executor:
    """How to call functions. Immutable, to be made once and used for many calls.

        reliable = actors.funcs.Executor().with_options({"activity.start_to_close_timeout": "60s"})
        receipt = await reliable.call("app:charge_payment", order)

    Raises:
        Error: kind INVALID, for an unknown option or a bad value, when it is given.
    """

    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)
    context: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.options, Mapping):
            raise invalid("options", self.options, "a mapping of option names to values")
        CallOptions.parse(self.options)
        check_context(self.context)

    def with_options(self, options: Mapping[str, Any]) -> Executor:
        """Add options, see `docs/reference`; durations as strings, or numbers of milliseconds."""
        if not isinstance(options, Mapping):
            raise invalid("options", options, "a mapping of option names to values")
        return attrs.evolve(self, options={**self.options, **options})

    def with_context(self, **values: Any) -> Executor:
        """Add context values for the function, which win over the caller's key by key."""
        return attrs.evolve(self, context={**self.context, **values})

    async def call(self, function: Callable[..., Any] | str, *args: Any) -> Any:
        """Call a function and wait for its value. Cancelled while waiting, it cancels the function and waits for that.

        Raises:
            Error: the function's error, any other exception as INTERNAL; NOT_FOUND for an unknown one; TIMEOUT.
        """
        future = self.start(function, *args)
        try:
            return await future.result()
        except GeneratorExit:
            # This coroutine is thrown away, as an evicted workflow's is: nothing can wait any more.
            raise
        except (
            BaseException
        ):  # the function's error, for the caller; or the caller is being ended, and the call with it
            if not future.done:
                future.cancel()
                with current_process.get().scheduler.shield():
                    await future.ended()
                future.forget()
            raise

    def start(self, function: Callable[..., Any] | str, *args: Any) -> Future:
        """Call a function and go on: a `Future`."""
        process = running_process()
        entry = function_entry(function)
        check_call(entry)
        context = {**current_context(), **self.context}
        call = FunctionCall(entry, args, context, CallOptions.parse(self.options))
        functions = process.kernel.functions
        if functions is None:
            raise Error(f"node {process.kernel.name} runs no functions", kind=CONFLICT)
        future = Future(process)
        functions.start(call, future)
        return future


class Attempt(Protocol):
    """What a running function can see of its call; `funcs.heartbeat` and the like act on it."""

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """Tell that it is alive, and how far it is."""

    @property
    def heartbeat_details(self) -> tuple[Any, ...]:
        """What the last heartbeat of an earlier attempt told."""
        ...

    @property
    def info(self) -> FunctionInfo:
        """What the call is."""
        ...

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more, although it may go on in a thread, which nothing can stop."""
        ...


@register
@attrs.frozen
class FunctionInfo:
    """A running call: `attempt` counts from 1; `workflow_id` is the durable process that called, if one did."""

    entry: str
    id: str
    attempt: int
    task_queue: str | None = None
    workflow_id: str | None = None
    is_local: bool = True
    heartbeat_timeout: float | None = None


attempt: ContextVar[Attempt | None] = ContextVar("everproc_attempt", default=None)
"""The call that the running function serves."""


def running_attempt() -> Attempt:
    """The call that the running function serves.

    Raises:
        Error: kind CONFLICT, outside a function that was called by `funcs`.
    """
    current = attempt.get()
    if current is None:
        raise Error(
            "this needs a function that a process has called by funcs.call or funcs.start", kind=CONFLICT
        )
    return current


def timeout_error(entry: Entry, which: str, length: float) -> Error:
    """The error of a call that took too long."""
    return Error(
        f"function {entry.id} exceeded its {which}_timeout of {length:g} s",
        kind="TIMEOUT",
        details={"timeout_type": which, "function": entry.id},
    )


def cancelled_error(entry: Entry) -> Error:
    """The error of a call that was cancelled."""
    return Error(
        f"the call of function {entry.id} was cancelled", kind="CANCELED", details={"function": entry.id}
    )


def check_call(entry: Entry) -> None:
    """Refuse a call of something that is not a function."""
    if entry.kind == "process" and not entry.activity:
        raise invalid(
            "function",
            entry.id,
            "a function; this is a process: spawn or execute it, or declare it with activity=True",
        )
