"""Ctrl-C: KeyboardInterrupt strikes the code of processes, and never an operation of the kernel (promise 39).

Python runs signal handlers between any two bytecodes of the main thread. Trio raises KeyboardInterrupt there unless the
innermost function that is marked is protected; then the main task receives it at its next checkpoint. The marks are on
code objects and cost nothing at a call. So the kernel's functions are marked once, and the functions of processes,
which the kernel calls, are marked as open to it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any, cast

import trio

_PROTECTED = (
    "actors._values.",
    "actors._scheduling.",
    "actors._channels.",
    "actors._wire.",
    "actors._kernel.",
    "actors._verbs.",
    "actors._runtime.trampoline",
    "actors._runtime.green_scheduler",
    "actors._runtime.trio_scheduler",
)

_seen: set[str] = set()
_open: dict[int, CodeType] = {}
"""The code of process functions, by identity: a code object is hashed by its contents, which takes long."""

_MOST_OPEN = 100_000


def protect_kernel() -> None:
    """Protect the functions of all modules of the kernel that are loaded; those that are loaded later, later."""
    for name, module in list(sys.modules.items()):
        if name.startswith(_PROTECTED) and name not in _seen:
            _seen.add(name)
            for function in _functions_of(vars(module), name):
                trio.lowlevel.enable_ki_protection(function)
    trio.lowlevel.disable_ki_protection(_call)


def _functions_of(namespace: dict[str, Any], module: str) -> Iterator[FunctionType]:
    for member in list(namespace.values()):
        found: Any = member
        if isinstance(member, property):
            found = member.fget
        elif isinstance(member, staticmethod | classmethod):
            found = cast(Any, member).__func__
        found = getattr(found, "__wrapped__", found)
        if isinstance(found, FunctionType) and found.__module__ == module:
            yield found
        elif isinstance(found, type) and found.__module__ == module:
            yield from _functions_of(dict(vars(found)), module)


def open_to_interrupts(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A process function, or what to run in its place, in which a KeyboardInterrupt may be raised."""
    if type(function) is not FunctionType:
        return partial(_call, function)
    code = function.__code__
    if id(code) not in _open:
        if len(_open) >= _MOST_OPEN:
            _open.clear()
        _open[id(code)] = code
        trio.lowlevel.disable_ki_protection(function)
    return function


async def _call(function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    return await function(*args)
