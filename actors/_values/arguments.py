"""Whether arguments fit the signature of a function, asked when they are given and not when the function is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from actors._values.errors import INVALID, Error, shown

_VARARGS = inspect.CO_VARARGS


def check_arguments(function: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
    """Refuse positional arguments that a function does not take.

    Args:
        function: what is going to be called.
        args: its arguments.
        name: what to call the function in the error: its entry.

    Raises:
        Error: kind INVALID, naming the function and what it takes.
    """
    if type(function) is FunctionType and "__signature__" not in function.__dict__:
        # The path of most spawns: three reads of the code object. `__wrapped__` is not followed, the wrapper is called.
        code = function.__code__
        count = len(args)
        most = code.co_argcount
        if (count <= most or code.co_flags & _VARARGS) and not code.co_kwonlyargcount:
            defaults = function.__defaults__
            if count >= most - (len(defaults) if defaults else 0):
                return
        signature = inspect.signature(function, follow_wrapped=False)
    else:
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # of a callable that does not tell
            return
    try:
        signature.bind(*args)
    except TypeError as error:
        raise Error(
            f"{shown(name)[1:-1]}{signature} cannot be called with args={shown(args)}: {error}",
            kind=INVALID,
            details={"function": name},
        ) from None
