"""Events: what reaches a process about other processes, through `events()`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import attrs

from actors._values.errors import Error
from actors._values.pid import PID
from actors._values.portable import register

EXIT: Final = "EXIT"
LINK_DOWN: Final = "LINK_DOWN"
CANCEL: Final = "CANCEL"

Reason = Literal[
    "normal",
    "error",
    "terminated",
    "cancelled",
    "link_down",
    "shutdown",
    "timed_out",
    "noproc",
    "noconnection",
]
"""Why a process ended. `normal` and `shutdown` are clean for a supervisor; only `normal` is for a link."""


@register
@attrs.frozen
class Result:
    """What a process ended with: the value of its function, or the error that ended it."""

    value: Any = None
    error: Error | None = None

    def unwrap(self) -> Any:
        """The value; raises the error if there is one."""
        if self.error is not None:
            raise self.error.again()
        return self.value


class _Draft:
    """A ref while it is filled, see `messages.Draft`."""

    __slots__ = ("owner", "number")


@register
@attrs.frozen(hash=False, weakref_slot=False)
class MonitorRef(_Draft):
    """Which monitor an `Exit` answers. Opaque: compare it, keep it, give it to `unmonitor`."""

    owner: PID
    number: int

    def __hash__(self) -> int:
        return self.number


def make_ref(owner: PID, number: int) -> MonitorRef:
    """A `MonitorRef`, faster than by its own constructor."""
    ref: Any = _Draft()
    ref.owner = owner
    ref.number = number
    ref.__class__ = MonitorRef
    return ref  # type: ignore[no-any-return]


@register
@attrs.frozen
class Exit:
    """A process that was monitored has ended (OTP's DOWN)."""

    pid: PID
    ref: MonitorRef | None
    reason: Reason
    result: Result

    kind = EXIT


@register
@attrs.frozen
class LinkDown:
    """A process that was linked has ended other than normally, and this one traps links (OTP's trapped EXIT)."""

    pid: PID
    reason: Reason
    result: Result

    kind = LINK_DOWN


@register
@attrs.frozen
class Cancel:
    """Somebody asks this process to stop. `pid` asks (None from outside), `deadline` is when it will be terminated."""

    pid: PID | None
    reason: str
    deadline: datetime | None

    kind = CANCEL


Event = Exit | LinkDown | Cancel


class Monitors(dict[MonitorRef, PID]):
    """The monitors that a process has: their targets by their refs, and the refs by their target."""

    __slots__ = ("_refs",)

    def __init__(self) -> None:
        super().__init__()
        self._refs: dict[PID, dict[MonitorRef, None]] = {}

    def __setitem__(self, ref: MonitorRef, pid: PID) -> None:
        super().__setitem__(ref, pid)
        self._refs.setdefault(pid, {})[ref] = None

    def pop(self, ref: MonitorRef, default: Any = None) -> Any:
        """Remove a monitor: its target, or the default when there is no such monitor."""
        pid = super().pop(ref, default)
        refs = self._refs.get(pid)
        if refs is not None:
            refs.pop(ref, None)
            if not refs:
                del self._refs[pid]
        return pid

    def of(self, pid: PID) -> list[MonitorRef]:
        """The refs of the monitors of a process."""
        return list(self._refs.get(pid, ()))
