"""Payload converters: values as payloads of Temporal, in msgpack or JSON. The codec is `actors/_wire/payloads.py`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
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

from actors import INVALID, Error, register_sandbox
from actors.wire import DEEPEST, DEEPEST_WRITTEN, PLAIN_TYPES, check_depth, is_json, pack, unpack
from temporal_bridge._wire.codec import UNOPENED

register_sandbox(workflow.unsafe.in_sandbox)

LARGEST: Final = 2 * 1024 * 1024 - 64 * 1024
"""Bytes of one payload. The server refuses 2 MiB, and would have the workflow task retried for ever."""

MOST_BYTES: Final = 3 * 1024 * 1024
"""Bytes that one request to the server holds: it refuses 4 MiB, and an answer to a workflow task again and again."""


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


class _Converter(CompositePayloadConverter):
    """Reads what it writes, and what other tools write: JSON, protobuf, bytes, null."""

    def __init__(self) -> None:
        super().__init__(
            _PlainJSONConverter(),
            BinaryNullPayloadConverter(),
            BinaryPlainPayloadConverter(),
            JSONProtoPayloadConverter(),
            BinaryProtoPayloadConverter(),
            MsgpackPayloadConverter(),
            _ExactJSON(),
        )

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """As the SDK asks.

        Raises:
            Error: kind INVALID, whatever is wrong with a payload: nothing else is raised by what comes from outside.
        """
        return [
            RawValue(payload) if hint is RawValue else self._read(payload, hint)
            for payload, hint in zip_longest(payloads, (type_hints or ())[: len(payloads)])
        ]

    def _read(self, payload: Payload, hint: type | None) -> Any:
        encoding = payload.metadata.get("encoding", b"")
        if encoding == UNOPENED:
            raise Error(f"a payload cannot be read: {payload.data.decode(errors='replace')}", kind=INVALID)
        reader = self.converters.get(encoding)
        if reader is None:
            raise Error(
                f"a payload of encoding={encoding!r:.100} cannot be read: send JSON, msgpack, bytes or null",
                kind=INVALID,
            )
        try:
            return reader.from_payload(payload, hint)
        except Error:
            raise
        except Exception as error:
            raise Error(
                f"a payload of encoding={encoding!r} cannot be read, of {len(payload.data)} bytes:"
                f" {type(error).__name__}: {error!s:.200}",
                kind=INVALID,
            ) from error


class MsgpackConverter(_Converter):
    """Writes msgpack; reads also what other tools write."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """As the SDK asks. The converters before msgpack are not asked about what none of them takes."""
        if all(value.__class__ in PLAIN_TYPES for value in values):
            return [_msgpack_payload(value) for value in values]
        return super().to_payloads(values)


class JSONConverter(_Converter):
    """Writes as JSON what JSON can hold exactly, which every client of Temporal's can read, and as msgpack the rest."""

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """As the SDK asks."""
        return [self._write(value) for value in values]

    def _write(self, value: Any) -> Payload:
        if value.__class__ in _MAYBE_JSON and is_json(value):
            return _json_payload(value)
        if value.__class__ in PLAIN_TYPES:
            return _msgpack_payload(value)
        (payload,) = super().to_payloads([value])
        return payload


_MAYBE_JSON: Final = frozenset({bool, int, float, str, list, dict})


def _json_payload(value: Any) -> Payload:
    try:
        data = _encode(value).encode()
    except (ValueError, RecursionError):  # half a character, an endless number: msgpack says what is wrong
        return _msgpack_payload(value)
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class _ExactJSON(JSONPlainPayloadConverter):
    """JSON as it is. Hints are not needed: what JSON cannot say is not written as JSON."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        value: Any = json.loads(payload.data)
        if b"\\ud" in payload.data.lower():
            _encode(
                value
            ).encode()  # half a character is none that we could send on, or carry over an upgrade
        if len(payload.data) > DEEPEST:
            check_depth(value, DEEPEST_WRITTEN)
        return value


def read_values(converter: PayloadConverter, raw: Sequence[RawValue], deepest: int = DEEPEST) -> list[Any]:
    """The values that somebody has sent: the one way in of signals, updates, starts and replies.

    Raises:
        Error: kind INVALID, when one cannot be read, or is nested more deeply than we could send it on.
    """
    values = converter.from_payloads([value.payload for value in raw])
    for value, item in zip(values, raw, strict=True):
        if len(item.payload.data) > DEEPEST:
            check_depth(value, deepest)
    return values


def read_value(converter: PayloadConverter, raw: RawValue | None) -> Any:
    """As `read_values`, of what has one value or none."""
    return None if raw is None else read_values(converter, [raw])[0]


def spawn_too_large(size: int) -> Error:
    """The error of a spawn with more than one request to the server holds."""
    return Error(
        f"the arguments, memo, context and messages of a spawn take {size} bytes together, more than the {MOST_BYTES}"
        " that Temporal takes at once: store them elsewhere and send where they are",
        kind=INVALID,
        details={"size": size, "largest": MOST_BYTES},
    )


def header_size(header: Mapping[str, Payload], what: str) -> int:
    """The bytes that a header takes.

    Raises:
        Error: kind INVALID, when they are more than the server takes.
    """
    return check_size(sum(payload.ByteSize() for payload in header.values()), what)


def payload_size(converter: PayloadConverter, values: list[Any], what: str) -> int:
    """The bytes that values take together.

    Raises:
        Error: kind INVALID, when they cannot be serialised, are nested too deeply or are larger than the server takes.
    """
    payloads = converter.to_payloads(values)
    size = sum(payload.ByteSize() for payload in payloads)
    if size > DEEPEST:
        for value, payload in zip(values, payloads, strict=True):
            if len(payload.data) > DEEPEST:
                check_depth(value)
    return check_size(size, what)


def check_size(size: int, what: str) -> int:
    """The size, unless it is more than the server takes.

    Raises:
        Error: kind INVALID.
    """
    if size > LARGEST:
        raise Error(
            f"{what} takes {size} bytes, more than the {LARGEST} that Temporal carries: store it elsewhere and send"
            " where it is",
            kind=INVALID,
            details={"size": size, "largest": LARGEST},
        )
    return size
