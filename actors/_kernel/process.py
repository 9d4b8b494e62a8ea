"""One process: its tasks, what is known about it, and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

import attrs

from actors._channels.mailbox import Capacity, Mailbox
from actors._channels.receive_all import Events
from actors._kernel.entries import Entry
from actors._scheduling.scheduler import REDUCTIONS, Cancellable, Scheduler, current_process
from actors._values.errors import CANCELED, CONFLICT, Error, leaves
from actors._values.events import Event, Exit, MonitorRef, Monitors, Reason, Result
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID, Dest


@attrs.frozen
class Options:
    """What `set_options` sets."""

    trap_links: bool = False
    label: str = ""
    state: Callable[[], Any] | None = attrs.field(default=None, repr=False)


class Upgrade(BaseException):
    """Unwinds a task whose process becomes other code. Not an error: user code that catches errors lets it pass."""


@attrs.frozen
class _Exiting:
    """How a process will have ended. `forced` stands whatever the function still does; else its own end counts."""

    reason: Reason
    result: Result
    forced: bool


_NO_MONITORS: Mapping[MonitorRef, PID] = MappingProxyType({})


class ProcessKernel(Protocol):
    """What a process needs of its kernel, and whoever has a process at hand. For the rest there is `kernel_of`."""

    name: str
    table: dict[str, Process]

    def find(self, dest: Dest, /) -> Process | PID:
        """The process itself if it lives in this program, else the PID to route by."""
        ...

    def deliver(self, process: Process, message: Message) -> bool:
        """Put a message into a mailbox; False when it was full and rejects."""
        ...

    async def send(self, dest: Dest | None, message: Message) -> bool:
        """Deliver a message, wherever its destination is; False when it is known not to exist."""
        ...

    async def reply(self, to: ReplyTo, payload: Any) -> bool:
        """Bring the answer to a call home; False when nobody waits for it any more."""
        ...

    def receive_reply(self, call: int, payload: Any) -> bool:
        """An answer has come."""
        ...

    def fail_call(self, call: int, error: Error) -> None:
        """A call was refused: its caller gets the error."""
        ...

    def has_current_process(self, pid: PID) -> bool:
        """Whether a call by `pid` would wait here."""
        ...

    def next_number(self) -> int:
        """A number that was not given before: for refs and calls."""
        ...

    async def monitor(self, process: Process, dest: Dest) -> MonitorRef:
        """A new monitor of `process` on `dest`."""
        ...

    def unmonitor(self, process: Process, dest: MonitorRef | Dest) -> None:
        """End monitors."""
        ...

    async def link(self, process: Process, dest: Dest, spawned: bool = False) -> None:
        """Link two processes."""
        ...

    async def unlink(self, process: Process, dest: Dest) -> None:
        """Remove a link."""
        ...

    def signal_link_down(self, target: PID, by: PID, reason: Reason, result: Result, /) -> None:
        """Notify the other end of a link that `by` has exited."""
        ...

    async def terminate(self, by: PID | None, dest: Dest, reason: str) -> bool:
        """End a process whatever it does; False when it does not exist."""
        ...

    async def cancel(self, by: PID | None, dest: Dest, reason: str, deadline: float | None) -> bool:
        """Ask a process to stop; False when it does not exist."""
        ...

    def cancel_here(self, target: Process, by: PID | None, reason: str, deadline: float | None) -> None:
        """A request to stop has come for a process of this kernel."""
        ...

    def traced(
        self, process: Process, function: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """What the main task of a process runs in place of its function; that itself, unless causes are followed."""
        ...

    def begin_upgrade(self, process: Process, args: tuple[Any, ...]) -> None:
        """An upgraded process has unwound its old code."""
        ...

    def finalize(self, process: Process, reason: Reason, result: Result) -> None:
        """A process has ended."""
        ...

    def unhandled(self, process: Process, error: Error) -> None:
        """A process raised an error when its end had another reason already."""
        ...


class Process:
    """A process as its kernel sees it, and a `CurrentProcess`.

    Life: `begin` starts the main task; `task_ended` is told of each task's end. When the main task has ended, the
    others are cancelled; when all have ended, the process is buried, or begins anew if it was upgraded.

    What few processes use is made on first use, and None until then.
    """

    __slots__ = (
        "pid",
        "kernel",
        "scheduler",
        "reductions",
        "entry",
        "parent",
        "context",
        "options",
        "mailbox",
        "events",
        "events_opened",
        "watchers",
        "monitors",
        "links",
        "names",
        "owned",
        "started",
        "alive",
        "_main",
        "_others",
        "_exiting",
        "_successor",
        "_outcome",
        "__weakref__",
    )

    def __init__(
        self,
        pid: PID,
        kernel: ProcessKernel,
        scheduler: Scheduler,
        entry: Entry,
        parent: PID | None,
        context: Mapping[str, Any],
        capacity: Capacity | None,
    ) -> None:
        self.pid = pid
        self.kernel = kernel
        self.scheduler = scheduler
        self.reductions = REDUCTIONS
        self.entry = entry
        self.parent = parent
        self.context = context
        self.options = _DEFAULTS
        self.mailbox = Mailbox(capacity)
        self.events: Events | None = None
        self.events_opened = False
        self.watchers: dict[MonitorRef, Callable[[Exit], None]] | None = None
        self.monitors: Monitors | None = None
        # A dict, for its order: all hosts tell the links in the same order.
        self.links: dict[PID, None] | None = None
        self.names: set[str] | None = None
        self.owned: set[Cancellable] | None = None
        self.started = scheduler.time()
        self.alive = True
        self._main: object | None = None
        self._others: dict[object, None] | None = None
        self._exiting: _Exiting | None = None
        self._successor: tuple[Entry, tuple[Any, ...]] | None = None
        self._outcome: tuple[Reason, Result] | None = None

    @property
    def monitored(self) -> Mapping[MonitorRef, PID]:
        """The targets of its monitors, by ref."""
        return _NO_MONITORS if self.monitors is None else self.monitors

    def note_monitor(self, ref: MonitorRef, pid: PID) -> None:
        """Note a monitor that this process has."""
        if self.monitors is None:
            self.monitors = Monitors()
        self.monitors[ref] = pid

    async def pause(self) -> None:
        """Let others run; raises if the process is being ended."""
        if self._exiting is None and self.alive:
            self.reductions = REDUCTIONS
        await self.scheduler.checkpoint()

    def put_event(self, event: Event) -> None:
        """Add to what `events()` gives."""
        self.open_events().put(event)

    def open_events(self) -> Events:
        """Where its events lie."""
        if self.events is None:
            self.events = Events(self.mailbox.inbox)
        return self.events

    def own(self, thing: Cancellable) -> None:
        """Have something cancelled when the process has ended: a timer, a call of a function."""
        if self.owned is None:
            self.owned = set()
        self.owned.add(thing)

    def disown(self, thing: Cancellable) -> None:
        """Undo `own`; fine when it was done before."""
        if self.owned is not None:
            self.owned.discard(thing)

    # Tasks

    def begin(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        """Start the main task."""
        self._main = self.scheduler.start(self, self.kernel.traced(self, function), args)

    def start_soon(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        """Start another task, which ends with the process at the latest."""
        if self._others is None:
            self._others = {}
        task = self.scheduler.start(self, function, args)
        self._others[task] = None
        if self._exiting is not None or self._main is None:
            self.scheduler.cancel(task)

    @property
    def tasks(self) -> list[object]:
        """The tasks that have not ended, the main one first."""
        return [*(() if self._main is None else (self._main,)), *(self._others or ())]

    def task_ended(self, task: object, value: Any, error: BaseException | None, cancelled: bool) -> None:
        """A task of this process has ended: with a value, with an error, or by its cancellation."""
        if task is self._main:
            self._main = None
            if not cancelled:
                if error is None:
                    self._outcome = _NORMAL if value is None else ("normal", Result(value))
                elif not _is_upgrade(error):
                    self._outcome = "error", Result(error=Error.of(error))
            for other in self._others or ():
                self.scheduler.cancel(other)
        else:
            assert self._others is not None
            del self._others[task]
            if error is not None and not _is_upgrade(error):
                self._end_by_error(Error.of(error))
        if self._main is None and not self._others:
            self._finish()

    def _end_by_error(self, error: Error) -> None:
        """A task beside the main one has failed. What it raises while it unwinds is not the reason of the end."""
        if self._failed or (self._exiting is not None and self._exiting.forced):
            self.kernel.unhandled(self, error)
        else:
            self.end("error", error)

    @property
    def _failed(self) -> bool:
        return self._outcome is not None and self._outcome[0] == "error"

    # The end

    def end(self, reason: Reason, error: Error, forced: bool = True) -> None:
        """Cancel all tasks; the process has then ended for `reason`.

        Of several endings the first counts, but a forced one counts more than one that only asks.
        """
        if self._exiting is None or (forced and not self._exiting.forced):
            self._exiting = _Exiting(reason, Result(error=error), forced)
        self.reductions = 0
        for task in self.tasks:
            self.scheduler.cancel(task)

    @property
    def exiting(self) -> bool:
        """Whether it is being ended from outside its function."""
        return self._exiting is not None

    def upgrade(self, entry: Entry, args: tuple[Any, ...]) -> Upgrade:
        """Become other code once all tasks have unwound; the caller raises what this returns.

        The latest upgrade counts, and none once the main task has ended: others may ask for one as they unwind.
        """
        if self._main is not None:
            self._successor = (entry, args)
            self.scheduler.cancel(self._main)
        return Upgrade()

    def _finish(self) -> None:
        outcome, exiting = self._outcome, self._exiting
        if self._successor is not None and exiting is None and not self._failed:
            (self.entry, args), self._successor, self._outcome = self._successor, None, None
            self.kernel.begin_upgrade(self, args)
            return
        if exiting is not None and (exiting.forced or outcome is None):
            error = None if outcome is None else outcome[1].error
            if error is not None and error is not exiting.result.error:
                self.kernel.unhandled(self, error)
            outcome = (exiting.reason, exiting.result)
        reason, result = outcome or ("terminated", Result(error=Error("the host stopped", kind=CANCELED)))
        if self.owned:
            for thing in list(self.owned):
                thing.cancel()
        self.kernel.finalize(self, reason, result)


_DEFAULTS = Options()
_NORMAL: tuple[Reason, Result] = ("normal", Result())


def _is_upgrade(error: BaseException | None) -> bool:
    """Whether nothing but an upgrade ended the task; trio's nurseries wrap it in groups."""
    return error is not None and all(isinstance(leaf, Upgrade) for leaf in leaves(error))


def running_process() -> Process:
    """The process that makes the call.

    Raises:
        Error: kind CONFLICT, when the code runs outside any process, or in a task that has outlived its process.
    """
    process = current_process.get()
    if not isinstance(process, Process):
        raise Error(
            "this call needs a running process: spawn one, or use the same verb of a node, such as node.send(...)",
            kind=CONFLICT,
        )
    process.scheduler.check_thread()
    if not process.alive:
        raise Error(
            f"process {process.pid} has ended, and a task that it started elsewhere goes on: use start_soon",
            kind=CONFLICT,
        )
    return process


async def take_reduction() -> Process:
    """The process that makes the call, after letting others run if its budget is spent; raises if it is being ended.

    Raises:
        Error: as `running_process`.
    """
    process: Any = current_process.get()
    process.reductions -= 1
    return await next_reduction() if process.reductions < 0 else process


async def next_reduction() -> Process:
    """`take_reduction` with a spent budget: that of a process which has ended, and of code outside any, always is."""
    process = running_process()
    await process.pause()
    return process
