"""Payloads: msgpack with extension types for what processes say to each other. Never pickle."""

from __future__ import annotations

import enum
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, Final, TypeVar, cast

import attrs
import msgpack
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    EncodingPayloadConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
    PayloadConverter,
)

from actors import (
    INVALID,
    PID,
    Cancel,
    Description,
    Error,
    Exit,
    FunctionInfo,
    LinkDown,
    Message,
    MonitorRef,
    ReplyTo,
    Result,
    invalid,
    portable,
    portable_class,
    portable_name,
)

T = TypeVar("T")

LARGEST: Final = 2 * 1024 * 1024 - 64 * 1024
"""Bytes of one payload. The server refuses 2 MiB, and would have the workflow task retried for ever."""


def register(cls: type[T]) -> type[T]:
    """Let instances of an attrs class or members of an enum travel in messages, arguments and results.

        @temporal_bridge.register
        @attrs.frozen
        class Order: ...

    They are known by module and name: moving or renaming the class makes those on their way unreadable.

    Raises:
        Error: kind INVALID, when it is neither an attrs class nor an enum.
    """
    if not _is_registrable(cls):
        raise invalid("cls", cls, "an attrs class or an enum")
    # Temporal's sandbox imports a user's module again for each workflow; those copies are found by `_class`.
    if portable_class(portable_name(cls)) is None or not workflow.unsafe.in_sandbox():
        portable(cls)
    return cls


def _is_registrable(cls: Any) -> bool:
    return isinstance(cls, type) and (attrs.has(cls) or issubclass(cls, enum.Enum))


def _type(value: Any) -> type[Any]:
    cls: type[Any] = value.__class__  # `type(value)` is partly unknown to pyright
    return cls


def _class(name: str) -> type[Any]:
    """The registered class of a name; in Temporal's sandbox, the sandbox's own copy of it."""
    cls = portable_class(name)
    if cls is None:
        raise Error(
            f"a value of class={name!r} came, which is not registered here: use temporal_bridge.register on it",
            kind=INVALID,
        )
    if not workflow.unsafe.in_sandbox():
        return cls
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return cast("type[Any]", found) if isinstance(found, type) else cls


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


# The code, the type, how it is written and how it is read. Codes stay as they are for ever: histories hold them.
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
_OURS: Final = frozenset({bool, int, float, str, list, dict, *_WRITE})
"""Types of which msgpack writes all values, and the SDK's own converters none."""

_READ: Final[dict[int, Callable[[Any], Any]]] = {code: read for code, _, _, read in _EXTENSIONS}

for _cls in (MonitorRef, Result, Exit, LinkDown, Cancel, FunctionInfo, Description, ReplyTo, Message):
    register(_cls)


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
        " attrs classes and enums registered with temporal_bridge.register",
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


def _msgpack_payload(value: Any) -> Payload:
    return Payload(metadata={"encoding": b"binary/msgpack"}, data=pack(value))


class MsgpackPayloadConverter(EncodingPayloadConverter):
    """Values as msgpack; what cannot be serialised is an `Error` that names it."""

    @property
    def encoding(self) -> str:
        """The mark of these payloads."""
        return "binary/msgpack"

    def to_payload(self, value: Any) -> Payload | None:
        """As the SDK asks."""
        return _msgpack_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """As the SDK asks. Hints are not needed: values carry their types."""
        return unpack(payload.data)


class PlainJSON:
    """A value that is written as JSON whichever converter writes it, for whoever reads it."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _PlainJSONConverter(JSONPlainPayloadConverter):
    @property
    def encoding(self) -> str:
        return "json/everproc"  # to tell the two converters apart; the payload itself is marked json/plain

    def to_payload(self, value: Any) -> Payload | None:
        return super().to_payload(value.value) if isinstance(value, PlainJSON) else None


class MsgpackConverter(CompositePayloadConverter):
    """Writes msgpack; reads also what other tools write: JSON, protobuf, bytes, null."""

    def __init__(self) -> None:
        super().__init__(
            _PlainJSONConverter(),
            BinaryNullPayloadConverter(),
            BinaryPlainPayloadConverter(),
            JSONProtoPayloadConverter(),
            BinaryProtoPayloadConverter(),
            MsgpackPayloadConverter(),
            JSONPlainPayloadConverter(),
        )

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """As the SDK asks. The converters before msgpack are not asked about what none of them takes."""
        if all(value.__class__ in _OURS for value in values):
            return [_msgpack_payload(value) for value in values]
        return super().to_payloads(values)


class JSONConverter(CompositePayloadConverter):
    """Writes JSON what JSON can hold exactly, to be read in Temporal's UI, and msgpack the rest; reads both."""

    def __init__(self) -> None:
        super().__init__(
            _PlainJSONConverter(),
            BinaryNullPayloadConverter(),
            BinaryPlainPayloadConverter(),
            JSONProtoPayloadConverter(),
            BinaryProtoPayloadConverter(),
            _ExactJSON(),
            MsgpackPayloadConverter(),
        )


class _ExactJSON(JSONPlainPayloadConverter):
    def to_payload(self, value: Any) -> Payload | None:
        try:
            return super().to_payload(value) if is_json(value) else None
        except RecursionError:
            return None  # and msgpack says what is wrong with it


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


def payload_size(converter: PayloadConverter, values: list[Any], what: str) -> int:
    """The bytes that values take together.

    Raises:
        Error: kind INVALID, when they cannot be serialised or are larger than the server takes.
    """
    size = sum(payload.ByteSize() for payload in converter.to_payloads(values))
    if size > LARGEST:
        raise Error(
            f"{what} takes {size} bytes, more than the {LARGEST} that Temporal carries: store it elsewhere and send"
            " where it is",
            kind=INVALID,
            details={"size": size, "largest": LARGEST},
        )
    return size
