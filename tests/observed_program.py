"""A program for `everproc run --observe`."""

from __future__ import annotations

import actors


async def main() -> None:
    """Runs until somebody tells it to end."""
    await actors.names.register("main")
    await actors.inbox().receive()
