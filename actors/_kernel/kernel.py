"""The kernel: the table of one node's processes, and the way from a destination to a process or to its host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from actors._channels.dead_letters import DeadLetters
from actors._channels.mailbox import Capacity, mailbox_full
from actors._channels.observers import Carrier
from actors._kernel import links_and_monitors as relations
from actors._kernel.calls import Calls, TracedCalls
from actors._kernel.cluster_client import Cluster
from actors._kernel.crash_report import crash_report, report_unhandled
from actors._kernel.exit_requests import force_end, request_stop
from actors._kernel.groups import Groups
from actors._kernel.host import Host, SpawnFunction, SpawnRequest
from actors._kernel.names import Names
from actors._kernel.process import Process
from actors._kernel.tracing import Tracing
from actors._scheduling.continuation import StateCarrier
from actors._scheduling.scheduler import SPAWN_REDUCTIONS, Scheduler
from actors._values.errors import CONFLICT, INVALID, NOT_FOUND, Error, invalid
from actors._values.events import Exit, MonitorRef, Reason, Result
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID, Dest, sibling

if TYPE_CHECKING:
    from actors._kernel.functions import FunctionHost
    from actors._kernel.process_info import Description, Statistics

NAME_HOST = "name"
"""The host in the PID that stands for a name nobody has."""

NODE_HOST = "node"
"""The host in the PID of the node itself, for code outside any process."""


class Kernel:
    """Processes, and who can be reached from here. One for each node, and one inside each durable process.

    Local processes run on `schedulers`, by the name that `on=` gives; `spawners` start those that run elsewhere, by
    that name too. PIDs that are not in the table are answered for by `routes`, by their host; those of the
    `local_nodes`, the nodes of the same program, by these; local ones of other programs by `remote_host`. `cluster` has
    the names and groups that programs share. `monitors_children` has every spawn monitored. `counters` are counted up
    by whoever has something to count, `gauges` are asked for how much there is of something, and `expositions` for
    figures in Prometheus' text; that is None while nobody wants them.
    """

    def __init__(
        self, name: str, default_host: str, local_nodes: MutableMapping[str, Kernel] | None = None
    ) -> None:
        self.name = name
        self.pid = PID(name, NODE_HOST, "0")
        self.default_host = default_host
        self.table: dict[str, Process] = {}
        self.schedulers: dict[str, Scheduler] = {}
        self.spawners: dict[str, SpawnFunction] = {}
        self.routes: dict[str, Host] = {}
        self.remote_host: Host | None = None
        self.functions: FunctionHost | None = None
        self.local_nodes: MutableMapping[str, Kernel] = {} if local_nodes is None else local_nodes
        self.cluster: Cluster | None = None
        self.names = Names()
        self.groups = Groups()
        self.calls = Calls(self)
        self.dead_letters = DeadLetters()
        self.tracing: Tracing | None = None
        self.counters: Counter[str] = Counter()
        self.gauges: dict[str, Callable[[], int]] = {"calls": lambda: self.calls.waiting}
        self.expositions: list[Callable[[], Awaitable[bytes]]] | None = None
        self.monitors_children = False
        self.state_carrier: StateCarrier | None = None
        self.closing = False
        self.on_end: Callable[[Process], None] | None = None
        self._numbers = 0
        self._spawned = 0
        self._exits: Counter[str] = Counter()
        self._accepted = 0  # by processes that have ended

    def trace(self, tracing: Tracing) -> None:
        """Have causes followed, of processes that are spawned from now on."""
        self.tracing = tracing
        self.calls = TracedCalls(self, tracing)

    # Where a destination is

    def find(self, dest: Dest) -> Process | PID:
        """The process itself if it lives in this program, else the PID to route by.

        Raises:
            Error: kind INVALID, when `dest` is neither a PID nor a name.
        """
        if type(dest) is PID:
            pid = dest
        elif isinstance(dest, str):
            if not dest:
                raise invalid("dest", dest, "a PID or a registered name")
            named = self.names.get(dest)
            pid = PID(self.name, NAME_HOST, dest) if named is None else named
        else:
            raise invalid("dest", dest, "a PID or a registered name")
        process = self.table.get(pid.id)
        if process is not None and (process.pid is pid or process.pid == pid):
            return process
        neighbour = self.local_nodes.get(pid.node)
        if neighbour is not None and neighbour is not self:
            process = neighbour.table.get(pid.id)
            if process is not None and process.pid == pid:
                return process
        return pid

    def route(self, pid: PID) -> Host | None:
        """The host that answers for a PID that `find` did not find here; None when it is known to be gone."""
        host = self.routes.get(pid.host)
        if host is not None:
            return host
        if pid.node == self.name or pid.node in self.local_nodes:
            return None
        return self.remote_host

    # Spawn

    async def spawn(self, request: SpawnRequest, on: str | None) -> PID:
        """Start a process on the host that the call, the entry or the node names, in this order.

        Raises:
            Error: kind NOT_FOUND for a host that is not there, INVALID for bad options, CONFLICT on a node that is
                closing.
        """
        if on is not None and (not isinstance(on, str) or not on):
            raise invalid("on", on, 'the name of a host, such as "trio" or "app:worker"')
        where = on or request.entry.worker or self.default_host
        if self.tracing is not None:
            with self.tracing.spawning(request.entry, where):
                return await self._spawn_on(where, request)
        scheduler = self.schedulers.get(where)
        if scheduler is not None:
            return self.spawn_here(request, where, scheduler)
        return await self._spawn_on(where, request)

    async def _spawn_on(self, where: str, request: SpawnRequest) -> PID:
        scheduler = self.schedulers.get(where)
        if scheduler is not None:
            return self.spawn_here(request, where, scheduler)
        start = self.spawners.get(where)
        if start is None:
            here = ", ".join(sorted((*self.schedulers, *self.spawners)))
            raise Error(
                f"host={where!r} is not there: expected one of {here};"
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
        if self.tracing is not None:
            process.mailbox.add_observer(self.tracing.observer(process))
        self.table[process.pid.id] = process
        if request.name is not None:
            self.names.register(request.name, process)
        for message in request.messages:
            self.deliver(process, message)
        process.begin(request.entry.function, request.args)
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
        self.dead_letters.add(process.pid, dropped)
        if dropped.reply_to is not None:
            self.refuse_call(dropped.reply_to, mailbox_full(process.pid, dropped.topic))
        return process.mailbox.capacity is None or process.mailbox.capacity.overflow != "reject"

    async def send(self, dest: Dest, message: Message) -> bool:
        """Deliver a message, wherever its destination is; False when it is known not to exist."""
        taken = await self.transmit(dest, message)
        if not taken:
            target = self.find(dest)
            if not isinstance(target, Process):  # that mailbox has counted it
                self.dead_letters.add(target, message)
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

    def _kernel_of_caller(self, pid: PID) -> Kernel | None:
        kernel = self if pid.node == self.name else self.local_nodes.get(pid.node)
        return kernel if kernel is not None and kernel.has_current_process(pid) else None

    def has_current_process(self, pid: PID) -> bool:
        """Whether a call by `pid` would wait here."""
        return pid.host in self.schedulers or pid == self.pid or pid.id in self.table

    def receive_reply(self, call: int, payload: Any) -> bool:
        """An answer has come; it vanishes when its call is over."""
        return self.calls.answer(call, payload)

    def cause(self, dest: PID, message: Message) -> Carrier | None:
        """What travels with a message that leaves for elsewhere, if causes are followed."""
        return None if self.tracing is None else self.tracing.sent(dest, message)

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

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """Forget a watch; fine when it has fired."""
        found = self.find(target)
        if isinstance(found, Process):
            if found.watchers is not None:
                found.watchers.pop(ref, None)
        elif (host := self.route(target)) is not None:
            host.unwatch(target, ref)

    async def monitor(self, process: Process, dest: Dest) -> MonitorRef:
        """A new monitor of `process` on `dest`."""
        target = self.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        ref = MonitorRef(process.pid, self.next_number())
        if process.monitors is None:
            process.monitors = {}
        process.monitors[ref] = pid
        try:
            await self.watch(pid, ref, relations.exit_callback(process))
        except BaseException:  # the caller gets it, and has no monitor
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

    # Links

    async def link(self, process: Process, dest: Dest, spawned: bool = False) -> None:
        """Link two processes; one that does not exist answers with the signal `noproc`."""
        target = self.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        if pid == process.pid or not relations.link(process, pid):
            return
        if isinstance(target, Process):
            relations.link(target, process.pid)
            return
        host = self.route(target)
        if host is None:
            relations.link_down(process, pid, "noproc", relations.gone(pid))
            return
        try:
            await host.link(target, process.pid, spawned)
        except BaseException:  # the caller gets it, and has no link
            relations.unlink(process, pid)
            raise

    async def unlink(self, process: Process, dest: Dest) -> None:
        """Remove a link; it has no effect after this, also not by a LinkDown that is queued."""
        target = self.find(dest)
        pid = target.pid if isinstance(target, Process) else target
        if not relations.unlink(process, pid):
            return
        if isinstance(target, Process):
            relations.unlink(target, process.pid)
            return
        host = self.route(target)
        if host is not None:
            await host.unlink(target, process.pid)

    def signal_link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """Tell the other end of a link that `by` has ended."""
        found = self.find(target)
        if isinstance(found, Process):
            relations.link_down(found, by, reason, result)
            return
        host = self.route(target)
        if host is not None:
            host.link_down(target, by, reason, result)

    def receive_link(self, target: PID, by: PID) -> None:
        """A process elsewhere links to one of this node; if there is none, it gets the signal `noproc`."""
        found = self.find(target)
        if isinstance(found, Process):
            relations.link(found, by)
        else:
            self.signal_link_down(by, target, "noproc", relations.gone(target))

    def receive_unlink(self, target: PID, by: PID) -> None:
        """A process elsewhere removes its link to one of this node."""
        found = self.find(target)
        if isinstance(found, Process):
            relations.unlink(found, by)

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

    # Death

    def finalize(self, process: Process, reason: Reason, result: Result) -> None:
        """The order of death (semantics 4): the table, the names and groups, the monitors, the links."""
        process.alive = False
        process.reductions = 0
        del self.table[process.pid.id]
        if process.names is not None:
            self.names.forget(process)
        if self.groups.joins:
            self.groups.forget(process.pid)
        self._exits[reason] += 1
        self._accepted += process.mailbox.accepted
        if reason != "normal":
            crash_report(process, reason, result)
        if self.cluster is not None and self.cluster.holds(process.pid):
            self.cluster.release(process, lambda: relations.tell_of_death(process, reason, result))
        elif process.watchers is not None or process.links is not None:
            relations.tell_of_death(process, reason, result)
        if process.monitors is not None:
            monitors, process.monitors = process.monitors, None
            for ref, pid in monitors.items():
                self.unwatch(pid, ref)
        if self.on_end is not None:
            self.on_end(process)

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
            dict(self._exits),
            self.dead_letters.count,
            len(self.names),
            self._accepted + sum(process.mailbox.accepted for process in self.table.values()),
            dict(self.counters),
            {name: ask() for name, ask in self.gauges.items()},
        )
