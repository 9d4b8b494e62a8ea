"""Timers of a server: messages that it sends itself later (OTP's `erlang:send_after`)."""

from __future__ import annotations

from typing import Any

import actors
from actors import Duration, check_topic


class ServerTimer:
    """A message that comes later, or again and again, as from any sender. It ends with its process."""

    def __init__(self, duration: Duration, repeat: bool, topic: str, payload: tuple[Any, ...]) -> None:
        check_topic(topic)
        self._ticks = actors.every(duration) if repeat else actors.after(duration)
        self._repeat = repeat
        actors.start_soon(self._send, topic, payload)

    def cancel(self) -> bool:
        """Send no more. False when there was nothing more to be sent; that message may wait in the mailbox already."""
        pending = not self._ticks.closed
        self._ticks.close()
        return pending

    async def _send(self, topic: str, payload: tuple[Any, ...]) -> None:
        async for _ in self._ticks:
            if not self._repeat:
                self._ticks.close()
            await actors.send(actors.self_pid(), topic, *payload)
