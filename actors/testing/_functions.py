"""Functions in a simulation: the real ones, or stand-ins, run as processes of it, which may fail or be slow."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from actors._kernel.entries import Entry
from actors._kernel.functions import (
    FunctionCall,
    FunctionInfo,
    Future,
    attempt,
    cancelled_error,
    timeout_error,
)
from actors._kernel.host import SpawnRequest
from actors._kernel.kernel import kernel_of
from actors._kernel.process import Process, running_process
from actors._runtime.functions_in_trio import LocalAttempt
from actors._values.errors import UNAVAILABLE, Error, invalid
from actors._values.events import Exit, MonitorRef, Result
from actors._values.function_options import DEFAULT_START_TO_CLOSE, RetryPolicy
from actors._verbs.api import sleep
from actors.testing import _faults as faults

if TYPE_CHECKING:
    from actors.testing._simulator import Simulator

_ONCE = RetryPolicy(maximum_attempts=1)


class SimulatedFunctions:
    """The `FunctionHost` of a simulation."""

    def __init__(self, simulator: Simulator, stand_ins: Mapping[str, Callable[..., Any]]) -> None:
        for name, function in stand_ins.items():
            if not callable(function):
                raise invalid(f"functions[{name!r}]", function, "a function to call instead")
        self._simulator = simulator
        self._stand_ins = stand_ins
        self._numbers = count(1)

    def owns(self, process: Process) -> bool:
        """Whether a process is but a call of a function."""
        return process.entry.kind == "function"

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`."""
        process = running_process()
        entry = Entry(call.entry.id, "function", self._serve)
        request = SpawnRequest(entry, (call,), process, context=call.context)
        kernel = kernel_of(process)
        pid = kernel.spawn_here(request, process.pid.host, self._simulator.scheduler)
        callee = kernel.table[pid.id]

        def ended(event: Exit) -> None:
            cancelled = event.reason in ("cancelled", "terminated", "shutdown")
            future.settle(Result(error=cancelled_error(call.entry)) if cancelled else event.result)

        callee.watchers = {MonitorRef(process.pid, kernel.next_number()): ended}
        future.started(lambda: callee.end("cancelled", cancelled_error(call.entry)))

    async def _serve(self, call: FunctionCall) -> Any:
        policy = call.options.retry_policy or _ONCE
        identity = call.options.id or str(next(self._numbers))
        scheduler = running_process().scheduler
        started = scheduler.time()
        details: tuple[Any, ...] = ()
        for number in count(1):
            running = LocalAttempt(FunctionInfo(call.entry.id, identity, number), details, scheduler.time)
            attempt.set(running)
            try:
                return await self._attempt(call)
            except Exception as exception:  # noqa: BLE001 - whatever it is, it is the call's error
                error = Error.of(exception)
            details = running.last
            delay = policy.delay(error, number)
            if delay is None:
                raise error
            total = call.options.schedule_to_close_timeout
            if total is not None and scheduler.time() + delay > started + total:
                late = timeout_error(call.entry, "schedule_to_close", total)
                late.__cause__ = error
                raise late
            await sleep(timedelta(seconds=delay))
        raise AssertionError

    async def _attempt(self, call: FunctionCall) -> Any:
        length = call.options.start_to_close_timeout or DEFAULT_START_TO_CLOSE
        if self._simulator.take_fault(faults.SLOW):
            slow = self._simulator.slow_by
            await sleep(timedelta(seconds=min(slow, length)))
            if slow >= length:
                raise timeout_error(call.entry, "start_to_close", length)
        if self._simulator.take_fault(faults.FAIL):
            raise Error(f"function {call.entry.id} failed: a fault of the simulation", kind=UNAVAILABLE)
        function = self._stand_ins.get(call.entry.id, call.entry.function)
        value = function(*call.args)
        return await value if inspect.isawaitable(value) else value
