"""The state machine: a server whose behaviour depends on its state (OTP's `gen_statem` with state functions)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from actors import Duration, Message, seconds
from supervision._servers.machine_loop import MachineLoop
from supervision._servers.server import Server
from supervision._servers.state_events import (
    Called,
    Inserted,
    StateMachineCallbacks,
    TimeoutKind,
)


class StateMachine(Server, StateMachineCallbacks):
    """A server whose states are methods. Each is called with an event, and returns the next state, or None to stay.

        class Door(StateMachine):
            def init(self, code: str) -> State:
                self.code = code
                return self.locked

            async def locked(self, event: StateEvent) -> State | None:
                match event:
                    case Called("unlock", (code,)):
                        await self.reply(event, code == self.code)
                        if code == self.code:
                            self.set_state_timeout("10s")
                            return self.open
                    case _:
                        self.postpone()
                return None

            def open(self, event: StateEvent) -> State | None:
                return self.locked if isinstance(event, TimedOut) else None

    `init` returns the first state. `call`, `cast` (by name), `stop_server`, `get_state` and the others work as for a
    `Server`; the state's name is the attribute `state`.

    What one event does happens in OTP's order: replies leave at once; the new state is entered; a postponed event is
    put aside; if the state has changed, all that were put aside come again, the oldest first; those of `next_event`
    come before them; time-outs of no length come after what waits already, and before what was not received yet.
    """

    def next_event(self, value: Any) -> None:
        """Have the event `Inserted(value)` come before all that waits."""
        self._machine.insert(Inserted(value))

    def postpone(self) -> None:
        """Have this event come again once the state has changed."""
        self._machine.postpone()

    def repeat_state(self) -> None:
        """Enter the state again, although it stays the same; what was postponed stays so."""
        self._machine.repeat()

    def set_event_timeout(self, duration: Duration, payload: Any = None) -> None:
        """Have `TimedOut("event", ...)` come if no other event does for so long."""
        self._machine.set_timer("event", "", _length(duration), payload)

    def set_state_timeout(self, duration: Duration, payload: Any = None) -> None:
        """Have `TimedOut("state", ...)` come if the state does not change for so long, from the next one on."""
        self._machine.set_timer("state", "", _length(duration), payload)

    def set_named_timeout(self, name: str, duration: Duration, payload: Any = None) -> None:
        """Have `TimedOut("named", name, ...)` come after so long, whatever happens; again replaces the one before."""
        self._machine.set_timer("named", name, _length(duration), payload)

    def update_timeout(self, kind: TimeoutKind, payload: Any, name: str = "") -> None:
        """Change the payload of a time-out that is set; one that is not comes at once."""
        self._machine.update_timer(kind, name, payload)

    def cancel_timeout(self, kind: TimeoutKind, name: str = "") -> None:
        """Do without a time-out; fine when it is not set."""
        self._machine.cancel_timer(kind, name)

    async def reply(self, deferred: Message | Called, value: Any) -> bool:
        """Answer a call, now or later; a machine keeps the event for that. False when nobody waits any more."""
        return await super().reply(deferred.message if isinstance(deferred, Called) else deferred, value)

    @property
    def _machine(self) -> MachineLoop:
        return cast("MachineLoop", self._serving)

    @classmethod
    def __everproc_accepts__(cls, message: Message) -> None:
        """As `actors.Behaviour`: a state may take whatever comes."""

    def __supervision_serving__(self) -> MachineLoop:
        """As `Server`."""
        return MachineLoop(self)


def _length(duration: Duration) -> timedelta:
    return timedelta(seconds=seconds(duration, "duration"))
