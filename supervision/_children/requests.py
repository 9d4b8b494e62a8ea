"""What the processes of this package ask one another, all under one topic, by calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import attrs

import actors
from actors import INVALID, UNAVAILABLE, Dest, Duration, Error, Reason, Result, register

TOPIC: Final = "supervision"
"""The topic of all requests."""

FOREVER: Final = timedelta(days=10_000)
"""OTP's `infinity` for a call. The call still ends with the process that is called."""

STARTED: Final = "started"
"""The request that is answered once the process is ready."""


@register
@attrs.frozen
class Request:
    """A request with arguments. It is answered with a `Result`."""

    verb: str
    args: tuple[Any, ...] = ()


async def ask(dest: Dest, verb: str, *args: Any, timeout: Duration = FOREVER) -> Any:
    """The answer to a request; raises its error."""
    result: Result = await actors.call(dest, TOPIC, Request(verb, args), timeout=timeout)
    return result.unwrap()


async def stop(dest: Dest, reason: Reason = "normal", timeout: Duration = FOREVER) -> None:
    """Have a process of this package stop; its end for that reason is the answer."""
    try:
        await actors.call(dest, TOPIC, Request("stop", (reason,)), timeout=timeout)
    except Error as error:
        if error.kind != UNAVAILABLE or error.details.get("reason") != reason:
            raise


def unknown_request(request: object) -> Error:
    """The answer to what nobody understands."""
    return Error(f"request={request!r} is nothing that this process knows", kind=INVALID)
