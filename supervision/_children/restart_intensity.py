"""Restart intensity: how many restarts in how long a time are too many. Plain values; imports no scheduler."""

from __future__ import annotations

from collections import deque


class RestartIntensity:
    """OTP's rule (`supervisor:add_restart/1`): `limit` restarts in any `within` seconds are fine, one more is not.

    One counter for the whole supervisor, and the restart of a group counts once. OTP rounds the clock to whole seconds,
    which makes its window up to a second longer than asked for, depending on the phase; here it is exact.
    """

    # Invariant: `_recent` holds the times of the restarts that were allowed, oldest first. Each is added and removed
    # once, so a limit of a million costs no more per restart than a limit of three.
    __slots__ = ("_recent", "limit", "within")

    def __init__(self, limit: int, within: float) -> None:
        self.limit = limit
        self.within = within
        self._recent: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Count a restart at time `now`, if there may be one; times never go back."""
        recent = self._recent
        while recent and recent[0] < now - self.within:  # one that is exactly `within` old still counts
            recent.popleft()
        if len(recent) >= self.limit:
            return False
        recent.append(now)
        return True
