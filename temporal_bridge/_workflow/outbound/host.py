"""How a durable process reaches others: by commands of its workflow, which are recorded and replayed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from actors import (
    PID,
    Description,
    Error,
    Exit,
    Kernel,
    Message,
    MonitorRef,
    Process,
    Queue,
    Reason,
    ReplyTo,
    Result,
    SpawnFunction,
    SpawnRequest,
    gone,
    wire,
)
from actors.wire import Envelope
from temporal_bridge._wire import signals
from temporal_bridge._wire.cancel_request import CancelRequest, cancel_text
from temporal_bridge._wire.failures import from_failure
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.task_queues import node_queue, open_workers, watch_queue
from temporal_bridge._workflow.outbound.calls import WorkflowCalls
from temporal_bridge._workflow.outbound.children import WorkflowChildren
from temporal_bridge._workflow.outbound.commands import WorkflowCommands
from temporal_bridge._workflow.outbound.functions import WorkflowFunctions
from temporal_bridge._workflow.outbound.messages import AT_MOST, PICKED_UP, WorkflowMessages
from temporal_bridge._workflow.outbound.watches import WorkflowWatches
from temporal_bridge._workflow.scheduler import WorkflowScheduler


class WorkflowHost:
    """Everything outside one durable process: a `Host` for its kernel, with a `FunctionHost`.

    What asks Temporal runs in tasks of the workflow's loop (`commands`).
    """

    def __init__(
        self,
        kernel: Kernel,
        pid: PID,
        scheduler: WorkflowScheduler,
        seen: Callable[[str], int],
        on_idle: Callable[[], None],
        most_pending: int,
    ) -> None:
        self._kernel = kernel
        self.commands = WorkflowCommands(kernel, scheduler, on_idle, most_pending)
        self._messages = WorkflowMessages(pid, scheduler, self.commands, seen)
        self.children = WorkflowChildren(pid, self.commands, self._messages, self.terminate)
        self.watches = WorkflowWatches(kernel, pid, scheduler, self.commands, self._messages, self.children)
        self.calls = WorkflowCalls(kernel, pid, scheduler, self._messages, self.watches)
        self.functions = WorkflowFunctions(pid, self.commands)

    async def spawn(self, request: SpawnRequest) -> PID:
        """As `Host.spawn`: on the worker of the workflow itself."""
        return await self.children.spawn(None, request)

    # Messages

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`."""
        item = wire.to_envelope(message, self._kernel.cause(target, message))
        return await self._messages.send(target, item)

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """As `Host.call`: the node of a local process watches it for us, and answers with the delivery if it can."""
        if target.host == DURABLE:
            return await self._kernel.call_by_message(target, message, ref, on_exit)
        return await self.calls.call(target, message, ref, on_exit)

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""
        return await self._messages.send(target, wire.reply_envelope(call, payload))

    def post_reply(self, to: ReplyTo, payload: Any) -> None:
        """A reply that has been given already, and did not get through."""
        self._messages.post(to.pid, wire.reply_envelope(to.call, payload))

    def post_refusal(self, to: ReplyTo, error: Error) -> None:
        """Tell a caller that its call was not taken."""
        self._messages.post(to.pid, wire.refusal_envelope(to.call, error))

    # The end of others

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        if target.host != DURABLE:
            return await self._messages.send(target, Envelope(wire.TERMINATE, [reason]))

        async def terminate() -> bool:
            ended: bool = await workflow.execute_local_activity(
                signals.TERMINATE_WORKFLOW,
                args=[str(target), reason or f"by {by}"],
                start_to_close_timeout=AT_MOST,
            )
            return ended

        return await self.commands.ask(terminate())

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        if target.host != DURABLE:
            return await self._messages.send(
                target,
                signals.cancel_envelope(CancelRequest(None if by is None else str(by), reason, deadline)),
            )
        request = CancelRequest(
            None if by is None else str(by),
            reason,
            deadline,
            f"{workflow.info().run_id[:8]}-{self._kernel.next_number()}",
        )
        if not await self._messages.send(target, signals.announce_envelope(request)):
            return False

        async def cancel() -> bool:
            handle = workflow.get_external_workflow_handle(target.id)
            text = cancel_text(request)
            await self.commands.reserve_bytes(len(text.encode()))
            leave = await self.commands.enter("cancel")
            try:
                await handle.cancel(reason=text)
            except ApplicationError as failure:
                if failure.type != "ExternalWorkflowExecutionNotFound":
                    raise from_failure(failure) from failure
                return False
            finally:
                leave()
            return True

        if target.id not in self.children.awaited:
            return await self.commands.ask(cancel())
        ends: Queue[Exit] = Queue()
        ref = MonitorRef(self._kernel.pid, self._kernel.next_number())
        await self.watches.watch(target, ref, ends.put)
        try:
            asked = await self.commands.ask(cancel())
            if asked:
                await ends.receive()
        finally:
            self.watches.unwatch(target, ref)
        return asked

    # Relations

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """As `Host.watch`."""
        await self.watches.watch(target, ref, on_exit)

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        self.calls.unwatch(ref)
        self.watches.unwatch(target, ref)

    # Of a link, the other end learns of our death by a message, and we of its by a message or, without one, by a watch.

    async def link(self, target: PID, by: PID, spawned: bool) -> None:
        """As `Host.link`."""
        if not await self._messages.send(target, wire.link_envelope(wire.LINK, by)) and not spawned:
            reason: Reason = "noproc" if target.host == DURABLE else "noconnection"
            self._kernel.signal_link_down(by, target, reason, gone(target, reason))
            return
        process = self._kernel.find(by)
        if isinstance(process, Process) and process.links is not None and target in process.links:
            self.watches.resume_link(target, by)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        self.watches.forget_link(target)
        await self._messages.send(target, wire.link_envelope(wire.UNLINK, by))

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self.watches.forget_link(target)
        self._messages.post(target, wire.link_down_envelope(by, reason, result))

    async def processes(self, limit: int) -> list[Description]:
        """As `Host.processes`: what runs elsewhere is not the same again on replay, so none is listed."""
        return []

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`: who can look, does."""
        here = target.host != DURABLE  # on the node of its PID

        async def look() -> list[Description]:
            found: list[Description] = await self.commands.activity(
                signals.LOOK,
                args=[str(target)],
                task_queue=node_queue(target.node) if here else watch_queue(workflow.info().task_queue),
                schedule_to_start_timeout=PICKED_UP,
                start_to_close_timeout=AT_MOST,
                schedule_to_close_timeout=AT_MOST * 2,
            )
            return found

        try:
            return signals.looked(target, await self.commands.ask(look()))
        except ActivityError as failure:
            if isinstance(failure.cause, TimeoutError):
                return signals.looked(target, None)
            raise from_failure(failure) from failure


def spawners_of(host: WorkflowHost) -> dict[str, SpawnFunction]:
    """What `on=` each worker means: a child on its task queue."""

    def on(task_queue: str) -> SpawnFunction:
        async def spawn(request: SpawnRequest) -> PID:
            return await host.children.spawn(task_queue, request)

        return spawn

    return {worker.id: on(worker.task_queue) for worker in open_workers.values()}
