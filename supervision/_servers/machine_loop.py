"""The process of a state machine: transitions in OTP's order (`gen_statem:loop_*`)."""

from __future__ import annotations

from collections import deque
from datetime import timedelta
from typing import Any, cast

import attrs

import actors
from actors import CONFLICT, INVALID, Channel, Error, Message, invalid, payload_of
from supervision._children.exit import monotonic
from supervision._servers.answers import arguments_of
from supervision._servers.callbacks import ServerCallbacks
from supervision._servers.handlers import Arguments
from supervision._servers.server_loop import ServerLoop, awaited
from supervision._servers.server_state import CarriedState
from supervision._servers.state_events import (
    Called,
    Entered,
    Inserted,
    Sent,
    StateEvent,
    StateMachineCallbacks,
    StateMethod,
    TimedOut,
    TimeoutKind,
)

_Key = tuple[TimeoutKind, str]


@attrs.define(eq=False)
class _Timer:
    """A time-out that is set. Without a channel it has no length, and its event is in the queue already."""

    event: TimedOut
    channel: Channel[Any] | None
    due: float = 0.0


@attrs.define
class _Transition:
    """What a state asks for while it handles one event."""

    event: StateEvent
    postponed: bool = False
    repeated: bool = False
    inserted: list[Inserted] = attrs.field(factory=list[Inserted])
    timers: dict[_Key, tuple[timedelta, TimedOut] | None] = attrs.field(
        factory=dict[_Key, tuple[timedelta, TimedOut] | None]
    )
    """Time-outs to set, or with None to cancel; the last word for each counts."""


