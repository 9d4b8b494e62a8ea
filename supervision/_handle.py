"""What the handles of all kinds of supervisors are: where to find one that runs."""

from __future__ import annotations

import attrs

from actors import PID, Dest, invalid
from supervision._requests import stop


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

    async def stop(self) -> None:
        """Stop all children, then the supervisor, which ends with the reason `normal`; returns when it has.

        Raises:
            Error: kind NOT_FOUND, when it does not exist.
        """
        await stop(self.dest)
