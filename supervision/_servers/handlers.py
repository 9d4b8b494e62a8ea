"""Handlers: which methods of a `Server` answer what. The decorators return the method as it was, only marked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, cast
from weakref import WeakKeyDictionary

import attrs

from actors import check_topic, invalid, register

F = TypeVar("F", bound=Callable[..., Any])
Kind = Literal["call", "cast", "info"]

_MARK = "__supervision_handler__"


@attrs.frozen
class Handler:
    """What a method was marked as. `topic` is the message's: the method's own name, or what `handle_info` was given."""

    kind: Kind
    topic: str


@register
@attrs.define  # not frozen, which takes longer: one is made for each call
class Arguments:
    """What `call` and `cast` send: the arguments as they were given, positional and by name. Nobody changes it."""

    args: tuple[Any, ...]
    named: Mapping[str, Any]


@attrs.frozen
class Table:
    """The names of the methods that handle a topic, one table for each kind of message."""

    calls: Mapping[str, str]
    casts: Mapping[str, str]
    infos: Mapping[str, str]


def handle_call(method: F) -> F:
    """Mark a method that answers calls: its return value is the reply.

        @handle_call
        def increment(self, by: int) -> int: ...

        n = await call(pid, Counter.increment, 2)

    Any process can call it by its name, too: `await actors.call(pid, "increment", 2)`.
    """
    return _mark(method, "call", None)


def handle_cast(method: F) -> F:
    """Mark a method that takes messages which nobody waits for: `await cast(pid, Counter.reset)`."""
    return _mark(method, "cast", None)


def handle_info(topic: str) -> Callable[[F], F]:
    """Mark a method that takes plain messages of a topic; it is called with their payload.

        @handle_info("tick")
        def on_tick(self, payload: object) -> None: ...

    Raises:
        Error: kind INVALID, when it is no topic.
    """
    check_topic(topic)
    return lambda method: _mark(method, "info", topic)


def _mark(method: F, kind: Kind, topic: str | None) -> F:
    if not inspect.isfunction(method):
        raise invalid("method", method, "a method of a Server, `def` or `async def`")
    setattr(method, _MARK, Handler(kind, method.__name__ if topic is None else topic))
    return cast(F, method)


def topic_of(method: Callable[..., Any] | str, kind: Kind) -> str:
    """The topic under which a method is called or cast.

    Raises:
        Error: kind INVALID, when the method is not marked so.
    """
    handler = getattr(method, _MARK, None)
    if isinstance(handler, Handler) and handler.kind == kind:
        return handler.topic
    if isinstance(method, str):
        return method
    raise invalid(
        "handler", method, f"a method that is marked with @handle_{kind}, such as Counter.increment"
    )


_tables: WeakKeyDictionary[type, Table] = WeakKeyDictionary()


def table_of(server: type) -> Table:
    """All handlers of a class, those it inherits included; one that it overrides need not be marked again."""
    known = _tables.get(server)
    if known is not None:
        return known
    tables: dict[Kind, dict[str, str]] = {"call": {}, "cast": {}, "info": {}}
    for owner in reversed(server.__mro__):
        for name, method in vars(owner).items():
            handler = getattr(method, _MARK, None)
            if isinstance(handler, Handler):
                tables[handler.kind][handler.topic] = name
    table = _tables[server] = Table(tables["call"], tables["cast"], tables["info"])
    return table
