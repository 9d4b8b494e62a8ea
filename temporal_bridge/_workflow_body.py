"""The one workflow class: any process function, as a durable process, with the kernel of `actors` around it."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.common import RawValue

from actors import (
    INVALID,
    PID,
    Entry,
    Error,
    Exit,
    Kernel,
    Message,
    MonitorRef,
    Options,
    Outside,
    Process,
    Reason,
    Result,
    SpawnFunction,
    SpawnRequest,
    caller,
    exit_sink,
    process_entry,
)
from temporal_bridge import _wire as wire
from temporal_bridge._converter import payload_size
from temporal_bridge._failures import to_failure
from temporal_bridge._receive import receive
from temporal_bridge._wire import Item, Seen
from temporal_bridge._workers import id_of, importable, known
from temporal_bridge._workflow_host import DURABLE, WorkflowHost, read_cancel
from temporal_bridge._workflow_scheduler import WorkflowScheduler

log = logging.getLogger("everproc.bridge")


class _Successor(NamedTuple):
    """The code that an upgraded process goes on with."""

    entry: Entry
    args: tuple[Any, ...]


class _WorkflowKernel(Kernel):
    """The kernel of one durable process. Its upgrade is Temporal's continue-as-new."""

    successor: _Successor | None = None
    on_succeed: Callable[[], None]

    def succeed(self, process: Process, args: tuple[Any, ...]) -> None:
        """As `Kernel.succeed`."""
        self.successor = _Successor(process.entry, args)
        self.on_succeed()


@workflow.defn(dynamic=True)
class DurableProcess:
    """A process of any entry; the workflow type says which.

    Only failures of Temporal's own fail the workflow: the end of the body is turned into one. Any other exception, such
    as nondeterminism or a defect of this module, fails the task, which is tried again when the code is mended.
    """

    def __init__(self) -> None:
        info = workflow.info()
        header = wire.from_header(info.headers)
        carried: Mapping[str, Any] = header.get("carried", {})
        self._pid = PID(info.namespace, DURABLE, info.workflow_id)
        self._scheduler = WorkflowScheduler()
        self._outside = Outside(self._scheduler)
        self._kernel = _WorkflowKernel(info.namespace, id_of(info.task_queue) or DURABLE)
        self._host = WorkflowHost(self._kernel, self._pid)
        self._kernel.routes[DURABLE] = self._host
        self._kernel.elsewhere = self._host
        self._kernel.functions = self._host
        self._kernel.spawners = {DURABLE: self._host.spawn, **_spawners(self._host)}
        self._kernel.monitors_children = True
        self._kernel.on_succeed = self._wake
        self._entry = _entry_of(info.workflow_type)
        self._process = Process(
            self._pid,
            self._kernel,
            self._scheduler,
            self._entry,
            PID.parse(header["parent"]) if "parent" in header else None,
            header.get("context", {}),
            None,
        )
        self._process.watchers = {MonitorRef(self._pid, 0): self._exited}
        self._kernel.table[self._pid.id] = self._process
        self._seen = Seen(carried.get("seen"))
        self._carried = carried
        self._exit: Exit | None = None
        self._awake: asyncio.Future[None] | None = None
        self._cancel_seen = False
        for item in (*carried.get("messages", ()), *header.get("messages", ())):
            self._process.mailbox.deliver(wire.item_message(Item(*item)))

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> Any:
        """Run the process to its end, send what it has sent, and tell Temporal how it ended."""
        caller.set(self._outside)
        self._take_up(self._carried)
        try:
            values = [workflow.payload_converter().from_payload(value.payload) for value in args]
            function = _function_of(self._entry)
        except Error as error:
            raise to_failure(error) from error
        self._process.begin(function, tuple(values))
        await self._until_end()
        await self._host.drain()
        if self._kernel.successor is not None:
            self._continue_as_new(*self._kernel.successor)
        assert self._exit is not None
        return self._completion(self._exit.reason, self._exit.result)

    @workflow.signal(dynamic=True)
    def receive(self, name: str, args: Sequence[RawValue]) -> None:
        """Take in a signal: a message, several, or the system's own. A bad one is logged and loses nothing else."""
        facts = wire.incoming.get() or {}
        try:
            values = [workflow.payload_converter().from_payload(value.payload) for value in args]
            items, mark = wire.items_of(name, values, facts)
            if not self._seen.is_new(mark):
                return
            for item in items:
                if item.topic == wire.DEADLINE:
                    self._terminate_after(float(item.values[0]))
                else:
                    receive(self._kernel, self._pid, item)
        except (Error, TypeError, ValueError, KeyError, IndexError) as error:
            if not workflow.unsafe.is_replaying():
                log.warning("signal name=%r to %s was dropped: %s", name, self._pid, error)

    # The end

    def _exited(self, event: Exit) -> None:
        self._exit = event
        self._wake()

    def _wake(self) -> None:
        if self._awake is not None and not self._awake.done():
            self._awake.set_result(None)

    async def _until_end(self) -> None:
        """Wait for the end of the process; a cancel request from outside is passed on to it, and the wait goes on.

        The server records one cancel request for a run. Any other cancellation of this task is the instance's eviction.
        """
        while self._exit is None and self._kernel.successor is None:
            self._awake = asyncio.get_running_loop().create_future()
            try:
                await self._awake
            except asyncio.CancelledError:
                reason = workflow.cancellation_reason()
                if reason is None or self._cancel_seen:
                    raise
                self._cancel_seen = True
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()
                by, text, deadline = read_cancel(reason)
                self._kernel.cancel_here(self._process, by, text, deadline)

    def _terminate_after(self, deadline: float) -> None:
        error = Error(f"terminated: it did not stop within {deadline:g} s of a cancel", kind="CANCELED")
        self._process.own(
            self._scheduler.call_later(deadline, lambda: self._process.end("terminated", error))
        )

    def _completion(self, reason: Reason, result: Result) -> Any:
        if reason == "cancelled" and self._cancel_seen:
            raise asyncio.CancelledError
        error = result.error
        if error is None:
            try:
                payload_size(workflow.payload_converter(), [result.value], f"the result of {self._entry.id}")
            except Error as unserialisable:
                reason, error = "error", unserialisable
        if error is None:
            return result.value
        self._report(reason, error)
        if reason == "error" and self._entry.on_crash == "suspend" and error.__cause__ is not None:
            raise error.__cause__  # fails the task, which is tried again until mended code is deployed
        raise to_failure(_explained(error), reason)

    def _report(self, reason: Reason, error: Error) -> None:
        if not workflow.unsafe.is_replaying():
            log.log(
                logging.WARNING if reason == "error" else logging.INFO,
                "durable process %s (%s), spawned by %s, ended with reason=%s: %s",
                self._pid,
                self._entry.id,
                self._process.parent or "code outside any process",
                reason,
                error,
                exc_info=error.__cause__,
            )

    # Long life

    def _continue_as_new(self, entry: Entry, args: tuple[Any, ...]) -> None:
        process = self._process
        mailbox = process.mailbox
        unread: list[Message] = sorted(
            [
                message
                for channel in (mailbox.inbox, *(mailbox.listeners or {}).values())
                for message in channel.remove(lambda _: True)
            ],
            key=attrgetter("arrival"),
        )
        carried = {
            "messages": [list(wire.message_item(message)) for message in unread],
            "seen": self._seen.snapshot(),
            "events": [] if process.events is None else process.events.remove(lambda _: True),
            "trap_links": process.options.trap_links,
            "links": list(process.links or ()),
            "monitors": dict(process.monitors or {}),
            "numbers": self._kernel.next_number(),
        }
        facts = {
            "parent": None if process.parent is None else str(process.parent),
            "context": dict(process.context),
            "carried": carried,
        }
        wire.outgoing.set(wire.to_header(facts))
        workflow.continue_as_new(args=list(args), workflow=entry.name or entry.id)

    def _take_up(self, carried: Mapping[str, Any]) -> None:
        """Go on where the run before has continued as new."""
        if not carried:
            return
        process = self._process
        process.options = Options(trap_links=carried["trap_links"])
        self._kernel.skip_numbers(carried["numbers"])
        for event in carried["events"]:
            process.put_event(event)
        process.monitors = dict(carried["monitors"])
        for ref, pid in carried["monitors"].items():
            self._host.resume_watch(pid, ref, exit_sink(process))
        process.links = dict.fromkeys(carried["links"])
        for pid in carried["links"]:
            self._host.resume_link(pid)


