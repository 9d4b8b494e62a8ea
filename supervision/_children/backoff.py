"""Back-off: how long a child waits before it is restarted. Not in OTP; off unless a spec asks for it."""

from __future__ import annotations

from typing import Any

import attrs

from actors import Duration, invalid, seconds


def _check_duration(instance: object, attribute: attrs.Attribute[Any], value: Duration) -> None:
    seconds(value, attribute.name)


@attrs.frozen
class Backoff:
    """Restarts of one child, further and further apart.

        ChildSpec("db", connect, backoff=Backoff(initial="100ms", max="30s"))

    Args:
        initial: the wait before the first restart.
        max: the longest wait.
        factor: how much longer each wait is than the one before.
        jitter: the share of each wait that is left to chance, from 0 to 1: with 0.2, between 80 % and 100 % of it.
        reset_after: how long a child has to run for its next restart to count as the first again.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    initial: Duration = attrs.field(default="100ms", validator=_check_duration)
    max: Duration = attrs.field(default="30s", validator=_check_duration)
    factor: float = 2.0
    jitter: float = 0.0
    reset_after: Duration = attrs.field(default="1m", validator=_check_duration)

    def __attrs_post_init__(self) -> None:
        if not _is_number(self.factor) or not 1 <= self.factor < float("inf"):
            raise invalid("factor", self.factor, "a finite number of 1 or more")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise invalid("jitter", self.jitter, "a number from 0 to 1")
        if seconds(self.max, "max") < seconds(self.initial, "initial"):
            raise invalid("max", self.max, f"at least initial={self.initial!r}")

    def delay(self, attempt: int, chance: float) -> float:
        """Seconds to wait before a restart.

        Args:
            attempt: 0 for the first restart in a row.
            chance: a random number from 0 to 1.
        """
        longest = seconds(self.max, "max")
        try:
            full = min(longest, seconds(self.initial, "initial") * self.factor**attempt)
        except OverflowError:
            full = longest
        return full * (1 - self.jitter * chance)

    def resets(self, ran: float) -> bool:
        """Whether the next restart counts as the first again, after a process that ran for `ran` seconds."""
        return ran >= seconds(self.reset_after, "reset_after")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
