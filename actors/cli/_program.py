"""Running a manifest on a node, until a signal, or until it ends by itself."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final

import attrs
import trio

from actors._kernel.entries import Target
from actors._runtime.node import Node
from actors._values.errors import Error, leaves
from actors.manifest import Manifest, WaitForEnd, layers

PARENT_PIPE: Final = "EVERPROC_PARENT_PIPE"
"""The descriptor, in a child of `--reload`, of a pipe that closes when its parent is gone."""


@attrs.frozen
class Main:
    """A process with which the program begins and ends."""

    target: Target
    args: tuple[Any, ...] = ()


class _Stopping:
    """Who has asked the program to stop: the first time in order, the second time at once."""

    def __init__(self, everything: trio.CancelScope) -> None:
        self._everything = everything
        self._ready = False
        self.asked = trio.Event()

    def ready(self) -> None:
        """From now on there is something to be stopped in order."""
        self._ready = True

    def ask(self) -> None:
        """As a signal does."""
        if self.asked.is_set() or not self._ready:
            self._everything.cancel()
        self.asked.set()

    async def on_signals(self, received: AsyncIterator[int]) -> None:
        """Ask at each signal."""
        async for _ in received:
            self.ask()

    async def on_end_of(self, pipe: int) -> None:
        """Ask when the other end of a pipe is closed."""
        await trio.lowlevel.wait_readable(pipe)
        self.ask()


@attrs.frozen
class Observing:
    """How the program is observed: on which port, whether the page may act, and who is told its URL."""

    port: int
    allow_actions: bool
    tell: Callable[[str], None]


def run_program(
    manifest: Manifest, main: Main | None, ready: Callable[[Node], None], observing: Observing | None = None
) -> Any:
    """Run what a manifest declares, and `main` with it if there is one: its value.

    Without `main` it runs until its services have ended, or a signal stops it.

    Args:
        manifest: what to run.
        main: the first process, which ends the program by its end.
        ready: called once all runs.
        observing: how it is observed, if it is.

    Raises:
        Error: why something could not start, or ended badly.
    """
    try:
        return trio.run(_program, manifest, main, ready, observing)
    except BaseExceptionGroup as group:
        for leaf in leaves(group):
            raise leaf from None
        raise


async def _program(
    manifest: Manifest, main: Main | None, ready: Callable[[Node], None], observing: Observing | None
) -> Any:
    settings = {"name": manifest.name, **manifest.node}
    with (
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received,
        trio.CancelScope() as everything,
    ):
        stopping = _Stopping(everything)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stopping.on_signals, received)
            if PARENT_PIPE in os.environ:
                nursery.start_soon(stopping.on_end_of, int(os.environ[PARENT_PIPE]))
            async with Node(**settings, control=True) as node, AsyncExitStack() as stack:
                if observing is not None:  # first, so that it sees all start and stop
                    observing.tell(await stack.enter_async_context(_observer(node, observing)))
                ends: list[WaitForEnd] = []
                for layer in layers():
                    if layer.open is not None:
                        until = await stack.enter_async_context(layer.open(node, layer.own(manifest.items)))
                        ends += [] if until is None else [until]
                stopping.ready()
                ready(node)
                value = await _until_end(node, main, ends, stopping.asked)
            nursery.cancel_scope.cancel()
            return value
    return None


def _observer(node: Node, observing: Observing) -> AbstractAsyncContextManager[str]:
    from actors.observer import observer  # of an extra, which need not be installed

    return observer(node, port=observing.port, allow_actions=observing.allow_actions)


async def _until_end(node: Node, main: Main | None, ends: list[WaitForEnd], asked: trio.Event) -> Any:
    """Wait for the first end: of main, of what a layer runs, or because it was asked for."""
    outcome: list[Any] = []
    failures: list[Error] = []

    async def wait_for(end: WaitForEnd) -> None:
        try:
            await end()
        except Error as error:
            failures.append(error)
        waiting.cancel()

    async def run_main(begun: Main) -> None:
        try:
            outcome.append(await node.execute(begun.target, *begun.args))
        except Error as error:
            failures.append(error)
        waiting.cancel()

    with trio.CancelScope() as waiting:
        async with trio.open_nursery() as nursery:
            if main is not None:
                nursery.start_soon(run_main, main)
            for end in ends:
                nursery.start_soon(wait_for, end)
            await asked.wait()
            waiting.cancel()
    if failures:
        raise failures[0]
    return outcome[0] if outcome else None
