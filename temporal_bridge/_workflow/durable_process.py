"""The one workflow class: any process function, as a durable process, with the kernel of `actors` around it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from temporalio import workflow
from temporalio.common import RawValue

from actors import (
    CANCELED,
    NOT_FOUND,
    PID,
    UNAVAILABLE,
    Cluster,
    Description,
    Error,
    Exit,
    MonitorRef,
    Process,
    Wiring,
    check_topic,
    mailbox_full,
    wire,
)
from actors.wire import CallOutcome, DedupWindow, Envelope, receive
from temporal_bridge._wire import signals
from temporal_bridge._wire.cancel_request import CancelRequest, read_announcement, read_cancel
from temporal_bridge._wire.converter import payload_size, read_values
from temporal_bridge._wire.failures import to_failure
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.task_queues import id_of
from temporal_bridge._workflow.cancels import WorkflowCancels
from temporal_bridge._workflow.cluster import REGISTRY, registry_of, start_registry
from temporal_bridge._workflow.code import entry_of, function_of
from temporal_bridge._workflow.completion import completion, result_size
from temporal_bridge._workflow.continue_as_new import begin_run, dump_state, load_state
from temporal_bridge._workflow.dead_letters import DurableDeadLetters, tell
from temporal_bridge._workflow.gate import items_of, signal_rows, start_facts, warn_dropped
from temporal_bridge._workflow.kernel import WorkflowKernel
from temporal_bridge._workflow.lint import check_source
from temporal_bridge._workflow.open_updates import OpenCalls
from temporal_bridge._workflow.outbound.attribute_checks import AttributeChecks
from temporal_bridge._workflow.outbound.host import WorkflowHost, spawners_of
from temporal_bridge._workflow.scheduler import WorkflowScheduler
from temporal_bridge._workflow.suspension import Suspended, suspension
from temporal_bridge._workflow.tracing import workflow_tracing

log = logging.getLogger("everproc.bridge")

MANY_SIGNALS: Final = 5000
"""After how many signals a process should upgrade: the server takes 10,000 for one run, and refuses the next."""

MOST_SENDERS: Final = 4096
"""Of how many senders, those heard last, an upgraded process still knows a repeated message."""


@workflow.defn(dynamic=True)
class DurableProcess:
    """A process of any entry; the workflow type says which.

    Only failures of Temporal's own fail the workflow: the end of the body is turned into one. Any other exception, such
    as nondeterminism or a defect of this module, fails the task, which is tried again when the code is mended.
    """

    def __init__(self) -> None:
        info = workflow.info()
        facts = start_facts()
        self._unreadable = facts.unreadable
        self._pid = PID(info.namespace, DURABLE, info.workflow_id)
        self._scheduler = WorkflowScheduler()
        self._kernel = WorkflowKernel(info.namespace, Wiring(id_of(info.task_queue) or DURABLE))
        carried = facts.carried
        self._seen = DedupWindow(carried.get("seen"))
        self._host = WorkflowHost(
            self._kernel, self._pid, self._scheduler, self._seen.last, self._wake, facts.most_pending
        )
        self._most_pending = facts.most_pending
        self._kernel.wiring.routes[DURABLE] = self._host
        self._kernel.wiring.remote_host = self._host
        self._kernel.wiring.functions = self._host.functions
        self._kernel.wiring.cluster = Cluster(
            self._kernel,
            partial(self._kernel.transmit, registry_of(info.namespace)),
            lambda: self._host.children.spawn(REGISTRY, start_registry()),
            info.first_execution_run_id,
        )
        self._kernel.wiring.spawners = {DURABLE: self._host.spawn, **spawners_of(self._host)}
        self._kernel.instruments.monitors_children = True
        self._kernel.instruments.dead_letters = DurableDeadLetters()
        self._kernel.on_upgrade = self._wake
        tracing = workflow_tracing()
        if tracing is not None:
            self._kernel.trace(tracing)
        self._entry = entry_of(info.workflow_type)
        self._process = Process(
            self._pid,
            self._kernel,
            self._scheduler,
            self._entry,
            facts.parent,
            facts.context,
            facts.bound,
        )
        if tracing is not None:
            self._process.mailbox.add_observer(tracing.observer(self._process))
        self._process.watchers = {MonitorRef(self._pid, 0): self._exited}
        self._kernel.table[self._pid.id] = self._process
        self._cancels = WorkflowCancels(carried.get("cancels"))
        self.attributes = AttributeChecks()
        """What sets search attributes has them checked here."""
        self._signals = 0
        self._view: Callable[[], Any] | None = None
        self._kernel.wiring.state_carrier = self
        self._calls = self._kernel.open_calls = OpenCalls(
            carried.get("calls", ()),
            carried.get("replies", {}),
            self._wake,
            self._host.commands.reserve_bytes,
        )
        self._kernel.post_refusal = self._host.post_refusal
        self._exit: Exit | None = None
        self._awake: asyncio.Future[None] | None = None
        self._deadline: float | None = None
        self._misfit: Suspended | None = None
        self._late: list[Envelope] | None = None
        """What comes while an upgraded process sends the last of its old code, before its new code begins."""
        if carried:
            load_state(self._kernel, self._process, self._host.watches, carried)
            if carried["deadline"] is not None:
                self._terminate_at(carried["deadline"])
            self._take_all(carried["late"])
        # A retry, and the next run of a cron schedule, start as the first run did. That one is given the messages by a
        # signal where an existing process was to get them too.
        if not facts.signalled or info.attempt > 1 or info.continued_run_id is not None:
            self._take_all(facts.messages)

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> Any:
        """Run the process to its end, send what it has sent, and tell Temporal how it ended."""
        try:
            if self._unreadable is not None:
                raise self._unreadable
            values = read_values(workflow.payload_converter(), args)
            function = function_of(self._entry)
        except Error as error:
            raise suspension(error) from error
        try:
            check_source(self._entry)
        except Error as error:
            raise to_failure(error) from error
        while True:
            self._begin(function, values)
            await self._until(lambda: self._exit is not None or self._kernel.next_code is not None)
            next_code, self._kernel.next_code = self._kernel.next_code, None
            if next_code is not None:
                self._late = []
            await self._until(lambda: self._host.commands.idle)
            if next_code is None:
                assert self._exit is not None
                await self._host.commands.reserve_bytes(result_size(self._exit))
                await self._return_calls(CallOutcome.EXITED)
                return completion(self._process, self._entry, self._exit, self._cancels.requested)
            if not self._host.children.has_dependents:
                await self._return_calls(CallOutcome.DEFERRED)
                begin_run(
                    self._process,
                    self._host.watches,
                    next_code.entry,
                    next_code.args,
                    self._carried(),
                    self._most_pending,
                )
            # The new code begins in this run: it has children that would not survive it, or more in its mailbox than a
            # new run can be given.
            self._entry = next_code.entry
            self._disown_timers()
            late, self._late = self._late or [], None
            for item in late:
                self._take(item)
            function, values = function_of(next_code.entry), list(next_code.args)

    async def _return_calls(self, how: CallOutcome) -> None:
        self._calls.end(how)
        await self._until(lambda: self._calls.settled)

    def _begin(self, function: Callable[..., Awaitable[Any]], values: list[Any]) -> None:
        process = self._process
        process.begin(function, tuple(values))
        if process.exiting:  # by what came before its first task: a link, a cancel
            for task in process.tasks:
                self._scheduler.cancel(task)

    def _carried(self) -> dict[str, Any]:
        """All that the process has, for its next run."""
        return {
            **dump_state(self._kernel, self._process, self._host.watches),
            "late": [list(item) for item in self._late or ()],
            "seen": self._seen.snapshot(MOST_SENDERS),
            "deadline": self._deadline,
            "cancels": self._cancels.carried(),
            "calls": self._calls.past,
            "replies": self._calls.replies(),
        }

    def _disown_timers(self) -> None:
        """The timers of the old code end with it, as they would in a new run; but not the deadline of a cancel."""
        for thing in list(self._process.owned or ()):
            thing.cancel()
        due, self._deadline = self._deadline, None
        if due is not None:
            self._terminate_at(due)

    def should_upgrade(self) -> bool:
        """Whether it is time for a new history, and one could begin."""
        long = workflow.info().is_continue_as_new_suggested() or self._signals >= MANY_SIGNALS
        return long and not self._host.children.has_dependents

    @workflow.query(name=signals.DESCRIBE)
    def describe(self) -> Description | None:
        """What can be seen of the process; None when it has ended."""
        return next(self._kernel.processes(), None)

    # What the process is offered as `StateCarrier`, besides `should_upgrade`.

    def check_carried(self, what: str, value: Any) -> None:
        """As `StateCarrier.check_carried`."""
        try:
            payload_size(workflow.payload_converter(), [value], what)
        except Error as error:
            raise Error.wrap(error, f"{what} cannot be carried over an upgrade") from error

    def take_bytes(self, size: int, what: str) -> None:
        """As `WorkflowCommands.take_bytes`."""
        self._host.commands.take_bytes(size, what)

    def show_state(self, view: Callable[[], Any]) -> None:
        """As `StateCarrier.show_state`."""
        self._view = view

    @workflow.query(name=signals.STATE)
    def state(self) -> Any:
        """What the process shows of its state."""
        if self._view is None:
            raise to_failure(Error(f"{self._pid} shows no state: it is no server", kind=NOT_FOUND))
        return self._view()

    @workflow.signal(dynamic=True)
    def receive(self, name: str, args: Sequence[RawValue]) -> None:
        """Take in a signal: a message, several, or the system's own. A bad one is logged and loses nothing else."""
        self._signals += 1
        rows, mark = signal_rows(name, args)
        if self._seen.is_new(mark):
            self._take_all(rows)

    @workflow.update(dynamic=True, unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def call(self, name: str, args: Sequence[RawValue]) -> Any:
        """Take in a call as a message, and return its reply."""
        item = self._called(name, args)
        message = wire.from_envelope(item)
        assert message.reply_to is not None
        answer = await self._calls.wait(message.reply_to, lambda: self._take(item))
        if "call" not in (signals.incoming.get() or {}):  # a stranger's, who knows nothing of our errors
            if answer is CallOutcome.EXITED:
                answer = Error(f"{self._pid} ended before it replied", kind=UNAVAILABLE)
            if isinstance(answer, Error):
                raise to_failure(answer)
        return answer

    @call.validator
    def check_call(self, name: str, args: Sequence[RawValue]) -> None:
        """Refuse a call that makes no sense before it becomes part of the history."""
        try:
            check_topic(name)
            message = wire.from_envelope(self._called(name, args))
            if self._entry.accepts is not None:
                self._entry.accepts(message)
            if self._process.mailbox.rejects(name):
                tell(self._pid, message)
                raise mailbox_full(self._pid, name)
        except Exception as error:
            raise to_failure(Error.of(error)) from error

    def _called(self, name: str, args: Sequence[RawValue]) -> Envelope:
        """The call that an update is, from one of us or from another Temporal client."""
        facts = signals.incoming.get() or {}
        values = read_values(workflow.payload_converter(), args)
        update = workflow.current_update_info()
        assert update is not None
        stranger = self._calls.stranger(self._pid.node, update.id)
        call = facts.get("call") or [str(stranger.pid), stranger.call]
        return wire.from_row([name, values, facts.get("from"), call, None, facts.get("cause")])

    def _take_all(self, rows: Iterable[Any]) -> None:
        for item in items_of(rows):
            self._take(item)

    def _take(self, item: Envelope) -> bool:
        """Act on what came; False when it was dropped. Nothing is raised from here, whatever it was."""
        try:
            if item.topic == signals.DEADLINE:
                request = read_announcement(item.values)
                if request.deadline is not None:
                    self._terminate_at(self._scheduler.time() + request.deadline)
                self._tell(self._cancels.announce(request))
            elif self._late is not None:
                self._late.append(item)
            elif item.topic == wire.CANCEL_CALL:
                (key,) = item.values
                self._calls.cancel_call(str(key))
            elif item.topic == wire.EXIT:
                pid, number, reason, result = item.values
                self._host.calls.receive_exit(number, reason, result)
                self._host.watches.receive_exit(pid, reason, result)
            else:
                if item.topic == wire.REPLY:
                    self._host.calls.replied(item.values[0])
                refused = wire.refused_call(item)
                if refused is not None and not self._calls.take_over(refused, self._host.post_reply):
                    return False
                self._watch_linker(item)
                return receive(self._kernel, self._pid, item)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes lead to
            warn_dropped(f"signal name={item.topic!r}", error)
            return False
        return True

    def _watch_linker(self, item: Envelope) -> None:
        """Both ends of a link watch each other: a durable process that is terminated runs no code that could tell (21).

        A local one is watched by its node.
        """
        if item.topic in (wire.LINK, wire.UNLINK, wire.LINK_DOWN):
            other = PID.parse(item.values[0])
            if other.host != DURABLE:
                return
            if item.topic == wire.LINK:
                self._host.watches.resume_link(other, self._pid)
            else:
                self._host.watches.forget_link(other)

    def _tell(self, requests: list[CancelRequest]) -> None:
        for request in requests:
            self._take(signals.cancel_envelope(request))

    def refuse_version(self, error: Error) -> None:
        """The code does not support the version that the process goes by: it is suspended.

        Its workflow task fails, and is tried again until code is deployed that can continue.
        """
        self._misfit = suspension(error)
        self._wake()

    # The end

    def _exited(self, event: Exit) -> None:
        self._exit = event
        self._wake()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait; a cancel request from outside is passed on to the process, and the wait goes on.

        The server records one cancel request for a run. Any other cancellation of this task is the instance's eviction.
        """
        while self._misfit is not None or not done():
            if self._misfit is not None:
                raise self._misfit
            self._awake = self._scheduler.loop.create_future()
            try:
                await self._awake
            except asyncio.CancelledError:
                reason = workflow.cancellation_reason()
                if reason is None or self._cancels.requested:
                    self._scheduler.evict()
                    raise
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
                self._tell(self._cancels.request(read_cancel(reason)))

    def _terminate_at(self, due: float) -> None:
        """Terminate the process at a time unless it has stopped; of several times the first counts."""
        if self._deadline is not None and self._deadline <= due:
            return
        self._deadline = due
        error = Error("terminated: it did not stop within the deadline of a cancel", kind=CANCELED)
        late = max(0.0, due - self._scheduler.time())
        self._process.own(self._scheduler.call_later(late, lambda: self._process.end("terminated", error)))
