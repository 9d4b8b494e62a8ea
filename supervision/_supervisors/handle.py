"""What the handles of all kinds of supervisors are: where to find one that runs."""

from __future__ import annotations

import attrs

from actors import PID, Dest, Duration, Reason, invalid
from supervision._children.requests import FOREVER, stop


@attrs.frozen
class Handle:
    """A supervisor that runs, by its PID or by its name. A value: it can be kept and sent to other processes."""

    dest: Dest

    @property
    def pid(self) -> PID:
        """Its PID.

        Raises:
            Error: kind INVALID, for a handle that was made from a name: `actors.names.lookup` finds who has it now.
        """
        if not isinstance(self.dest, PID):
            raise invalid("dest", self.dest, "a PID; look the name up with actors.names.lookup")
        return self.dest

    async def stop(self, reason: Reason = "normal", timeout: Duration | None = None) -> None:
        """Stop all children, then the supervisor, which ends with that reason; returns when it has.

        The running process is not harmed by `"normal"`; by another it is, if it is linked and does not trap links.

        Raises:
            Error: NOT_FOUND, when it does not exist; TIMEOUT when it took longer than `timeout`, and it stops later;
                UNAVAILABLE when it ended with another reason first.
        """
        await stop(self.dest, reason, FOREVER if timeout is None else timeout)
