"""In which order services start: levels of what can start at the same time. Plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from actors import INVALID, NOT_FOUND, Error


def levels(requires: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Groups of names: each requires only names of the groups before. Within a group, the order is that of `requires`.

    Raises:
        Error: NOT_FOUND for a name that is required and not there, INVALID for names that require one another.
    """
    for name, needed in requires.items():
        for other in needed:
            if other not in requires:
                known = ", ".join(requires)
                raise Error(
                    f"service {name!r} requires {other!r}, which is not there: expected some of {known}",
                    kind=NOT_FOUND,
                    details={"service": name, "requires": other},
                )
    sorter = TopologicalSorter(requires)
    try:
        sorter.prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1][::-1]
        raise Error(
            f"services require one another: {' -> '.join(cycle)}", kind=INVALID, details={"cycle": cycle}
        ) from None
    order = {name: place for place, name in enumerate(requires)}
    found: list[list[str]] = []
    while sorter.is_active():
        level = sorted(sorter.get_ready(), key=order.__getitem__)
        sorter.done(*level)
        found.append(level)
    return found
