"""The server: state behind messages, handled one at a time (OTP's `gen_server`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import actors
from actors import Duration, Message, Node, Reason, Target, seconds
from supervision._children.child_spec import Type
from supervision._servers.answers import answer, check_call
from supervision._servers.callbacks import ServerCallbacks
from supervision._servers.server_address import ServerAddress, key_prefix
from supervision._servers.server_loop import ServerLoop
from supervision._servers.server_process import process_of
from supervision._servers.server_timer import ServerTimer, start_timer


class Server(ServerCallbacks):
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

    __slots__ = ()

    _serving: ServerLoop

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
        return ServerLoop(self)

    @classmethod
    def __supervision_type__(cls) -> Type:
        """As `Behaviour`."""
        return "worker"
