"""What is told to whoever follows causes from process to process. Nobody does unless `actors.telemetry.trace` asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import Context
from typing import Any, Protocol

from actors._channels.observers import Carrier, MailboxObserver
from actors._kernel.entries import Entry
from actors._kernel.process import Process
from actors._values.messages import Message
from actors._values.pid import PID, Dest


class Tracing(Protocol):
    """Follows causes for the processes of one kernel."""

    def spawning(self, entry: Entry, host: str) -> AbstractContextManager[None]:
        """A block in which a process is spawned."""
        ...

    def observer(self, process: Process) -> MailboxObserver:
        """Who is told of the messages of a new process."""
        ...

    def body(
        self, process: Process, function: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """What the main task of a process runs in place of its function."""
        ...

    def calling(self, dest: Dest, topic: str) -> AbstractContextManager[None]:
        """A block that sends a request and waits for its reply."""
        ...

    def function(self, entry: Entry) -> AbstractContextManager[None]:
        """A block that runs a function for a process."""
        ...

    def sent(self, dest: PID, message: Message) -> Carrier:
        """A message leaves for elsewhere: its cause, to travel with it."""
        ...

    def lend(self, context: Context) -> None:
        """Make the cause of the running task that of the tasks that will run in `context`."""
