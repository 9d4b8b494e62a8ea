"""Functions in trio: async ones as trio tasks, plain ones in threads, with the timeouts and retries of their call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from itertools import count
from typing import Any

import outcome
import trio

from actors._entries import is_async
from actors._errors import Error, invalid, without
from actors._events import Result
from actors._functions import (
    DEFAULT_START_TO_CLOSE,
    FunctionCall,
    FunctionInfo,
    Future,
    RetryPolicy,
    attempt,
    cancelled_error,
    timeout_error,
)
from actors._kernel import Kernel
from actors._scheduler import OUTSIDE, caller
from actors._spawner import Spawner
from actors._trio_host import contains

_NO_LIMIT = trio.CapacityLimiter(math.inf)
_THE_PROGRAMS = (trio.Cancelled, KeyboardInterrupt, SystemExit)
"""What ends more than the function that raises it."""

_ONCE = RetryPolicy(maximum_attempts=1)
"""What is in memory does not survive a crash either: a call is tried once unless asked otherwise."""


class LocalAttempt:
    """A running attempt in this node. Heartbeats are kept for the next attempt; nobody waits for them."""

    def __init__(self, info: FunctionInfo, heartbeat_details: tuple[Any, ...]) -> None:
        self.info = info
        self.heartbeat_details = heartbeat_details
        self.last = heartbeat_details
        self.over = False

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """As `Attempt.heartbeat`."""
        self.last = details


class TrioFunctions:
    """Runs the functions that processes of a node call."""

    def __init__(self, nursery: trio.Nursery, kernel: Kernel) -> None:
        self._nursery = nursery
        self._kernel = kernel
        self._numbers = count(1)

    def start(self, call: FunctionCall, future: Future) -> None:
        """As `FunctionHost.start`."""
        scope = trio.CancelScope()
        future.started(scope.cancel)
        # Its own copy of the caller's context variables, in which it runs outside any process.
        copy_context().run(self._nursery.start_soon, self._serve, call, future, scope)

    async def _serve(self, call: FunctionCall, future: Future, scope: trio.CancelScope) -> None:
        caller.set(OUTSIDE.within(call.context))
        result = Result(error=cancelled_error(call.entry))
        try:
            with scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                if self._kernel.tracing is None:
                    result = await self._attempts(call)
                else:
                    with self._kernel.tracing.function(call.entry):
                        result = await self._attempts(call)
        except (
            BaseException
        ) as exception:  # what was raised while it was cancelled, beside the cancellation or not
            error = without(exception, trio.Cancelled)
            if error is not None:
                result = Result(error=Error.of(error))
            if contains(exception, *_THE_PROGRAMS):
                raise
        finally:
            future.settle(result)

    async def _attempts(self, call: FunctionCall) -> Result:
        options = call.options
        policy = options.retry_policy or _ONCE
        total = options.schedule_to_close_timeout
        identity = options.id or str(next(self._numbers))
        details: tuple[Any, ...] = ()
        error: Error | None = None
        with trio.move_on_after(float("inf") if total is None else total):
            for number in count(1):
                running = LocalAttempt(FunctionInfo(call.entry.id, identity, number), details)
                attempt.set(running)
                try:
                    result = await self._attempt(call)
                finally:
                    running.over = True
                if result.error is None:
                    return result
                error, details = result.error, running.last
                delay = policy.delay(error, number)
                if delay is None:
                    return result
                await trio.sleep(delay)
        assert total is not None
        late = timeout_error(call.entry, "schedule_to_close", total)
        late.__cause__ = error
        return Result(error=late)

    async def _attempt(self, call: FunctionCall) -> Result:
        length = call.options.start_to_close_timeout or DEFAULT_START_TO_CLOSE
        function = call.entry.function
        try:
            with trio.move_on_after(length):
                if call.entry.kind == "process":
                    spawner = Spawner(kernel=self._kernel, context=call.context)
                    return Result(await spawner.execute(function, *call.args, on="trio"))
                if is_async(function):
                    return Result(await function(*call.args))
                return Result(await self._in_thread(function, call.args))
        except BaseException as exception:  # whatever it is, the caller gets it
            if contains(exception, *_THE_PROGRAMS):
                raise
            return Result(error=Error.of(exception))
        return Result(error=timeout_error(call.entry, "start_to_close", length))

    async def _in_thread(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Run a plain function in a thread. A cancellation gives it up; the node still waits for the thread."""
        in_thread = partial(trio.to_thread.run_sync, partial(function, *args), limiter=_NO_LIMIT)
        running = object()
        results = list[outcome.Outcome[Any]]()
        ended = trio.Event()

        async def serve() -> None:
            try:
                with trio.CancelScope(shield=True):
                    results.append(await outcome.acapture(in_thread))
            finally:
                limiter.release_on_behalf_of(running)
                ended.set()

        # Waited for here, so that a function which is given up before its turn never runs.
        limiter = trio.to_thread.current_default_thread_limiter()
        await limiter.acquire_on_behalf_of(running)
        self._nursery.start_soon(serve)
        await ended.wait()
        value = results[0].unwrap()
        if inspect.iscoroutine(value):
            value.close()
            raise invalid(
                "function", function, "an async function (`async def`), or one that returns no coroutine"
            )
        return value
