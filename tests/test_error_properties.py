"""Errors: semantics 35."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors import KINDS, Error

DETAILS = st.dictionaries(
    st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=3
)
RETRYABLE = st.sampled_from([None, True, False])
ERRORS = st.builds(Error, st.text(), kind=st.sampled_from(KINDS), retryable=RETRYABLE, details=DETAILS)


class Special(Error):
    """A user's own error, whose constructor takes something else."""

    def __init__(self, order: int) -> None:
        super().__init__(f"order {order}", kind=actors.CONFLICT, details={"order": order})


def fields(error: Error) -> tuple[Any, ...]:
    return error.kind, error.retryable, dict(error.details)


@given(ERRORS, st.text(), st.text())
def test_wrap_keeps_kind_retryable_and_details_and_adds_the_message(
    error: Error, first: str, second: str
) -> None:
    """Semantics 35, also when an error is wrapped again."""
    wrapped = Error.wrap(Error.wrap(error, first), second)
    assert fields(wrapped) == fields(error)
    assert wrapped.message == str(wrapped) == f"{second}: {first}: {error.message}"
    assert isinstance(wrapped.__cause__, Error)
    assert wrapped.__cause__.__cause__ is error


@given(st.sampled_from([ValueError, OSError, KeyError, Special, KeyboardInterrupt]), st.integers(), st.text())
def test_any_other_exception_is_internal_with_its_type_and_text(
    kind: type[BaseException], argument: int, message: str
) -> None:
    """Semantics 36."""
    exception = kind(argument)
    error = Error.of(exception)
    wrapped = Error.wrap(exception, message)
    assert wrapped.__cause__ is exception
    assert wrapped.message == f"{message}: {error.message}"
    assert fields(wrapped) == fields(error)
    if isinstance(exception, Error):
        assert error is exception
    else:
        assert (error.kind, error.retryable, error.__cause__) == (actors.INTERNAL, True, exception)
        assert error.details == {"type": kind.__name__}
        assert error.message == f"{kind.__name__}: {exception}"


@given(st.one_of(ERRORS, st.builds(Special, st.integers())))
def test_error_survives_pickling_and_copying(error: Error) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert other.message == error.message == str(other)
        assert fields(other) == fields(error)
        assert Error.wrap(other, "x").retryable == error.retryable


@given(ERRORS)
def test_retryable_is_what_was_given_or_goes_by_kind(error: Error) -> None:
    """Semantics 35: TIMEOUT, UNAVAILABLE, RATE_LIMITED and INTERNAL are, UNKNOWN is left to the policy."""
    expected = dict.fromkeys(KINDS, False) | {"UNKNOWN": None}
    expected |= dict.fromkeys(("TIMEOUT", "UNAVAILABLE", "RATE_LIMITED", "INTERNAL"), True)
    assert Error("", kind=error.kind).retryable is expected[error.kind]
    assert Error("", kind=error.kind, retryable=True).retryable is True
    assert Error("", kind=error.kind, retryable=False).retryable is False


@given(DETAILS)
def test_details_are_a_mapping_that_nobody_can_change(details: dict[str, Any]) -> None:
    before = dict(details)
    error = Error("x", details=details)
    details["new"] = 1
    assert error.details == before
    with pytest.raises(TypeError):
        error.details["new"] = 1  # type: ignore[index]


BAD = {
    "message": st.one_of(st.none(), st.integers()),
    "kind": st.one_of(st.none(), st.text().filter(lambda text: text not in actors.KINDS), st.integers()),
    "retryable": st.one_of(st.integers(), st.text()),
    "details": st.one_of(st.integers(), st.text()),
}


@given(st.data(), st.sampled_from(sorted(BAD)))
def test_bad_argument_of_an_error_is_named(data: st.DataObject, name: str) -> None:
    with pytest.raises(Error, match=rf"^{name}=.*expected") as raised:
        Error(**{"message": "x", name: data.draw(BAD[name])})  # type: ignore[arg-type]
    assert raised.value.kind == actors.INVALID
    assert raised.value.details["name"] == name
