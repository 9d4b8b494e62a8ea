"""The ambient context: values that a process inherits and passes on (semantics 34)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from actors._errors import invalid
from actors._process import Process, ambient
from actors._scheduler import caller

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def current_context() -> Mapping[str, Any]:
    """The context of whoever runs: of a function that runs for a process, of a process, or empty."""
    context = ambient.get()
    if context is not None:
        return context
    process = caller.get()
    return process.context if isinstance(process, Process) else _NOTHING


def check_context(context: Mapping[str, Any]) -> None:
    """Refuse what is not a mapping with names as keys."""
    if not isinstance(context, Mapping) or not all(isinstance(key, str) and key for key in context):
        raise invalid("context", context, "a mapping of names to values")
