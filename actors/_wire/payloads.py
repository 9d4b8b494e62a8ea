"""Payloads: values as msgpack, with extension types for what processes say to each other. Never pickle."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import msgpack

from actors._values.errors import INVALID, Error, shown
from actors._values.pid import PID
from actors._values.portable import class_to_read, field_values, instance_of, portable_class, portable_name

DEEPEST: Final = 128
"""How many containers may be nested in one another in a value that is sent, or that comes from outside."""

DEEPEST_WRITTEN: Final = DEEPEST + 32
"""As `DEEPEST`, with the containers that the runtime wraps values in: envelopes, batches, what an upgrade carries."""

MOST_CAUSES: Final = 20
"""How many errors of a chain of causes travel."""

LONGEST_TEXT: Final = 16 * 1024
"""Bytes of the text of an error that travel."""

_LARGEST_DETAILS: Final = 32 * 1024
"""Bytes of the details of an error that travel."""


def _type(value: Any) -> type[Any]:
    cls: type[Any] = value.__class__  # `type(value)` is partly unknown to pyright
    return cls


def _class(name: str) -> type[Any]:
    """The registered class of a name."""
    cls = class_to_read(name)
    if cls is None:
        raise Error(
            f"a value of class={shown(name)} came, which is not registered here: use actors.register on it",
            kind=INVALID,
        )
    return cls


def _attributes(value: Any) -> list[Any]:
    return [portable_name(_type(value)), field_values(value)]


def _instance(data: list[Any]) -> Any:
    name, values = data
    return instance_of(_class(name), values)


def _error(error: Error) -> list[list[Any]]:
    """The error and its causes, one after the other: a chain is no nesting."""
    rows: list[list[Any]] = []
    cause: BaseException | None = error
    while cause is not None and len(rows) < MOST_CAUSES:
        own = shortened(Error.of(cause))
        rows.append([own.message, own.kind, own.retryable, dict(own.details)])
        cause = cause.__cause__  # and not the exception that `own` tells of, which would be told of again
    return rows


def shortened(error: Error) -> Error:
    """An error that travels, whatever it says: its kind, and of its text and details what fits (promise 47)."""
    text = short_text(error.message)
    details = dict(error.details)
    try:
        small = not details or len(pack(details)) <= _LARGEST_DETAILS
    except Error:
        small = False
    if small and text == error.message:
        return error
    short = Error(
        text,
        kind=error.kind,
        retryable=error.retryable,
        details=details if small else _short_details(details),
    )
    short.__cause__ = error.__cause__
    return short


def short_text(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text of at most `longest` bytes, without half characters, which nothing carries."""
    if len(text) * 4 <= longest and text.isascii():
        return text
    data = text.encode(errors="replace")
    if len(data) <= longest:
        return data.decode()
    more = f"... and {len(data) - longest} bytes more"
    return data[: longest - len(more) - 8].decode(errors="ignore") + more


def _short_details(details: Mapping[Any, Any]) -> dict[str, Any]:
    """Details that fit: of a value that does not, or cannot be written, its text."""
    found: dict[str, Any] = {}
    for key, value in list(details.items())[:_MOST_DETAILS]:
        try:
            fits = len(pack(value)) <= _LARGEST_DETAIL
        except Error:
            fits = False
        found[short_text(str(key), 100)] = value if fits else short_text(repr(value), _LARGEST_DETAIL)
    return found


_MOST_DETAILS: Final = 15
_LARGEST_DETAIL: Final = 2 * 1024


def _restore_error(rows: list[list[Any]]) -> Error:
    found: Error | None = None
    for message, kind, retryable, details in reversed(rows):
        cause, found = found, Error(message, kind=kind, retryable=retryable, details=details)
        found.__cause__ = cause
    if found is None:
        raise ValueError("an error without a message")
    return found


def _sorted(values: set[Any] | frozenset[Any]) -> list[Any]:
    """The same order in every process, whatever its hash seed."""
    return sorted(values, key=_pack)


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
        return msgpack.ExtType(code, _pack(write(value)))
    name = portable_name(cls)
    if portable_class(name) is not None:
        if issubclass(cls, enum.Enum):
            return msgpack.ExtType(_ENUM, _pack([name, value.value]))
        return msgpack.ExtType(_ATTRS, _pack(_attributes(value)))
    if issubclass(cls, Mapping):
        return _without_big({key: value[key] for key in value})
    raise Error(
        f"a value of type {cls.__name__} cannot be serialised, value={value!r:.120}: send plain values, or"
        " classes and enums registered with actors.register",
        kind=INVALID,
    )


