"""Where public classes say they are from: the package that users import them from, and not the room of their code.

A traceback names the type of an error by its module, and `help()` and pickles name it, too.
"""

from __future__ import annotations

from collections.abc import Iterable


def at_home(package: str, found: Iterable[object]) -> None:
    """Let the classes among some public objects of a package say that they are of that package."""
    for thing in found:
        if isinstance(thing, type) and thing.__module__.startswith(f"{package}."):
            thing.__module__ = package
