"""The registered names of one node's processes (semantics 32)."""

from __future__ import annotations

from collections.abc import Iterator

from actors._kernel.process import Process
from actors._values.errors import ALREADY_EXISTS, Error, invalid, shown
from actors._values.pid import PID


def check_name(name: str) -> None:
    """Refuse what is no name.

    Raises:
        Error: kind INVALID, when `name` is not a non-empty string.
    """
    if not isinstance(name, str) or not name:
        raise invalid("name", name, "a non-empty string")


def taken(name: str, holder: PID) -> Error:
    """The error of who asks for a name that another has."""
    return Error(
        f"name={shown(name)} belongs to {holder}: unregister it there, or choose another name",
        kind=ALREADY_EXISTS,
        details={"name": name, "pid": str(holder)},
    )


class Names:
    """Who has which name.

    Invariant: a name is here exactly as long as it is in the `names` of a living process.
    """

    def __init__(self) -> None:
        self._holders: dict[str, Process] = {}

    def __len__(self) -> int:
        return len(self._holders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._holders)

    def get(self, name: str) -> PID | None:
        """The process that has a name."""
        holder = self._holders.get(name)
        return None if holder is None else holder.pid

    def register(self, name: str, process: Process) -> None:
        """Give `process` a name, which it loses with its life.

        Raises:
            Error: kind ALREADY_EXISTS with the holder in `details["pid"]`, INVALID for what is no name.
        """
        check_name(name)
        holder = self._holders.setdefault(name, process)
        if holder is not process:
            raise taken(name, holder.pid)
        if process.names is None:
            process.names = set()
        process.names.add(name)

    def unregister(self, name: str) -> bool:
        """Take a name away from whoever has it; False when nobody had it."""
        holder = self._holders.pop(name, None)
        if holder is None:
            return False
        if holder.names is not None:
            holder.names.discard(name)
        return True

    def forget(self, process: Process) -> None:
        """Free the names of a process that has ended."""
        names, process.names = process.names, None
        for name in names or ():
            del self._holders[name]
