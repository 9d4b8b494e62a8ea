"""Classes whose instances may travel to other programs and into the next run of a durable process."""

from __future__ import annotations

import enum
from typing import Any, Final, TypeVar

import attrs

from actors._values.errors import invalid

T = TypeVar("T")

_OWN_PACKAGES: Final = ("actors", "supervision", "temporal_bridge")

_portable: Final[dict[str, type]] = {}


def portable(cls: type[T]) -> type[T]:
    """Let instances of an attrs class, or members of an enum, travel: for layers that do not know which host does it.

    They are known by module and name.

    Raises:
        Error: kind INVALID, when it is neither.
    """
    found: Any = cls
    if not isinstance(found, type) or not (attrs.has(found) or issubclass(found, enum.Enum)):
        raise invalid("cls", cls, "an attrs class or an enum")
    _portable[portable_name(cls)] = cls
    return cls


def portable_name(cls: type[Any]) -> str:
    """What a class is known by to whoever reads an instance of it: its module and its name.

    Classes of Everproc itself go by their package, so that histories do not depend on the layout of its rooms.
    """
    package = cls.__module__.partition(".")[0]
    return f"{package if package in _OWN_PACKAGES else cls.__module__}:{cls.__qualname__}"


def portable_class(name: str) -> type[Any] | None:
    """The class of a name; None when it is not known here."""
    return _portable.get(name)
