"""The state of a server: its attributes, and what a durable one carries from run to run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import attrs

from actors import Event, Message, register
from supervision._servers.callbacks import ServerCallbacks
from supervision._servers.server_timer import ServerTimer


@register
@attrs.frozen
class CarriedState:
    """A durable server between two of its runs; `more` is what a state machine has besides."""

    version: Any
    state: dict[str, Any]
    kept: tuple[Message | Event, ...]
    suspended: bool
    timeout: timedelta | None
    timers: tuple[ServerTimer, ...]
    more: Any


def get_state(server: ServerCallbacks) -> dict[str, Any]:
    """The attributes of a server: its own, and the slots of an attrs class."""
    kind = type(server)
    slots: Any = attrs.fields(kind) if attrs.has(kind) else ()
    return {**{slot.name: getattr(server, slot.name) for slot in slots}, **vars(server)}


def set_state(server: ServerCallbacks, state: Mapping[str, Any]) -> None:
    """Replace all attributes of a server."""
    for name in vars(server).keys() - state.keys():
        delattr(server, name)
    for name, value in state.items():
        setattr(server, name, value)