class MachineLoop(ServerLoop):
    """A state machine that runs."""

    # `_queue` is what comes before anything is received, `_postponed` what waits for another state, the oldest first.
    __slots__ = ("_machine", "_queue", "_postponed", "_timers", "_transition")

    def __init__(self, machine: StateMachineCallbacks) -> None:
        super().__init__(machine)
        self._machine = machine
        self._queue: deque[StateEvent] = deque()
        self._postponed: list[StateEvent] = []
        self._timers: dict[_Key, _Timer] = {}
        self._transition: _Transition | None = _Transition(Entered(""))  # that of `init`

    # What a state asks for

    def insert(self, event: Inserted) -> None:
        """Put an event before all others."""
        self._not_while_entering("next_event").inserted.append(event)

    def postpone(self) -> None:
        """Put the event aside."""
        self._not_while_entering("postpone").postponed = True

    def repeat(self) -> None:
        """Enter the same state again."""
        self._not_while_entering("repeat_state").repeated = True

    def set_timer(self, kind: TimeoutKind, name: str, length: timedelta, payload: Any) -> None:
        """Set a time-out once the event is handled."""
        self._asked().timers[kind, name] = (length, TimedOut(kind, name, payload))

    def update_timer(self, kind: TimeoutKind, name: str, payload: Any) -> None:
        """Change a payload; of one that is not set, have it come at once (OTP)."""
        timer = self._timers.get((kind, name))
        if timer is None or timer.channel is None:
            self.set_timer(kind, name, timedelta(0), payload)
        else:
            timer.event = attrs.evolve(timer.event, payload=payload)

    def cancel_timer(self, kind: TimeoutKind, name: str) -> None:
        """Take back a time-out."""
        self._asked().timers[kind, name] = None

    def _asked(self) -> _Transition:
        if self._transition is None:
            raise Error("this is for a state, while it handles an event", kind=CONFLICT)
        return self._transition

    def _not_while_entering(self, what: str) -> _Transition:
        transition = self._asked()
        if isinstance(transition.event, Entered) and transition.event.previous:
            raise Error(f"{what} is not possible while a state is entered", kind=INVALID)
        return transition

    # The loop

    async def begin(self, first: Any) -> None:
        """Enter the first state; what `init` asked for counts then."""
        asked = self._transition
        assert asked is not None
        self._machine.state = self._name(first)
        await self._enter(self._machine.state, asked)
        self._queue.extendleft(reversed(asked.inserted))
        self._apply_timers(asked)
        self._transition = None

    def more(self) -> Any:
        """The events that wait inside, and the time-outs, with when they are due."""
        timers = [(timer.event, timer.due) for timer in self._timers.values() if timer.channel is not None]
        return list(self._queue), list(self._postponed), timers

    async def go_on(self, carried: CarriedState) -> None:
        """As `ServerLoop.go_on`; the state is not entered again."""
        queue, postponed, timers = carried.more
        self._queue.extend(queue)
        self._postponed.extend(postponed)
        now = monotonic()
        for event, due in timers:
            self._set(event, timedelta(seconds=max(0.0, due - now)))
        for event in queue:  # a time-out of no length is one of those that wait
            if isinstance(event, TimedOut) and (event.kind, event.name) not in self._timers:
                self._timers[event.kind, event.name] = _Timer(event, None)
        self._transition = None
        await super().go_on(carried)

    async def next(self) -> Any:
        """The next event: one that waits in the queue, a time-out that is over, or what is received."""
        if self._queue and not self.suspended:
            await self.turn()
            return self._queue.popleft()
        if self.kept or self.suspended:
            return await super().next()
        channels = {timer.channel: key for key, timer in self._timers.items() if timer.channel is not None}
        if not channels or actors.events().can_receive():
            return await super().next()
        # Time-outs first: an inbox that is never empty must not keep them waiting.
        picked = await actors.select(*channels, self.incoming)
        key = channels.get(cast(Channel[Any], picked.channel))
        return picked.value if key is None else self._timers.pop(key).event

    async def handle(self, came: Any) -> None:
        """Have the state handle it."""
        if isinstance(came, Message):
            came = _event_of(came)
        if isinstance(came, TimedOut):
            self._timers.pop((came.kind, came.name), None)
        self._cancel(("event", ""))  # any event does
        asked = self._transition = _Transition(came)
        before = self._machine.state
        returned = await awaited(self._method(before)(came))
        self.check_stop()
        after = before if returned is None else self._name(returned)
        changed = after != before
        if changed:
            self._cancel(("state", ""))
            self._machine.state = after
        if changed or asked.repeated:
            await self._enter(before, asked)
        if asked.postponed:
            self._postponed.append(came)
        if changed:  # a state that is repeated would only postpone them again (OTP)
            self._queue.extendleft(reversed(self._postponed))
            self._postponed.clear()
        self._queue.extendleft(reversed(asked.inserted))
        self._apply_timers(asked)
        self._transition = None

    async def _enter(self, previous: str, asked: _Transition) -> None:
        if not self._machine.state_enter:
            return
        state = self._machine.state
        event = Entered(previous)
        self._transition = _Transition(event, timers=asked.timers)
        returned = await awaited(self._method(state)(event))
        self.check_stop()
        if returned is not None and self._name(returned) != state:
            raise Error(f"state {state!r} cannot change the state while it is entered", kind=INVALID)

    # Time-outs

    def _apply_timers(self, asked: _Transition) -> None:
        for key, wanted in asked.timers.items():
            self._cancel(key)
            if wanted is None:
                continue
            length, event = wanted
            if length:
                self._set(event, length)
            elif key[0] != "event" or not self._queue:  # an event that waits already would cancel it
                self._timers[key] = _Timer(event, None)
                self._queue.append(event)

    def _set(self, event: TimedOut, length: timedelta) -> None:
        due = monotonic() + length.total_seconds()
        self._timers[event.kind, event.name] = _Timer(event, actors.after(length), due)

    def _cancel(self, key: _Key) -> None:
        timer = self._timers.pop(key, None)
        if timer is None:
            return
        if timer.channel is not None:
            timer.channel.close()
        else:
            self._queue = deque(event for event in self._queue if event is not timer.event)

    # States

    def check_state(self, code: type[ServerCallbacks], state: Any) -> None:
        """Refuse a state that is none, too."""
        super().check_state(code, state)
        name = state.get("state")
        if not isinstance(name, str) or not callable(getattr(code, name, None)):
            raise invalid("state", name, f"the name of a state, which is a method of {code.__qualname__}")

    def _name(self, state: Any) -> str:
        name = state if isinstance(state, str) else getattr(state, "__name__", None)
        if not isinstance(name, str) or not callable(getattr(self._machine, name, None)):
            raise Error(
                f"state={state!r} is no state: expected a method, or its name, or None to stay", kind=INVALID
            )
        return name

    def _method(self, state: str) -> StateMethod:
        method: StateMethod = getattr(self._machine, state)
        return method


def _event_of(message: Message) -> StateEvent:
    payload = message.payload
    given = payload if isinstance(payload, Arguments) else None
    if message.reply_to is None:
        return Sent(message.topic, payload if given is None else payload_of(given.args), message)
    if given is None:
        given = Arguments(arguments_of(payload), {})
    return Called(message.topic, given.args, given.named, message)
