"""Functions: ordinary code that processes call, in trio here, as an activity from a durable process.

receipt = await actors.funcs.call("app:charge_payment", order)
future = actors.funcs.start("app:charge_payment", order)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors._kernel.functions import FunctionInfo, Future, running_attempt
from actors._values.errors import CANCELED, Error
from actors._values.function_options import RetryPolicy
from actors._verbs.executor import Executor

__all__ = [
    "Executor",
    "FunctionInfo",
    "Future",
    "RetryPolicy",
    "call",
    "heartbeat",
    "heartbeat_details",
    "info",
    "start",
]

_EXECUTOR = Executor()


async def call(function: Callable[..., Any] | str, *args: Any) -> Any:
    """Call a function and wait for its value; see `Executor.call`."""
    return await _EXECUTOR.call(function, *args)


def start(function: Callable[..., Any] | str, *args: Any) -> Future:
    """Call a function and go on: a `Future` with `result()`, `cancel()` and `channel()`."""
    return _EXECUTOR.start(function, *args)


def heartbeat(*details: Any) -> None:
    """Tell, from inside a function, that it is alive, and how far it is: a later attempt can go on from there.

    Raises:
        Error: kind CANCELED, when the call was cancelled or took too long. An async function was cancelled then at its
            await; for a plain one, which runs in a thread, this is how it learns of it and stops.
    """
    attempt = running_attempt()
    if attempt.over:
        raise Error(
            f"the call of function {attempt.info.entry} is over: it was cancelled, or took too long",
            kind=CANCELED,
        )
    attempt.heartbeat(details)


def heartbeat_details() -> tuple[Any, ...]:
    """What the last heartbeat of an earlier attempt told; empty in a first attempt."""
    return running_attempt().heartbeat_details


def info() -> FunctionInfo:
    """What call the running function serves: its entry, id and attempt."""
    return running_attempt().info
