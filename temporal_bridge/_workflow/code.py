"""The code of a durable process: the entry that its workflow type names, and the function to run."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from actors import (
    INVALID,
    Entry,
    Error,
    process_entry,
    process_function,
)


def entry_of(workflow_type: str) -> Entry:
    """The entry of a workflow type; a stand-in for one that is not declared here, of which there is no code.

    Nothing is raised from here: that would leave a coroutine of the SDK behind that never ran.
    """
    try:
        return process_entry(workflow_type)
    except Error as error:
        return Entry(workflow_type, "process", _Missing(error))


class _Missing:
    """Stands for the function of an entry that is not declared."""

    def __init__(self, error: Error) -> None:
        self.error = error

    async def __call__(self, *_: Any) -> None:
        """Nothing calls it: `function_of` says that it is missing."""
        raise self.error


def function_of(entry: Entry) -> Callable[..., Awaitable[Any]]:
    """The function, from the sandbox's own copy of its module if there is a sandbox.

    Raises:
        Error: kind NOT_FOUND when the entry is not declared here; INVALID when the sandbox cannot import its module.
    """
    if isinstance(entry.function, _Missing):
        raise entry.function.error
    if not importable(entry):
        return entry.function
    module, _, name = entry.source.partition(":")
    try:
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
    except Exception as error:  # whatever a module raises; left alone, Temporal would try for ever
        raise Error(
            f"entry={entry.id!r} cannot be run: Temporal's sandbox cannot import module {module}"
            f" ({type(error).__name__}: {error}): keep processes in modules that do nothing at import,"
            " and import none that does, or use Worker(sandbox=False)",
            kind=INVALID,
            details={"entry": entry.id, "module": module},
        ) from error
    return process_function(function)


def check_importable(entry: Entry) -> None:
    """Refuse a process function that the sandbox could not import again."""
    if not importable(entry):
        raise Error(
            f"entry={entry.id!r} is defined at {entry.source}, which Temporal's sandbox cannot import again:"
            " move it to the top level of a module, or use Worker(sandbox=False)",
            kind="INVALID",
            details={"entry": entry.id, "source": entry.source},
        )


def importable(entry: Entry) -> bool:
    """Whether the function can be found by its module and name."""
    module, _, name = entry.source.partition(":")
    return module != "__main__" and "<" not in name


def check_durable(entry: Entry) -> None:
    """Refuse what cannot run as a workflow, whoever spawns it: a worker finds it by its id, and it is no activity.

    Raises:
        Error: kind INVALID.
    """
    if entry.kind == "anonymous":
        raise Error(
            f"target={entry.id!r} cannot be durable, no worker could find it: declare it with"
            " @app.process(worker=...) at the top level of a module",
            kind=INVALID,
            details={"entry": entry.id},
        )
    if entry.activity:
        raise Error(
            f"entry={entry.id!r} was declared with activity=True: call it with funcs.call or funcs.start from a"
            ' durable process, or spawn it with on="trio"',
            kind=INVALID,
            details={"entry": entry.id},
        )
