"""Payload converters: values as payloads of Temporal, in msgpack or JSON. The codec is `actors/_wire/payloads.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

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

from actors import INVALID, Error, register_sandbox
from actors.wire import PLAIN_TYPES, is_json, pack, unpack

register_sandbox(workflow.unsafe.in_sandbox)

LARGEST: Final = 2 * 1024 * 1024 - 64 * 1024
"""Bytes of one payload. The server refuses 2 MiB, and would have the workflow task retried for ever."""


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
        if all(value.__class__ in PLAIN_TYPES for value in values):
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
