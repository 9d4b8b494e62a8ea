"""Entries: process functions and functions that are known by an id such as `"app:order"`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from types import FunctionType
from typing import Any, Literal, Protocol, TypeVar, cast, overload

import attrs

from actors._values.callables import check_async
from actors._values.errors import ALREADY_EXISTS, NOT_FOUND, Error, invalid, shown
from actors._values.messages import Message

F = TypeVar("F", bound=Callable[..., Any])


class Behaviour(Protocol):
    """A class that a function of its own runs as a process, such as a `Server` of `supervision`."""

    def __everproc_process__(self) -> Callable[..., Awaitable[Any]]:
        """The process function; it is called with the arguments of the spawn."""
        ...

    def __everproc_accepts__(self, message: Message) -> None:
        """Raise the `Error` for a call that would be refused in any case; hosts ask before they bring it."""
        ...


Target = Callable[..., Awaitable[Any]] | str | Behaviour
"""What can be spawned: an async function, the id of an entry, or a class that knows how it is run."""

_NAMESPACE = r"[A-Za-z_][\w.\-]*"
_ID = rf"{_NAMESPACE}:[\w.\-]+"
_MARK = "__everproc_entry__"
_KEPT = "__everproc_anonymous__"
_PROCESS = "__everproc_process__"
_ACCEPTS = "__everproc_accepts__"


@attrs.frozen
class Entry:
    """A function with an id, and what was declared about it.

    `worker` is the entry id of the worker it runs on unless the spawn says otherwise; `name` its type name on the
    Temporal server; `place` the file and line of a manifest that declares it.
    """

    id: str
    kind: Literal["process", "function", "anonymous"]
    function: Callable[..., Any]
    worker: str | None = None
    name: str | None = None
    local: bool = False
    activity: bool = False
    on_crash: Literal["fail", "suspend"] = "fail"
    place: str = attrs.field(default="", eq=False)
    accepts: Callable[[Message], None] | None = attrs.field(default=None, eq=False, repr=False)
    """As `Behaviour.__everproc_accepts__`; None for one that takes whatever comes."""

    @property
    def source(self) -> str:
        """Where the function is defined, as `module:qualname`."""
        module = getattr(self.function, "__module__", "?")  # a method of a built-in type has none
        # An object that is called goes by its class: the sandbox's own copy of it is another object.
        return f"{module}:{getattr(self.function, '__qualname__', f'{type(self.function).__qualname__}()')}"


_entries: dict[str, Entry] = {}
_renamed: dict[str, str] = {}
_by_source: dict[str, str] = {}


def entries() -> list[Entry]:
    """All entries that are declared, in code or in a manifest, by id."""
    return [_entries[entry_id] for entry_id in sorted(_entries)]


class Namespace:
    """Declares entries next to the code. The decorators return the function as it was.

        app = actors.Namespace("app")

        @app.process(worker="app:worker")
        async def order(order): ...

    Raises:
        Error: kind INVALID, when the name is not an identifier (dots and dashes are fine).
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or not re.fullmatch(_NAMESPACE, name):
            raise invalid("name", name, "letters, digits, '_', '.' and '-', starting with a letter")
        self.name = name
        self._declared: dict[str, Entry] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._declared.values())

    def __repr__(self) -> str:
        return f"Namespace({self.name!r})"

    @overload
    def process(self, function: F, /) -> F: ...
    @overload
    def process(
        self,
        /,
        *,
        worker: str | None = None,
        name: str | None = None,
        activity: bool = False,
        on_crash: Literal["fail", "suspend"] = "fail",
    ) -> Callable[[F], F]: ...
    def process(
        self,
        function: F | None = None,
        /,
        *,
        worker: str | None = None,
        name: str | None = None,
        activity: bool = False,
        on_crash: Literal["fail", "suspend"] = "fail",
    ) -> F | Callable[[F], F]:
        """Declare a process function, or a class that is run as one, such as a `Server`.

        Args:
            worker: the worker it durably runs on unless a spawn says `on=`.
            name: its workflow type on the server; the entry id unless given. Both can be spawned.
            activity: it runs as an activity for long work, a process with a PID, instead of as a workflow.
            on_crash: `"fail"` ends the process when it raises; `"suspend"` retries the workflow task until mended
                code is deployed.

        Raises:
            Error: kind INVALID for a function that is not async or a bad argument, ALREADY_EXISTS for an id that
                another function has.
        """
        if worker is not None:
            check_entry_id(worker, "worker")
        _check_flag("activity", activity)
        if not isinstance(on_crash, str) or on_crash not in ("fail", "suspend"):
            raise invalid("on_crash", on_crash, '"fail" or "suspend"')
        if name is not None and (not isinstance(name, str) or not name):
            raise invalid("name", name, "a non-empty workflow type name")

        def declare(function: F) -> F:
            body = process_function(function, "function")
            entry = Entry(
                self._id(function),
                "process",
                body,
                worker,
                name,
                activity=activity,
                on_crash=on_crash,
                accepts=getattr(function, _ACCEPTS, None),
            )
            self.add(entry)
            target: object = function
            if isinstance(target, type):
                setattr(target, _MARK, entry)
            return function

        return declare if function is None else declare(function)

    @overload
    def function(self, function: F, /) -> F: ...
    @overload
    def function(
        self, /, *, worker: str | None = None, name: str | None = None, local: bool = False
    ) -> Callable[[F], F]: ...
    def function(
        self,
        function: F | None = None,
        /,
        *,
        worker: str | None = None,
        name: str | None = None,
        local: bool = False,
    ) -> F | Callable[[F], F]:
        """Declare a function that processes call by `funcs.call`: async in trio, or a plain one in a thread.

        Args:
            worker: the worker on which it runs as an activity when a durable process calls it.
            name: the last part of its id; the function's own name unless given.
            local: it runs as a local activity, in the calling workflow's own worker.
        """
        if worker is not None:
            check_entry_id(worker, "worker")
        _check_flag("local", local)
        if name is not None and (not isinstance(name, str) or not re.fullmatch(_ID, f"{self.name}:{name}")):
            raise invalid("name", name, "letters, digits, '_', '.' and '-'")

        def declare(function: F) -> F:
            if not callable(function):
                raise invalid("function", function, "a function")
            entry_id = self._id(function) if name is None else f"{self.name}:{name}"
            return self._declare(Entry(entry_id, "function", function, worker, local=local), function)

        return declare if function is None else declare(function)

    def _id(self, function: Callable[..., Any]) -> str:
        return f"{self.name}:{function.__name__}"

    def _declare(self, entry: Entry, function: F) -> F:
        self.add(entry)
        return function

    def add(self, entry: Entry) -> None:
        """Put an entry into this namespace and into the registry: for those who read declarations from elsewhere.

        Raises:
            Error: kind ALREADY_EXISTS, naming both places, when its id is declared as something else.
        """
        if not isinstance(entry, Entry):
            raise invalid("entry", entry, "an actors.Entry")
        known = _entries.get(entry.id)
        if known is None or known.source != entry.source:
            if known is not None and not _is_main(known, entry):
                raise Error(
                    f"entry={entry.id!r} is declared twice, by {_origin(known)} and {_origin(entry)}:"
                    " rename one of the functions or its namespace",
                    kind=ALREADY_EXISTS,
                )
            _entries[entry.id] = entry
            if entry.name is not None:
                _renamed[entry.name] = entry.id
            if entry.place:
                _by_source[entry.source] = entry.id
        elif (known.place or entry.place) and known != attrs.evolve(entry, function=known.function):
            raise Error(
                f"entry={entry.id!r} is declared in different ways, by {_origin(known)} and {_origin(entry)}:"
                " make them the same, or remove one",
                kind=ALREADY_EXISTS,
            )
        # A module that is imported again, as Temporal's sandbox does, declares the same entry for its own copy.
        self._declared[entry.id] = entry
        if not entry.place or not hasattr(entry.function, _MARK):
            _mark(entry)


