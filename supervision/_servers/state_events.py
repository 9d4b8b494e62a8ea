"""What a state machine is written with: the events that a state is called with, and the states."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import attrs

from actors import Exit, LinkDown, Message, register
from supervision._servers.callbacks import ServerCallbacks

TimeoutKind = Literal["event", "state", "named"]


@register
@attrs.frozen
class Called:
    """Somebody waits for a reply to `call(pid, name, *args)`: answer with `await self.reply(event, value)`."""

    name: str
    args: tuple[Any, ...]
    named: Mapping[str, Any] = attrs.field(repr=False)
    message: Message = attrs.field(repr=False, eq=False)


@register
@attrs.frozen
class Sent:
    """A message that nobody waits for, by `actors.send` or `cast`."""

    topic: str
    payload: Any
    message: Message = attrs.field(repr=False, eq=False)


@register
@attrs.frozen
class Entered:
    """The state was entered from another, or for the first time, when `previous` is the state itself."""

    previous: str


@register
@attrs.frozen
class Inserted:
    """What `next_event` was given."""

    value: Any


@register
@attrs.frozen
class TimedOut:
    """A time-out: of the next event, of the state, or one with a name."""

    kind: TimeoutKind
    name: str
    payload: Any


StateEvent = Called | Sent | Entered | Inserted | TimedOut | Exit | LinkDown
"""What a state is called with."""

State = str | Callable[[StateEvent], Any]
"""A state: its method, `self.open`, or the name of that."""

StateMethod = Callable[[StateEvent], State | Awaitable[State | None] | None]


class StateMachineCallbacks(ServerCallbacks):
    """The part of a `StateMachine` that its loop calls, besides its states."""

    __slots__ = ()

    state: str
    """The name of the current state."""

    state_enter: bool = False
    """Whether a state is called with `Entered` when it is entered. It can then not change the state or postpone."""
