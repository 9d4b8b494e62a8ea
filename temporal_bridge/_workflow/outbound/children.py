"""The children of a durable process: other workflows, which Temporal watches for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.common import (
    RawValue,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError

from actors import PID, SpawnRequest, invalid, wire
from actors.wire import Envelope
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import MOST_BYTES, header_size, payload_size, spawn_too_large
from temporal_bridge._wire.search_attributes import Pairs, check_refused, kinds_of
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.start_options import StartOptions, already_running, was_used, workflow_id_of
from temporal_bridge._workflow.code import check_durable
from temporal_bridge._workflow.outbound.commands import WorkflowCommands
from temporal_bridge._workflow.outbound.messages import AT_MOST, WorkflowMessages


class WorkflowChildren:
    """Starts children, and holds those that live. `terminate` ends another workflow."""

    def __init__(
        self,
        pid: PID,
        commands: WorkflowCommands,
        messages: WorkflowMessages,
        terminate: Callable[[PID, PID | None, str], Awaitable[bool]],
    ) -> None:
        self._pid = pid
        self._commands = commands
        self._messages = messages
        self._terminate = terminate
        self._handles: dict[str, workflow.ChildWorkflowHandle[Any, Any]] = {}
        self.awaited: set[str] = set()
        """Those whose cancellation waits for their end."""
        self._dependent: set[str] = set()

    @property
    def has_dependents(self) -> bool:
        """Whether children are alive that the server would end if this run ended, also if it continues as new."""
        return bool(self._dependent)

    def handle_of(self, pid: PID) -> workflow.ChildWorkflowHandle[Any, Any] | None:
        """The child of a PID, if it is one."""
        return self._handles.get(pid.id) if pid.node == self._pid.node else None

    def forget(self, pid: PID) -> None:
        """It has ended."""
        self._handles.pop(pid.id, None)
        self._dependent.discard(pid.id)

    async def spawn(self, task_queue: str | None, request: SpawnRequest) -> PID:
        """A child workflow on a worker's task queue; the one that runs under the id, if there is one."""
        options = StartOptions.parse(request.options)
        entry = request.entry
        if options.start_delay is not None:
            raise invalid(
                "temporal.workflow.start_delay",
                request.options["temporal.workflow.start_delay"],
                "no delay: a child starts at once",
            )
        if options.namespace not in (None, self._pid.node):
            raise invalid(
                "temporal.workflow.namespace", options.namespace, f"{self._pid.node!r}, where its parent is"
            )
        check_durable(entry)
        workflow_id = workflow_id_of(request, options) or str(workflow.uuid4())
        pid = PID(self._pid.node, DURABLE, workflow_id)
        converter = workflow.payload_converter()
        args = list(request.args)
        size = payload_size(converter, args, f"the arguments of {entry.id}")
        size += payload_size(converter, [options.memo], "temporal.workflow.memo")
        items = [wire.to_envelope(message) for message in request.messages]
        for item in items:
            payload_size(converter, item.values, f"message {item.topic!r}")  # they travel in the header
        await self._check_attributes(options)
        facts = {
            "parent": str(self._pid),
            "context": dict(request.context),
            "bound": wire.capacity_row(options.capacity),
            "messages": [list(item) for item in items],
            "pending": options.max_pending,
        }
        header = signals.to_header(facts)
        size += header_size(header, "the context and the messages of a spawn")
        if size > MOST_BYTES:
            raise spawn_too_large(size)
        abandon = workflow.ParentClosePolicy.ABANDON
        policy = abandon if request.detached else options.parent_close_policy

        async def start() -> bool:
            await self._commands.reserve_bytes(size)
            leave = await self._commands.enter("child")
            signals.outgoing.set(header)
            settings: dict[str, Any] = {
                "args": args,
                "id": workflow_id,
                "task_queue": options.task_queue or task_queue,
                "parent_close_policy": policy,
                "cancellation_type": workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED
                if options.wait_for_cancellation
                else workflow.ChildWorkflowCancellationType.TRY_CANCEL,
                **options.for_temporal(),
            }
            try:
                handle = await workflow.start_child_workflow(
                    entry.name or entry.id, result_type=RawValue, **settings
                )
            except BaseException:
                leave()
                raise
            handle.add_done_callback(lambda _: leave())
            self._handles[workflow_id] = handle
            if policy is not abandon:
                self._dependent.add(workflow_id)
            if options.wait_for_cancellation:
                self.awaited.add(workflow_id)
            return True

        while True:
            try:
                await self._commands.ask(start())
            except WorkflowAlreadyStartedError:
                if await self._has_existing(pid, options, items):
                    return pid
            else:
                return pid

    async def _has_existing(self, pid: PID, options: StartOptions, items: list[Envelope]) -> bool:
        """Whether the spawn is for the process that has the id. False when it has ended, and the id is free again."""
        reuse = options.id_reuse_policy
        if reuse is not WorkflowIDReusePolicy.ALLOW_DUPLICATE and not await self._ask_worker(
            signals.IS_RUNNING, str(pid)
        ):
            raise was_used(pid, options)
        if options.fails_if_running:
            raise already_running(pid)
        if options.id_conflict_policy is WorkflowIDConflictPolicy.TERMINATE_EXISTING:
            await self._terminate(pid, self._pid, f"{self._pid} starts another")
            return False
        return await self._messages.send_all(pid, items)

    async def _check_attributes(self, options: StartOptions) -> None:
        """Refuse search attributes that the server would refuse: it would do so to the whole workflow task."""
        if options.search_attributes is None:
            return
        pairs: Pairs = list(options.search_attributes)
        refused = await self._ask_worker(signals.REFUSED_ATTRIBUTES, self._pid.node, kinds_of(pairs))
        check_refused(self._pid.node, pairs, refused, "temporal.workflow.search_attributes")

    async def _ask_worker(self, activity: str, *args: Any) -> Any:
        async def ask() -> Any:
            return await workflow.execute_local_activity(
                activity, args=list(args), start_to_close_timeout=AT_MOST
            )

        return await self._commands.ask(ask())
