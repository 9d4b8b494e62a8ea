"""The process of a server: one message after the other, until it stops (OTP's `gen_server` loop)."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

import attrs

import actors
from actors import (
    CANCELED,
    CONFLICT,
    INVALID,
    NOT_FOUND,
    PID,
    Cancel,
    Error,
    Event,
    Exit,
    LinkDown,
    Message,
    Queue,
    Reason,
    Result,
    invalid,
)
from supervision._exit import exit_as
from supervision._handlers import Arguments, table_of
from supervision._requests import STARTED, TOPIC, Request, unknown_request
from supervision._server import Refused, Server
from supervision._start import answer_starter, fail_to_start

log = logging.getLogger("everproc.supervision")

NOTHING: Any = object()
"""In place of a reply where there is none."""


class BadArguments(Error):
    """A call whose arguments the method does not take: the caller's mistake, and not a reason to end."""


class Stopped(Exception):
    """Unwinds to the end of the process, where `terminate` is called."""

    def __init__(self, reason: Reason, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.error = error


async def serve(server: type[Server], args: tuple[Any, ...], parent: PID) -> None:
    """The process of a `Server`."""
    requests = actors.listen(TOPIC, messages=True)
    serving = server().__supervision_serving__()
    actors.set_options(label=server.__qualname__.rpartition(".")[2], state=serving.state)
    try:
        first = await awaited(serving.server.init(*args))
        serving.check_stop()
    except Stopped as stopped:
        await fail_to_start(requests, parent, Error(f"init stopped it: {stopped.reason}", kind=CANCELED))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the starter's
        await fail_to_start(requests, parent, error)
    if actors.get_options().trap_links:
        await actors.monitor(parent)  # who traps links hears of its parent's normal end, too (OTP)
        serving.parent = parent
    early = await answer_starter(requests)
    actors.unlisten(requests)  # from here on, requests of the system are handled in their order of arrival
    await serving.run(first, early)


async def awaited(value: Any) -> Any:
    """What a method returned, or what comes of it if it is an `async def`."""
    return await value if inspect.iscoroutine(value) else value


class Serving:
    """A server that runs."""

    # `_ahead` is how many messages came before the event that is next: then it is their turn first, as in OTP, where
    # both lie in one mailbox. `kept` is what came while the server was suspended. `_call` is the call that is being
    # handled, None if there is none or it was deferred.
    __slots__ = (
        "server",
        "parent",
        "_table",
        "inbox",
        "events",
        "_ahead",
        "suspended",
        "kept",
        "_timeout",
        "_continues",
        "_stop",
        "_call",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.parent: PID | None = None
        """Whose end ends this server; None unless it traps links."""
        self._table = table_of(type(server))
        self.inbox = cast(Queue[Message], actors.inbox())
        # Opened before `init`: from here on a request to stop leads to `terminate`, and does not break into a handler.
        self.events = cast(Queue[Event], actors.events())
        self._ahead: int | None = None
        self.suspended = False
        self.kept: deque[Message | Event] | None = None  # a deque is big, and most servers need none
        self._timeout: timedelta | None = None
        self._continues: list[Any] = []
        self._stop: Stopped | None = None
        self._call: Message | None = None
        server._serving = self  # pyright: ignore[reportPrivateUsage] - the slot is there for this

    # What the server asks for

    def stop(self, reason: Reason) -> None:
        """Stop after this handler."""
        self._stop = Stopped(reason)

    def continue_with(self, value: Any) -> None:
        """Call `handle_continue` after this handler."""
        self._continues.append(value)

    def set_timeout(self, duration: timedelta) -> None:
        """Call `handle_timeout` if nothing comes for so long."""
        self._timeout = duration

    def defer(self) -> Message:
        """Take the call that is being handled from its handler."""
        call, self._call = self._call, None
        if call is None:
            raise Error("defer() is for a method with @handle_call, once, while it runs", kind=CONFLICT)
        return call

    def state(self) -> dict[str, Any]:
        """What it shows of itself to those who look at the process."""
        return get_state(self.server)

    def check_stop(self) -> None:
        """Raise if the server has asked to stop."""
        if self._stop is not None:
            raise self._stop

    # The loop

    async def begin(self, first: Any) -> None:
        """What is done before all else; `first` is what `init` returned."""

    async def run(self, first: Any, early: list[Message]) -> None:
        """Handle messages until the end, and then clean up; `early` came while it started."""
        for message in early:
            self._keep(message)
        reply = NOTHING
        try:
            await self.begin(first)
            self.check_stop()
            while True:
                while self._continues:
                    await awaited(self.server.handle_continue(self._continues.pop(0)))
                    self.check_stop()
                reply = await self._step()
                self.check_stop()
                if reply is not NOTHING:
                    await self._reply(reply)
                    reply = NOTHING
        except Stopped as stopped:
            await awaited(self.server.terminate(stopped.reason))
            if reply is not NOTHING:  # after terminate: a reply to a stop means that all is cleaned up (OTP)
                await self._reply(reply)
            if stopped.reason != "normal":
                await exit_as(stopped.reason, stopped.error)
        except Exception:
            await awaited(self.server.terminate("error"))
            raise

    def _keep(self, came: Message | Event) -> None:
        if self.kept is None:
            self.kept = deque()
        self.kept.append(came)

    async def _reply(self, value: Any) -> None:
        call, self._call = self._call, None
        if call is not None:
            await answer(call, Result(value))

    async def next(self) -> Any:
        """The next message or event, in their order of arrival as far as it can be told; None is a time-out."""
        if self.kept and not self.suspended:
            return self.kept.popleft()
        if self.events.offers():
            if self._ahead is None:
                self._ahead = self.inbox.unread
            if self._ahead == 0:
                self._ahead = None
                return await self.events.receive()
            self._ahead -= 1
            return await self.inbox.receive()
        if self.inbox.offers():
            return await self.inbox.receive()
        if self._timeout is None or self.suspended:
            return (await actors.select(self.inbox, self.events)).value
        timer = actors.after(self._timeout)
        picked = await actors.select(self.inbox, self.events, timer)
        timer.close()
        return None if picked.channel is timer else picked.value

    async def _step(self) -> Any:
        """Handle what comes next; gives the reply, if it was a call that has one."""
        came = await self.next()
        match came:
            case Message(topic=topic) if topic == TOPIC:
                await self._system(came)
            case Cancel(reason=reason):
                raise Stopped(
                    "shutdown" if reason == "shutdown" else "cancelled",
                    Error(f"cancelled: {reason}", kind=CANCELED, details={"reason": reason}),
                )
            case Exit() | LinkDown() if came.pid == self.parent:
                raise Stopped(came.reason, came.result.error)
            case Message() | Exit() | LinkDown() if self.suspended:
                self._keep(came)
            case _:
                return await self.handle(came)
        return NOTHING

    async def handle(self, came: Any) -> Any:
        """Handle what is the server's own; gives the reply, if it was a call that has one."""
        self._timeout = None
        match came:
            case None:
                await awaited(self.server.handle_timeout())
            case Message(reply_to=None):
                await self._sent(came)
            case Message():
                return await self._called(came)
            case _:
                await awaited(self.server.handle_event(came))
        return NOTHING

    async def _called(self, message: Message) -> Any:
        name = self._table.calls.get(message.topic)
        if name is None:
            await answer(message, Result(error=no_handler(message, self.server)))
            return NOTHING
        self._call = message
        try:
            value = await self._run(name, message.payload)
        except (Refused, BadArguments) as refused:
            self._call = None
            await answer(message, Result(error=refused))
            return NOTHING
        return value

    async def _sent(self, message: Message) -> None:
        name = self._table.casts.get(message.topic)
        if name is not None:
            try:
                await self._run(name, message.payload)
            except (Refused, BadArguments) as refused:
                log.warning("server %s dropped cast %r: %s", actors.self_pid(), message, refused)
            return
        name = self._table.infos.get(message.topic)
        if name is not None:
            await awaited(getattr(self.server, name)(message.payload))
        else:
            await awaited(self.server.handle_message(message))

    async def _run(self, name: str, payload: Any) -> Any:
        """Call a method with what `call` or `cast` sent, or with the plain payload of a message."""
        method = getattr(self.server, name)
        if type(payload) is Arguments:
            args, named = payload.args, payload.named
        else:
            args, named = arguments_of(payload), {}
        try:
            value = method(*args, **named)
            return await value if inspect.iscoroutine(value) else value
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # from inside the method
            raise BadArguments(f"{name}: {error}", kind=INVALID) from None

    async def _system(self, message: Message) -> None:
        """Requests that every server understands (OTP's `sys`); they are handled while it is suspended, too."""
        match message.payload:
            case Request("stop", (reason,)):
                raise Stopped(reason)
            case Request(verb, args):
                try:
                    result = Result(await self._managed(verb, args))
                except Exception as error:  # noqa: BLE001 - of the function given to replace_state, of code_change
                    result = Result(error=Error.of(error))
            case request:
                result = (
                    Result(actors.self_pid())
                    if request == STARTED
                    else Result(error=unknown_request(request))
                )
        if message.reply_to is not None:
            await actors.reply(message, result)

    async def _managed(self, verb: str, args: tuple[Any, ...]) -> Any:
        match verb, args:
            case "get_state", ():
                return get_state(self.server)
            case "replace_state", (change,):
                state = change(get_state(self.server)) if callable(change) else change
                self.check_state(type(self.server), state)
                set_state(self.server, state)
                return get_state(self.server)
            case "change_code", (code, extra):
                await self._change_code(code, extra)
            case "suspend", ():
                self.suspended = True
            case "resume", ():
                self.suspended = False
            case _:
                raise unknown_request(verb)
        return None

    async def _change_code(self, code: type[Server], extra: Any) -> None:
        """Become an instance of another class; unchanged if anything is wrong with it (OTP)."""
        server, old = self.server, type(self.server)
        if not self.suspended:
            raise Error(
                "the code of a server is changed while it is suspended: suspend it first", kind=CONFLICT
            )
        if code.__supervision_serving__ is not old.__supervision_serving__:
            raise invalid("server", code, "a StateMachine for a state machine, and a Server for a server")
        before = get_state(server)
        after = await awaited(code.code_change(old.code_version, dict(before), extra))
        self.check_state(code, after)
        try:
            server.__class__ = code
        except TypeError as error:
            raise invalid("server", code, f"a class with the same slots as {old.__qualname__}") from error
        set_state(server, after)
        self._table = table_of(code)

    def check_state(self, code: type[Server], state: Any) -> None:
        """Refuse what a server of that class cannot have as its state."""
        if not isinstance(state, Mapping):
            raise invalid("state", state, "a mapping of attributes")


async def answer(message: Message, result: Result) -> bool:
    """Reply to a call: to `supervision.call` with the result as it is, to `actors.call` with the value or the error."""
    if type(message.payload) is Arguments:
        return await actors.reply(message, result)
    return await actors.reply(message, result.value if result.error is None else result.error)


def arguments_of(payload: Any) -> tuple[Any, ...]:
    """What was given to `actors.send` or `actors.call`, of the payload that it made of it."""
    if payload is None:
        return ()
    return tuple(payload) if isinstance(payload, tuple) else (payload,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def no_handler(message: Message, server: Server) -> Error:
    """The answer to a call that the server has no method for."""
    return Error(
        f"{type(server).__qualname__} has no method {message.topic!r} with @handle_call",
        kind=NOT_FOUND,
        details={"topic": message.topic},
    )


def get_state(server: Server) -> dict[str, Any]:
    """The attributes of a server: its own, and the slots of an attrs class."""
    kind = type(server)
    slots: Any = attrs.fields(kind) if attrs.has(kind) else ()
    return {**{slot.name: getattr(server, slot.name) for slot in slots}, **vars(server)}


def set_state(server: Server, state: Mapping[str, Any]) -> None:
    """Replace all attributes of a server."""
    for name in vars(server).keys() - state.keys():
        delattr(server, name)
    for name, value in state.items():
        setattr(server, name, value)
