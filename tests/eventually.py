"""Waiting for what a server does: it tells nobody, so it has to be asked again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 30) -> None:
    """Wait until a condition holds."""
    with trio.fail_after(within):
        while not await condition():  # noqa: ASYNC110
            await trio.sleep(0.01)