def _mark(entry: Entry) -> None:
    """Let the function itself be spawned or called as the entry; a built-in one of a manifest takes no mark."""
    if not entry.place or isinstance(entry.function, FunctionType):
        setattr(entry.function, _MARK, entry)
        vars(entry.function).pop(_KEPT, None)  # what it was spawned as before it was declared


def _is_main(known: Entry, entry: Entry) -> bool:
    """Whether one module declares an entry twice because it also runs as the program (`python -m`)."""
    modules = {known.function.__module__, entry.function.__module__}
    return "__main__" in modules and known.source.split(":")[1] == entry.source.split(":")[1]


def _origin(entry: Entry) -> str:
    if entry.place:
        return f"{entry.place} ({entry.source})"
    code = getattr(entry.function, "__code__", None)
    return entry.source if code is None else f"{entry.source} (line {code.co_firstlineno})"


def check_entry_id(value: object, name: str) -> None:
    """Refuse what is no entry id: of a worker, as of anything else that is declared.

    Raises:
        Error: kind INVALID.
    """
    if not isinstance(value, str) or not re.fullmatch(_ID, value):
        raise invalid(name, value, 'an entry id such as "app:worker"')


def _check_flag(name: str, flag: bool) -> None:
    if not isinstance(flag, bool):
        raise invalid(name, flag, "True or False")


