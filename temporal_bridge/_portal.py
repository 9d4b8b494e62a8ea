"""The one bridge between trio and asyncio: an asyncio loop in a thread of its own, and four ways across."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, TypeVar, TypeVarTuple

import outcome  # trio's own word for a result or an error
import trio

from actors import CANCELED, CONFLICT, INTERNAL, INVALID, UNAVAILABLE, Duration, Error, seconds

logger: Final = logging.getLogger("everproc.bridge")

# The Temporal SDK's own threads call back into Python. If the interpreter ends within about 100 ms of a cancelled
# RPC, such a call meets a half-dead interpreter: in most runs the program hangs or crashes at its exit. Cancelling and
# awaiting the tasks is not enough; the loop has to run on for this long.
_SETTLE: Final = 0.1

# How long the thread may take to end beyond that, once the tasks had their time, before it counts as blocked.
_PATIENCE = 2.0

T = TypeVar("T")
Args = TypeVarTuple("Args")


class Portal:
    """An asyncio loop in a thread of its own, for as long as the `async with` block lasts.

        async with Portal() as portal:
            client = await portal.call(Client.connect, "localhost:7233")

    From trio: `call`. From asyncio: `in_trio`, `in_trio_soon`. From any thread: `call_soon`. Whichever side asks,
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
        self._trio = _TrioSide()
        self._asyncio = _AsyncioSide(name, seconds(grace, "grace"), self._trio)
        self._calls: set[_Call[Any]] = set()

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
        call = _Call(self._asyncio, _name_of(async_fn), lambda: async_fn(*args))
        self._calls.add(call)
        try:
            if not self._asyncio.take(call.begin):
                raise _closed(self.name, call.name)
            return await call.result()
        finally:
            self._calls.discard(call)

    def call_soon(self, sync_fn: Callable[[*Args], object], *args: *Args) -> None:
        """From any thread: run `sync_fn(*args)` on the asyncio loop soon, in the order asked; an exception is logged.

        Raises:
            Error: kind UNAVAILABLE, when the portal is closed.
        """
        if not self._asyncio.take(lambda: sync_fn(*args)):
            raise _closed(self.name, _name_of(sync_fn))

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
        visit: _Visit[T] = _Visit(self._asyncio, name, lambda: async_fn(*args), loop.create_future())
        if not self.in_trio_soon(visit.begin):
            raise _closed(self.name, name)
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
        """From asyncio: run `sync_fn(*args)` in the trio thread soon; False when the trio side has gone.

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


class _TrioSide:
    """Where the tasks of `in_trio` live, and the scope of the block."""

    def __init__(self) -> None:
        self.nursery: trio.Nursery | None = None  # None before and after the time in which they can run
        self.scope = trio.CancelScope()
        self.fatal: BaseException | None = None
        self.token: trio.lowlevel.TrioToken | None = None

    @asynccontextmanager
    async def running(self, name: str) -> AsyncGenerator[None, None]:
        """In trio: take tasks while the block lasts.

        The nursery is in a task of its own. So no cancel scope around the block reaches it, and its tasks end when the
        asyncio tasks that wait for them are cancelled; and an exception of the block comes out as it is, ungrouped.
        """
        self.token = trio.lowlevel.current_trio_token()
        ready, ended = trio.Event(), trio.Event()

        async def host() -> None:
            try:
                async with trio.open_nursery() as self.nursery:
                    ready.set()
                    await trio.sleep_forever()
            finally:
                ended.set()

        trio.lowlevel.spawn_system_task(host, name=name)
        with trio.CancelScope(shield=True):
            await ready.wait()
        try:
            with self.scope:
                yield
        finally:
            nursery, self.nursery = self.nursery, None
            if nursery is not None:
                nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await ended.wait()
            if self.fatal is not None:
                raise self.fatal

    def soon(self, sync_fn: Callable[[], object]) -> bool:
        """In any thread: run it in trio, unless trio has gone."""
        if self.token is None or self.nursery is None:
            return False
        try:
            self.token.run_sync_soon(sync_fn)
        except trio.RunFinishedError:
            return False
        return True

    def fail(self, error: BaseException) -> None:
        """In trio: end the block, and raise `error` from it."""
        self.fatal = self.fatal or error
        self.scope.cancel()


class _AsyncioSide:
    """The loop and its thread."""

    def __init__(self, name: str, grace: float, trio_side: _TrioSide) -> None:
        self.name = name
        self.grace = grace
        self.trio_side = trio_side
        self.loop: asyncio.AbstractEventLoop | None = None
        # Held while something is handed to the loop, and while `taking` changes: so all that was taken stands in the
        # loop's queue before the drain does, and is run or cancelled by it, never forgotten.
        self.lock = threading.Lock()
        self.taking = False
        self.drained = False  # set by the thread, at the end
        self.executor = ThreadPoolExecutor(thread_name_prefix=f"{name}-executor")
        # A daemon, so that a thread that had to be left behind does not keep the program from ending.
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """In trio."""
        # asyncio's own loop, whatever policy the program has set: the one this module is written and measured with.
        self.loop = asyncio.SelectorEventLoop()
        self.loop.set_exception_handler(_log_unhandled)
        self.loop.set_default_executor(self.executor)
        try:
            self.thread.start()
        except BaseException:
            self.loop.close()
            raise
        self.taking = True

    def take(self, sync_fn: Callable[[], object]) -> bool:
        """In any thread: run it on the loop, unless that is closing."""
        with self.lock:
            if self.taking:
                self.ask(sync_fn)
            return self.taking

    def ask(self, sync_fn: Callable[[], object]) -> None:
        """In any thread, also while the loop is closing; nothing happens when it has gone: `stop` sees to those."""
        assert self.loop is not None
        try:
            self.loop.call_soon_threadsafe(sync_fn)
        except RuntimeError:
            pass

    async def stop(self) -> None:
        """In trio, shielded: refuse calls, end the tasks, join the thread; what does not end in time is logged."""
        with self.lock:
            if not self.taking:
                return  # it did not start
            self.taking = False
            self.ask(self.drain_soon)
        # In a worker thread for the sake of its timeout in real time: under a `trio.testing.MockClock` trio's own
        # clock may jump while the asyncio thread is at work.
        patience = self.grace + _SETTLE + _PATIENCE
        await trio.to_thread.run_sync(self.thread.join, patience, limiter=trio.CapacityLimiter(1))
        if self.thread.is_alive():
            logger.error(
                "thread %r of a Portal has not ended after %s s: a callback or a job in its executor blocks it; "
                "it is left behind",
                self.name,
                patience,
            )

    def run(self) -> None:
        """The thread."""
        assert self.loop is not None
        while not self.drained:
            try:
                self.loop.run_forever()
            except BaseException as error:
                logger.critical("%r left a task or callback on the asyncio loop", error, exc_info=True)
                self.trio_side.soon(partial(self.trio_side.fail, error))
        self.executor.shutdown(cancel_futures=True)
        self.loop.close()

    def drain_soon(self) -> None:
        """In asyncio."""
        self.draining = asyncio.get_running_loop().create_task(self.drain(), name=f"{self.name} drain")

    async def drain(self) -> None:
        """In asyncio: cancel every task and wait for them, let the RPCs settle, stop the loop."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.grace
        asked: set[asyncio.Task[Any]] = set()
        try:
            while others := asyncio.all_tasks() - {self.draining}:
                if loop.time() >= deadline:
                    stuck = sorted(map(repr, others))
                    logger.error(
                        "not ended %s s after they were cancelled, left behind: %s", self.grace, stuck
                    )
                    break
                for task in others - asked:
                    task.cancel(f"the Portal {self.name!r} is closing")
                asked |= others
                # Look again as soon as one ends: it may leave a task that it started while it was being cancelled.
                await asyncio.wait(
                    others, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED
                )
            await asyncio.sleep(_SETTLE)
            await asyncio.wait_for(loop.shutdown_asyncgens(), timeout=1.0)
        finally:
            self.drained = True
            loop.stop()


