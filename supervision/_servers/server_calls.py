"""Starting servers, and talking to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar, TypeVarTuple, overload

import actors
from actors import PID, Dest, Duration, Reason, Result, invalid
from supervision._children.child_spec import is_durable
from supervision._children.requests import FOREVER, ask, stop
from supervision._children.start import spawn, until_ready
from supervision._servers.handlers import Arguments, topic_of
from supervision._servers.server import Server
from supervision._servers.server_address import ServerAddress

P = ParamSpec("P")
R = TypeVar("R")
Args = TypeVarTuple("Args")


async def start_server(
    server: type[Server],
    *args: Any,
    name: str | None = None,
    on: str | None = None,
    options: Mapping[str, Any] | None = None,
    timeout: Duration | None = None,
) -> PID:
    """Start a server, linked to the running process; returns when its `init` has.

        pid = await start_server(Counter, 5, name="counter")

    On a worker it is durable: it outlives this program, so it is not linked, and the one that runs under the name
    already is the one. Its class has to be declared: `@app.process(worker="app:worker") class Counter(Server)`.

    Args:
        server: its class.
        args: what `init` is called with.
        name: registered while it runs; of a durable one, its workflow id.
        on: the host it runs on.
        options: for the host, such as `{"mailbox.max": 1000}`: then a call of a full server fails at once.
        timeout: how long `init` may take; left out, as long as it does.

    Raises:
        Error: what `init` raised, `Ignore` included; TIMEOUT when it took too long, and then the server was terminated,
            unless it is durable; with the reason `already_started` when the name is taken.
    """
    if not isinstance(server, type) or not issubclass(server, Server):
        raise invalid("server", server, "a subclass of Server")
    target, given = server.__supervision_body__(args)
    spawner = actors.spawner(name, on, options=options)
    if is_durable(on, server):
        pid = await spawner.detach().spawn(target, *given)
    else:
        pid = await spawn(spawner, target, given, monitored=False)
    await until_ready(pid, FOREVER if timeout is None else timeout)
    return pid


# With `timeout` the arguments are positional, without it they may be given by name: no type can say both at once.
@overload
async def call(
    dest: Dest | ServerAddress,
    handler: Callable[Concatenate[Any, P], Awaitable[R]],
    *args: P.args,
    **named: P.kwargs,
) -> R: ...
@overload
async def call(
    dest: Dest | ServerAddress, handler: Callable[[Any, *Args], Awaitable[R]], *args: *Args, timeout: Duration
) -> R: ...
@overload
async def call(
    dest: Dest | ServerAddress, handler: Callable[Concatenate[Any, P], R], *args: P.args, **named: P.kwargs
) -> R: ...
@overload
async def call(
    dest: Dest | ServerAddress, handler: Callable[[Any, *Args], R], *args: *Args, timeout: Duration
) -> R: ...
@overload
async def call(
    dest: Dest | ServerAddress, handler: str, *args: Any, timeout: Duration = "5s", **named: Any
) -> Any: ...
async def call(  # type: ignore[misc]  # it does take all of the above
    dest: Dest | ServerAddress,
    handler: Callable[..., Any] | str,
    *args: Any,
    timeout: Duration = "5s",
    **named: Any,
) -> Any:
    """Have a server run one of its call handlers, and wait for what it returns.

        n = await call(pid, Counter.increment, 2)

    Raises:
        Error: TIMEOUT when no reply came in time (a late one vanishes); NOT_FOUND when there is no such server;
            UNAVAILABLE when its mailbox is full, or it ended before it replied, with its exit reason in
            `details["reason"]`; INVALID for arguments that the handler does not take; what it raised as `Refused`.
    """
    topic, payload = topic_of(handler, "call"), Arguments(args, named)
    if isinstance(dest, ServerAddress):
        result = await dest.call(topic, payload, timeout)
    else:
        result = await actors.call(dest, topic, payload, timeout=timeout)
    return result.unwrap() if isinstance(result, Result) else result  # it was answered by `actors.reply`


async def cast(
    dest: Dest | ServerAddress, handler: Callable[Concatenate[Any, P], Any], *args: P.args, **named: P.kwargs
) -> bool:
    """Have a server run one of its cast handlers, and do not wait.

    Returns:
        Whether the message was taken, as `actors.send`: False when there is no such server, or its mailbox is full.
    """
    topic, payload = topic_of(handler, "cast"), Arguments(args, named)
    if isinstance(dest, ServerAddress):
        return await dest.send(topic, payload)
    return await actors.send(dest, topic, payload)


async def stop_server(dest: Dest, reason: Reason = "normal", timeout: Duration | None = None) -> None:
    """Have a server stop: `terminate` runs, and it ends with that reason; returns when it has.

    Raises:
        Error: NOT_FOUND when there is none; TIMEOUT when it took too long, and it stops later.
    """
    await stop(dest, reason, FOREVER if timeout is None else timeout)


async def get_state(dest: Dest, timeout: Duration = "5s") -> dict[str, Any]:
    """The attributes of a server, for people and tests; it is answered in turn, also while the server is suspended."""
    state: dict[str, Any] = await ask(dest, "get_state", timeout=timeout)
    return state


async def replace_state(
    dest: Dest,
    state: Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]],
    timeout: Duration = "5s",
) -> dict[str, Any]:
    """Replace the attributes of a server, by others or by what a function makes of them; gives the new ones.

    Raises:
        Error: what the function raised; the state is unchanged then.
    """
    new: dict[str, Any] = await ask(dest, "replace_state", state, timeout=timeout)
    return new


async def suspend(dest: Dest, timeout: Duration = "5s") -> None:
    """Have a server handle no messages until `resume`; they are kept, in order."""
    await ask(dest, "suspend", timeout=timeout)


async def resume(dest: Dest, timeout: Duration = "5s") -> None:
    """Have a suspended server go on."""
    await ask(dest, "resume", timeout=timeout)


async def change_code(dest: Dest, server: type[Server], extra: Any = None, timeout: Duration = "5s") -> None:
    """Have a suspended server go on with the code of another class, and with the state that this makes of its own.

        await suspend(pid)
        await change_code(pid, NewCounter)
        await resume(pid)

    The PID, the messages that wait, time-outs and timers stay (OTP's `sys:change_code`). In memory only: a supervisor
    that restarts it takes the class in its spec.

    Args:
        dest: which server.
        server: its new class. Its `code_change(old_version, state, extra)` gives the state.
        extra: for `code_change`.
        timeout: how long it may take.

    Raises:
        Error: CONFLICT when it is not suspended; INVALID for a class that cannot take its place; what `code_change`
            raised. The server then keeps its code and state, and is still suspended.
    """
    if not isinstance(server, type) or not issubclass(server, Server):
        raise invalid("server", server, "a subclass of Server")
    await ask(dest, "change_code", server, extra, timeout=timeout)