_TARGET = "an async function (`async def`) or the id of an entry"


def process_function(target: Any, name: str = "target") -> Callable[..., Awaitable[Any]]:
    """The function that is run for an async function, itself, or for a class that knows how it is run.

    Raises:
        Error: kind INVALID, for anything else.
    """
    if isinstance(target, type) and hasattr(target, _PROCESS):
        function: Callable[..., Awaitable[Any]] = getattr(target, _PROCESS)()
        return function
    check_async(target, name, _TARGET)
    return cast("Callable[..., Awaitable[Any]]", target)


def _entry_of_class(cls: type, name: str) -> Entry:
    """The entry of a class itself: a subclass is none, although it has the attributes of the class."""
    entry: Entry | None = vars(cls).get(_MARK) or vars(cls).get(_KEPT)
    if entry is None:
        found = _of_source(process_function(cls, name))
        entry = (
            found if found.accepts is not None else attrs.evolve(found, accepts=getattr(cls, _ACCEPTS, None))
        )
        setattr(cls, _KEPT, entry)
    return entry


def process_entry(target: Target, name: str = "target") -> Entry:
    """The entry to spawn for a function, a class that knows how it is run, or an id.

    Raises:
        Error: kind NOT_FOUND for an unknown id, INVALID for what is none of these.
    """
    entry: Entry | None
    if type(target) is FunctionType:  # most spawns are of one that has been spawned before
        kept: Entry | None = target.__dict__.get(_KEPT)
        if kept is not None and kept.function is target:
            return kept
    if isinstance(target, str):
        entry = _entry(target)
    elif isinstance(target, type):
        entry = _entry_of_class(target, name)
        if entry.kind == "anonymous":
            return entry
    else:
        entry = getattr(target, _MARK, None)
    if entry is None:
        if isinstance(target, FunctionType) and target.__closure__ is None:
            # One with a closure would be kept alive by what it closes over.
            check_async(target, name, _TARGET)
            kept = target.__dict__[_KEPT] = _of_source(target)
            return kept
        check_async(target, name, _TARGET)
        return _anonymous(cast("Callable[..., Any]", target))
    if entry.kind != "process":
        raise invalid(name, target, f"a process; {entry.id} is a function: use funcs.call")
    return entry


def function_entry(target: Callable[..., Any] | str, name: str = "function") -> Entry:
    """The entry to call for a function or an id; errors as `process_entry`."""
    if isinstance(target, str):
        return _entry(target)
    entry: Entry | None = getattr(target, _MARK, None)
    if entry is not None:
        return entry
    if not callable(target):
        raise invalid(name, target, "a function, or the id of an entry")
    return _of_source(target)


def _of_source(function: Callable[..., Any]) -> Entry:
    """The entry that was declared for a function by its module and name, as a manifest does, else one without an id.

    Code that is imported again, as Temporal's sandbox does, has no mark of it.
    """
    anonymous = _anonymous(function)
    known = _by_source.get(anonymous.source)
    return anonymous if known is None else _entries[known]


def _anonymous(function: Callable[..., Any]) -> Entry:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return Entry(f"{getattr(function, '__module__', '?')}:{name}", "anonymous", function)


def _entry(entry_id: str) -> Entry:
    entry = _entries.get(_renamed.get(entry_id, entry_id))
    if entry is None:
        import difflib  # here: as a rule it is not needed

        known = ", ".join(sorted(_entries)[:10]) or "none"
        if len(_entries) > 10:
            known += f" and {len(_entries) - 10} more"
        near = difflib.get_close_matches(entry_id[:200], _entries, 1, 0.7)
        meant = f"did you mean {near[0]}? Or " if near else ""
        raise Error(
            f"entry={shown(entry_id)} is not known: {meant}is the module imported that declares it? Known entries:"
            f" {known}",
            kind=NOT_FOUND,
            details={"entry": entry_id},
        )
    return entry
