"""The two sides of a portal: the trio run that opened it, and the thread with its asyncio loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import trio

logger: Final = logging.getLogger("everproc.bridge")

# The Temporal SDK's own threads call back into Python. If the interpreter ends within about 100 ms of a cancelled
# RPC, such a call meets a half-dead interpreter: in most runs the program hangs or crashes at its exit. Cancelling and
# awaiting the tasks is not enough; the loop has to run on for this long.
_SETTLE: Final = 0.1

# How long the thread may take to end beyond that, once the tasks had their time, before it counts as blocked.
_PATIENCE = 2.0


class TrioSide:
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


class AsyncioSide:
    """The loop and its thread."""

    def __init__(self, name: str, grace: float, trio_side: TrioSide) -> None:
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


def _log_unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # As text: a task that is kept alive by its own log record cannot report its end.
    details = [f"{key}={value!r}" for key, value in context.items() if key not in ("message", "exception")]
    logger.error("%s %s", context["message"], " ".join(details), exc_info=context.get("exception"))