def _hook(level: int) -> Callable[[int, bytes], Any]:
    """How an extension is read that lies in `level` others.

    `unpackb` keeps its state on the stack of the thread, 40 KB of it: nested calls would overrun that, which kills the
    program. Below the first few the state is that of an `Unpacker`, which is on the heap.
    """

    def read_data(data: bytes) -> Any:
        if level < _ON_STACK:
            return msgpack.unpackb(data, ext_hook=_HOOKS[level + 1], strict_map_key=False)
        if level >= DEEPEST_WRITTEN:
            raise too_deep()
        unpacker = msgpack.Unpacker(
            ext_hook=_HOOKS[level + 1], strict_map_key=False, read_size=1, max_buffer_size=max(1, len(data))
        )
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.tell() != len(data):
            raise ValueError("there are bytes after the value")
        return value

    def read(code: int, data: bytes) -> Any:
        if code == _ENUM:
            name, value = read_data(data)
            return _class(name)(value)
        if code == _ATTRS:
            return _instance(read_data(data))
        known = _READ.get(code)
        if known is None:
            raise Error(f"extension type {code} is not known: a newer Everproc wrote it", kind=INVALID)
        return known(read_data(data))

    return read


_ON_STACK: Final = 4
_HOOKS: Final = tuple(_hook(level) for level in range(DEEPEST_WRITTEN + 2))


def pack(value: Any) -> bytes:
    """A value as bytes.

    Raises:
        Error: kind INVALID, naming the value that cannot be serialised.
    """
    try:
        packed = _pack(value)
        if len(packed) > DEEPEST:
            check_depth(value, DEEPEST_WRITTEN)
    except (ValueError, RecursionError) as error:
        raise Error(
            f"a value cannot be serialised: {error}; is it nested in itself?", kind=INVALID
        ) from error
    return packed


def _pack(value: Any) -> bytes:
    try:
        packed: bytes = msgpack.packb(value, default=_write, strict_types=True)
    except OverflowError:
        packed = msgpack.packb(_without_big(value), default=_write, strict_types=True)
    return packed


def _without_big(value: Any) -> Any:
    """The value with integers beyond 64 bits as extensions: msgpack does not ask `default` about them."""
    cls = _type(value)
    if cls is int:
        return value if -(2**63) <= value < 2**64 else msgpack.ExtType(10, _pack(str(value)))
    if cls is list:
        return [_without_big(item) for item in value]
    if cls is dict:
        return {_without_big(key): _without_big(item) for key, item in value.items()}
    if cls is tuple:
        return msgpack.ExtType(8, _pack([_without_big(item) for item in value]))
    return value


def unpack(data: bytes) -> Any:
    """The value that `pack` wrote.

    Raises:
        Error: kind INVALID, when it cannot be read: it is damaged, or of a class that is not registered or has changed.
    """
    try:
        value = msgpack.unpackb(data, ext_hook=_HOOKS[0], strict_map_key=False)
        if len(data) > DEEPEST:
            check_depth(value, DEEPEST_WRITTEN)
    except Error:
        raise
    except Exception as error:  # whatever a class or a stranger's bytes raise
        raise Error(
            f"a payload cannot be read, of {len(data)} bytes: {type(error).__name__}: {error}", kind=INVALID
        ) from error
    return value


def check_depth(value: Any, deepest: int = DEEPEST) -> None:
    """Refuse a value in which more containers are nested than whoever reads it takes.

    Whoever has the bytes need not ask about fewer than `deepest` of them: each container takes one.

    Raises:
        Error: kind INVALID.
    """
    level: list[Any] = [value]
    for _ in range(deepest):
        level = [item for container in level for item in _items(container) if _type(item) not in _FLAT]
        if not level:
            return
    if any(_items(item) is not _NOTHING for item in level):
        raise too_deep()


def too_deep() -> Error:
    """The error of a value with too many containers in one another."""
    return Error(
        f"a value is nested in more than {DEEPEST} levels, or in itself: send what is nested less, or as text",
        kind=INVALID,
    )


_FLAT: Final = frozenset(
    {type(None), bool, int, float, str, bytes, PID, datetime, timedelta, Decimal, uuid.UUID, date}
)


def _items(value: Any) -> Iterable[Any]:
    """What is directly in a container; `_NOTHING` in any other value."""
    cls = _type(value)
    if cls is dict:
        return (*value.keys(), *value.values())
    if cls in _CONTAINERS:
        items: Iterable[Any] = value
        return items
    if issubclass(cls, Error):
        return (value.details,)
    if issubclass(cls, enum.Enum) or portable_class(portable_name(cls)) is None:
        return _NOTHING
    return field_values(value).values()


_NOTHING: Final[list[Any]] = []


_CONTAINERS: Final = frozenset({list, tuple, set, frozenset})


def is_json(value: Any) -> bool:
    """Whether JSON holds a value exactly, which is nested in no more than `DEEPEST` levels and some of ours."""
    level: list[Any] = [value]
    for _ in range(DEEPEST_WRITTEN + 1):
        inner: list[Any] = []
        for item in level:
            cls = _type(item)
            if cls is str or cls is int or cls is bool or item is None:
                continue
            if cls is list:
                inner += item
            elif cls is dict:
                for key in item:
                    if _type(key) is not str:
                        return False
                inner += item.values()
            elif cls is not float or not isfinite(item):
                return False
        if not inner:
            return True
        level = inner
    return False
