"""Payloads: values as msgpack, with extension types for what processes say to each other. Never pickle."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import attrs
import msgpack

from actors._values.errors import INVALID, Error
from actors._values.pid import PID
from actors._values.portable import class_to_read, portable_class, portable_name


def _type(value: Any) -> type[Any]:
    cls: type[Any] = value.__class__  # `type(value)` is partly unknown to pyright
    return cls


def _class(name: str) -> type[Any]:
    """The registered class of a name."""
    cls = class_to_read(name)
    if cls is None:
        raise Error(
            f"a value of class={name!r} came, which is not registered here: use actors.register on it",
            kind=INVALID,
        )
    return cls


def _attributes(value: Any) -> list[Any]:
    cls = _type(value)
    return [
        portable_name(cls),
        {field.name: getattr(value, field.name) for field in attrs.fields(cls) if field.init},
    ]


def _instance(data: list[Any]) -> Any:
    name, values = data
    cls = _class(name)
    return cls(**{_argument(cls, field): value for field, value in values.items()})


def _argument(cls: type[Any], field: str) -> str:
    known = attrs.fields_dict(cls).get(field)
    return field if known is None or known.alias is None else known.alias


def _error(error: Error) -> list[Any]:
    cause = error.__cause__
    if cause is not None and not isinstance(cause, Error):
        told = Error.of(cause)
        told.__cause__ = (
            cause.__cause__
        )  # and not the exception that it tells of, which would be told of again
        cause = told
    return [error.message, error.kind, error.retryable, dict(error.details), cause]


def _restore_error(data: list[Any]) -> Error:
    message, kind, retryable, details, cause = data
    error = Error(message, kind=kind, retryable=retryable, details=details)
    error.__cause__ = cause
    return error


def _sorted(values: set[Any] | frozenset[Any]) -> list[Any]:
    """The same order in every process, whatever its hash seed."""
    return sorted(values, key=pack)


# The code, the type, how it is written and how it is read. Codes never change: histories hold them.
_EXTENSIONS: Final[tuple[tuple[int, type[Any], Callable[[Any], Any], Callable[[Any], Any]], ...]] = (
    (1, PID, str, PID.parse),
    (2, datetime, datetime.isoformat, datetime.fromisoformat),
    (
        3,
        timedelta,
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda data: timedelta(*data),
    ),
    (4, Decimal, str, Decimal),
    (5, uuid.UUID, lambda value: value.bytes, lambda data: uuid.UUID(bytes=data)),
    (6, set, _sorted, set),
    (7, frozenset, _sorted, frozenset),
    (8, tuple, list, tuple),
    (9, date, date.isoformat, date.fromisoformat),
    (10, int, str, int),  # those that msgpack's 64 bits do not hold
    (11, Error, _error, _restore_error),
)


_ENUM: Final = 20


_ATTRS: Final = 21


_WRITE: Final[dict[type[Any], tuple[int, Callable[[Any], Any]]]] = {
    cls: (code, write) for code, cls, write, _ in _EXTENSIONS
}


PLAIN_TYPES: Final = frozenset({bool, int, float, str, list, dict, *_WRITE})
"""Types of which msgpack writes all values as they are."""


_READ: Final[dict[int, Callable[[Any], Any]]] = {code: read for code, _, _, read in _EXTENSIONS}


def _write(value: Any) -> Any:
    cls = _type(value)
    known = _WRITE.get(cls)
    if known is None and issubclass(cls, Error):
        known = _WRITE[Error]
    if known is not None:
        code, write = known
        return msgpack.ExtType(code, pack(write(value)))
    name = portable_name(cls)
    if portable_class(name) is not None:
        if issubclass(cls, enum.Enum):
            return msgpack.ExtType(_ENUM, pack([name, value.value]))
        return msgpack.ExtType(_ATTRS, pack(_attributes(value)))
    if issubclass(cls, Mapping):
        return _without_big({key: value[key] for key in value})
    raise Error(
        f"a value of type {cls.__name__} cannot be serialised, value={value!r:.120}: send plain values, or"
        " attrs classes and enums registered with actors.register",
        kind=INVALID,
    )


def _read(code: int, data: bytes) -> Any:
    if code == _ENUM:
        name, value = _unpack(data)
        return _class(name)(value)
    if code == _ATTRS:
        return _instance(_unpack(data))
    read = _READ.get(code)
    if read is None:
        raise Error(f"extension type {code} is not known: a newer Everproc wrote it", kind=INVALID)
    return read(_unpack(data))


def pack(value: Any) -> bytes:
    """A value as bytes.

    Raises:
        Error: kind INVALID, naming the value that cannot be serialised.
    """
    try:
        try:
            packed: bytes = msgpack.packb(value, default=_write, strict_types=True)
        except OverflowError:
            packed = msgpack.packb(_without_big(value), default=_write, strict_types=True)
    except (ValueError, RecursionError) as error:
        raise Error(
            f"a value cannot be serialised: {error}; is it nested in itself?", kind=INVALID
        ) from error
    return packed


def _without_big(value: Any) -> Any:
    """The value with integers beyond 64 bits as extensions: msgpack does not ask `default` about them."""
    cls = _type(value)
    if cls is int:
        return value if -(2**63) <= value < 2**64 else msgpack.ExtType(10, pack(str(value)))
    if cls is list:
        return [_without_big(item) for item in value]
    if cls is dict:
        return {_without_big(key): _without_big(item) for key, item in value.items()}
    if cls is tuple:
        return msgpack.ExtType(8, pack([_without_big(item) for item in value]))
    return value


def unpack(data: bytes) -> Any:
    """The value that `pack` wrote.

    Raises:
        Error: kind INVALID, when it cannot be read: it is damaged, or of a class that is not registered or has changed.
    """
    try:
        return _unpack(data)
    except Error:
        raise
    except Exception as error:  # whatever a class or a stranger's bytes raise
        raise Error(
            f"a payload cannot be read, of {len(data)} bytes: {type(error).__name__}: {error}", kind=INVALID
        ) from error


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, ext_hook=_read, strict_map_key=False)


def is_json(value: Any) -> bool:
    """Whether JSON holds a value exactly."""
    cls = _type(value)
    if cls is list:
        return all(is_json(item) for item in value)
    if cls is dict:
        return all(type(key) is str and is_json(item) for key, item in value.items())
    if cls is float:
        return isfinite(value)
    return value is None or cls in (str, int, bool)
