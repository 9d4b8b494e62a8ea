"""The kernel: what the verbs do to processes, wherever these live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from actors._channels.mailbox import Capacity, mailbox_full
from actors._channels.observers import Carrier
from actors._kernel import links_and_monitors as relations
from actors._kernel.calls import Calls, TracedCalls
from actors._kernel.cluster_client import Cluster
from actors._kernel.exits import Exits, force_end, report_unhandled, request_stop
from actors._kernel.groups import Groups
from actors._kernel.host import SpawnRequest
from actors._kernel.links import Links
from actors._kernel.names import Names
from actors._kernel.process import Process, ProcessKernel
from actors._kernel.routing import NAME_HOST, Routing
from actors._kernel.tracing import Tracing
from actors._kernel.wiring import Instruments, Wiring
from actors._scheduling.scheduler import SPAWN_REDUCTIONS, Scheduler
from actors._values.errors import CONFLICT, INVALID, NOT_FOUND, UNAVAILABLE, Error, invalid, shown
from actors._values.events import Exit, MonitorRef, Reason, Result
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID, Dest, sibling

if TYPE_CHECKING:
    from actors._kernel.process_info import Description, Statistics

NODE_HOST = "node"
"""The host in the PID of the node itself, for code outside any process."""


class Kernel:
    """Processes, and the verbs on them. One for each node, and one inside each durable process.

    `wiring` is what it is connected to, `instruments` who is told what happens in it; both are for whoever makes it.
    """

    def __init__(self, name: str, wiring: Wiring, instruments: Instruments | None = None) -> None:
        self.name = name
        self.pid = PID(name, NODE_HOST, "0")
        self.wiring = wiring
        self.instruments = Instruments() if instruments is None else instruments
        self.names = Names()
        self.groups = Groups()
        self._routing = Routing(name, self.names, wiring)
        self.table = self._routing.table
        # Bound once: each send looks its destination up.
        self.find = self._routing.find
        self.route = self._routing.route
        links = Links(self._routing)
        self.link, self.unlink = links.link, links.unlink
        self.receive_link, self.receive_unlink = links.receive_link, links.receive_unlink
        self.signal_link_down = links.signal_link_down
        self._exits = Exits(self._routing, links, self.names, self.groups, self.instruments)
        self.unwatch = self._exits.unwatch
        self.calls = Calls(self)
        self.instruments.gauges["calls"] = lambda: self.calls.waiting
        self._nobody = PID(name, NAME_HOST, "nobody")
        self.closing = False
        self._numbers = 0
        self._spawned = 0

    @property
    def schedulers(self) -> Mapping[str, Scheduler]:
        """What local processes run on, by the name that `on=` gives."""
        return self.wiring.schedulers

    def trace(self, tracing: Tracing) -> None:
        """Have causes followed, of processes that are spawned from now on."""
        self.instruments.tracing = tracing
        self.calls = TracedCalls(self, tracing)

    def traced(
        self, process: Process, function: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """What the main task of a process runs in place of its function; that itself, unless causes are followed."""
        tracing = self.instruments.tracing
        return function if tracing is None else tracing.body(process, function)

    def local_node(self, name: str) -> Kernel | None:
        """The kernel of a node of this program."""
        return cast("Kernel | None", self.wiring.local_nodes.get(name))

    def connected_cluster(self) -> Cluster:
        """The cluster that the processes of this kernel are in.

        Raises:
            Error: kind UNAVAILABLE, when the node is alone.
        """
        cluster = self.wiring.cluster
        if cluster is None:
            raise Error(
                f'scope="cluster" needs a connection to other nodes, and {self.name} has none: open a'
                " temporal_bridge.TemporalBridge on the node first",
                kind=UNAVAILABLE,
            )
        return cluster

    # Spawn

    async def spawn(self, request: SpawnRequest, on: str | None) -> PID:
        """Start a process on the host that the call, the entry or the node names, in this order.

        Raises:
            Error: kind NOT_FOUND for a host that is not there, INVALID for bad options, CONFLICT on a node that is
                closing.
        """
        if on is not None and (not isinstance(on, str) or not on):
            raise invalid("on", on, 'the name of a host, such as "trio" or "app:worker"')
        where = on or request.entry.worker or self.wiring.default_host
        if self.instruments.tracing is not None:
            with self.instruments.tracing.spawning(request.entry, where):
                return await self._spawn_on(where, request)
        scheduler = self.wiring.schedulers.get(where)
        if scheduler is not None:
            return self.spawn_here(request, where, scheduler)
        return await self._spawn_on(where, request)

    async def _spawn_on(self, where: str, request: SpawnRequest) -> PID:
        scheduler = self.wiring.schedulers.get(where)
        if scheduler is not None:
            return self.spawn_here(request, where, scheduler)
        start = self.wiring.spawners.get(where)
        if start is None:
            here = ", ".join(sorted((*self.wiring.schedulers, *self.wiring.spawners)))
            raise Error(
                f"host={shown(where)} is not there: expected one of {here};"
                " start its worker (temporal_bridge.Worker), or say another with on=",
                kind=NOT_FOUND,
                details={"host": where},
            )
        return await start(request)

    def spawn_here(
        self, request: SpawnRequest, host: str, scheduler: Scheduler, pid: PID | None = None
    ) -> PID:
        """Put a process into the table; it runs once the caller waits. A name that is taken gives its holder."""
        capacity = None if not request.options else self._bound_of(request.options, host)
        if self.closing:
            raise Error(f"node {self.name} is closing: it starts no more processes", kind=CONFLICT)
        if request.name is not None:
            holder = self.find(request.name)
            if isinstance(holder, Process):
                for message in request.messages:
                    self.deliver(holder, message)
                return holder.pid
        self._spawned += 1
        parent = request.parent
        if parent is not None:
            parent.reductions -= SPAWN_REDUCTIONS
        process = Process(
            pid or sibling(self.pid, host, self._spawned),
            self,
            scheduler,
            request.entry,
            None if parent is None else parent.pid,
            request.context,
            capacity,
        )
        if self.instruments.tracing is not None:
            process.mailbox.add_observer(self.instruments.tracing.observer(process))
        self.table[process.pid.id] = process
        try:
            if request.name is not None:
                self.names.register(request.name, process)
            for message in request.messages:
                self.deliver(process, message)
            process.begin(request.entry.function, request.args)
        except BaseException:  # a Ctrl-C, a RecursionError: there is no task, so there is no process (39)
            self.table.pop(process.pid.id, None)
            self.names.forget(process)
            process.alive = False
            raise
        return process.pid

    def _bound_of(self, options: Mapping[str, Any], host: str) -> Capacity | None:
        for option in options:
            if option not in Capacity.OPTIONS:
                raise Error(
                    f"option={option!r} is not known on host {host!r}: expected {', '.join(Capacity.OPTIONS)}",
                    kind=INVALID,
                )
        return Capacity.of(options)

    def begin_upgrade(self, process: Process, args: tuple[Any, ...]) -> None:
        """An upgraded process has unwound its old code: start the new. A durable one continues as new instead."""
        process.begin(process.entry.function, args)

    # Messages

    def deliver(self, process: Process, message: Message) -> bool:
        """Put a message into a mailbox; False when it was full and rejects."""
        dropped = process.mailbox.deliver(message)
        if dropped is None:
            return True
        self.instruments.dead_letters.add(process.pid, dropped)
        if dropped.reply_to is not None:
            self.refuse_call(dropped.reply_to, mailbox_full(process.pid, dropped.topic))
        return process.mailbox.capacity is None or process.mailbox.capacity.overflow != "reject"

    async def send(self, dest: Dest | None, message: Message) -> bool:
        """Deliver a message, wherever its destination is; False when it is known not to exist.

        None is the sender of a message that no process sent: nobody, so that an answer to it breaks nothing.
        """
        if dest is None:
            self.instruments.dead_letters.add(self._nobody, message)
            return False
        taken = await self.transmit(dest, message)
        if not taken:
            target = self.find(dest)
            if not isinstance(target, Process):  # that mailbox has counted it
                self.instruments.dead_letters.add(target, message)
        return taken

    async def transmit(self, dest: Dest, message: Message) -> bool:
        """As `send`, for a message that does not count as a dead letter when it is not taken elsewhere."""
        target = self.find(dest)
        if isinstance(target, Process):
            return target.kernel.deliver(target, message)
        host = self.route(target)
        return host is not None and await host.send(target, message)

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """Bring a call to a process, and call `on_exit` with its exit if it ends; until `unwatch`."""
        host = None if isinstance(self.find(target), Process) else self.route(target)
        if host is None:
            return await self.call_by_message(target, message, ref, on_exit)
        return await host.call(target, message, ref, on_exit)

    async def call_by_message(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """`call`, by a watch and a message like any other."""
        await self.watch(target, ref, on_exit)
        return await self.send(target, message)

    async def reply(self, to: ReplyTo, payload: Any) -> bool:
        """Bring the answer to a call home; False when nobody waits for it any more."""
        kernel = self._kernel_of_caller(to.pid)
        if kernel is not None:
            return kernel.receive_reply(to.call, payload)
        host = self.route(to.pid)
        return host is not None and await host.reply(to.pid, to.call, payload)

    def _kernel_of_caller(self, pid: PID) -> ProcessKernel | None:
        kernel: ProcessKernel | None = self if pid.node == self.name else self.local_node(pid.node)
        return kernel if kernel is not None and kernel.has_current_process(pid) else None

    def has_current_process(self, pid: PID) -> bool:
        """Whether a call by `pid` would wait here."""
        return pid.host in self.wiring.schedulers or pid == self.pid or pid.id in self.table

    def receive_reply(self, call: int, payload: Any) -> bool:
        """An answer has come; it vanishes when its call is over."""
        return self.calls.answer(call, payload)

    def cause(self, dest: PID, message: Message) -> Carrier | None:
        """What travels with a message that leaves for elsewhere, if causes are followed."""
        return None if self.instruments.tracing is None else self.instruments.tracing.sent(dest, message)

    def refuse_call(self, to: ReplyTo, error: Error) -> None:
        """A mailbox has no room for a call: its caller gets the error, if it waits in this program."""
        kernel = self._kernel_of_caller(to.pid)
        if kernel is not None:
            kernel.fail_call(to.call, error)

    def fail_call(self, call: int, error: Error) -> None:
        """A call was refused by its target, or could not be brought there: its caller gets the error."""
        self.calls.fail(call, error)

    # Monitors

    def skip_numbers(self, last: int) -> None:
        """Give none of the numbers up to `last`: a process that continues as new has used them."""
        self._numbers = max(self._numbers, last)

    def next_number(self) -> int:
        """A number that was not given before: for refs and calls."""
        self._numbers += 1
        return self._numbers

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """Have `on_exit` called exactly once with the exit of `target`; at once when it does not exist."""
        found = self.find(target)
        if isinstance(found, Process):
            relations.watch(found, ref, on_exit)
            return
        host = self.route(target)
        if host is None:
            on_exit(Exit(target, ref, "noproc", relations.gone(target)))
        else:
            await host.watch(target, ref, on_exit)

    async def monitor(self, process: Process, dest: Dest) -> MonitorRef:
        """A new monitor of `process` on `dest`."""
        target = self.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        ref = MonitorRef(process.pid, self.next_number())
        process.note_monitor(ref, pid)
        try:
            await self.watch(pid, ref, relations.exit_callback(process))
        except BaseException:  # the caller gets it, and has no monitor
            if process.monitors is not None:
                process.monitors.pop(ref, None)
            raise
        return ref

    def unmonitor(self, process: Process, dest: MonitorRef | Dest) -> None:
        """End monitors; no exit of them is delivered after this, also not one that is queued."""
        if not isinstance(dest, MonitorRef):
            found = self.find(dest)
            dest = found.pid if isinstance(found, Process) else found
        for ref, pid in relations.forget_exits(process, dest):
            self.unwatch(pid, ref)

    # Terminate and cancel

    async def terminate(self, by: PID | None, dest: Dest, reason: str) -> bool:
        """End a process whatever it does; False when it does not exist."""
        target = self.find(dest)
        if isinstance(target, Process):
            force_end(target, reason)
            return True
        host = self.route(target)
        return host is not None and await host.terminate(target, by, reason)

    async def cancel(self, by: PID | None, dest: Dest, reason: str, deadline: float | None) -> bool:
        """Ask a process to stop; False when it does not exist."""
        target = self.find(dest)
        if isinstance(target, Process):
            self.cancel_here(target, by, reason, deadline)
            return True
        host = self.route(target)
        return host is not None and await host.cancel(target, by, reason, deadline)

    def cancel_here(self, target: Process, by: PID | None, reason: str, deadline: float | None) -> None:
        """A request to stop has come: an event if the process reads events, else the end of its next await."""
        request_stop(target, by, reason, deadline)

    def finalize(self, process: Process, reason: Reason, result: Result) -> None:
        """A process has ended: see `Exits.finalize`."""
        self._exits.finalize(process, reason, result)

    def unhandled(self, process: Process, error: Error) -> None:
        """A process raised an error when its end had another reason already."""
        report_unhandled(process, error)

    # Looking in. What it gives is loaded with the first look.

    async def describe(self, dest: Dest) -> Description:
        """What can be seen of a process.

        Raises:
            Error: kind NOT_FOUND, when there is none.
        """
        from actors._kernel.process_info import describe_process

        target = self.find(dest)
        if isinstance(target, Process):
            return describe_process(target)
        host = self.route(target)
        if host is None:
            error = relations.gone(target).error
            assert error is not None
            raise error
        return await host.describe(target)

    def processes(self) -> Iterator[Description]:
        """All processes of the table, oldest first."""
        from actors._kernel.process_info import describe_process

        for process in list(self.table.values()):
            yield describe_process(process)

    def statistics(self) -> Statistics:
        """What the node has counted."""
        from actors._kernel.process_info import Statistics

        return Statistics(
            len(self.table),
            self._spawned,
            dict(self._exits.count),
            self.instruments.dead_letters.count,
            len(self.names),
            self._exits.delivered + sum(process.mailbox.accepted for process in self.table.values()),
            dict(self.instruments.counters),
            {name: ask() for name, ask in self.instruments.gauges.items()},
        )


def kernel_of(process: Process) -> Kernel:
    """The kernel of a process, whole; a process itself knows only what it needs of it."""
    return cast(Kernel, process.kernel)
