"""Functions in trio: async ones as trio tasks, plain ones in threads, with the timeouts and retries of their call."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from itertools import count
from typing import Any

import outcome
import trio

from actors._kernel.functions import (
    FunctionCall,
    FunctionInfo,
    Future,
    attempt,
    cancelled_error,
    timeout_error,
)
from actors._kernel.kernel import Kernel
from actors._runtime.trio_scheduler import contains
from actors._scheduling.scheduler import OUTSIDE, current_process
from actors._values.callables import is_async, plain_result
from actors._values.errors import CANCELED, INTERNAL, Error, without
from actors._values.events import Result
from actors._values.function_options import DEFAULT_START_TO_CLOSE, RetryPolicy
from actors._values.pid import PID
from actors._verbs.spawner import Spawner

log = logging.getLogger("everproc")

_NO_LIMIT = trio.CapacityLimiter(math.inf)
_THE_PROGRAMS = (trio.Cancelled, KeyboardInterrupt, SystemExit)
"""What ends more than the function that raises it."""

_ONCE = RetryPolicy(maximum_attempts=1)
"""What is in memory does not survive a crash either: a call is tried once unless asked otherwise."""


class LocalAttempt:
    """A running attempt in this node. The details of its last heartbeat are kept for the next attempt."""

    def __init__(
        self, info: FunctionInfo, heartbeat_details: tuple[Any, ...], time: Callable[[], float]
    ) -> None:
        self.info = info
        self.heartbeat_details = heartbeat_details
        self.last = heartbeat_details
        self.over = False
        self._time = time
        self.beat = time()

    def heartbeat(self, details: tuple[Any, ...]) -> None:
        """As `Attempt.heartbeat`."""
        self.last = details
        self.beat = self._time()


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
        current_process.set(OUTSIDE.within(call.context))
        result = Result(error=cancelled_error(call.entry))
        try:
            with scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                if self._kernel.instruments.tracing is None:
                    result = await self._attempts(call)
                else:
                    with self._kernel.instruments.tracing.function(call.entry):
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
            future.settle(result, _if_unheard(call, future.owner, result))
            # From Python 3.12 on, the traceback of an error keeps this frame, too: the future would never be let go.
            del future

    async def _attempts(self, call: FunctionCall) -> Result:
        options = call.options
        policy = options.retry_policy or _ONCE
        total = options.schedule_to_close_timeout
        identity = options.id or str(next(self._numbers))
        details: tuple[Any, ...] = ()
        error: Error | None = None
        clock = trio.lowlevel.current_clock().current_time  # which may be asked in any thread
        with trio.move_on_after(float("inf") if total is None else total):
            for number in count(1):
                info = FunctionInfo(
                    call.entry.id, identity, number, heartbeat_timeout=options.heartbeat_timeout
                )
                running = LocalAttempt(info, details, clock)
                attempt.set(running)
                try:
                    result = await self._attempt(call, running)
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

    async def _attempt(self, call: FunctionCall, running: LocalAttempt) -> Result:
        length = call.options.start_to_close_timeout or DEFAULT_START_TO_CLOSE
        silence = call.options.heartbeat_timeout
        try:
            with trio.move_on_after(length):
                if silence is None:
                    return Result(await self._run(call))
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_watch, call, running, silence)
                    result = Result(await self._run(call))
                    nursery.cancel_scope.cancel()
                return result
        except BaseException as exception:  # whatever it is, the caller gets it
            if contains(exception, *_THE_PROGRAMS):
                raise
            return Result(error=Error.of(exception))
        return Result(error=timeout_error(call.entry, "start_to_close", length))

    async def _run(self, call: FunctionCall) -> Any:
        function = call.entry.function
        if call.entry.kind == "process":
            spawner = Spawner(kernel=self._kernel, context=call.context)
            return await spawner.execute(function, *call.args, on="trio")
        if is_async(function):
            return await function(*call.args)
        return await self._in_thread(call)

    async def _in_thread(self, call: FunctionCall) -> Any:
        """Run a plain function in a thread. A cancellation gives it up; the node still waits for the thread."""
        function, patience = call.entry.function, call.options.schedule_to_start_timeout
        in_thread = partial(
            trio.to_thread.run_sync,
            partial(function, *call.args),
            thread_name=call.entry.id,
            limiter=_NO_LIMIT,
        )
        running = object()
        results = list[outcome.Outcome[Any]]()
        ended = trio.Event()
        given_up = False

        async def serve() -> None:
            try:
                with trio.CancelScope(shield=True):
                    result: outcome.Outcome[Any] = await outcome.acapture(in_thread)
                    results.append(result)
                    if given_up and isinstance(result, outcome.Error):
                        _report_unheard(call, "was given up, and then failed", Error.of(result.error))
            finally:
                limiter.release_on_behalf_of(running)
                ended.set()

        # Waited for here, so that a function which is given up before its turn never runs.
        limiter = trio.to_thread.current_default_thread_limiter()
        with trio.move_on_after(math.inf if patience is None else patience) as turn:
            await limiter.acquire_on_behalf_of(running)
        if turn.cancelled_caught:
            assert patience is not None
            raise timeout_error(call.entry, "schedule_to_start", patience)
        self._nursery.start_soon(serve)
        try:
            await ended.wait()
        except trio.Cancelled:
            given_up = True
            raise
        return plain_result(function, results[0].unwrap())


async def _watch(call: FunctionCall, running: LocalAttempt, silence: float) -> None:
    """Fail, and so cancel the attempt, when it gives no heartbeat in time."""
    while (left := running.beat + silence - trio.current_time()) > 0:  # noqa: ASYNC110 - a thread may have beaten
        await trio.sleep(left)
    raise timeout_error(call.entry, "heartbeat", silence)


def _report_unheard(call: FunctionCall, what: str, error: Error) -> None:
    """Log an error that nobody else hears of; a cancellation is none."""
    if error.kind == CANCELED:
        return
    log.error(
        "function %s %s: %s",
        call.entry.id,
        what,
        error,
        exc_info=error.__cause__ if error.__cause__ is not None and error.kind == INTERNAL else error,
    )


def _if_unheard(call: FunctionCall, owner: PID, result: Result) -> Callable[[], None] | None:
    """What to do when nobody has asked for the result; it does not refer to the future, whose end it waits for."""
    if result.error is None:
        return None
    what = f"failed, and {owner}, which called it, did not ask for the result"
    return partial(_report_unheard, call, what, result.error)
