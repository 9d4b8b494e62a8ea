"""PIDs (semantics 2)."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

import actors
from actors import PID


@pytest.mark.parametrize(
    ("pid", "text"),
    [
        (PID("web.k3x9", "trio", "17"), "{web.k3x9@trio|17}"),
        (PID("orders", "temporal", "order-42"), "{orders@temporal|order-42}"),
        (PID("n", "temporal", "a|b@c{d}"), "{n@temporal|a|b@c{d}}"),
        (PID("n", "temporal", "line\nbreak ü"), "{n@temporal|line\nbreak ü}"),
    ],
)
def test_pid_reads_its_own_text(pid: PID, text: str) -> None:
    assert str(pid) == text
    assert PID.parse(text) == pid
    assert pickle.loads(pickle.dumps(pid)) == pid


def test_pid_is_frozen_hashable_and_ordered() -> None:
    one, two = PID("n", "trio", "1"), PID("n", "trio", "2")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.id = "3"  # type: ignore[misc]
    assert {one: 1}[PID("n", "trio", "1")] == 1
    assert one < two < PID("o", "trio", "0")
    assert one != PID("n", "green", "1")
    assert one != PID("m", "trio", "1")
    different: object = "{n@trio|1}"
    assert one != different


BAD_TEXTS: list[Any] = [
    "", "n@trio|1", "{n@trio|1", "n@trio|1}", "{@trio|1}", "{n@|1}", "{n@trio|}", "{n|1}", "{n@trio@x|1}",
    "{{n}@trio|1}", " {n@trio|1}", "{n@trio|1} ", None, 1, b"{n@trio|1}", PID("n", "trio", "1"),
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_TEXTS, ids=ascii)
def test_text_that_is_no_pid_is_refused(text: Any) -> None:
    with pytest.raises(actors.Error) as caught:
        PID.parse(text)
    assert caught.value.kind == actors.INVALID
    assert "text=" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (("", "trio", "1"), "node=''"),
        (("a@b", "trio", "1"), "node='a@b'"),
        (("n", "a|b", "1"), "host='a|b'"),
        (("n", "{", "1"), "host='{'"),
        (("n", "trio", ""), "id=''"),
        (("n", "trio", 1), "id=1"),
        ((None, "trio", "1"), "node=None"),
        (("n", ["trio"], "1"), "host=['trio']"),
    ],
)
def test_bad_field_of_a_pid_is_named(fields: Any, named: str) -> None:
    with pytest.raises(actors.Error) as caught:
        PID(*fields)
    assert caught.value.kind == actors.INVALID
    assert named in str(caught.value)
