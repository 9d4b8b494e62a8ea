"""Which callables are async, in whatever way they are: one answer for processes, functions and activities."""

from __future__ import annotations

import inspect
from functools import partial
from types import FunctionType
from typing import Any

from actors._values.errors import invalid


def check_async(function: object, name: str, expected: str = "an async function (`async def`)") -> None:
    """Refuse what cannot be awaited when it is called.

    Nobody can tell of another callable before the call whether it gives an awaitable, so it has to be written as one.
    """
    if is_async(function):
        return
    if callable(function) and not isinstance(function, type):
        expected += (
            "; if calling this gives an awaitable, write `async def task(): return await ...(...)` around it"
        )
    raise invalid(name, function, expected)


def is_async(function: object) -> bool:
    """Whether it is an async function, a callable object whose `__call__` is one, or a `partial` of such."""
    while isinstance(function, partial):
        function = function.func
    if isinstance(function, FunctionType) and function.__code__.co_flags & inspect.CO_COROUTINE:
        return True
    call = None if isinstance(function, type) else getattr(function, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def plain_result(function: object, value: Any) -> Any:
    """What a function that is not async has returned.

    Raises:
        Error: kind INVALID, when it is an awaitable: nobody would await it, as it does not look like an async function.
    """
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            value.close()
        raise invalid(
            "function", function, "an async function (`async def`), or one that returns no awaitable"
        )
    return value
