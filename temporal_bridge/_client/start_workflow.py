"""Starting durable processes from outside workflows: ids, policies and start-up messages."""

from __future__ import annotations

import uuid
from typing import Any

import attrs
import trio
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from actors import INVALID, PID, Entry, Error, Kernel, SpawnRequest, wire
from actors.wire import Envelope, SequenceNumber
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask
from temporal_bridge._client.clients import Clients
from temporal_bridge._client.search_attributes import refused_attributes
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import MOST_BYTES, header_size, payload_size, spawn_too_large
from temporal_bridge._wire.search_attributes import Pairs, check_refused, kinds_of
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.start_options import StartOptions, already_running, was_used, workflow_id_of
from temporal_bridge._workflow.code import check_durable

_MOST_STARTS = 50
"""Starts at once: more only wait longer each."""


@attrs.frozen
class _Start:
    """One start, ready to be asked for."""

    pid: PID
    entry: Entry
    options: StartOptions
    facts: dict[str, Any]
    items: list[Envelope]
    settings: dict[str, Any]


class Starting:
    """Asks the server to start workflows, as spawns say."""

    def __init__(self, kernel: Kernel, clients: Clients, portal: Portal) -> None:
        self._kernel = kernel
        self._clients = clients
        self._portal = portal
        self._converter = clients.own.data_converter.payload_converter
        self._starts = trio.CapacityLimiter(_MOST_STARTS)

    async def start(self, task_queue: str, request: SpawnRequest) -> tuple[PID, str, StartOptions]:
        """Start a process on a task queue, or reach the one that runs under its id; its PID and run.

        Raises:
            Error: INVALID for what no server would take; ALREADY_EXISTS, when the policies refuse the id.
        """
        check_durable(request.entry)
        options = StartOptions.parse(request.options)
        namespace = options.namespace or self._clients.own.namespace
        pid = PID(namespace, DURABLE, workflow_id_of(request, options) or str(uuid.uuid4()))
        args = list(request.args)
        size = payload_size(self._converter, args, f"the arguments of {request.entry.id}")
        size += payload_size(self._converter, [options.memo], "temporal.workflow.memo")
        items = [wire.to_envelope(message) for message in request.messages]
        for item in items:
            payload_size(self._converter, item.values, f"message {item.topic!r}")
        facts: dict[str, Any] = {
            "parent": None if request.parent is None else str(request.parent.pid),
            "context": dict(request.context),
            "bound": wire.capacity_row(options.capacity),
            "messages": [list(item) for item in items],
            "pending": options.max_pending,
        }
        size += header_size(signals.to_header(facts), "the context and the messages of a spawn")
        if size > MOST_BYTES:
            raise spawn_too_large(size)
        settings: dict[str, Any] = {
            "args": args,
            "id": pid.id,
            "task_queue": options.task_queue or task_queue,
            "start_delay": options.start_delay,
            "request_eager_start": options.enable_eager_start,
            **options.for_temporal(),
        }
        async with self._starts:
            run_id = await self._start(_Start(pid, request.entry, options, facts, items, settings))
        return pid, run_id, options

    async def _start(self, start: _Start) -> str:
        """Start with the start-up messages in the header; or as a signal, which reaches an existing one too.

        The server starts none eagerly for a signal. So where both are asked for, the signal is for the existing one.
        """
        options, items = start.options, start.items
        policy = WorkflowIDConflictPolicy.FAIL if options.fails_if_running else options.id_conflict_policy
        with_signal = bool(items) and policy is WorkflowIDConflictPolicy.USE_EXISTING
        try:
            if not with_signal:
                return await self._ask(start, signals.to_header(start.facts), policy, {})
            if options.enable_eager_start and (run_id := await self._start_eagerly(start)) is not None:
                return run_id
            mark = SequenceNumber(f"{self._kernel.name}/{uuid.uuid4()}", 1)
            signal = signals.signal_of(items, mark, {**start.facts, "signalled": True})
            more = {"start_signal": signal.name, "start_signal_args": signal.args}
            return await self._ask(start, signal.header, policy, more)
        except WorkflowAlreadyStartedError as error:
            raise await self._conflict(start.pid, options) from error

    async def _start_eagerly(self, start: _Start) -> str | None:
        try:
            return await self._ask(start, signals.to_header(start.facts), WorkflowIDConflictPolicy.FAIL, {})
        except WorkflowAlreadyStartedError:
            return None

    async def _ask(
        self,
        start: _Start,
        header: dict[str, Payload],
        policy: WorkflowIDConflictPolicy,
        more: dict[str, Any],
    ) -> str:
        async def ask_server() -> str:
            signals.outgoing.set(header)
            client = self._clients.of(start.pid.node)
            settings = {**start.settings, **more}
            handle = await client.start_workflow(
                start.entry.name or start.entry.id, id_conflict_policy=policy, **settings
            )
            return handle.first_execution_run_id or handle.result_run_id or ""

        try:
            return await ask(self._portal, f"starting {start.entry.id} as {start.pid}", ask_server)
        except Error as error:
            pairs: Pairs = list(start.options.search_attributes or ())
            if error.kind == INVALID and pairs:
                refused = await self.refused_attributes(start.pid.node, kinds_of(pairs))
                check_refused(start.pid.node, pairs, refused, "temporal.workflow.search_attributes")
            raise

    async def _conflict(self, pid: PID, options: StartOptions) -> Error:
        """Why the server did not start a workflow: one of that id runs, or one has run."""
        if options.id_reuse_policy is WorkflowIDReusePolicy.ALLOW_DUPLICATE or await self.is_running(pid):
            return already_running(pid)
        return was_used(pid, options)

    # What durable processes ask of their worker, because Temporal tells them only by failing their workflow task.

    async def is_running(self, pid: PID) -> bool:
        """Whether the server has an open run of a process."""
        found = await ask(self._portal, f"describing {pid}", self._clients.handle(pid).describe)
        return found.status is WorkflowExecutionStatus.RUNNING

    async def refused_attributes(self, namespace: str, given: dict[str, str]) -> dict[str, str]:
        """As the function of that name, from trio."""
        return await ask(
            self._portal,
            "asking for search attributes",
            refused_attributes,
            self._clients.own,
            namespace,
            given,
        )
