"""The node: a kernel in a trio program."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import trio

from actors._channels.dead_letters import Subscription
from actors._kernel.entries import Target
from actors._kernel.kernel import Kernel
from actors._kernel.names import check_name
from actors._kernel.process import Process, ProcessKernel
from actors._kernel.wiring import Wiring
from actors._runtime.green_scheduler import GreenScheduler
from actors._runtime.interrupts import protect_kernel
from actors._runtime.trio_scheduler import TrioScheduler, contains
from actors._values.durations import Duration, seconds
from actors._values.errors import CONFLICT, NOT_FOUND, Error, invalid, leaves, without
from actors._values.messages import Message, check_topic, payload_of
from actors._values.pid import PID, Dest
from actors._verbs.spawner import Spawner

if TYPE_CHECKING:
    from actors._kernel.functions import FunctionCall, Future
    from actors._kernel.process_info import Description, Statistics


class ControlSocket(Protocol):
    """How the command looks into a node: a socket that answers while the node is there."""

    async def serve(self) -> None:
        """Answer each connection, until cancelled."""

    def close(self) -> None:
        """Remove the socket's file."""


def _no_control_socket(node: Node) -> ControlSocket:
    raise Error("no control socket was registered: import actors, not its modules", kind=CONFLICT)


_open_control_socket: Callable[[Node], ControlSocket] = _no_control_socket
"""Registered by `actors/__init__.py`: the room that has it is above this one."""


def register_control_socket(opener: Callable[[Node], ControlSocket]) -> None:
    """Say how a node opens its control socket."""
    global _open_control_socket
    _open_control_socket = opener


_local_nodes: trio.lowlevel.RunVar[dict[str, ProcessKernel]] = trio.lowlevel.RunVar("everproc_nodes")


