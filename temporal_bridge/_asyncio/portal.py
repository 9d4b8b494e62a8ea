"""The one bridge between trio and asyncio: an asyncio loop in a thread of its own, and four ways across."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import copy_context
from types import TracebackType
from typing import Any, Final, TypeVar, TypeVarTuple

import trio

from actors import CONFLICT, INVALID, Duration, Error, seconds
from temporal_bridge._asyncio.calls import Call, TrioCall, closed
from temporal_bridge._asyncio.threads import AsyncioSide, TrioSide

logger: Final = logging.getLogger("everproc.bridge")

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Portal:
    """An asyncio loop in a thread of its own, for as long as the `async with` block lasts.

        async with Portal() as portal:
            client = await portal.call(Client.connect, "localhost:7233")

    From trio: `call`. From asyncio: `in_trio`. From any thread: `call_soon`, `in_trio_soon`. Whichever side asks,
    cancelling the caller cancels the callee, and the caller goes on only when the callee has ended.

    Leaving the block refuses new calls, cancels the asyncio tasks and awaits them for up to `grace`, during
    which the trio tasks they wait for still run; then it stops the loop and joins the thread. Cancelling the trio
    scope around the block neither stops nor shortens this. A `SystemExit` or `KeyboardInterrupt` that leaves an
    asyncio task or callback, and a `KeyboardInterrupt` that hits a task of `in_trio`, cancel the block and are raised
    from it.

    Args:
        name: of the thread.
        grace: how long the asyncio tasks may take to end once cancelled; the rest are logged and left behind.

    Raises:
        Error: kind INVALID, when `grace` is not a duration; CONFLICT, on entering one portal twice.
    """

    def __init__(self, name: str = "everproc-asyncio", *, grace: Duration = "5s") -> None:
        self.name: Final = name
        self._block: AbstractAsyncContextManager[Portal] | None = None
        self._trio = TrioSide()
        self._asyncio = AsyncioSide(name, seconds(grace, "grace"), self._trio)
        self._calls: set[Call[Any]] = set()

    async def __aenter__(self) -> Portal:
        """Start the thread. A checkpoint."""
        if self._block is not None:
            raise Error(
                f"a Portal is entered once, name={self.name!r} was before: make a new one", kind=CONFLICT
            )
        self._block = self._running()
        return await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Stop in order, shielded from cancellation."""
        assert self._block is not None
        return await self._block.__aexit__(kind, error, traceback)

    async def call(self, async_fn: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """From trio: run `async_fn(*args)` on the asyncio loop; its result, or its exception with the traceback.

        It runs in a copy of the caller's context variables. Cancelling the caller cancels the asyncio task and waits
        for its end; if it ends with a result or an error nevertheless, that is what the caller gets.

        Raises:
            Error: kind UNAVAILABLE, when the portal is closed, or closes before the result is there; CANCELED, when
                the asyncio side cancelled itself.
        """
        call = Call(self._asyncio, _name_of(async_fn), lambda: async_fn(*args))
        self._calls.add(call)
        try:
            if not self._asyncio.take(call.begin):
                raise closed(self.name, call.name)
            return await call.result()
        finally:
            self._calls.discard(call)

    def call_soon(self, sync_fn: Callable[[*Args], object], *args: *Args) -> None:
        """From any thread: run `sync_fn(*args)` on the asyncio loop soon, in the order asked; an exception is logged.

        Raises:
            Error: kind UNAVAILABLE, when the portal is closed.
        """
        if not self._asyncio.take(lambda: sync_fn(*args)):
            raise closed(self.name, _name_of(sync_fn))

    async def in_trio(self, async_fn: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
        """From the portal's loop: run `async_fn(*args)` as a trio task; its result, or its exception with traceback.

        It runs in a copy of the caller's context variables, and belongs to the portal, not to the cancel scope of any
        trio task: only the caller cancels it. Cancelling the caller cancels the trio task and waits for its end; if it
        ends with a result or an error nevertheless, that is what the caller gets.

        Raises:
            Error: kind UNAVAILABLE, when the trio side has gone; INVALID, on another loop; INTERNAL, when the function
                raised `SystemExit` or `KeyboardInterrupt`, which as they are would stop the asyncio loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._asyncio.loop:
            raise Error(
                f"Portal.in_trio() is for the loop of its own portal, name={self.name!r}: "
                "this is another asyncio loop, give the function to that portal",
                kind=INVALID,
            )
        name = _name_of(async_fn)
        visit: TrioCall[T] = TrioCall(self._asyncio, name, lambda: async_fn(*args), loop.create_future())
        if not self.in_trio_soon(visit.begin):
            raise closed(self.name, name)
        cancelled: asyncio.CancelledError | None = None
        while not visit.ended.done():
            try:
                await asyncio.shield(visit.ended)
            except asyncio.CancelledError as error:
                cancelled = error
                self.in_trio_soon(visit.scope.cancel)
        result = visit.ended.result()
        if result is None:  # the scope was cancelled, which nobody does but the lines above
            assert cancelled is not None
            raise cancelled
        return result.unwrap()

    def in_trio_soon(self, sync_fn: Callable[[*Args], object], *args: *Args) -> bool:
        """From any thread: run `sync_fn(*args)` in the trio thread soon; False when the trio side has gone.

        All calls run in the order asked, also relative to the starts of `in_trio`, each in a copy of its caller's
        context variables. An exception is logged.
        """
        context = copy_context()
        return self._trio.soon(lambda: context.run(_run_logged, lambda: sync_fn(*args)))

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[Portal, None]:
        async with self._trio.running(f"{self.name} visits"):
            self._asyncio.start()
            try:
                await trio.lowlevel.checkpoint()
                yield self
            finally:
                with trio.CancelScope(shield=True):
                    await self._asyncio.stop()
                for call in tuple(
                    self._calls
                ):  # of tasks that were left behind; the others have their result
                    call.end(None)


def _run_logged(fn: Callable[[], object]) -> None:
    try:
        fn()
    except BaseException:  # out of here it would end the whole trio run
        logger.exception("a function given to Portal.in_trio_soon() raised")


def _name_of(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
