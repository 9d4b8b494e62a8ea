"""Classes whose instances may travel to other programs and into the next run of a durable process."""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar, cast

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
    """Let instances of a class, or members of an enum, travel in messages, arguments and results.

        @actors.register
        @attrs.frozen
        class Order: ...

    It may be an attrs class, a dataclass, a named tuple, a pydantic model, a msgspec struct or an enum. An instance
    travels as its fields, and is made of them again: by the class, so that its checks run, except for a pydantic
    model, whose fields are taken as they were. The classes of the values in the fields are to be registered too.

    They are known by module and name: moving or renaming the class makes those on their way unreadable.

    Raises:
        Error: kind INVALID, when it is no such class.
    """
    given: object = cls
    if not isinstance(given, type) or not (issubclass(cls, enum.Enum) or _is_made_of_fields(cls)):
        raise invalid(
            "cls",
            cls,
            "an enum, or a class that is made of its fields: of attrs, a dataclass, a named tuple, a pydantic model or"
            " a msgspec struct, whose constructor wants nothing else",
        )
    name = portable_name(cls)
    # A sandbox imports a user's module again for each workflow; those copies are found by `class_to_read`.
    if name not in _portable or not _in_sandbox():
        _portable[name] = cls
    return cls


class _Fields(NamedTuple):
    """The fields of a class: the argument that sets each, by the name of its attribute."""

    arguments: Mapping[str, str]
    is_model: bool = False
    """Whether it is a pydantic model, which may have more."""


def _fields(cls: type[Any]) -> _Fields | None:
    """The fields of a class that is made of them; None of any other class.

    A library that no module has imported has no classes: none is imported here.
    """
    if attrs.has(cls):
        return _Fields({field.name: field.alias or field.name for field in attrs.fields(cls) if field.init})
    if hasattr(cls, "__dataclass_fields__"):
        dataclasses: Any = sys.modules["dataclasses"]
        return _Fields({field.name: field.name for field in dataclasses.fields(cls) if field.init})
    if _is_of(cls, "pydantic", "BaseModel"):
        return _Fields({name: name for name in cls.model_fields}, is_model=True)
    if _is_of(cls, "msgspec", "Struct"):
        return _Fields({name: name for name in cls.__struct_fields__})
    names: Any = getattr(cls, "_fields", None)
    if issubclass(cls, tuple) and isinstance(names, tuple):
        return _Fields({name: name for name in cast("tuple[str, ...]", names)})
    return None


def _is_made_of_fields(cls: type[Any]) -> bool:
    fields = _fields(cls)
    if fields is None or fields.is_model:
        return fields is not None
    wanted = inspect.signature(cls).parameters.values()
    return all(
        each.name in fields.arguments.values() or each.default is not each.empty or each.kind in _VARIADIC
        for each in wanted
    )


_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _is_of(cls: type[Any], library: str, base: str) -> bool:
    found: Any = getattr(sys.modules.get(library), base, None)
    return isinstance(found, type) and issubclass(cls, found)


def field_values(value: Any) -> dict[str, Any]:
    """The fields of an instance of a registered class, as `instance_of` takes them."""
    fields = _fields(value.__class__)
    assert fields is not None
    found = {name: getattr(value, name) for name in fields.arguments}
    if not fields.is_model:
        return found
    more: Mapping[str, Any] = value.__pydantic_extra__ or {}
    return {"fields": {**found, **more}, "set": sorted(value.model_fields_set)}


def instance_of(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """The instance with the fields that `field_values` gave.

    Raises:
        Exception: whatever the class raises when the fields do not fit it.
    """
    fields = _fields(cls)
    if fields is None:
        raise TypeError(f"{cls.__qualname__} has no fields")
    if fields.is_model:
        return cls.model_construct(_fields_set=set(values["set"]), **values["fields"])
    return cls(**{fields.arguments.get(name, name): value for name, value in values.items()})


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
