"""The ambient context of a process or function: what its spawner set with `context=` or `with_context`.

    actors.context.get("user_id")

Children, functions and activities inherit it; explicit values win key by key; nothing flows back.
"""

from __future__ import annotations

from typing import Any

from actors._scheduling.context import current_context
from actors._values.errors import NOT_FOUND, Error, invalid, shown

__all__ = ["all", "get"]

_MISSING: Any = object()


def get(key: str, default: Any = _MISSING) -> Any:
    """The value of `key`.

    Raises:
        Error: kind NOT_FOUND, when there is no such key and no default was given.
    """
    if not isinstance(key, str):
        raise invalid("key", key, "a string")
    value = current_context().get(key, default)
    if value is _MISSING:
        known = ", ".join(sorted(current_context())) or "none"
        raise Error(f"key={shown(key)} is not in the context: it has {known}; give a default", kind=NOT_FOUND)
    return value


def all() -> dict[str, Any]:
    """All values, as a new dict."""
    return dict(current_context())
