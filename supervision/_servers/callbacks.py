"""What a server is written with: the methods that a subclass overrides (the callbacks of OTP's `gen_server`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import actors
from actors import Error, Event, Message

log = logging.getLogger("everproc.supervision")


class Refused(Error):
    """Raised by a call handler to refuse one request: the caller gets this error, and the server goes on.

    Any other exception in a handler ends the server, as in OTP: its state cannot be trusted any more.
    """


class ServerCallbacks:
    """The part of a `Server` that its loop calls."""

    # A slot, so that what the subclass sets, `vars(self)`, is the state and nothing else.
    __slots__ = ("__dict__", "__weakref__", "_serving")

    _serving: Any

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

    # Filled in by `Server`, which is above the loop: what makes an instance, and its class, a process.

    @classmethod
    def __everproc_process__(cls) -> Callable[..., Awaitable[Any]]:
        """As `actors.Behaviour`."""
        raise NotImplementedError

    @classmethod
    def __everproc_accepts__(cls, message: Message) -> None:
        """As `actors.Behaviour`."""
        raise NotImplementedError

    @property
    def key(self) -> str | None:
        """The key of this server, for one that was started by `at`."""
        raise NotImplementedError

    def __supervision_serving__(self) -> Any:
        """The loop that runs this instance."""
        raise NotImplementedError
