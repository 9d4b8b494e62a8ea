"""PIDs: semantics 2."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import INVALID, PID, Error

PLAIN = st.text(st.characters(exclude_characters="@|{}"), min_size=1)
IDS = st.one_of(st.text(min_size=1), st.text("@|{}\n a", min_size=1))
PIDS = st.builds(PID, PLAIN, PLAIN, IDS)


@given(PIDS)
def test_text_of_a_pid_reads_back_as_the_same_pid(pid: PID) -> None:
    """Semantics 2: `PID.parse(str(pid)) == pid`, whatever the id is made of."""
    assert PID.parse(str(pid)) == pid
    assert str(PID.parse(str(pid))) == str(pid)
    assert str(pid) == f"{{{pid.node}@{pid.host}|{pid.id}}}"
    assert repr(pid) == f"<{pid.node}@{pid.host}|{pid.id}>"


@given(PIDS)
def test_pid_survives_copying_and_pickling(pid: PID) -> None:
    assert pickle.loads(pickle.dumps(pid)) == pid
    assert copy.copy(pid) == copy.deepcopy(pid) == pid


@given(PIDS, PIDS)
def test_pids_are_equal_hashed_and_ordered_by_what_they_say(one: PID, other: PID) -> None:
    """Semantics 2: hashable and ordered."""
    key, other_key = (one.node, one.host, one.id), (other.node, other.host, other.id)
    assert (one == other) == (key == other_key) == (str(one) == str(other))
    assert (one < other) == (key < other_key)
    assert (one <= other) == (key <= other_key)
    if one == other:
        assert hash(one) == hash(other)
    assert len({one, other, PID.parse(str(one))}) == len({key, other_key})


@given(st.text())
def test_text_is_a_pid_or_is_refused(text: str) -> None:
    """Whatever is accepted is exactly what that PID writes."""
    try:
        pid = PID.parse(text)
    except Error as error:
        assert error.kind == INVALID  # noqa: PT017  # it may also be a PID
    else:
        assert str(pid) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{a@b}",
        "{a@b|}",
        "{@b|c}",
        "{a@|c}",
        "a@b|c",
        "{a@b|c",
        "{a@b|c}}x",
        "{a|b@c}",
        "<a@b|c>",
        None,
        7,
    ],
)
def test_text_that_is_no_pid_is_refused(text: object) -> None:
    with pytest.raises(Error, match=r"^text=.*expected a PID") as raised:
        PID.parse(text)  # type: ignore[arg-type]
    assert raised.value.kind == INVALID


@given(PLAIN, PLAIN, IDS, st.sampled_from("@|{}"), st.integers(0, 5))
def test_node_and_host_hold_none_of_the_marks(node: str, host: str, name: str, mark: str, place: int) -> None:
    for bad in ("", node[:place] + mark + node[place:]):
        for wrong in ((bad, host), (host, bad)):
            with pytest.raises(Error, match="without any of @") as raised:
                PID(*wrong, name)
            assert raised.value.kind == INVALID
    with pytest.raises(Error, match=r"^id="):
        PID(node, host, "")
