"""User functions, and processes for long work, as activities: in the node's trio loop, plain ones in threads."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Any

import trio
from temporalio import activity
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter

from actors import (
    NOT_FOUND,
    OUTSIDE,
    PID,
    UNAVAILABLE,
    Entry,
    Error,
    Exit,
    FunctionInfo,
    Kernel,
    MonitorRef,
    Process,
    Queue,
    SpawnRequest,
    attempt,
    current_process,
    function_entry,
    is_async,
    plain_result,
    seconds,
)
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import payload_size, read_values
from temporal_bridge._wire.failures import to_failure
from temporal_bridge._wire.local_results import LARGEST_AT_ONCE, KeptResults
from temporal_bridge._worker.worker import Worker

_NO_LIMIT = trio.CapacityLimiter(math.inf)
"""How many functions run at once is the worker's to say."""

_FIRST_BEAT = 1.0
_SLOWEST_BEAT = 5.0


class FunctionActivity:
    """The functions of one worker.

    A call without a heartbeat timeout heartbeats by itself, and so does a process: a cancellation comes only with the
    answer to a heartbeat. With a timeout, a function has to show that it is alive itself.
    """

    def __init__(self, kernel: Kernel, portal: Portal, worker: Worker) -> None:
        self._kernel = kernel
        self._portal = portal
        self._kept = KeptResults()
        self.worker = worker
        self._served = {entry.id for entry in worker.declared()}
        self._processes: dict[PID, None] = {}

    @activity.defn(dynamic=True)
    async def function(self, args: Sequence[RawValue]) -> Any:
        """A user's function; the activity type says which."""
        info = activity.info()
        try:
            entry = self._entry(info.activity_type)
            converter = activity.payload_converter()
            values = read_values(converter, args)
            running = _Attempt(info, self._portal, copy_context(), converter)
            serve = self._process if entry.kind == "process" else self._call
            value = await self._alive(entry, running, serve, values)
            size = payload_size(converter, [value], f"the result of {entry.id}")
            if info.is_local and size > LARGEST_AT_ONCE:
                value = self._kept.keep(f"{info.workflow_run_id}/{info.activity_id}", value, size)
        except Exception as error:  # noqa: BLE001 - let it crash: whatever it is fails the call
            failure = to_failure(error)
            raise failure from failure.__cause__
        return value

    @activity.defn(name=signals.FETCH_RESULT)
    async def fetch_result(self, key: str) -> list[Any]:
        """The result of a local function that was too large to be sent at once; empty when it is not here any more."""
        return self._kept.fetch(key)

    def _entry(self, activity_type: str) -> Entry:
        if activity_type in self._served:
            return function_entry(activity_type)
        served = ", ".join(sorted(self._served)) or "nothing"
        raise Error(
            f"function={activity_type!r} is not served by worker={self.worker.id!r}, which has {served}:"
            " give the worker its namespace in entries=[...]",
            kind=NOT_FOUND,
            details={"function": activity_type, "worker": self.worker.id},
        )

    async def _alive(self, entry: Entry, running: _Attempt, serve: Any, values: list[Any]) -> Any:
        """Run in trio, and heartbeat meanwhile. Cancelled, it cancels the function and waits for its end."""
        facts = signals.incoming.get() or {}
        task = asyncio.ensure_future(self._portal.in_trio(serve, entry, running, values, facts))
        beats = not running.info.is_local and (
            entry.kind == "process" or running.info.heartbeat_timeout is None
        )
        pause = min(_FIRST_BEAT, (running.info.heartbeat_timeout or 3.0) / 3)
        try:
            while beats and not (await asyncio.wait([task], timeout=pause))[0]:
                activity.heartbeat(*running.last)
                if entry.kind == "function":
                    pause = min(_SLOWEST_BEAT, pause * 1.5)
            return await task
        except asyncio.CancelledError:
            task.cancel()
            with suppress(asyncio.CancelledError):
                return await task
            raise

    async def _call(self, entry: Entry, running: _Attempt, args: list[Any], facts: Mapping[str, Any]) -> Any:
        current_process.set(OUTSIDE.within(facts.get("context", {})))
        attempt.set(running)
        function = entry.function
        try:
            if is_async(function):
                return await function(*args)
            value = await trio.to_thread.run_sync(
                lambda: function(*args), abandon_on_cancel=True, thread_name=entry.id, limiter=_NO_LIMIT
            )
            return plain_result(function, value)
        finally:
            running.over = True

    # Processes

    async def _process(
        self, entry: Entry, running: _Attempt, args: list[Any], facts: Mapping[str, Any]
    ) -> Any:
        """A process of this node, with a PID, for as long as the activity lasts."""
        kernel = self._kernel
        by = PID.parse(facts["caller"]) if "caller" in facts else None
        request = SpawnRequest(entry, tuple(args), context=facts.get("context", {}))
        attempt.set(running)
        pid = kernel.spawn_here(request, "trio", kernel.wiring.schedulers["trio"])
        process = kernel.find(pid)
        assert isinstance(process, Process)
        process.parent = by
        exits: Queue[Exit] = Queue()
        await kernel.watch(pid, MonitorRef(kernel.pid, kernel.next_number()), exits.put)
        self._processes[pid] = None
        try:
            event = await exits.receive()
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                kernel.cancel_here(process, by, "the activity was cancelled", None)
                await exits.receive()
            raise
        finally:
            del self._processes[pid]
        if event.reason == "shutdown":  # another worker may do it
            raise Error(f"the node of {pid} was stopped", kind=UNAVAILABLE)
        return event.result.unwrap()

    def stop(self) -> None:
        """The worker stops: ask the processes to end, within its grace."""
        grace = seconds(self.worker.graceful_shutdown_timeout, "graceful_shutdown_timeout")
        for pid in self._processes:
            process = self._kernel.find(pid)
            if isinstance(process, Process):
                self._kernel.cancel_here(process, None, "shutdown", grace)


class _Attempt:
    """The `Attempt` of an activity. `own` are its context variables, in which the SDK knows it."""

    def __init__(
        self, info: activity.Info, portal: Portal, own: Context, converter: PayloadConverter
    ) -> None:
        self._portal = portal
        self._own = own
        self._converter = converter
        self.heartbeat_details: tuple[Any, ...] = tuple(info.heartbeat_details)
        self.last = self.heartbeat_details
        self.over = False
        self.info = FunctionInfo(
            entry=info.activity_type,
            id=info.activity_id,
            attempt=info.attempt,
            task_queue=info.task_queue,
            workflow_id=info.workflow_id,
            is_local=info.is_local,
            heartbeat_timeout=_seconds(info.heartbeat_timeout),
        )

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """As `Attempt.heartbeat`."""
        payload_size(self._converter, list(details), "the details of a heartbeat")
        self.last = details
        self._portal.call_soon(lambda: self._own.run(activity.heartbeat, *details))


def _seconds(length: timedelta | None) -> float | None:
    # The server says zero where there is none.
    return length.total_seconds() if length else None
