"""Calls to the Temporal server from trio, and its refusals as errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio
from temporalio.exceptions import TemporalError
from temporalio.service import RPCError, RPCStatusCode

from actors import (
    ALREADY_EXISTS,
    CONFLICT,
    INTERNAL,
    INVALID,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
    Kind,
    in_trio,
)
from temporal_bridge._asyncio.portal import Portal

T = TypeVar("T")

_KINDS: dict[RPCStatusCode, Kind] = {
    RPCStatusCode.NOT_FOUND: NOT_FOUND,
    RPCStatusCode.ALREADY_EXISTS: ALREADY_EXISTS,
    RPCStatusCode.INVALID_ARGUMENT: INVALID,
    RPCStatusCode.FAILED_PRECONDITION: CONFLICT,
    RPCStatusCode.PERMISSION_DENIED: PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED: PERMISSION_DENIED,
    RPCStatusCode.UNAVAILABLE: UNAVAILABLE,
    RPCStatusCode.CANCELLED: UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED: TIMEOUT,
    RPCStatusCode.RESOURCE_EXHAUSTED: RATE_LIMITED,
}


def rpc_error(error: RPCError, what: str) -> Error:
    """The `Error` for a refusal of the server: what was tried, and what it said."""
    found = Error(
        f"{what} failed: {error.message}",
        kind=_KINDS.get(error.status, INTERNAL),
        details={"status": error.status.name},
    )
    found.__cause__ = error
    return found


async def through_trio(function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run what waits as trio does, for whoever calls: a green process does not, and takes the door."""
    task: object = trio.lowlevel.current_task()
    return await (function(*args) if isinstance(task, trio.lowlevel.Task) else in_trio(function, *args))


async def ask(portal: Portal, what: str, function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run an RPC on the asyncio side.

    Raises:
        Error: by the status of the server's refusal; `what` was tried.
    """
    try:
        return await through_trio(portal.call, function, *args)
    except RPCError as error:
        raise rpc_error(error, what) from error
    except (Error, TemporalError):  # ours, or what Temporal reports about a workflow or an activity
        raise
    except Exception as error:  # a codec's, or one of the SDK's own checks
        raise Error.wrap(error, f"{what} failed") from error


async def ask_about(portal: Portal, what: str, function: Callable[..., Awaitable[Any]], *args: Any) -> bool:
    """As `ask`, about something that may be gone: False when it is."""
    try:
        await ask(portal, what, function, *args)
    except Error as error:
        if error.kind == NOT_FOUND:
            return False
        raise
    return True
