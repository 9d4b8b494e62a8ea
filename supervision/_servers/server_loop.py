"""The process of a server: one message after the other, until it stops (OTP's `gen_server` loop)."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import actors
from actors import (
    CANCELED,
    CONFLICT,
    PID,
    Cancel,
    Error,
    Event,
    Exit,
    LinkDown,
    Message,
    Reason,
    Result,
    StateCarrier,
    invalid,
)
from supervision._children.exit import exit_as
from supervision._children.requests import STARTED, TOPIC, Request, unknown_request
from supervision._servers.answers import BadArguments, answer, arguments_of, check_arguments, no_handler, tell
from supervision._servers.callbacks import Refused, ServerCallbacks
from supervision._servers.handlers import Arguments, table_of
from supervision._servers.server_state import CarriedState, get_state, set_state
from supervision._servers.server_timer import resume_timers, timers_set

log = logging.getLogger("everproc.supervision")


class Stopped(Exception):
    """Unwinds to the end of the process, where `terminate` is called."""

    def __init__(self, reason: Reason, error: Error | None = None) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.error = error

    def at_start(self) -> Error:
        """The error of a start that was stopped so."""
        return Error(f"init stopped it: {self.reason}", kind=CANCELED)


async def awaited(value: Any) -> Any:
    """What a method returned, or what comes of it if it is an `async def`."""
    return await value if inspect.iscoroutine(value) else value


class ServerLoop:
    """A server that runs."""

    # `kept` is what came while the server was suspended. `_call` is the call that is being handled, None if there is
    # none or it was deferred. `_farewell` is the reply to a call that stops the server: it is sent after `terminate`,
    # so that it means that all is cleaned up (OTP).
    __slots__ = (
        "server",
        "life",
        "parent",
        "_table",
        "incoming",
        "suspended",
        "kept",
        "_timeout",
        "_continues",
        "_stop",
        "_call",
        "_farewell",
        "_process",
    )

    def __init__(self, server: ServerCallbacks) -> None:
        self.server = server
        self.life: StateCarrier | None = None
        """What a durable server has, to go on in a new run now and then."""
        self.parent: PID | None = None
        """Whose end ends this server; None unless it traps links."""
        self._table = table_of(type(server))
        # Opened before `init`: from here on a request to stop leads to `terminate`, and does not break into a handler.
        self.incoming = actors.incoming()
        self._process = actors.running_process()
        self._process.mailbox.exempt = TOPIC
        self.suspended = False
        self.kept: deque[Message | Event] | None = None  # a deque is big, and most servers need none
        self._timeout: timedelta | None = None
        self._continues: list[Any] = []
        self._stop: Stopped | None = None
        self._call: Message | None = None
        self._farewell: tuple[Message, Any] | None = None
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
        call = self._take_call()
        if call is None:
            raise Error("defer() is for a method with @handle_call, once, while it runs", kind=CONFLICT)
        return call

    def _take_call(self) -> Message | None:
        call, self._call = self._call, None
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

    async def run(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Handle messages until the end, and then clean up."""
        try:
            await begin()
            self.check_stop()
            while True:
                while self._continues:
                    await self.turn()
                    await awaited(self.server.handle_continue(self._continues.pop(0)))
                    self.check_stop()
                if self.life is not None and self.life.should_upgrade():
                    self.check_carried()
                    await actors.upgrade(None, self.carried())
                came = await self.next()
                if type(came) is Message and came.topic != TOPIC and not self.suspended:
                    await self.handle(came)
                else:
                    await self._see_to(came)
                if self._stop is not None:
                    raise self._stop
        except Stopped as stopped:
            await awaited(self.server.terminate(stopped.reason))
            if self._farewell is not None:
                await answer(*self._farewell)
            if stopped.reason != "normal":
                await exit_as(stopped.reason, stopped.error)
            if stopped is self._stop and self.server.key is not None and self._process.mailbox.unread:
                # It has stopped because nothing came, and now something has: the next one under the key takes it.
                await actors.upgrade()
        except Exception:  # a handler's: the process ends with it, and whoever watches it is told
            await awaited(self.server.terminate("error"))
            raise

    def keep(self, came: Message | Event) -> None:
        """Put aside what comes while the server is suspended; it still counts for the bound of the mailbox."""
        if self.kept is None:
            self.kept = deque()
        self.kept.append(came)
        if isinstance(came, Message):
            self._process.mailbox.held += 1

    def take_kept(self) -> Message | Event | None:
        """The oldest of what was kept."""
        if not self.kept:
            return None
        came = self.kept.popleft()
        if isinstance(came, Message):
            self._process.mailbox.held -= 1
        return came

    async def turn(self) -> None:
        """Count an operation that does not wait, as a receive is: a server that feeds itself lets others run (40)."""
        self._process.reductions -= 1
        if self._process.reductions < 0:
            await self._process.pause()

    # From run to run

    def check_carried(self) -> None:
        """Refuse a state that a durable server could not take along, now and not after thousands of messages."""
        assert self.life is not None
        for name, value in get_state(self.server).items():
            self.life.check_carried(f"attribute {name!r} of {type(self.server).__qualname__}", value)

    def carried(self) -> CarriedState:
        """All that the next run needs."""
        return CarriedState(
            self.server.code_version,
            get_state(self.server),
            tuple(self.kept or ()),
            self.suspended,
            self._timeout,
            timers_set(),
            self.more(),
        )

    def more(self) -> Any:
        """What there is to be carried besides."""
        return None

    async def go_on(self, carried: CarriedState) -> None:
        """Go on where the run before has stopped, perhaps with newer code."""
        code = type(self.server)
        state: Any = carried.state
        if code.code_version != carried.version:
            state = await awaited(code.code_change(carried.version, dict(carried.state), None))
        self.check_state(code, state)
        set_state(self.server, state)
        for came in carried.kept:
            self.keep(came)
        self.suspended = carried.suspended
        self._timeout = carried.timeout
        resume_timers(carried.timers)
        await awaited(self.server.handle_upgrade())

    def next(self) -> Awaitable[Any]:
        """The next message or event, in their order of arrival; None is a time-out."""
        if self.suspended or (self._timeout is None and not self.kept):
            return self.incoming.receive()
        return self._next_kept_or_in_time()

    async def _next_kept_or_in_time(self) -> Any:
        if self.kept:
            await self.turn()
            return self.take_kept()
        assert self._timeout is not None
        timer = actors.after(self._timeout)
        picked = await actors.select(self.incoming, timer)
        timer.close()
        return None if picked.channel is timer else picked.value

    async def _see_to(self, came: Any) -> None:
        """Handle what comes, be it the server's own or the system's."""
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
                self.keep(came)
            case _:
                await self.handle(came)

    def handle(self, came: Any) -> Awaitable[None]:
        """Handle what is the server's own."""
        self._timeout = None
        if type(came) is not Message:
            return self._happened(came)
        return self._sent(came) if came.reply_to is None else self._called(came)

    async def _happened(self, event: Any) -> None:
        await awaited(self.server.handle_timeout() if event is None else self.server.handle_event(event))

    async def _called(self, message: Message) -> None:
        name = self._table.calls.get(message.topic)
        if name is None:
            await answer(message, None, no_handler(message, type(self.server)))
            return
        self._call = message
        try:
            value = self._invoke(name, message.payload)
            if inspect.iscoroutine(value):
                value = await value
        except (Refused, BadArguments) as refused:
            self._call = None
            await answer(message, None, refused)
            return
        call = self._take_call()
        if call is None:  # it was deferred
            return
        if self._stop is None:
            await answer(call, value)
        else:
            self._farewell = call, value

    async def _sent(self, message: Message) -> None:
        name = self._table.casts.get(message.topic)
        if name is not None:
            try:
                await awaited(self._invoke(name, message.payload))
            except (Refused, BadArguments) as refused:
                log.warning("server %s dropped cast %r: %s", actors.self_pid(), message, refused)
            return
        name = self._table.infos.get(message.topic)
        if name is not None:
            await awaited(getattr(self.server, name)(message.payload))
        else:
            await awaited(self.server.handle_message(message))

    def _invoke(self, name: str, payload: Any) -> Any:
        """Call a method with what `call` or `cast` sent, or with the plain payload of a message."""
        method = getattr(self.server, name)
        given = payload if type(payload) is Arguments else Arguments(arguments_of(payload), {})
        try:
            return method(*given.args, **given.named)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise  # from inside the method
            check_arguments(name, method, given.args, given.named)
            raise

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
            await tell(message, result)

    async def _managed(self, verb: str, args: tuple[Any, ...]) -> Any:
        match verb, args:
            case "get_state", ():
                return get_state(self.server)
            case "replace_state", (change,):
                state: Any = change(get_state(self.server)) if callable(change) else change
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

    async def _change_code(self, code: type[ServerCallbacks], extra: Any) -> None:
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

    def check_state(self, code: type[ServerCallbacks], state: Any) -> None:
        """Refuse what a server of that class cannot have as its state."""
        if not isinstance(state, Mapping):
            raise invalid("state", state, "a mapping of attributes")