class Node:
    """Processes in a trio program. Leaving the block cancels them, waits, and terminates those that are left.

        async with actors.Node("web") as node:
            pid = await node.spawn(serve, 8080)
            print(await node.call(pid, "status"))

    Its verbs are for code outside any process: messages they send have no sender.

    Args:
        name: part of the PIDs of its processes, and how other nodes know it across restarts.
        shutdown_timeout: how long processes may take to stop when the block is left.
        control: whether the command `everproc`, run by the same user, can look into this node and act on it, over a
            Unix socket that is there while the node is.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    def __init__(
        self, name: str = "node", shutdown_timeout: Duration = "5s", *, control: bool = False
    ) -> None:
        if not isinstance(control, bool):
            raise invalid("control", control, "True or False")
        self._control = control
        self._opened_control: ControlSocket | None = None
        self._grace = seconds(shutdown_timeout, "shutdown_timeout")
        incarnation = secrets.token_hex(4)
        try:
            PID(name, "trio", "0")
        except Error:
            raise invalid("name", name, "a non-empty string without any of @ | { }") from None
        self._kernel = Kernel(f"{name}.{incarnation}", Wiring("trio"))
        self._state = "new"
        self._empty: trio.Event | None = None
        self._orphaned_by: dict[PID, list[Process]] = {}

    # Life

    async def __aenter__(self) -> Node:
        if self._state != "new":
            raise Error(f"node {self.name} was entered before: make a new Node", kind=CONFLICT)
        if self._control:
            self._opened_control = _open_control_socket(self)
        protect_kernel()
        self._state = "open"
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        self._scheduler = TrioScheduler(self._nursery)
        self._kernel.wiring.schedulers["trio"] = self._scheduler
        self._kernel.wiring.schedulers["green"] = GreenScheduler(self._nursery, self._kernel)
        self._kernel.wiring.functions = _LaterFunctions(self._nursery, self._kernel)
        self._nursery.start_soon(self._scheduler.keep_time)
        if self._opened_control is not None:
            self._nursery.start_soon(self._opened_control.serve)
        try:
            nodes = _local_nodes.get()
        except LookupError:
            nodes = dict[str, ProcessKernel]()
            _local_nodes.set(nodes)
        nodes[self._kernel.name] = self._kernel
        self._kernel.wiring.local_nodes = nodes
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        # The nursery is given what it may have caused itself, the cancellation of this block. It would wrap anything
        # else in a group, which is for the errors of tasks and not for the block's own.
        mine = error is not None and contains(error, trio.Cancelled)
        try:
            try:
                if kind is None or issubclass(kind, Exception):
                    await self._stop()
            finally:
                await self._close()
                suppress = await self._manager.__aexit__(
                    *((kind, error, traceback) if mine else (None, None, None))
                )
        except BaseException as raised:
            # The error of the block counts more than a cancellation, which comes again at the next checkpoint.
            if error is None or mine or without(raised, trio.Cancelled) is not None:
                raise
            return False
        finally:
            del self._kernel.wiring.local_nodes[self._kernel.name]
            if self._opened_control is not None:
                self._opened_control.close()
        return suppress and mine

    async def _stop(self) -> None:
        """Cancel all processes, wait for their end, and terminate those that take too long.

        A process is cancelled when its parent has ended: so a supervisor stops its children itself, in its own order.
        """
        self._begin_end()
        orphans: list[Process] = []
        for process in self._kernel.table.values():
            parent = None if process.parent is None else self._kernel.find(process.parent)
            if isinstance(parent, Process):
                self._orphaned_by.setdefault(parent.pid, []).append(process)
            else:
                orphans.append(process)
        for process in orphans:
            self._kernel.cancel_here(process, None, "shutdown", None)
        with trio.move_on_after(self._grace / 2):
            await self._wait_until_empty()
        for process in [process for waiting in self._orphaned_by.values() for process in waiting]:
            if process.alive:  # its parent takes its time: it is asked all the same, before it is terminated
                self._kernel.cancel_here(process, None, "shutdown", None)
        self._orphaned_by.clear()
        with trio.move_on_after(self._grace / 2):
            await self._wait_until_empty()
        for process in list(self._kernel.table.values()):
            await self._kernel.terminate(None, process.pid, "the node was left")
        await self._wait_until_empty()

    async def _close(self) -> None:
        """Terminate what is left by cancelling the nursery, and keep time until it has ended."""
        self._state = "closed"
        self._begin_end()
        self._nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await self._wait_until_empty()
        self._kernel.calls.close()
        self._scheduler.close()

    def _begin_end(self) -> None:
        self._kernel.closing = True
        self._kernel.instruments.on_exit = self._has_ended

    async def _wait_until_empty(self) -> None:
        """Wait for the end of the last process."""
        if self._kernel.table:
            self._empty = trio.Event()
            await self._empty.wait()

    def _has_ended(self, process: Process) -> None:
        for orphan in self._orphaned_by.pop(process.pid, ()):
            if orphan.alive:
                self._kernel.cancel_here(orphan, None, "shutdown", None)
        if self._empty is not None and not self._kernel.table:
            self._empty.set()

    @property
    def name(self) -> str:
        """The name with its incarnation, as in the PIDs of this node."""
        return self._kernel.name

    @property
    def kernel(self) -> Kernel:
        """The node's table and routes: for those who add a host."""
        return self._kernel

    def _check_open(self) -> None:
        if self._state != "open":
            raise Error(f"node {self.name} is {self._state}: use it inside `async with`", kind=CONFLICT)

    # The verbs

    def spawner(
        self,
        name: str | None = None,
        on: str | None = None,
        context: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Spawner:
        """A `Spawner` for code outside any process."""
        self._check_open()
        return Spawner(
            name,
            on,
            context if context is not None else {},
            options if options is not None else {},
            kernel=self._kernel,
        )

    async def spawn(self, target: Target, *args: Any, on: str | None = None) -> PID:
        """As `actors.spawn`."""
        return await self.spawner().spawn(target, *args, on=on)

    async def execute(self, target: Target, *args: Any, on: str | None = None) -> Any:
        """As `actors.execute`."""
        return await self.spawner().execute(target, *args, on=on)

    async def send(self, dest: Dest | None, topic: str, *payload: Any) -> bool:
        """As `actors.send`; the message has no sender."""
        self._check_open()
        check_topic(topic)
        await trio.lowlevel.checkpoint()
        return await self._kernel.send(dest, Message(topic, payload_of(payload)))

    async def call(self, dest: Dest, topic: str, *payload: Any, timeout: Duration = "5s") -> Any:
        """As `actors.call`."""
        self._check_open()
        check_topic(topic)
        within = seconds(timeout, "timeout")
        return await self._kernel.calls.make(self._scheduler, None, dest, topic, payload_of(payload), within)

    async def terminate(self, dest: Dest, reason: str = "") -> bool:
        """As `actors.terminate`."""
        self._check_open()
        if not isinstance(reason, str):
            raise invalid("reason", reason, "a string")
        await trio.lowlevel.checkpoint()
        return await self._kernel.terminate(None, dest, reason)

    async def cancel(self, dest: Dest, deadline: Duration | None = None, reason: str = "") -> bool:
        """As `actors.cancel`."""
        self._check_open()
        if not isinstance(reason, str):
            raise invalid("reason", reason, "a string")
        within = None if deadline is None else seconds(deadline, "deadline")
        await trio.lowlevel.checkpoint()
        return await self._kernel.cancel(None, dest, reason, within)

    # Looking in

    async def describe(self, dest: Dest) -> Description:
        """As `actors.describe`."""
        self._check_open()
        return await self._kernel.describe(dest)

    def processes(self) -> Iterator[Description]:
        """All local processes, oldest first."""
        return self._kernel.processes()

    def statistics(self) -> Statistics:
        """Counts of processes, spawns, exits by reason, names and dead letters."""
        return self._kernel.statistics()

    def state(self, dest: Dest) -> Any:
        """What a local process shows of its state; None if it shows nothing. Of a `Server` that is its attributes.

        It is looked at while the process may be in the middle of something, and nothing is sent to it.

        Raises:
            Error: kind NOT_FOUND, when there is no such process on this node; or what its own function raised.
        """
        show = self._local(dest).options.state
        return None if show is None else show()

    def record(self, dest: Dest, messages: int = 20) -> None:
        """Have the last messages that come to a local process kept for `Description.recent` (OTP's `sys:log`).

        Args:
            dest: the process.
            messages: how many of them; 0 ends it. It costs nothing where nobody asked for it.

        Raises:
            Error: kind NOT_FOUND, when there is no such process on this node; INVALID for a bad number.
        """
        if not isinstance(messages, int) or isinstance(messages, bool) or messages < 0:
            raise invalid("messages", messages, "a whole number of 0 or more")
        self._local(dest).mailbox.record(messages)

    def _local(self, dest: Dest) -> Process:
        process = self._kernel.find(dest)
        if not isinstance(process, Process):
            raise Error(f"process {process} is not on this node", kind=NOT_FOUND)
        return process

    def dead_letters(self) -> Subscription:
        """Messages that no mailbox takes from now on, as a channel, and how many there were so far."""
        return self._kernel.instruments.dead_letters.subscribe()

    def whereis(self, name: str) -> PID | None:
        """The process that is registered under a name."""
        check_name(name)
        return self._kernel.names.get(name)


class _LaterFunctions:
    """Runs the functions of a node; what that takes is loaded with the first call of one."""

    def __init__(self, nursery: trio.Nursery, kernel: Kernel) -> None:
        self._nursery = nursery
        self._kernel = kernel

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`; the next call finds the real host in place of this one."""
        from actors._runtime.functions_in_trio import TrioFunctions

        self._kernel.wiring.functions = TrioFunctions(self._nursery, self._kernel)
        self._kernel.wiring.functions.start(call, future)


def run(main: Target, *args: Any, name: str = "main") -> Any:
    """Run a node with `main` as its first process; when that ends, the others are stopped.

        actors.run(main, 1, 2)

    Returns:
        What `main` returns.

    Raises:
        Error: what `main` raises; another exception than `Error` as its cause.
    """
    if trio.lowlevel.in_trio_run():
        raise Error(
            "trio runs here already: use `async with actors.Node(...)`, and node.execute", kind=CONFLICT
        )

    async def program() -> Any:
        async with Node(name) as node:
            return await node.execute(main, *args)

    try:
        return trio.run(program)
    except BaseExceptionGroup as group:
        # A Ctrl-C or sys.exit() that hit a process arrives in the group of the node's tasks.
        for kind in (KeyboardInterrupt, SystemExit):
            for leaf in leaves(group):
                if isinstance(leaf, kind):
                    raise leaf from None
        raise
