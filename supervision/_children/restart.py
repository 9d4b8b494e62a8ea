"""Who restarts, and what the end of a child means: OTP's tables as functions of plain values."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import dropwhile
from typing import Literal, TypeVar

from actors import Reason

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart = Literal["permanent", "transient", "temporary"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
Sequel = Literal["restart", "keep", "remove"]
"""What follows the end of a child: it is restarted, its spec stays without a process, or its spec goes too."""

Id = TypeVar("Id", bound=Hashable)


def is_clean(reason: Reason) -> bool:
    """Whether an end is no failure: OTP's `normal` and `shutdown`."""
    return reason in ("normal", "shutdown")


def restart_action(restart: Restart, reason: Reason) -> Sequel:
    """What follows when a child ends by itself (`supervisor:do_restart/3`)."""
    if restart == "permanent":
        return "restart"
    if restart == "temporary":
        return "remove"
    return "keep" if is_clean(reason) else "restart"


def is_reported(restart: Restart, reason: Reason) -> bool:
    """Whether the end of a child goes into the log: that of a permanent child always does."""
    return restart == "permanent" or not is_clean(reason)


def is_reported_when_stopped(brutal: bool, reason: Reason) -> bool:
    """Whether the end of a child that its supervisor has stopped goes into the log.

    Unlike OTP, `normal` is always accepted: a process that reads its `Cancel` event and returns has done what it was
    asked for. `terminated` is accepted only where it was asked for; after the deadline it is worth a line.
    """
    return not (is_clean(reason) or (brutal and reason == "terminated"))


def group(strategy: Strategy, ids: Iterable[Id], failed: Id) -> list[Id]:
    """Which children a restart of `failed` stops (last first) and starts (first first), of all, in start order."""
    if strategy == "one_for_one":
        return [failed]
    if strategy == "one_for_all":
        return list(ids)
    return list(dropwhile(lambda child: child != failed, ids))


def shuts_down(auto_shutdown: AutoShutdown, significant: bool, others_live: Iterable[bool]) -> bool:
    """Whether the supervisor ends because a child has ended and is not restarted.

    Args:
        auto_shutdown: the supervisor's setting.
        significant: whether the child is.
        others_live: for each other significant child, whether it runs or is being restarted.
    """
    if not significant or auto_shutdown == "never":
        return False
    return auto_shutdown == "any_significant" or not any(others_live)
