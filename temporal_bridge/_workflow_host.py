"""How a durable process reaches others: by commands of its workflow, which are recorded and replayed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from datetime import timedelta
from typing import Any, Final, TypeVar

import attrs
from temporalio import workflow
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, WorkflowAlreadyStartedError

from actors import (
    ALREADY_EXISTS,
    INVALID,
    PID,
    UNAVAILABLE,
    Description,
    Entry,
    Error,
    Exit,
    Kernel,
    Message,
    MonitorRef,
    Process,
    Queue,
    Reason,
    Result,
    SpawnRequest,
    gone,
    invalid,
)
from temporal_bridge import _wire as wire
from temporal_bridge._cancel_text import cancel_text
from temporal_bridge._converter import payload_size
from temporal_bridge._failures import exit_of, from_failure
from temporal_bridge._options import StartOptions
from temporal_bridge._outbox import Outbox
from temporal_bridge._wire import Item, Mark
from temporal_bridge._workers import node_queue, watch_queue
from temporal_bridge._workflow_functions import WorkflowFunctions
from temporal_bridge._workflow_scheduler import WorkflowScheduler

T = TypeVar("T")

DURABLE = "temporal"
"""The host in the PID of a durable process."""

WATCH = "@watch"
"""The activity that waits for the end of a process elsewhere."""

LEASE = "@lease"
"""The activity that runs for as long as a node is alive."""

TERMINATE_WORKFLOW = "@terminate_workflow"
"""The activity that terminates another workflow: no command of Temporal does."""

_AT_MOST = timedelta(seconds=30)
_FOR_EVER = timedelta(days=3650)
_ALIVE = timedelta(seconds=5)
_ONCE = RetryPolicy(maximum_attempts=1)

MOST_BYTES: Final = 3 * 1024 * 1024
"""How many bytes of commands leave with one workflow task: the server refuses an answer of 4 MiB, again and again."""


@attrs.define
class _Stream:
    """How far the messages to one destination have come. See `wire.Mark`."""

    name: str
    next: int = 1
    delivered: int = 0
    floor: int = 0
    task: int = 0


@attrs.define(eq=False)
class _End:
    """Who waits for the end of one process."""

    number: int
    sinks: dict[MonitorRef, Callable[[Exit], None]]
    task: asyncio.Task[None] | None = None


class WorkflowHost:
    """Everything outside one durable process: a `Host` for its kernel, with a `FunctionHost`.

    What asks Temporal runs in tasks of the workflow's loop. A process that is cancelled while it waits for one leaves
    it to itself, and `idle` says when none is left: what is under way when a workflow ends would be lost.
    """

    def __init__(
        self, kernel: Kernel, pid: PID, scheduler: WorkflowScheduler, on_idle: Callable[[], None]
    ) -> None:
        self._kernel = kernel
        self._pid = pid
        self._scheduler = scheduler
        self._on_idle = on_idle
        self._context = copy_context()
        self._outboxes: dict[str, Outbox] = {}
        self._streams: dict[str, _Stream] = {}
        self._elsewhere: set[str] = set()  # nodes that are not in this worker's program
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = 0
        self._children: dict[str, workflow.ChildWorkflowHandle[Any, Any]] = {}
        self._dependent: set[str] = set()
        self._ends: dict[PID, _End] = {}
        self._links: dict[PID, MonitorRef] = {}
        self._leases: set[str] = set()
        self._task = 0
        self._bytes = 0
        self.functions = WorkflowFunctions(pid, self._start, self._room)
        self.suspended = False
        """Whether ends are left to the next run, because this one continues as new."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way that must not be lost."""
        return not self._outboxes and not self._asked

    @property
    def has_dependents(self) -> bool:
        """Whether children are alive that the server would end if this run ended, also if it continues as new."""
        return bool(self._dependent)

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        if self._scheduler.evicted:
            coroutine.close()
            self._scheduler.check_evicted()
        task = self._scheduler.loop.create_task(coroutine, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Have Temporal do something for the running process. When it is cancelled, that is done nevertheless."""
        answers: Queue[Callable[[], T]] = Queue()

        async def ask() -> None:
            try:
                value = await coroutine
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                answers.put(_raising(error))
            else:
                answers.put(lambda: value)
            finally:
                self._asked -= 1
                self._tell_if_idle()

        self._asked += 1
        _ = self._start(ask())
        return (await answers.receive())()

    def _tell_if_idle(self) -> None:
        if self.idle:
            self._on_idle()

    async def _room(self, size: int) -> None:
        """Wait for the next workflow task if this one has as many bytes of commands as the server takes at once."""
        while True:
            task = workflow.info().get_current_history_length()
            if task != self._task:
                self._task, self._bytes = task, 0
            if not self._bytes or self._bytes + size <= MOST_BYTES:
                self._bytes += size
                return
            await asyncio.sleep(0.001)

    # Spawn

    async def spawn(self, request: SpawnRequest) -> PID:
        """As `Host.spawn`: on the worker of the workflow itself."""
        return await self.spawn_on(None, request)

    async def spawn_on(self, task_queue: str | None, request: SpawnRequest) -> PID:
        """A child workflow on a worker's task queue; the one that runs under the id, if there is one."""
        options = StartOptions.parse(request.options)
        entry = request.entry
        if options.start_delay is not None:
            raise invalid(
                "temporal.workflow.start_delay", options.start_delay, "no delay: a child starts at once"
            )
        if options.namespace not in (None, self._pid.node):
            raise invalid(
                "temporal.workflow.namespace", options.namespace, f"{self._pid.node!r}, where its parent is"
            )
        check_declared(entry)
        workflow_id = options.id or request.name or str(workflow.uuid4())
        pid = PID(self._pid.node, DURABLE, workflow_id)
        args = list(request.args)
        size = payload_size(workflow.payload_converter(), args, f"the arguments of {entry.id}")
        items = [wire.message_item(message) for message in request.messages]
        for item in items:
            size += payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
        facts = {
            "parent": str(self._pid),
            "context": dict(request.context),
            "messages": [list(item) for item in items],
        }
        header = wire.to_header(facts)

        async def start() -> bool:
            await self._room(size)
            wire.outgoing.set(header)
            self._children[workflow_id] = await workflow.start_child_workflow(
                entry.name or entry.id,
                args=args,
                id=workflow_id,
                task_queue=options.task_queue or task_queue,
                parent_close_policy=options.parent_close_policy,
                execution_timeout=options.execution_timeout,
                run_timeout=options.run_timeout,
                task_timeout=options.task_timeout,
                id_reuse_policy=options.id_reuse_policy,
                retry_policy=options.retry_policy,
                cron_schedule=options.cron_schedule,
                memo=options.memo,
                search_attributes=options.search_attributes,
                priority=options.priority,
                cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
                if options.wait_for_cancellation
                else workflow.ChildWorkflowCancellationType.TRY_CANCEL,
            )
            if options.parent_close_policy is not workflow.ParentClosePolicy.ABANDON:
                self._dependent.add(workflow_id)
            return True

        while True:
            try:
                await self._ask(start())
            except WorkflowAlreadyStartedError:
                if options.fails_if_running:
                    raise already_running(pid) from None
                if options.id_conflict_policy is not WorkflowIDConflictPolicy.TERMINATE_EXISTING:
                    for message in request.messages:
                        await self._kernel.send(pid, message)
                    return pid
                await self.terminate(pid, self._pid, f"{self._pid} starts another")
            else:
                return pid

    # Messages

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`."""
        return await self._to(target, wire.message_item(message))

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""
        return await self._to(target, wire.reply_item(call, payload))

    async def _to(self, target: PID, item: Item) -> bool:
        size = payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
        outbox, item = self._way(target, item)
        return await outbox.send(item, size)

    def _post(self, target: PID, item: Item) -> None:
        outbox, item = self._way(target, item)
        outbox.post(item, 1000)

    def _way(self, target: PID, item: Item) -> tuple[Outbox, Item]:
        if target.host != DURABLE:
            return self._outbox(f"n:{target.node}", target.node, self._deliver), item._replace(
                target=str(target)
            )
        if target.node != self._pid.node:
            raise Error(
                f"{target} is in another namespace, which a durable process of {self._pid.node!r} cannot reach",
                kind=UNAVAILABLE,
            )
        return self._outbox(f"w:{target.id}", target.id, self._signal), item

    def _outbox(
        self, key: str, to: str, send: Callable[[str, list[Item], int, _Stream], Awaitable[list[bool]]]
    ) -> Outbox:
        self._scheduler.check_evicted()
        outbox = self._outboxes.get(key)
        if outbox is None:

            async def transmit(items: list[Item]) -> list[bool]:
                return await send(to, items, self._outboxes[key].size, self._stream(key))

            def run_soon(run: Callable[[], Awaitable[None]]) -> None:
                async def task() -> None:
                    await run()

                _ = self._start(task())

            outbox = self._outboxes[key] = Outbox(transmit, run_soon, lambda: self._forget_outbox(key))
        return outbox

    def _forget_outbox(self, key: str) -> None:
        del self._outboxes[key]
        self._tell_if_idle()

    def _stream(self, key: str) -> _Stream:
        """The numbering of a destination. What was delivered in an earlier workflow task is recorded, and certain."""
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream(f"{workflow.info().run_id}/{key}")
        task = workflow.info().get_current_history_length()
        if task != stream.task:
            stream.task, stream.floor = task, stream.delivered
        return stream

    async def _signal(self, workflow_id: str, items: list[Item], size: int, stream: _Stream) -> list[bool]:
        signal = wire.signal_of(items, Mark(stream.name, stream.next))
        stream.next += 1
        await self._room(size)
        wire.outgoing.set(signal.header)
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(signal.name, args=signal.args)
        except ApplicationError as failure:
            if failure.type != "ExternalWorkflowExecutionNotFound":
                raise from_failure(failure) from failure
            return [False] * len(items)
        return [True] * len(items)

    async def _deliver(self, node: str, items: list[Item], size: int, stream: _Stream) -> list[bool]:
        args = [node, list(Mark(stream.name, stream.next, stream.floor)), [list(item) for item in items]]
        stream.next += len(items)
        taken = await self._delivered(node, args, size)
        stream.delivered = stream.next - 1
        return [False] * len(items) if taken is None else taken

    async def _delivered(self, node: str, args: list[Any], size: int) -> list[bool] | None:
        """Deliver to a node, in this worker's own program if it is there. None when it is gone."""
        if node not in self._elsewhere:
            here: list[bool] | None = await workflow.execute_local_activity(
                wire.DELIVER, args=args, start_to_close_timeout=_AT_MOST
            )
            if here is not None:
                return here
            self._elsewhere.add(node)
        await self._room(size)
        try:
            there: list[bool] | None = await workflow.execute_activity(
                wire.DELIVER,
                args=args,
                task_queue=node_queue(node),
                schedule_to_start_timeout=_AT_MOST / 3,
                start_to_close_timeout=_AT_MOST,
                schedule_to_close_timeout=_AT_MOST * 2,
            )
        except ActivityError as failure:
            if not isinstance(failure.cause, TimeoutError):
                raise from_failure(failure) from failure
            return None  # nobody serves the node
        return there

    # The end of others

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        if target.host != DURABLE:
            return await self._to(target, Item(wire.TERMINATE, [reason]))

        async def terminate() -> bool:
            ended: bool = await workflow.execute_local_activity(
                TERMINATE_WORKFLOW, args=[target.id, reason or f"by {by}"], start_to_close_timeout=_AT_MOST
            )
            return ended

        return await self._ask(terminate())

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        if target.host != DURABLE:
            return await self._to(target, Item(wire.CANCEL, [by and str(by), reason, deadline]))
        # Also without a deadline: the server accepts a cancel for a closed workflow, but no signal.
        if not await self._to(target, Item(wire.DEADLINE, [deadline])):
            return False

        async def cancel() -> bool:
            handle = workflow.get_external_workflow_handle(target.id)
            try:
                await handle.cancel(reason=cancel_text(by, reason, deadline))
            except ApplicationError as failure:
                if failure.type != "ExternalWorkflowExecutionNotFound":
                    raise from_failure(failure) from failure
                return False
            return True

        return await self._ask(cancel())

    # Watches: of a child natively; of another durable process by an activity that waits for its end; of a local one by
    # a monitor at its node, which sends the exit, and a lease that says whether the node is alive.

    async def watch(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> None:
        """As `Host.watch`. All watches of one target share a wait."""
        end = self._ends.get(target)
        if end is not None:
            end.sinks[ref] = sink
            return
        end = self._new_end(target, ref, sink)
        if target.host == DURABLE:
            end.task = self._start(self._wait_for(target, end))
        elif await self._to(target, wire.monitor_item(wire.MONITOR, self._pid, end.number)):
            self._hold(target.node)
        else:
            self._ended(target, end, "noconnection", gone(target, "noconnection"))

    def resume_watch(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> None:
        """Watch again after the workflow has continued as new."""
        end = self._ends.get(target)
        if end is not None:
            end.sinks[ref] = sink
            return
        end = self._new_end(target, ref, sink)
        if target.host == DURABLE:
            end.task = self._start(self._wait_for(target, end))
        else:
            self._post(target, wire.monitor_item(wire.MONITOR, self._pid, end.number))
            self._hold(target.node)

    def _new_end(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> _End:
        end = self._ends[target] = _End(self._kernel.next_number(), {ref: sink})
        return end

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`. The last one ends the wait, but not that for a child: that would cancel the child."""
        end = self._ends.get(target)
        if end is None or end.sinks.pop(ref, None) is None or end.sinks or target.id in self._children:
            return
        del self._ends[target]
        if end.task is not None:
            end.task.cancel()
        if target.host != DURABLE and not self._scheduler.evicted:
            self._post(target, wire.monitor_item(wire.UNMONITOR, self._pid, end.number))

    def receive_exit(self, pid: str, reason: Reason, result: Result) -> None:
        """The node of a local process tells of its end."""
        target = PID.parse(pid)
        end = self._ends.get(target)
        if end is not None:  # whatever its number: that of the run before counts as well
            self._ended(target, end, reason, result)

    def _ended(self, target: PID, end: _End, reason: Reason, result: Result) -> None:
        if self.suspended or self._ends.get(target) is not end:
            return
        del self._ends[target]
        if target.host == DURABLE:
            self._children.pop(target.id, None)
            self._dependent.discard(target.id)
        for ref, sink in end.sinks.items():
            sink(Exit(target, ref, reason, result))

    def _hold(self, node: str) -> None:
        """Watch that a node is alive, from now to the end of this process."""
        if node not in self._leases:
            self._leases.add(node)
            _ = self._start(self._lease(node))

    async def _lease(self, node: str) -> None:
        try:
            await workflow.execute_activity(
                LEASE,
                args=[node],
                task_queue=node_queue(node),
                start_to_close_timeout=_FOR_EVER,
                schedule_to_start_timeout=_AT_MOST / 3,
                heartbeat_timeout=_ALIVE,
                retry_policy=_ONCE,
            )
        except ActivityError:
            pass
        if self.suspended:
            return
        self._leases.discard(node)
        for target, end in list(self._ends.items()):
            if target.node == node and target.host != DURABLE:
                self._ended(target, end, "noconnection", gone(target, "noconnection"))
        for target, ref in list(self._links.items()):
            if target.node == node and target.host != DURABLE:
                del self._links[target]
                self._kernel.signal_link_down(ref.owner, target, "noconnection", gone(target, "noconnection"))

    async def _wait_for(self, target: PID, end: _End) -> None:
        self._ended(target, end, *await self._end_of(target))

    async def _end_of(self, target: PID) -> tuple[Reason, Result]:
        child = self._children.get(target.id)
        try:
            if child is not None:
                return "normal", Result(await child)
            reason, result = await workflow.execute_activity(
                WATCH,
                args=[str(target)],
                task_queue=watch_queue(workflow.info().task_queue),
                start_to_close_timeout=_FOR_EVER,
                heartbeat_timeout=_ALIVE,
            )
        except ActivityError as failure:
            return "noconnection", Result(error=from_failure(failure))
        except Exception as failure:  # noqa: BLE001 - of a child: whatever it is, it is how it ended
            reason, error = exit_of(failure)
            return reason, Result(error=error)
        return reason, result

    # Links: the other end learns of our death by a message, and we of its by a message or, without one, by a watch.

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        if not await self._to(target, wire.link_item(wire.LINK, by)) and not spawned:
            reason: Reason = "noproc" if target.host == DURABLE else "noconnection"
            self._kernel.signal_link_down(by, target, reason, gone(target, reason))
            return
        process = self._kernel.find(by)
        if isinstance(process, Process) and process.links is not None and target in process.links:
            self.resume_link(target, by)

    def resume_link(self, target: PID, by: PID) -> None:
        """Watch the other end of a link, whose node or worker may go without a word."""
        if target in self._links:
            return
        ref = self._links[target] = MonitorRef(by, self._kernel.next_number())
        if target.host != DURABLE:
            self._hold(target.node)  # the end itself comes as the signal of the link
            return

        def ended(event: Exit) -> None:
            self._links.pop(target, None)
            self._kernel.signal_link_down(by, target, event.reason, event.result)

        self.resume_watch(target, ref, ended)

    def forget_link(self, target: PID) -> None:
        """The link is gone: its watch too."""
        ref = self._links.pop(target, None)
        if ref is not None:
            self.unwatch(target, ref)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self.forget_link(target)
        await self._to(target, wire.link_item(wire.UNLINK, by))

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self.forget_link(target)
        self._post(target, wire.link_down_item(by, reason, result))

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`."""
        raise Error(
            f"a durable process cannot look into {target}: describe it from a local one", kind=UNAVAILABLE
        )


def _raising(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def check_declared(entry: Entry) -> None:
    """Refuse a function without an id: a worker could not find it."""
    if entry.kind == "anonymous":
        raise Error(
            f"target={entry.id!r} has no id by which a worker finds it: declare it with"
            " @app.process, and give the worker its namespace",
            kind=INVALID,
            details={"entry": entry.id},
        )


def already_running(pid: PID) -> Error:
    """The error of a spawn that does not want an existing process."""
    return Error(
        f"{pid} is running already: choose another id, or id_conflict_policy use_existing or terminate_existing",
        kind=ALREADY_EXISTS,
        details={"pid": str(pid)},
    )
