"""The ways across a portal that wait for an answer: a call from trio, a visit from asyncio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, NoReturn, TypeVar

import outcome  # trio's own word for a result or an error
import trio

from actors import CANCELED, INTERNAL, UNAVAILABLE, Error
from temporal_bridge._asyncio.threads import AsyncioSide

logger: Final = logging.getLogger("everproc.bridge")

T = TypeVar("T")


class Call(Generic[T]):
    """One `Portal.call` under way."""

    def __init__(self, asyncio_side: AsyncioSide, name: str, run: Callable[[], Awaitable[T]]) -> None:
        self.asyncio_side = asyncio_side
        self.name = name
        self.run = run
        self.task: asyncio.Task[outcome.Outcome[T]] | None = None  # of asyncio
        # Of the caller, who need not be in the trio run that opened the portal.
        self.trio_token = trio.lowlevel.current_trio_token()
        self.trio_task = trio.lowlevel.current_task()
        self.raise_cancel: Callable[[], NoReturn] | None = None
        self.resumed = False

    async def result(self) -> T:
        """In trio: wait for the end."""
        ended: outcome.Outcome[T] | None = await trio.lowlevel.wait_task_rescheduled(self.abort)
        if ended is not None:
            return ended.unwrap()
        if self.raise_cancel is not None:
            self.raise_cancel()
        if not self.asyncio_side.taking:
            raise closed(self.asyncio_side.name, self.name)
        raise Error(
            f"fn={self.name} was cancelled from within asyncio: catch CancelledError there", kind=CANCELED
        )

    def abort(self, raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        """In trio: the caller is cancelled. Not before the asyncio side has ended."""
        self.raise_cancel = raise_cancel
        self.asyncio_side.ask(self.cancel)
        return trio.lowlevel.Abort.FAILED

    def resume(self, ended: outcome.Outcome[T] | None) -> None:
        """In trio: wake the caller, once; a task that was left behind may still end after `_stop` gave it up."""
        if not self.resumed:
            self.resumed = True
            trio.lowlevel.reschedule(self.trio_task, outcome.Value(ended))

    def begin(self) -> None:
        """In asyncio, in a copy of the caller's context."""
        self.task = asyncio.get_running_loop().create_task(self.captured(), name=self.name)
        self.task.add_done_callback(lambda task: self.end(None if task.cancelled() else task.result()))

    async def captured(self) -> outcome.Outcome[T]:
        """In asyncio. Nothing but a cancellation leaves the task: a `SystemExit` would end the loop."""
        try:
            return outcome.Value(await self.run())
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  the caller gets it
            return outcome.Error(error)

    def cancel(self) -> None:
        """In asyncio. `begin` was asked for before, so there is a task."""
        assert self.task is not None
        self.task.cancel()

    def end(self, ended: outcome.Outcome[T] | None) -> None:
        """In any thread: the caller may go on; None says that the task was cancelled or left behind."""
        try:
            self.trio_token.run_sync_soon(self.resume, ended)
        except trio.RunFinishedError:  # the trio run broke down around its waiting task
            logger.error("fn=%s ended as %r, but the trio run that waited for it has gone", self.name, ended)


class TrioCall(Generic[T]):
    """One `Portal.in_trio` under way."""

    def __init__(
        self,
        asyncio_side: AsyncioSide,
        name: str,
        fn: Callable[[], Awaitable[T]],
        ended: asyncio.Future[outcome.Outcome[T] | None],
    ) -> None:
        self.asyncio_side = asyncio_side
        self.name = name
        self.fn = fn
        self.ended = ended
        self.scope = trio.CancelScope()

    def begin(self) -> None:
        """In trio, in a copy of the caller's context, which the task inherits."""
        nursery = self.asyncio_side.trio_side.nursery
        if nursery is None:
            self.report(outcome.Error(closed(self.asyncio_side.name, self.name)))
        else:
            nursery.start_soon(self.run, name=self.name)

    async def run(self) -> None:
        """In trio, as a task."""
        result: outcome.Outcome[T] | None = None
        try:
            with self.scope:
                result = outcome.Value(await self.fn())
        except trio.Cancelled:
            # The portal itself gives up: its asyncio side was left behind, so nobody listens to what we report.
            result = outcome.Error(closed(self.asyncio_side.name, self.name))
            raise
        except BaseException as error:  # noqa: BLE001  the caller gets it
            if BaseExceptionGroup("", [error]).subgroup(KeyboardInterrupt) is not None:
                # A Ctrl-C is for the program, whichever task it happened to hit.
                self.asyncio_side.trio_side.fail(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                told = Error(f"fn={self.name} raised {error!r}: raise another error there", kind=INTERNAL)
                told.__cause__ = error
                result = outcome.Error(told)
            else:
                result = outcome.Error(error)
        finally:
            self.report(result)

    def report(self, result: outcome.Outcome[T] | None) -> None:
        """In trio: the caller may go on; None says that the task was cancelled."""
        self.asyncio_side.ask(lambda: self.ended.set_result(result))


def closed(portal: str, fn: str) -> Error:
    return Error(
        f"the Portal name={portal!r} is closed, fn={fn} was not run, or not to its end: "
        "call it within the `async with` block",
        kind=UNAVAILABLE,
    )
