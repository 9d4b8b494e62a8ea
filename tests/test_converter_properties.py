"""Payloads: whatever is made of what can travel comes back as it was, and no bytes break the reader."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload

from actors import KINDS, PID, Error
from actors.wire import pack, unpack
from temporal_bridge._wire.converter import JSONConverter, MsgpackConverter

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@|{}"), min_size=1)
hashable: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.binary()
    | st.datetimes()
    | st.dates()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.builds(PID, names, names, texts.filter(bool)),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values: st.SearchStrategy[Any] = st.recursive(
    hashable,
    lambda inner: st.lists(inner) | st.dictionaries(hashable, inner) | st.tuples(inner) | st.sets(hashable),
    max_leaves=20,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down: True is not 1, 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(
            key in other and same(value, other[key]) for key, value in one.items()
        )
    if isinstance(one, float):
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return bool(one == other)


@settings(max_examples=40)
@given(values)
def test_value_comes_back_as_it_was(value: Any) -> None:
    assert same(unpack(pack(value)), value)


@settings(max_examples=40)
@given(values)
def test_both_converters_read_what_either_writes(value: Any) -> None:
    converters = (MsgpackConverter(), JSONConverter())
    for writer in converters:
        payload = writer.to_payload(value)
        for reader in converters:
            assert same(reader.from_payload(payload), value)


@settings(max_examples=40)
@given(values)
def test_equal_values_are_written_alike(value: Any) -> None:
    assert pack(unpack(pack(value))) == pack(value)


@given(st.binary())
def test_no_bytes_raise_anything_but_an_error(data: bytes) -> None:
    try:
        MsgpackConverter().from_payload(Payload(metadata={"encoding": b"binary/msgpack"}, data=data))
    except Error as error:
        assert error.kind == "INVALID"  # noqa: PT017


@settings(max_examples=40)
@given(values, st.data())
def test_no_damage_raises_anything_but_an_error(value: Any, data: st.DataObject) -> None:
    written = bytearray(pack(value))
    for _ in range(data.draw(st.integers(1, 3))):
        written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpack(bytes(written))
    except Error as error:
        assert error.kind == "INVALID"  # noqa: PT017


@settings(max_examples=40)
@given(
    texts,
    st.sampled_from(KINDS),
    st.none() | st.booleans(),
    st.dictionaries(texts, values, max_size=3),
    st.lists(st.tuples(texts, st.sampled_from(KINDS)), max_size=4),
)
def test_error_keeps_kind_message_retryable_details_and_chain(
    message: str, kind: str, retryable: bool | None, details: dict[str, Any], chain: list[tuple[str, str]]
) -> None:
    error = Error(message, kind=kind, retryable=retryable, details=details)
    inner: Error = error
    for text, cause_kind in chain:
        inner.__cause__ = Error(text, kind=cause_kind)
        inner = inner.__cause__
    found = unpack(pack(error))
    assert (found.message, found.kind, found.retryable) == (error.message, error.kind, error.retryable)
    assert same(dict(found.details), details)
    seen: list[tuple[str, str]] = []
    while found.__cause__ is not None:
        found = found.__cause__
        seen.append((found.message, found.kind))
    assert seen == chain
