"""Functions that processes call: how a call is described, retried and awaited. Where they run is the host's affair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import attrs

from actors._channels.channel import Channel, Queue
from actors._kernel.entries import Entry
from actors._kernel.process import Process
from actors._values.errors import CONFLICT, Error, invalid
from actors._values.events import Result
from actors._values.function_options import CallOptions
from actors._values.pid import PID
from actors._values.portable import register


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
