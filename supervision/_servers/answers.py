"""What a server answers: to calls, and to those that it cannot take."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import actors
from actors import INVALID, NOT_FOUND, Error, Message, Result
from supervision._children.requests import TOPIC
from supervision._servers.callbacks import ServerCallbacks
from supervision._servers.handlers import Arguments, table_of


class BadArguments(Error):
    """A call whose arguments the method does not take: the caller's mistake, and not a reason to end."""


_WRAPPED = (Result, Error)


def answer(message: Message, value: Any, error: Error | None = None) -> Awaitable[bool]:
    """Reply to a call. `supervision.call` unwraps a `Result`: it gets one for an error, and for a value that is one."""
    if type(message.payload) is not Arguments:
        return tell(message, value if error is None else error)
    if error is not None or isinstance(value, _WRAPPED):
        return tell(message, Result(value, error))
    return tell(message, value)


async def tell(message: Message, payload: Any) -> bool:
    """Reply; one that cannot travel to where the caller is arrives as an error that says so."""
    try:
        return await actors.reply(message, payload)
    except Error as error:
        if error.kind != INVALID:
            raise
        refused = Error.wrap(error, f"the reply to {message.topic!r}")
        plain = type(message.payload) is not Arguments and message.topic != TOPIC
        return await actors.reply(message, refused if plain else Result(error=refused))


def check_call(server: type[ServerCallbacks], message: Message) -> None:
    """Refuse a call that no handler takes, or not with these arguments, as the server itself would.

    Raises:
        Error: kind NOT_FOUND or INVALID.
    """
    if message.topic == TOPIC:
        return
    name = table_of(server).calls.get(message.topic)
    if name is None:
        raise no_handler(message, server)
    given = message.payload
    if type(given) is not Arguments:
        given = Arguments(arguments_of(given), {})
    check_arguments(name, getattr(server, name), (None, *given.args), given.named)


def check_arguments(
    name: str, method: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    """Refuse arguments that a method does not take.

    Raises:
        BadArguments: what is wrong with them.
    """
    try:
        inspect.signature(method).bind(*args, **named)
    except TypeError as error:
        raise BadArguments(f"{name}: {error}", kind=INVALID) from None


def arguments_of(payload: Any) -> tuple[Any, ...]:
    """What was given to `actors.send` or `actors.call`, of the payload that it made of it."""
    if payload is None:
        return ()
    return tuple(payload) if isinstance(payload, tuple) else (payload,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def no_handler(message: Message, server: type[ServerCallbacks]) -> Error:
    """The answer to a call that the server has no method for."""
    return Error(
        f"{server.__qualname__} has no method {message.topic!r} with @handle_call",
        kind=NOT_FOUND,
        details={"topic": message.topic},
    )
