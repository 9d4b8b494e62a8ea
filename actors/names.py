"""Registered names of processes: `await actors.names.register("counter")`, then `actors.send("counter", ...)`.

A name belongs to one live process and is free again before anyone learns of its death (semantics 4, 32).
"""

from __future__ import annotations

from actors._errors import NOT_FOUND, Error, invalid
from actors._names import Names, check_name
from actors._pid import PID
from actors._process import Process, take_turn

__all__ = ["lookup", "register", "unregister"]


async def register(name: str, scope: str = "node") -> None:
    """Give the running process a name. A process may have several; the same name again is fine.

    Raises:
        Error: kind ALREADY_EXISTS with the holder's PID in `details["pid"]`, or INVALID for what is no name.
    """
    process = await take_turn()
    _names(process, scope).register(name, process)


async def lookup(name: str, scope: str = "node") -> PID:
    """The PID that has the name.

    Raises:
        Error: kind NOT_FOUND, when nobody has it.
    """
    check_name(name)
    pid = _names(await take_turn(), scope).get(name)
    if pid is None:
        raise Error(f"name={name!r} is not registered on this node", kind=NOT_FOUND, details={"name": name})
    return pid


async def unregister(name: str, scope: str = "node") -> bool:
    """Free a name, whoever has it; False when nobody has."""
    check_name(name)
    return _names(await take_turn(), scope).unregister(name)


def _names(process: Process, scope: str) -> Names:
    if not isinstance(scope, str) or scope != "node":
        raise invalid("scope", scope, '"node"')
    return process.kernel.names
