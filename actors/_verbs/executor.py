"""The executor: how a process calls functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from actors._kernel.entries import function_entry
from actors._kernel.functions import FunctionCall, Future, check_call
from actors._kernel.kernel import kernel_of
from actors._kernel.process import running_process
from actors._scheduling.context import check_context, current_context, own_copy
from actors._scheduling.scheduler import current_process
from actors._values.arguments import check_arguments
from actors._values.errors import CONFLICT, Error, invalid
from actors._values.function_options import CallOptions


@attrs.frozen
class Executor:
    """How to call functions. Immutable, to be made once and used for many calls.

        reliable = actors.funcs.Executor().with_options({"activity.start_to_close_timeout": "60s"})
        receipt = await reliable.call("app:charge_payment", order)

    Raises:
        Error: kind INVALID, for an unknown option or a bad value, when it is given.
    """

    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)
    context: Mapping[str, Any] = attrs.field(factory=dict[str, Any], converter=own_copy)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.options, Mapping):
            raise invalid("options", self.options, "a mapping of option names to values")
        CallOptions.parse(self.options)
        check_context(self.context)

    def with_options(self, options: Mapping[str, Any]) -> Executor:
        """Add options, see `docs/reference`; durations as strings, or numbers of milliseconds."""
        if not isinstance(options, Mapping):
            raise invalid("options", options, "a mapping of option names to values")
        return attrs.evolve(self, options={**self.options, **options})

    def with_context(self, **values: Any) -> Executor:
        """Add context values for the function, which win over the caller's key by key."""
        return attrs.evolve(self, context={**self.context, **values})

    async def call(self, function: Callable[..., Any] | str, *args: Any) -> Any:
        """Call a function and wait for its value. Cancelled while waiting, it cancels the function and waits for that.

        Raises:
            Error: the function's error, any other exception as INTERNAL; NOT_FOUND for an unknown one; TIMEOUT.
        """
        future = self.start(function, *args)
        try:
            return await future.result()
        except GeneratorExit:
            # This coroutine is thrown away, as an evicted workflow's is: nothing can wait any more.
            raise
        except (
            BaseException
        ):  # the function's error, for the caller; or the caller is being ended, and the call with it
            if not future.done:
                future.cancel()
                with current_process.get().scheduler.shield():
                    await future.ended()
                future.forget()
            raise

    def start(self, function: Callable[..., Any] | str, *args: Any) -> Future:
        """Call a function and go on: a `Future`."""
        process = running_process()
        entry = function_entry(function)
        check_call(entry)
        check_arguments(entry.function, args, entry.id)
        context = {**current_context(), **self.context}
        call = FunctionCall(entry, args, context, CallOptions.parse(self.options))
        functions = kernel_of(process).wiring.functions
        if functions is None:
            raise Error(f"node {process.kernel.name} runs no functions", kind=CONFLICT)
        future = Future(process)
        functions.start(call, future)
        return future
