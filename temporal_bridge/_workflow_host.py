"""How a durable process reaches others: by commands of its workflow, which are recorded and replayed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, WorkflowAlreadyStartedError

from actors import (
    ALREADY_EXISTS,
    NOT_FOUND,
    PID,
    UNAVAILABLE,
    CallOptions,
    Description,
    Entry,
    Error,
    Exit,
    FunctionCall,
    Future,
    Kernel,
    Message,
    MonitorRef,
    Reason,
    Result,
    SpawnRequest,
    gone,
)
from temporal_bridge import _wire as wire
from temporal_bridge._converter import payload_size
from temporal_bridge._failures import exit_of, from_failure
from temporal_bridge._options import StartOptions, to_temporal
from temporal_bridge._outbox import Outbox
from temporal_bridge._wire import Item, Mark
from temporal_bridge._workers import known, node_queue

DURABLE = "temporal"
"""The host in the PID of a durable process."""

WATCH = "@watch"
"""The activity that waits for the end of a process elsewhere."""

TERMINATE_WORKFLOW = "@terminate_workflow"
"""The activity that terminates another workflow: no command of Temporal does."""

_START_TO_CLOSE = timedelta(minutes=10)
_AT_MOST = timedelta(seconds=30)
_FOR_EVER = timedelta(days=3650)
_ALIVE = timedelta(seconds=5)
_ONCE = RetryPolicy(maximum_attempts=1)


class WorkflowHost:
    """Everything outside one durable process: a `Host` and `FunctionHost` for its kernel."""

    def __init__(self, kernel: Kernel, pid: PID) -> None:
        self._kernel = kernel
        self._pid = pid
        self._outboxes: dict[str, Outbox] = {}
        self._number = 0
        self._elsewhere: set[str] = set()  # nodes that are not in this worker's program
        self._tasks: set[asyncio.Task[None]] = set()
        self._children: dict[str, workflow.ChildWorkflowHandle[Any, Any]] = {}
        self._watches: dict[MonitorRef, Callable[[Exit], None]] = {}
        self._links: dict[PID, asyncio.Task[None]] = {}

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait until everything sent has left: what is under way when a workflow ends would be lost."""
        for outbox in list(self._outboxes.values()):
            await outbox.drain()

    # Spawn

    async def spawn(self, request: SpawnRequest) -> PID:
        """As `Host.spawn`: on the worker of the workflow itself."""
        return await self.spawn_on(None, request)

    async def spawn_on(self, task_queue: str | None, request: SpawnRequest) -> PID:
        """A child workflow on a worker's task queue; the one that runs under the id, if there is one."""
        options = StartOptions.parse(request.options)
        workflow_id = options.id or request.name or str(workflow.uuid4())
        pid = PID(self._pid.node, DURABLE, workflow_id)
        args = list(request.args)
        payload_size(workflow.payload_converter(), args, f"the arguments of {request.entry.id}")
        messages = [wire.message_item(message) for message in request.messages]
        facts = {
            "parent": str(self._pid),
            "context": dict(request.context),
            "messages": [list(item) for item in messages],
        }
        token = wire.outgoing.set(wire.to_header(facts))
        try:
            self._children[workflow_id] = await workflow.start_child_workflow(
                request.entry.name or request.entry.id,
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
            )
        except WorkflowAlreadyStartedError:
            if options.fails_if_running:
                raise already_running(pid) from None
            for item in messages:
                await self._to_workflow(pid, item)
        finally:
            wire.outgoing.reset(token)
        return pid

    # Messages

    async def send(self, target: PID, message: Message) -> bool:
        """As `Host.send`."""
        return await self._to(target, wire.message_item(message))

    async def reply(self, target: PID, call: int, payload: Any) -> bool:
        """As `Host.reply`."""
        return await self._to(target, wire.reply_item(call, payload))

    async def _to(self, target: PID, item: Item) -> bool:
        if target.host == DURABLE:
            return await self._to_workflow(target, item)
        size = payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
        return await self._outbox(target.node).send(item._replace(target=str(target)), size)

    async def _to_workflow(self, target: PID, item: Item) -> bool:
        if target.node != self._pid.node:
            raise Error(
                f"{target} is in another namespace, which a durable process of {self._pid.node!r} cannot reach",
                kind=UNAVAILABLE,
            )
        size = payload_size(workflow.payload_converter(), item.values, f"message {item.topic!r}")
        return await self._outbox(target.id, durable=True).send(item, size)

    def _post(self, target: PID, item: Item) -> None:
        if target.host == DURABLE:
            self._outbox(target.id, durable=True).post(item, 200)
        else:
            self._outbox(target.node).post(item._replace(target=str(target)), 200)

    def _outbox(self, destination: str, durable: bool = False) -> Outbox:
        key = f"w:{destination}" if durable else f"n:{destination}"
        outbox = self._outboxes.get(key)
        if outbox is None:
            send = self._signal if durable else self._deliver

            async def transmit(items: list[Item]) -> list[bool]:
                # Numbers go up for each destination, which is all that counts.
                self._number += 1
                return await send(destination, items, Mark(f"{workflow.info().run_id}/{key}", self._number))

            def run_soon(run: Callable[[], Awaitable[None]]) -> None:
                async def task() -> None:
                    await run()

                _ = self._start(task())

            outbox = self._outboxes[key] = Outbox(transmit, run_soon, lambda: self._forget_outbox(key))
        return outbox

    def _forget_outbox(self, key: str) -> None:
        del self._outboxes[key]

    async def _signal(self, workflow_id: str, items: list[Item], mark: Mark) -> list[bool]:
        signal = wire.signal_of(items, mark)
        wire.outgoing.set(signal.header)
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal(signal.name, args=signal.args)
        except ApplicationError as failure:
            if failure.type != "ExternalWorkflowExecutionNotFound":
                raise from_failure(failure) from failure
            return [False] * len(items)
        return [True] * len(items)

    async def _deliver(self, node: str, items: list[Item], mark: Mark) -> list[bool]:
        args = [node, list(mark), [list(item) for item in items]]
        if node not in self._elsewhere:
            here: list[bool] | None = await workflow.execute_local_activity(
                wire.DELIVER, args=args, start_to_close_timeout=_AT_MOST
            )
            if here is not None:
                return here
            self._elsewhere.add(node)
        try:
            there: list[bool] = await workflow.execute_activity(
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
            return [False] * len(items)  # nobody serves the node: it is gone
        return there

    # The end of others

    async def terminate(self, target: PID, by: PID | None, reason: str) -> bool:
        """As `Host.terminate`."""
        if target.host != DURABLE:
            return await self._to(target, Item(wire.TERMINATE, [reason]))
        ended: bool = await workflow.execute_local_activity(
            TERMINATE_WORKFLOW, args=[target.id, reason], start_to_close_timeout=_AT_MOST
        )
        return ended

    async def cancel(self, target: PID, by: PID | None, reason: str, deadline: float | None) -> bool:
        """As `Host.cancel`."""
        if target.host != DURABLE:
            return await self._to(target, Item(wire.CANCEL, [by and str(by), reason, deadline]))
        if deadline is not None and not await self._to_workflow(target, Item(wire.DEADLINE, [deadline])):
            return False
        try:
            handle = workflow.get_external_workflow_handle(target.id)
            await handle.cancel(reason=cancel_text(by, reason, deadline))
        except ApplicationError as failure:
            if failure.type != "ExternalWorkflowExecutionNotFound":
                raise from_failure(failure) from failure
            return False
        return True

    async def watch(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> None:
        """As `Host.watch`: a child natively, any other process by an activity that waits for its end."""
        self.resume_watch(target, ref, sink)

    def resume_watch(self, target: PID, ref: MonitorRef, sink: Callable[[Exit], None]) -> None:
        """Watch, also again after the workflow has continued as new."""
        self._watches[ref] = sink
        _ = self._start(self._watch(target, ref))

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`."""
        self._watches.pop(ref, None)

    async def _watch(self, target: PID, ref: MonitorRef) -> None:
        reason, result = await self._end_of(target)
        sink = self._watches.pop(ref, None)
        if sink is not None:
            sink(Exit(target, ref, reason, result))

    async def _end_of(self, target: PID) -> tuple[Reason, Result]:
        child = self._children.get(target.id) if target.host == DURABLE else None
        try:
            if child is not None:
                return "normal", Result(await child)
            queue = workflow.info().task_queue if target.host == DURABLE else node_queue(target.node)
            reason, result = await workflow.execute_activity(
                WATCH,
                args=[str(target)],
                task_queue=queue,
                start_to_close_timeout=_FOR_EVER,
                schedule_to_start_timeout=None if target.host == DURABLE else _AT_MOST / 3,
                heartbeat_timeout=_ALIVE,
                retry_policy=None if target.host == DURABLE else _ONCE,
            )
        except ActivityError as failure:
            if target.host != DURABLE and isinstance(failure.cause, TimeoutError):
                return "noconnection", gone(target, "noconnection")
            return "noconnection", Result(error=from_failure(failure))
        except Exception as failure:  # noqa: BLE001 - of a child: whatever it is, it is how it ended
            reason, error = exit_of(failure)
            return reason, Result(error=error)
        return reason, result

    # Links

    async def link(self, target: PID, by: PID) -> None:
        """As `Host.link`."""
        self.resume_link(target)
        await self._to(target, wire.link_item(wire.LINK, by))

    def resume_link(self, target: PID) -> None:
        """Watch the other end of a link, whose node or worker may go without a word."""
        self._links[target] = self._start(self._watch_link(target))

    async def _watch_link(self, target: PID) -> None:
        reason, result = await self._end_of(target)
        self._links.pop(target, None)
        self._kernel.signal_link_down(self._pid, target, reason, result)

    async def unlink(self, target: PID, by: PID) -> None:
        """As `Host.unlink`."""
        watching = self._links.pop(target, None)
        if watching is not None:
            watching.cancel()
        await self._to(target, wire.link_item(wire.UNLINK, by))

    def link_down(self, target: PID, by: PID, reason: Reason, result: Result) -> None:
        """As `Host.link_down`."""
        self._post(target, wire.link_down_item(by, reason, result))

    async def describe(self, target: PID) -> Description:
        """As `Host.describe`."""
        raise Error(
            f"a durable process cannot look into {target}: describe it from a local one", kind=UNAVAILABLE
        )

    # Functions

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`: an activity, or a local one."""
        task = self._start(self._call(call, future))
        future.started(lambda: _stop(task))

    async def _call(self, call: FunctionCall, future: Future) -> None:
        try:
            value = await self._activity(call)
        except asyncio.CancelledError:
            future.settle(Result(error=Error(f"the call of {call.entry.id} was cancelled", kind="CANCELED")))
        except Error as error:
            future.settle(Result(error=error))
        except Exception as failure:  # noqa: BLE001 - whatever Temporal raises is the call's error
            future.settle(Result(error=from_failure(failure)))
        else:
            future.settle(Result(value))

    async def _activity(self, call: FunctionCall) -> Any:
        entry, options = call.entry, call.options
        args = list(call.args)
        payload_size(workflow.payload_converter(), args, f"the arguments of {entry.id}")
        wire.outgoing.set(wire.to_header({"context": dict(call.context), "caller": str(self._pid)}))
        if entry.local:
            return await workflow.start_local_activity(entry.id, args=args, **_common(options))
        return await workflow.start_activity(
            entry.id,
            args=args,
            task_queue=options.task_queue or _queue_of(entry),
            heartbeat_timeout=_delta(options.heartbeat_timeout),
            **_common(options),
        )


def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()


def _queue_of(entry: Entry) -> str | None:
    """The task queue of the worker that an entry names; None for the workflow's own."""
    if entry.worker is None:
        return None
    worker = known.get(entry.worker)
    if worker is None:
        raise Error(
            f"worker={entry.worker!r} of {entry.id} is not known in this program: give the bridge"
            f" Worker({entry.worker!r}, task_queue=..., run=False), or run it",
            kind=NOT_FOUND,
        )
    return worker.task_queue


def _common(options: CallOptions) -> dict[str, Any]:
    cancellation = workflow.ActivityCancellationType
    return {
        "start_to_close_timeout": _delta(options.start_to_close_timeout) or _START_TO_CLOSE,
        "schedule_to_close_timeout": _delta(options.schedule_to_close_timeout),
        "schedule_to_start_timeout": _delta(options.schedule_to_start_timeout),
        "retry_policy": None if options.retry_policy is None else to_temporal(options.retry_policy),
        "activity_id": options.id,
        "cancellation_type": cancellation.WAIT_CANCELLATION_COMPLETED
        if options.wait_for_cancellation
        else cancellation.TRY_CANCEL,
    }


def _delta(length: float | None) -> timedelta | None:
    return None if length is None else timedelta(seconds=length)


def already_running(pid: PID) -> Error:
    """The error of a spawn that does not want an existing process."""
    return Error(
        f"{pid} is running already: choose another id, or id_conflict_policy use_existing or terminate_existing",
        kind=ALREADY_EXISTS,
        details={"pid": str(pid)},
    )


# What a cancel request says beyond its reason travels in its text, which people see in Temporal's UI.
_CANCEL = re.compile(
    r"(?P<reason>.*?)(?: \[by (?P<by>\{.+\})\])?(?: \[deadline (?P<deadline>[\d.e+-]+)s\])?", re.DOTALL
)


def cancel_text(by: PID | None, reason: str, deadline: float | None) -> str:
    """The reason of a cancel request to Temporal."""
    text = reason
    if by is not None:
        text += f" [by {by}]"
    if deadline is not None:
        text += f" [deadline {deadline!r}s]"
    return text


def read_cancel(text: str) -> tuple[PID | None, str, float | None]:
    """Who asks, why, and within how many seconds; from somebody else's tool just why."""
    match = _CANCEL.fullmatch(text)
    assert match is not None  # the reason takes whatever there is
    by, deadline = match["by"], match["deadline"]
    return (
        (None if by is None else PID.parse(by)),
        match["reason"],
        None if deadline is None else float(deadline),
    )
