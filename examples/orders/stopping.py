"""Stopping a program on Ctrl-C and SIGTERM, so that it puts everything away, whenever they come."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import ParamSpec, TypeVar

import trio

import actors

P = ParamSpec("P")
T = TypeVar("T")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(Exception):
    """A signal asked the program to stop, and everything has."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


class Stopping:
    """From its making on signals raise nothing: an exception would hit anywhere, also in the middle of putting away.

    The first one cancels what `run` runs, which then puts away what it has.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._cancel: Callable[[], None] | None = None
        for number in _SIGNALS:
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._received is None:
            self._received = number
            if self._cancel is not None:
                self._cancel()

    def run(self, work: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work` in a trio run.

        Raises:
            Stopped: when a signal has come.
            Error: what `work` raises.
        """
        outcome: list[T | actors.Error] = []

        async def main() -> None:
            token = trio.lowlevel.current_trio_token()
            with trio.CancelScope() as scope:
                self._cancel = lambda: token.run_sync_soon(scope.cancel)
                if self._received is not None:
                    scope.cancel()
                try:
                    outcome.append(await work(*args, **kwargs))
                except* actors.Error as errors:
                    outcome.append(_first(errors))
            self._cancel = None

        trio.run(main)
        if self._received is not None:
            raise Stopped(self._received)
        (result,) = outcome
        if isinstance(result, actors.Error):
            raise result
        return result


def _first(errors: BaseExceptionGroup[actors.Error]) -> actors.Error:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, actors.Error)
    return error
