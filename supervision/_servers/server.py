"""The server: state behind messages, handled one at a time (OTP's `gen_server`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import actors
from actors import Duration, Error, Event, Message, Node, Reason, Target, seconds
from supervision._children.child_spec import Type
from supervision._servers.answers import answer, check_call
from supervision._servers.server_address import ServerAddress, key_prefix
from supervision._servers.server_timer import ServerTimer, start_timer

if TYPE_CHECKING:
    from supervision._servers.server_loop import ServerLoop

log = logging.getLogger("everproc.supervision")


class Refused(Error):
    """Raised by a call handler to refuse one request: the caller gets this error, and the server goes on.

    Any other exception in a handler ends the server, as in OTP: its state cannot be trusted any more.
    """


class Server:
    """State, and the only code that touches it. Subclass it; handlers may be `def` or `async def`.

        class Counter(Server):
            def init(self, first: int = 0) -> None:
                self.n = first

            @handle_call
            def increment(self, by: int) -> int:
                self.n += by
                return self.n

        pid = await start_server(Counter, 5)
        assert await call(pid, Counter.increment, 2) == 7

    The attributes of the instance are the state. Messages are handled one at a time, in the order in which they came.
    """

    # A slot, so that what the subclass sets, `vars(self)`, is the state and nothing else.
    __slots__ = ("__dict__", "__weakref__", "_serving")

    _serving: ServerLoop

    code_version: ClassVar[Any] = None
    """The version of this code, which the `code_change` of the code after it is given."""

    # To be overridden

    def init(self, *args: Any, **named: Any) -> Any:  # type checkers take this for "any arguments"
        """Make the first state, of what `start_server` or the spec gave. The start returns when this has.

        Raise `Ignore` not to run, and any error to fail.
        """

    def handle_continue(self, value: Any) -> Any:
        """Go on after `continue_with`, before any message is handled."""
        raise NotImplementedError(f"{type(self).__qualname__} used continue_with and has no handle_continue")

    def handle_timeout(self) -> Any:
        """No message has come for as long as `set_timeout` said."""

    def handle_message(self, message: Message) -> Any:
        """A message that no handler takes. It is logged and dropped."""
        log.warning("server %s (%s) dropped %r", actors.self_pid(), type(self).__qualname__, message)

    def handle_event(self, event: Event) -> Any:
        """The end of a process that is monitored, or of a linked one with `trap_links`. It is logged and dropped."""
        log.warning("server %s (%s) dropped %r", actors.self_pid(), type(self).__qualname__, event)

    def handle_upgrade(self) -> Any:
        """A durable server goes on in a new run, with its state, messages, monitors and timers as they were.

        Other tasks of the process, of `actors.start_soon`, are gone: start them again here.
        """

    def terminate(self, reason: str) -> Any:
        """Clean up, last of all.

        Called when the server stops itself, fails, is asked to stop, or traps links and loses its parent; not when it
        is terminated, nor by a link that it does not trap.

        Args:
            reason: the exit reason: `normal`, `shutdown`, `cancelled`, or `error`.
        """

    @classmethod
    def code_change(cls, old_version: Any, state: dict[str, Any], extra: Any) -> Any:
        """Make the state for this code out of that for the code before; see `change_code`.

        Args:
            old_version: the `code_version` of the class before.
            state: its attributes; of a state machine also `state`.
            extra: what was given to `change_code`.

        Returns:
            The attributes from now on. Left as it is, the same as before.
        """
        return state

    # To be called in a handler

    def stop(self, reason: Reason = "normal") -> None:
        """End after this handler: `terminate` runs, then its reply is sent, then the process ends (OTP's order)."""
        self._serving.stop(reason)

    def continue_with(self, value: Any = None) -> None:
        """Have `handle_continue(value)` called after this handler, before any message: to finish a long `init`."""
        self._serving.continue_with(value)

    def set_timeout(self, duration: Duration) -> None:
        """Have `handle_timeout` called if no message comes for so long after this handler. Any message cancels it."""
        self._serving.set_timeout(timedelta(seconds=seconds(duration, "duration")))

    def send_after(self, duration: Duration, topic: str, *payload: Any) -> ServerTimer:
        """Send itself a message later: for a method with `@handle_info(topic)`."""
        return start_timer(duration, False, topic, payload)

    def send_every(self, interval: Duration, topic: str, *payload: Any) -> ServerTimer:
        """Send itself a message again and again, until it is cancelled."""
        return start_timer(interval, True, topic, payload)

    def defer(self) -> Message:
        """Do not reply to this call when its handler returns, but later: `await self.reply(deferred, value)`.

        Raises:
            Error: kind CONFLICT, when no call is being handled.
        """
        return self._serving.defer()

    async def reply(self, deferred: Message, value: Any) -> bool:
        """Answer a call that was deferred. False when the caller no longer waits."""
        return await answer(deferred, value)

    # To be found

    @classmethod
    def at(cls, key: str, on: str | None = None, node: Node | None = None) -> ServerAddress:
        """The server of this class with a key, wherever it is, and started when it is first called or sent to.

            n = await call(Counter.at("user-17", on="app:worker"), Counter.increment, 2)

        There is one for each key: in the whole namespace of a durable one, else in the node. `init` is called without
        arguments; `self.key` is the key.

        Args:
            key: a non-empty string.
            on: the host it is started on; left out, the worker it was declared for, or this node.
            node: for code outside any process.

        Raises:
            Error: kind INVALID, when an argument is not of that form.
        """
        return ServerAddress(cls, key, on, node)

    @property
    def key(self) -> str | None:
        """The key of this server, for one that was started by `at`."""
        process = actors.running_process()
        prefix = key_prefix(type(self))
        names: list[str] = [process.pid.id, *(process.names or ())]
        return next((name.removeprefix(prefix) for name in names if name.startswith(prefix)), None)

    # To be started

    @classmethod
    def __everproc_process__(cls) -> Callable[..., Awaitable[Any]]:
        """As `actors.Behaviour`."""
        from supervision._servers.server_process import process_of  # which handles what this module declares

        return process_of(cls)

    @classmethod
    def __everproc_accepts__(cls, message: Message) -> None:
        """As `actors.Behaviour`: a call that no handler takes, or not with these arguments, is refused."""
        check_call(cls, message)

    @classmethod
    def __supervision_body__(cls, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        return cls, args

    def __supervision_serving__(self) -> ServerLoop:
        """What runs this instance."""
        from supervision._servers.server_loop import ServerLoop

        return ServerLoop(self)

    @classmethod
    def __supervision_type__(cls) -> Type:
        """As `Behaviour`."""
        return "worker"