class _Call(Generic[T]):
    """One `Portal.call` under way."""

    def __init__(self, asyncio_side: _AsyncioSide, name: str, run: Callable[[], Awaitable[T]]) -> None:
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
            raise _closed(self.asyncio_side.name, self.name)
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


class _Visit(Generic[T]):
    """One `Portal.in_trio` under way."""

    def __init__(
        self,
        asyncio_side: _AsyncioSide,
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
            self.report(outcome.Error(_closed(self.asyncio_side.name, self.name)))
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
            result = outcome.Error(_closed(self.asyncio_side.name, self.name))
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


def _closed(portal: str, fn: str) -> Error:
    return Error(
        f"the Portal name={portal!r} is closed, fn={fn} was not run, or not to its end: "
        "call it within the `async with` block",
        kind=UNAVAILABLE,
    )


def _run_logged(fn: Callable[[], object]) -> None:
    try:
        fn()
    except BaseException:  # out of here it would end the whole trio run
        logger.exception("a function given to Portal.in_trio_soon() raised")


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # As text: a task that is kept alive by its own log record cannot report its end.
    details = [f"{key}={value!r}" for key, value in context.items() if key not in ("message", "exception")]
    logger.error("%s %s", context["message"], " ".join(details), exc_info=context.get("exception"))


def _name_of(fn: object) -> str:
    return getattr(fn, "__qualname__", None) or repr(fn)
