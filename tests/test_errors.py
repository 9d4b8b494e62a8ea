"""Errors (semantics 35 and 36), as far as they need no other process."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import attrs
import pytest

import actors
from actors import KINDS, Error


def test_there_are_eleven_kinds() -> None:
    assert set(KINDS) == {
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "INVALID",
        "PERMISSION_DENIED",
        "UNAVAILABLE",
        "INTERNAL",
        "CANCELED",
        "CONFLICT",
        "TIMEOUT",
        "RATE_LIMITED",
        "UNKNOWN",
    }
    assert all(getattr(actors, kind) == kind for kind in KINDS)


def test_error_has_its_message_kind_and_details_and_is_unknown_by_default() -> None:
    error = Error("amount must be positive", kind=actors.INVALID, details={"amount": -1})
    assert (str(error), error.message, error.kind) == ("amount must be positive",) * 2 + (actors.INVALID,)
    assert dict(error.details) == {"amount": -1}
    assert (Error("x").kind, dict(Error("x").details)) == (actors.UNKNOWN, {})


@pytest.mark.parametrize("kind", KINDS)
def test_kind_says_what_is_retryable_unless_the_error_does(kind: str) -> None:
    by_kind = {
        "TIMEOUT": True,
        "UNAVAILABLE": True,
        "RATE_LIMITED": True,
        "INTERNAL": True,
        "UNKNOWN": None,
    }.get(kind, False)
    assert Error("x", kind=kind).retryable is by_kind
    assert Error("x", kind=kind, retryable=True).retryable is True
    assert Error("x", kind=kind, retryable=False).retryable is False


def test_details_are_a_copy_that_cannot_be_changed() -> None:
    given = {"at": 1}
    error = Error("x", details=given)
    given["at"] = 2
    assert dict(error.details) == {"at": 1}
    with pytest.raises(TypeError):
        error.details["at"] = 3  # type: ignore[index]


def test_wrap_keeps_kind_retryable_and_details_and_adds_the_message() -> None:
    cause = Error("no route", kind=actors.UNAVAILABLE, retryable=False, details={"host": "a"})
    error = Error.wrap(cause, "charging the card")
    assert error.message == "charging the card: no route"
    assert (error.kind, error.retryable, dict(error.details)) == (actors.UNAVAILABLE, False, {"host": "a"})
    assert error.__cause__ is cause


def test_wrap_of_any_other_exception_is_internal() -> None:
    cause = ZeroDivisionError("division by zero")
    error = Error.wrap(cause, "counting")
    assert (error.message, error.kind) == ("counting: ZeroDivisionError: division by zero", actors.INTERNAL)
    assert error.__cause__ is cause


def test_of_leaves_an_error_as_it_is() -> None:
    error = Error("x")
    assert Error.of(error) is error


def test_of_any_other_exception_is_internal_with_its_type_and_text() -> None:
    for exception, message in ((ValueError("bad"), "ValueError: bad"), (KeyError(), "KeyError")):
        error = Error.of(exception)
        assert (error.message, error.kind, error.__cause__) == (message, actors.INTERNAL, exception)


def test_group_of_one_exception_stands_for_it_and_a_larger_one_for_itself() -> None:
    inner = Error("inner", kind=actors.CONFLICT)
    assert Error.of(ExceptionGroup("outer", [ExceptionGroup("middle", [inner])])) is inner
    pair = ExceptionGroup("pair", [ValueError(), inner])
    assert Error.of(pair).__cause__ is pair


def test_exception_whose_text_cannot_be_made_still_becomes_an_error() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    error = Error.of(Unprintable())
    assert error.kind == actors.INTERNAL
    assert error.message.startswith("Unprintable")


class Declined(Error):
    """As a user may derive it."""


@pytest.mark.parametrize("kind", [Error, Declined])
@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_error_can_be_copied_and_pickled(kind: type[Error], copied: Any) -> None:
    error = kind("declined", kind=actors.CONFLICT, retryable=True, details={"code": 7})
    twin = copied(error)
    assert type(twin) is kind
    assert (twin.message, twin.kind, twin.retryable, dict(twin.details)) == (
        "declined",
        actors.CONFLICT,
        True,
        {"code": 7},
    )


@pytest.mark.parametrize(
    ("arguments", "options", "named"),
    [
        ((1,), {}, "message=1"),
        ((None,), {}, "message=None"),
        (("x",), {"kind": "BAD"}, "kind='BAD'"),
        (("x",), {"kind": None}, "kind=None"),
        (("x",), {"kind": ["INVALID"]}, "kind=['INVALID']"),
        (("x",), {"retryable": "yes"}, "retryable='yes'"),
        (("x",), {"details": 5}, "details=5"),
        (("x",), {"details": [("a", 1)]}, "details=[('a', 1)]"),
    ],
)
def test_bad_argument_of_an_error_is_named(
    arguments: tuple[Any, ...], options: dict[str, Any], named: str
) -> None:
    with pytest.raises(Error) as caught:
        Error(*arguments, **options)
    assert caught.value.kind == actors.INVALID
    assert named in str(caught.value)


def test_bad_argument_of_wrap_is_named() -> None:
    with pytest.raises(Error, match="cause='text'"):
        Error.wrap("text", "message")  # type: ignore[arg-type]
    with pytest.raises(Error, match="message=None"):
        Error.wrap(ValueError(), None)  # type: ignore[arg-type]


def test_invalid_shows_any_value_and_shortens_it() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    assert "name=<Unprintable>" in str(actors.invalid("name", Unprintable(), "something else"))
    assert "name=<int>" in str(actors.invalid("name", 10**5000, "something smaller"))
    assert len(str(actors.invalid("name", "x" * 10_000, "something shorter"))) < 250


def test_value_objects_are_frozen_and_work_in_match() -> None:
    pid = actors.PID("n.1", "trio", "1")
    ref = actors.MonitorRef(pid, 1)
    result = actors.Result(1)
    values: list[Any] = [
        pid,
        ref,
        result,
        actors.Exit(pid, ref, "normal", result),
        actors.LinkDown(pid, "error", result),
        actors.Cancel(pid, "why", None),
        actors.Message("topic", 1, pid),
        actors.Picked(None, None, True),
        actors.GroupChange("joined", "group", pid),
        actors.Options(),
    ]
    for value in values:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(value, attrs.fields(type(value))[0].name, None)
        assert value == copy.copy(value)
    match values[3]:
        case actors.Exit(actors.PID(node="n.1"), _, "normal", actors.Result(1, None)):
            pass
        case other:
            raise AssertionError(other)
    assert (values[3].kind, values[4].kind, values[5].kind) == (actors.EXIT, actors.LINK_DOWN, actors.CANCEL)


def test_result_unwraps_to_its_value_or_raises_its_error() -> None:
    assert actors.Result(1).unwrap() == 1
    with pytest.raises(Error, match="broken"):
        actors.Result(error=Error("broken")).unwrap()
