"""Classes whose instances may travel to other programs and into the next run of a durable process."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import attrs

from actors._values.errors import invalid

T = TypeVar("T")

_OWN_PACKAGES: Final = ("actors", "supervision", "temporal_bridge")

_portable: Final[dict[str, type]] = {}


def _nowhere() -> bool:
    return False


_in_sandbox: Callable[[], bool] = _nowhere


def register_sandbox(in_sandbox: Callable[[], bool]) -> None:
    """Say how to find out whether the running code is in a sandbox, which has copies of the modules of users."""
    global _in_sandbox
    _in_sandbox = in_sandbox


def register(cls: type[T]) -> type[T]:
    """Let instances of an attrs class, or members of an enum, travel in messages, arguments and results.

        @actors.register
        @attrs.frozen
        class Order: ...

    They are known by module and name: moving or renaming the class makes those on their way unreadable.

    Raises:
        Error: kind INVALID, when it is neither an attrs class nor an enum.
    """
    found: Any = cls
    if not isinstance(found, type) or not (attrs.has(found) or issubclass(found, enum.Enum)):
        raise invalid("cls", cls, "an attrs class or an enum")
    name = portable_name(cls)
    # A sandbox imports a user's module again for each workflow; those copies are found by `class_to_read`.
    if name not in _portable or not _in_sandbox():
        _portable[name] = cls
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


def class_to_read(name: str) -> type[Any] | None:
    """The class of which an instance is to be made; in a sandbox, the sandbox's own copy of it."""
    cls = portable_class(name)
    if cls is None or not _in_sandbox():
        return cls
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return cast("type[Any]", found) if isinstance(found, type) else cls
