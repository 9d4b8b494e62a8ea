"""Functions as a durable process calls them: activities, or local ones, of its workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow

from actors import NOT_FOUND, PID, CallOptions, Entry, Error, FunctionCall, Future, Result
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import payload_size
from temporal_bridge._wire.failures import from_failure
from temporal_bridge._wire.start_options import activity_retry_policy
from temporal_bridge._wire.task_queues import open_workers

_START_TO_CLOSE = timedelta(minutes=10)
_ALIVE = timedelta(seconds=10)
"""The heartbeat time-out of a process that runs as an activity: it heartbeats by itself."""


class WorkflowFunctions:
    """The `FunctionHost` of a durable process. `run` starts a task; `reserve_bytes` waits for room."""

    def __init__(
        self,
        pid: PID,
        run: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        reserve_bytes: Callable[[int], Awaitable[None]],
    ) -> None:
        self._pid = pid
        self._run = run
        self._room = reserve_bytes

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`: an activity, or a local one."""
        task = self._run(self._call(call, future))
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
        size = payload_size(workflow.payload_converter(), args, f"the arguments of {entry.id}")
        await self._room(size)
        signals.outgoing.set(signals.to_header({"context": dict(call.context), "caller": str(self._pid)}))
        signals.eager.set(not options.disable_eager_execution)
        if entry.local:
            return await workflow.start_local_activity(entry.id, args=args, **_common(options))
        return await workflow.start_activity(
            entry.id,
            args=args,
            task_queue=options.task_queue or _queue_of(entry),
            heartbeat_timeout=_delta(options.heartbeat_timeout) or (_ALIVE if entry.activity else None),
            **_common(options),
        )


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
