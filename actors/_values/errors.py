"""Errors: one class with a kind, the same on every host and across every border."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, cast, get_args

Kind = Literal[
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
]
"""What kind of failure an `Error` is; decides whether a retry makes sense."""

NOT_FOUND: Final = "NOT_FOUND"
ALREADY_EXISTS: Final = "ALREADY_EXISTS"
INVALID: Final = "INVALID"
PERMISSION_DENIED: Final = "PERMISSION_DENIED"
UNAVAILABLE: Final = "UNAVAILABLE"
INTERNAL: Final = "INTERNAL"
CANCELED: Final = "CANCELED"
CONFLICT: Final = "CONFLICT"
TIMEOUT: Final = "TIMEOUT"
RATE_LIMITED: Final = "RATE_LIMITED"
UNKNOWN: Final = "UNKNOWN"

KINDS: Final[tuple[str, ...]] = get_args(Kind)

_RETRYABLE: Final[Mapping[str, bool | None]] = {
    kind: kind in (TIMEOUT, UNAVAILABLE, RATE_LIMITED, INTERNAL) if kind != UNKNOWN else None
    for kind in KINDS
}


class Error(Exception):
    """A failure with a kind, which crosses process, node and workflow borders unchanged.

        raise actors.Error("amount must be positive", kind=actors.INVALID, details={"amount": -1})

    Args:
        message: what went wrong, for a person to read.
        kind: one of the kinds of this module, such as `actors.NOT_FOUND`.
        retryable: whether trying again makes sense; left out, the kind decides.
        details: whatever a program may want to know about it.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    message: str
    kind: Kind
    details: Mapping[str, Any]

    def __init__(
        self,
        message: str,
        *,
        kind: str = UNKNOWN,
        retryable: bool | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(message, str):
            raise invalid("message", message, "a string that says what went wrong")
        if not isinstance(kind, str) or kind not in KINDS:
            raise invalid("kind", kind, f"one of {', '.join(KINDS)}")
        if retryable is not None and not isinstance(retryable, bool):
            raise invalid("retryable", retryable, "True, False, or None to let the kind decide")
        if details is not None and not isinstance(details, Mapping):
            raise invalid("details", details, "a mapping")
        super().__init__(message)
        self.message = message
        self.kind = cast(Kind, kind)
        self.details = MappingProxyType(dict(details or {}))
        self._retryable = retryable

    @property
    def retryable(self) -> bool | None:
        """Whether trying again makes sense.

        As given; else by kind: TIMEOUT, UNAVAILABLE, RATE_LIMITED and INTERNAL are, UNKNOWN is None (the retry
        policy decides), the others are not.
        """
        return _RETRYABLE[self.kind] if self._retryable is None else self._retryable

    @classmethod
    def wrap(cls, cause: BaseException, message: str) -> Error:
        """Say more about `cause`: its kind, retryable and details stay, `message` goes in front of its text."""
        if not isinstance(cause, BaseException):
            raise invalid("cause", cause, "an exception")
        if not isinstance(message, str):
            raise invalid("message", message, "a string that says what was being done")
        inner = cls.of(cause)
        error = Error(
            f"{message}: {inner.message}", kind=inner.kind, retryable=inner._retryable, details=inner.details
        )
        error.__cause__ = cause
        return error

    @classmethod
    def of(cls, exception: BaseException) -> Error:
        """`exception` as an `Error`: itself if it is one, else INTERNAL with its type and text, and it as the cause.

        A group that holds one exception, as trio's nurseries raise it, stands for that one.
        """
        if not isinstance(exception, BaseException):
            raise invalid("exception", exception, "an exception")
        held = list(leaves(exception))
        if len(held) == 1:
            exception = held[0]
        if isinstance(exception, Error):
            return exception
        name = type(exception).__name__
        try:
            text = str(exception)
        except Exception:  # noqa: BLE001 - a bad __str__ must not hide what happened
            text = "(its text cannot be made)"
        error = Error(f"{name}: {text}" if text else name, kind=INTERNAL, details={"type": name})
        error.__cause__ = exception
        return error

    def again(self) -> Error:
        """This error to be raised once more: its traceback begins with that of the first time, and does not grow.

        An error that several ask for, as that of an exit or a function, must not keep the frames of all who asked.
        """
        copy = type(self).__new__(type(self), self.message)
        copy.__dict__.update(self.__dict__)
        copy.args = self.args
        copy.__cause__ = self.__cause__
        copy.__suppress_context__ = self.__suppress_context__
        return copy.with_traceback(self.__traceback__)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, kind={self.kind})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.message, self.kind, self._retryable, dict(self.details))


def _restore(
    cls: type[Error], message: str, kind: str, retryable: bool | None, details: Mapping[str, Any]
) -> Error:
    error = cls.__new__(cls, message)
    Error.__init__(error, message, kind=kind, retryable=retryable, details=details)
    return error


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The exceptions that a group holds, of its inner groups too; an exception that is no group, itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from leaves(inner)
    else:
        yield error


def without(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """What is left of `error` without exceptions of a kind, which trio's nurseries may have put into groups with it."""
    if isinstance(error, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", error).split(kind)[1]
    return None if isinstance(error, kind) else error


class ChannelClosed(Exception):
    """A send on a closed channel, or a receive on one that is closed and drained."""


def not_one_of(name: str, value: object, known: Iterable[str], mark: str = "") -> Error:
    """The error for a name that is none of those known, with the one that was probably meant.

    `mark` stands around each where they are text and not names: `"`.
    """
    import difflib  # here: as a rule it is not needed, and takes longer to import than most of the package

    names = list(known)
    meant = [found for found in names if found.endswith(f".{value}")] or difflib.get_close_matches(
        str(value).lower(), names, 1, 0.7
    )
    expected = "one of " + ", ".join(f"{mark}{found}{mark}" for found in names)
    return invalid(name, value, f"{expected}; did you mean {mark}{meant[0]}{mark}?" if meant else expected)


def invalid(name: str, value: object, expected: str) -> Error:
    """The error for a bad argument or option: what was expected, and what came."""
    return Error(
        f"{name}={shown(value)} is not valid: expected {expected}", kind=INVALID, details={"name": name}
    )


def shown(value: object) -> str:
    """A value as an error shows it: its repr, shortened."""
    try:
        # Of a long text only what may be shown is written out, with what escaping may add.
        text = repr(value[:120] + "..." if type(value) is str and len(value) > 120 else value)
    except Exception:  # noqa: BLE001  # whatever its repr does, the error is about the value
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."


def shortened(text: str) -> str:
    """A text that names something, such as a PID, short enough for an error."""
    return text if len(text) <= 200 else f"{text[:140]}...{text[-40:]}"
