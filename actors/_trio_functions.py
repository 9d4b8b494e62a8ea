"""Functions in trio: async ones as trio tasks, plain ones in threads, with the timeouts and retries of their call."""

from __future__ import annotations

import inspect
from contextvars import copy_context
from itertools import count
from typing import Any

import trio

from actors._errors import Error
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
from actors._scheduler import OUTSIDE, caller

_ONCE = RetryPolicy(maximum_attempts=1)
"""What is in memory does not survive a crash either: a call is tried once unless asked otherwise."""


class LocalAttempt:
    """A running attempt in this node. Heartbeats are kept for the next attempt; nobody waits for them."""

    def __init__(self, info: FunctionInfo, heartbeat_details: tuple[Any, ...]) -> None:
        self.info = info
        self.heartbeat_details = heartbeat_details
        self.last = heartbeat_details

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """As `Attempt.heartbeat`."""
        self.last = details


class TrioFunctions:
    """Runs the functions that processes of a node call."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
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
                result = await self._attempts(call)
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
                result = await self._attempt(call)
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
        with trio.move_on_after(length):
            try:
                if inspect.iscoroutinefunction(function):
                    return Result(await function(*call.args))
                return Result(
                    await trio.to_thread.run_sync(lambda: function(*call.args), abandon_on_cancel=True)
                )
            except Exception as exception:  # noqa: BLE001 - whatever it is, the caller gets it
                return Result(error=Error.of(exception))
        return Result(error=timeout_error(call.entry, "start_to_close", length))
