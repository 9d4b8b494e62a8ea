"""Functions as a durable process calls them: activities, or local ones, of its workflow."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any, Final

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from actors import (
    ALREADY_EXISTS,
    NOT_FOUND,
    PID,
    CallOptions,
    Entry,
    Error,
    FunctionCall,
    Future,
    Result,
    invalid,
)
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import header_size, payload_size, read_value
from temporal_bridge._wire.failures import from_failure
from temporal_bridge._wire.local_results import LARGEST_AT_ONCE, KeptResult
from temporal_bridge._wire.start_options import activity_retry_policy
from temporal_bridge._wire.task_queues import open_workers
from temporal_bridge._workflow.outbound.commands import WorkflowCommands
from temporal_bridge._workflow.outbound.messages import AT_MOST

_START_TO_CLOSE = timedelta(minutes=10)
_ALIVE = timedelta(seconds=10)
"""The heartbeat time-out of a process that runs as an activity: it heartbeats by itself."""


class WorkflowFunctions:
    """The `FunctionHost` of a durable process."""

    def __init__(self, pid: PID, commands: WorkflowCommands) -> None:
        self._pid = pid
        self._commands = commands
        self._ids: set[str] = set()
        """The ids that calls were given by `activity.id`, and that the server may still know."""

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`: an activity, or a local one.

        Raises:
            Error: INVALID, for an option that cannot apply; ALREADY_EXISTS, when the `activity.id` is in use.
        """
        self._check(call)
        task = self._commands.start(self._call(call, future))
        future.started(lambda: _stop(task))

    def _check(self, call: FunctionCall) -> None:
        options = call.options
        if call.entry.local:
            for option in _NOT_LOCAL:
                if value := getattr(options, option):
                    raise invalid(
                        f"activity.{option}",
                        value,
                        f"not given: {call.entry.id} is local=True, and runs in the worker of its caller, where this"
                        " option does not apply",
                    )
        if options.id is None:
            return
        if options.id.isdigit():
            raise invalid("activity.id", options.id, "an id that is no number: those are Temporal's own")
        if options.id in self._ids:
            raise Error(
                f"activity.id={options.id!r} is in use by another call of this process: wait for that, or choose"
                " another id. A call that was cancelled without wait_for_cancellation keeps its id",
                kind=ALREADY_EXISTS,
                details={"id": options.id},
            )
        self._ids.add(options.id)

    async def _call(self, call: FunctionCall, future: Future) -> None:
        cancelled = False
        try:
            value = await self._activity(call)
        except asyncio.CancelledError:
            cancelled = True
            future.settle(Result(error=Error(f"the call of {call.entry.id} was cancelled", kind="CANCELED")))
        except Error as error:
            future.settle(Result(error=error))
        except Exception as failure:  # noqa: BLE001 - whatever Temporal raises is the call's error
            future.settle(Result(error=from_failure(failure)))
        else:
            future.settle(Result(value))
        finally:
            if call.options.id is not None and (not cancelled or call.options.wait_for_cancellation):
                self._ids.discard(call.options.id)

    async def _activity(self, call: FunctionCall) -> Any:
        entry, options = call.entry, call.options
        args = list(call.args)
        size = payload_size(workflow.payload_converter(), args, f"the arguments of {entry.id}")
        header = signals.to_header({"context": dict(call.context), "caller": str(self._pid)})
        size += header_size(header, f"the context of a call of {entry.id}")
        await self._commands.reserve_bytes(size)
        signals.outgoing.set(header)
        signals.eager.set(not options.disable_eager_execution)
        if entry.local:
            return await self._local(call, args, header)
        found = await self._commands.activity(
            entry.id,
            args=args,
            result_type=RawValue,
            task_queue=options.task_queue or _queue_of(entry),
            heartbeat_timeout=_delta(options.heartbeat_timeout) or (_ALIVE if entry.activity else None),
            **_common(options),
        )
        return read_value(workflow.payload_converter(), found)

    async def _local(self, call: FunctionCall, args: list[Any], header: dict[str, Payload]) -> Any:
        """A local activity. Its result is part of the answer to a workflow task, as those of others are.

        One that is larger than its share of that stays in the worker, and is fetched when there is room. A worker that
        is gone has it no more: then the function runs again, as local ones do whose worker dies.
        """
        converter = workflow.payload_converter()
        while True:
            came = await self._commands.hold_bytes(LARGEST_AT_ONCE)
            try:
                signals.outgoing.set(header)
                raw = await workflow.start_local_activity(
                    call.entry.id, args=args, result_type=RawValue, **_common(call.options)
                )
            finally:
                came()
            value = read_value(converter, raw)
            if not isinstance(value, KeptResult):
                return value
            came = await self._commands.hold_bytes(value.size)
            try:
                kept = await workflow.start_local_activity(
                    signals.FETCH_RESULT,
                    args=[value.key],
                    result_type=RawValue,
                    start_to_close_timeout=AT_MOST,
                )
            finally:
                came()
            found = read_value(converter, kept)
            if found:
                return found[0]


_NOT_LOCAL: Final = ("heartbeat_timeout", "task_queue", "disable_eager_execution")
"""Options that a local activity does not have."""


def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()


def _queue_of(entry: Entry) -> str | None:
    """The task queue of the worker that an entry names; None for the workflow's own."""
    if entry.worker is None:
        return None
    worker = open_workers.get(entry.worker)
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
        "retry_policy": activity_retry_policy(options.retry_policy),
        "activity_id": options.id,
        "cancellation_type": cancellation.WAIT_CANCELLATION_COMPLETED
        if options.wait_for_cancellation
        else cancellation.TRY_CANCEL,
    }


def _delta(length: float | None) -> timedelta | None:
    return None if length is None else timedelta(seconds=length)
