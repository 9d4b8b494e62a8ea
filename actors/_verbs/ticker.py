"""How a process waits for time: in `sleep`, and by the channels of `after` and `every`."""

from __future__ import annotations

import weakref
from datetime import datetime

from actors._channels.channel import RuntimeChannel
from actors._kernel.process import Process
from actors._scheduling.scheduler import Timer, Wait
from actors._values.durations import Duration, seconds
from actors._values.errors import ChannelClosed, Error, invalid


class Sleep(Wait):
    """A task that waits for nothing but time."""

    __slots__ = ("timer",)

    def __init__(self, process: Process, delay: float) -> None:
        Wait.__init__(self, process.scheduler)
        self.timer: Timer = process.scheduler.call_later(delay, self.wake)

    def abort(self) -> None:
        self.timer.cancel()


class Ticker(RuntimeChannel[datetime]):
    """The channel of `after` and `every`. Its timer ends with the process, and when nobody refers to it any more (43).

    So that a loop of `select(inbox, after("1h"))` does not leave a timer behind for each message, the timer refers to
    the channel weakly. Not in a durable process: there a timer is a command, and the collector's time is no replay's.
    """

    __slots__ = ("_process", "_length", "_repeat", "_timer", "_due", "_release")

    def __init__(self, process: Process, length: float, repeat: bool) -> None:
        super().__init__()
        self._process = process
        self._length = length
        self._repeat = repeat
        self._due = process.scheduler.time() + length
        self._arm()

    def _arm(self) -> None:
        scheduler = self._process.scheduler
        delay = max(0.0, self._due - scheduler.time())
        if scheduler.collects_timers:
            process = self._process

            def release(_: object) -> None:
                try:
                    scheduler.check_thread()  # the collector runs in any thread
                except Error:
                    return  # it fires when it is due, for nobody
                timer.cancel()
                process.disown(timer)

            ticker: weakref.ref[Ticker] = weakref.ref(self, release)
            timer = scheduler.call_later(delay, lambda: _tick(ticker))
            self._release = ticker
        else:
            timer = scheduler.call_later(delay, self.tick)
        self._timer = timer
        self._process.own(timer)

    def _disarm(self) -> None:
        self._process.scheduler.check_thread()
        self._timer.cancel()
        self._process.disown(self._timer)

    def tick(self) -> None:
        """The time has come."""
        self._disarm()
        if self._repeat:
            now = self._process.scheduler.time()
            missed = max(0.0, now - self._due) // self._length
            self._due += self._length * (1 + missed)
            self._arm()
        if not self.unread:
            self.put(self._process.scheduler.now())

    def stop(self) -> None:
        """Give no more ticks; one that waits can still be received. `reset` starts it again."""
        self._disarm()

    def close(self) -> None:
        """As `Channel.close`, and `stop`."""
        self._disarm()
        super().close()

    def reset(self, duration: Duration | None = None) -> None:
        """Start anew from now, with a new length if given; a tick that waits is dropped.

        Raises:
            ChannelClosed: when it was closed.
        """
        if self.closed:
            raise ChannelClosed("this ticker is closed: make a new one")
        length = self._length if duration is None else seconds(duration, "duration")
        if self._repeat and not length:
            raise invalid("duration", duration, "a duration of more than 0")
        self._disarm()
        self.remove(lambda _: True)
        self._length = length
        self._due = self._process.scheduler.time() + length
        self._arm()


def _tick(reference: weakref.ref[Ticker]) -> None:
    ticker = reference()
    if ticker is not None:
        ticker.tick()
