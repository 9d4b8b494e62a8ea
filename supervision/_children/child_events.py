"""The events of a supervisor, received selectively: while it waits for the end of one child, others end too."""

from __future__ import annotations

from collections import OrderedDict, deque

import actors
from actors import PID, Cancel, Channel, Event, Exit, LinkDown


class ChildEvents:
    """`events()` of the running process, with the exit of a chosen process received out of turn (OTP awaits a DOWN).

    What came before it is kept, in order. A `LinkDown` is dropped: everything linked to a supervisor that matters to
    it is monitored too.
    """

    # Invariant: an Exit is in `_exits` or was returned, never both; asking for one costs the same however many wait.
    def __init__(self) -> None:
        self.channel: Channel[Event] = actors.events()
        self._exits: OrderedDict[PID, Exit] = OrderedDict()  # a dict would be slow to take the oldest from
        self._cancels: deque[Cancel] = deque()

    async def exit_of(self, pid: PID) -> Exit:
        """The end of a process that is monitored; waits for it."""
        while (ended := self._exits.pop(pid, None)) is None:
            self.keep(await self.channel.receive())
        return ended

    def keep(self, event: Event) -> None:
        """Put an event where `kept` finds it."""
        match event:
            case Exit():
                self._exits[event.pid] = event
            case Cancel():
                self._cancels.append(event)
            case LinkDown():
                pass

    def kept(self) -> Exit | Cancel | None:
        """The next event that came while another was waited for; a request to stop comes before all exits."""
        if self._cancels:
            return self._cancels.popleft()
        return self._exits.popitem(last=False)[1] if self._exits else None
