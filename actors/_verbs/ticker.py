"""How a process waits for time: in `sleep`, and by the channels of `after` and `every`."""

from __future__ import annotations

from datetime import datetime

from actors._channels.channel import RuntimeChannel
from actors._kernel.process import Process
from actors._scheduling.scheduler import Timer, Wait
from actors._values.durations import Duration, seconds
from actors._values.errors import ChannelClosed, invalid


class Sleep(Wait):
    """A task that waits for nothing but time."""

    __slots__ = ("timer",)

    def __init__(self, process: Process, delay: float) -> None:
        Wait.__init__(self, process.scheduler)
        self.timer: Timer = process.scheduler.call_later(delay, self.wake)

    def abort(self) -> None:
        self.timer.cancel()


class Ticker(RuntimeChannel[datetime]):
    """The channel of `after` and `every`. Its timer ends with the process."""

    __slots__ = ("_process", "_length", "_repeat", "_timer", "_due")

    def __init__(self, process: Process, length: float, repeat: bool) -> None:
        super().__init__()
        self._process = process
        self._length = length
        self._repeat = repeat
        self._due = process.scheduler.time() + length
        self._arm()

    def _arm(self) -> None:
        scheduler = self._process.scheduler
        self._timer = scheduler.call_later(max(0.0, self._due - scheduler.time()), self._tick)
        self._process.own(self._timer)

    def _disarm(self) -> None:
        self._process.scheduler.check_thread()
        self._timer.cancel()
        self._process.disown(self._timer)

    def _tick(self) -> None:
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
