"""What a node needs from a host elsewhere: the small protocol behind every PID that is not in the node's own table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from actors._kernel.entries import Entry
from actors._kernel.process import Process
from actors._values.events import Exit, MonitorRef, Reason, Result
from actors._values.messages import Message
from actors._values.pid import PID

if TYPE_CHECKING:
    from actors._kernel.process_info import Description


@attrs.define  # not frozen, which takes four times as long: one is made for each spawn
class SpawnRequest:
    """What to spawn; nobody changes it.

    `messages` are delivered before any other; `parent` is None for code outside any process.
    """

    entry: Entry
    args: tuple[Any, ...]
    parent: Process | None = None
    name: str | None = None
    messages: tuple[Message, ...] = ()
    context: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    detached: bool = False
    """Whether it is to live on when its parent ends, where that would end it, and is not monitored unasked."""


SpawnFunction = Callable[[SpawnRequest], Awaitable[PID]]
"""Starts a process elsewhere, or finds the one that runs under the name; returns when it is known to exist."""


class Host(Protocol):
    """Processes that live elsewhere than in a node's own table. PIDs with its mark are routed to it.

    Whatever is asked about a target that does not exist is answered, never raised: False, or an exit with `noproc`.
    A host that cannot be reached raises `Error` with kind UNAVAILABLE.
    """

    async def send(self, target: PID, message: Message) -> bool:
        """Accept a message; messages of one sender stay in order. False when the target is known not to exist."""
        ...

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """Bring a call, after what its caller has sent before, and call `on_exit` with the exit if the target ends.

        The reply comes by `Kernel.receive_reply`, or `Kernel.fail_call`. `unwatch` says that nobody waits any more.
        A host without a better way sends the message and watches: `Kernel.call_by_message`.
        """
        ...

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """Bring the answer to a call to the process that made it."""
        ...

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """End a process, whatever it does. False when it does not exist."""
        ...

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """Ask a process to stop, within `deadline` seconds if given. False when it does not exist."""
        ...

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """Call `on_exit` exactly once with the exit of the target, also if it has ended long ago."""
        ...

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """Forget a watch: its sink is not called after this. Does not wait."""

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """Make the other end of a link; answers with `Kernel.signal_link_down` if the target has ended.

        That is `noproc`; but of one that was `spawned` for this link its real end, however early it came.
        """
        ...

    async def unlink(self, target: PID, by: PID) -> None:
        """Remove the other end of a link."""
        ...

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """Bring the signal of a link that `by` has ended. Does not wait; stays in order with its messages."""

    async def processes(self, limit: int) -> list[Description]:
        """The processes here that run now, the newest first and at most `limit`, as far as this host can list them."""
        ...

    async def describe(self, target: PID) -> Description:
        """What can be seen of a process; raises `Error` with kind NOT_FOUND when there is none."""
        ...
