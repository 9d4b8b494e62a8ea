"""The children of a durable process: other workflows, which Temporal watches for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio import workflow
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from actors import ALREADY_EXISTS, INVALID, PID, Entry, Error, Kernel, SpawnRequest, invalid
from temporal_bridge import _wire as wire
from temporal_bridge._converter import payload_size
from temporal_bridge._options import StartOptions
from temporal_bridge._wire import DURABLE
from temporal_bridge._workflow_commands import WorkflowCommands


class WorkflowChildren:
    """Starts children, and holds those that live. `terminate` ends another workflow."""

    def __init__(
        self,
        kernel: Kernel,
        pid: PID,
        commands: WorkflowCommands,
        terminate: Callable[[PID, PID | None, str], Awaitable[bool]],
    ) -> None:
        self._kernel = kernel
        self._pid = pid
        self._commands = commands
        self._terminate = terminate
        self._handles: dict[str, workflow.ChildWorkflowHandle[Any, Any]] = {}
        self._dependent: set[str] = set()

    @property
    def has_dependents(self) -> bool:
        """Whether children are alive that the server would end if this run ended, also if it continues as new."""
        return bool(self._dependent)

    def handle_of(self, pid: PID) -> workflow.ChildWorkflowHandle[Any, Any] | None:
        """The child of a PID, if it is one."""
        return self._handles.get(pid.id)

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
            await self._commands.room(size)
            wire.outgoing.set(header)
            self._handles[workflow_id] = await workflow.start_child_workflow(
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
                await self._commands.ask(start())
            except WorkflowAlreadyStartedError:
                if options.fails_if_running:
                    raise already_running(pid) from None
                if options.id_conflict_policy is not WorkflowIDConflictPolicy.TERMINATE_EXISTING:
                    for message in request.messages:
                        await self._kernel.send(pid, message)
                    return pid
                await self._terminate(pid, self._pid, f"{self._pid} starts another")
            else:
                return pid


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
