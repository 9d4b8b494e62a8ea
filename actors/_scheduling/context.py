"""The ambient context: values that a process inherits and passes on (semantics 34)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors._scheduling.scheduler import current_process
from actors._values.errors import invalid


def current_context() -> Mapping[str, Any]:
    """The context of whoever runs: a process, a function that runs for one, or code outside, which has none."""
    return current_process.get().context


def own_copy(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy that no later change of the original reaches; what is no mapping is left for the check to refuse."""
    return dict(values) if isinstance(values, Mapping) else values


def check_context(context: Mapping[str, Any]) -> None:
    """Refuse what is not a mapping with names as keys."""
    if not isinstance(context, Mapping) or not all(isinstance(key, str) and key for key in context):
        raise invalid("context", context, "a mapping of names to values")
