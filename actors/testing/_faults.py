"""Faults: what may go wrong in a simulated run, beyond an unlucky order. Nothing that `semantics.md` rules out."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from actors._values.durations import Duration, seconds
from actors._values.errors import invalid
from actors.testing._decisions import Fault, Source

KILL = "kill"
DROP = "drop"
FAIL = "fail"
SLOW = "slow"
JUMP = "jump"

_DOUBLINGS = 9
"""Faults happen within the first 2, 4, 8 ... 1024 steps, each as likely as the other: runs are of all lengths."""


def _everyone(entry: str) -> bool:
    return True


@attrs.frozen(kw_only=True)
class Faults:
    """How many faults of each kind a run may have at most.

        @explore(faults=Faults(kill=2, slow=1))

    Args:
        kill: processes that end at an await, as by `terminate`. The first process is spared.
        drop: nodes that vanish with their processes; others get `noconnection`. The first process's node is spared.
        fail: calls of functions that fail with UNAVAILABLE.
        slow: calls of functions that take `slow_by`.
        jump: times that `now()` jumps ahead by `jump_by`; timers do not.
        killable: by its entry id, whether a process may be killed.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    kill: int = 0
    drop: int = 0
    fail: int = 0
    slow: int = 0
    jump: int = 0
    slow_by: Duration = "1m"
    jump_by: Duration = "1h"
    killable: Callable[[str], bool] = _everyone

    def __attrs_post_init__(self) -> None:
        for kind in (KILL, DROP, FAIL, SLOW, JUMP):
            count: object = getattr(self, kind)
            if not isinstance(count, int) or isinstance(count, bool) or count < 0:
                raise invalid(kind, count, "a whole number of 0 or more")
        seconds(self.slow_by, "slow_by")
        seconds(self.jump_by, "jump_by")
        if not callable(self.killable):
            raise invalid(
                "killable", self.killable, "a function of an entry id that says whether it may be killed"
            )

    def plan(self, source: Source) -> tuple[Fault, ...]:
        """When in a run which faults happen, and to whom, as far as they find a victim then.

        A fault at step 0 does not happen, so that some runs have fewer.
        """
        drawn = [
            Fault(source.randrange(2 << source.randrange(_DOUBLINGS + 1)), kind, source.randrange(64))
            for kind in (KILL, DROP, FAIL, SLOW, JUMP)
            for _ in range(getattr(self, kind))
        ]
        return tuple(sorted((fault for fault in drawn if fault.step), key=lambda fault: fault.step))


NO_FAULTS = Faults()