def _spawners(host: WorkflowHost) -> dict[str, SpawnFunction]:
    """What `on=` each worker means: a child on its task queue."""

    def on(task_queue: str) -> SpawnFunction:
        async def spawn(request: SpawnRequest) -> PID:
            return await host.spawn_on(task_queue, request)

        return spawn

    return {worker.id: on(worker.task_queue) for worker in known.values()}


def _entry_of(workflow_type: str) -> Entry:
    """The entry of a workflow type. One that is not declared here fails the workflow, and says how to declare it."""
    try:
        return process_entry(workflow_type)
    except Error as error:
        raise to_failure(error) from error


def _function_of(entry: Entry) -> Callable[..., Awaitable[Any]]:
    """The function, from the sandbox's own copy of its module if there is a sandbox."""
    if not importable(entry):
        return entry.function
    module, _, name = entry.source.partition(":")
    function: Any = importlib.import_module(module)
    for part in name.split("."):
        function = getattr(function, part)
    found: Callable[..., Awaitable[Any]] = function
    return found


def _explained(error: Error) -> Error:
    """An offence against determinism with the way out."""
    cause = error.__cause__
    if cause is None or type(cause).__name__ != "RestrictedWorkflowAccessError":
        return error
    explained = Error(
        f"{cause}: a durable process may not do this. Use actors.now(), actors.sleep(), actors.uuid4(),"
        " actors.random_bytes(), or make it a function that is called by actors.funcs.call",
        kind=INVALID,
        details=error.details,
    )
    explained.__cause__ = cause
    return explained
