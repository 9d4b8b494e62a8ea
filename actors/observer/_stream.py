"""What keeps a page up to date: server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actors._inspection.recent_log import RecentLog
from actors.observer._rows import Changes, Rows

INTERVAL: Final = 0.5
"""Seconds between two looks at the node, while somebody looks."""

ELSEWHERE: Final = 2.0
"""Seconds between two looks at the list of durable processes."""

_STORY: Final = 200
"""How many log records a page gets to see that is opened."""


class EventStream(Response):
    """Events until the browser hangs up: `hello`, `change`, `elsewhere`, `log`."""

    def __init__(self, rows: Rows, recent: RecentLog, hello: Mapping[str, Any]) -> None:
        super().__init__(media_type="text/event-stream")
        self._rows = rows
        self._recent = recent
        self._hello = hello

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI asks."""
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        events = _Events(send)
        await events.send("hello", self._hello)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_changes, events)
            nursery.start_soon(self._tell_elsewhere, events)
            nursery.start_soon(self._tell_log, events)
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

    async def _tell_changes(self, events: _Events) -> None:
        changes = Changes()
        while True:
            await self._rows.look(INTERVAL / 2)
            await events.send("change", {"node": self._rows.node, **changes.since(self._rows.rows)})
            await trio.sleep(INTERVAL)

    async def _tell_elsewhere(self, events: _Events) -> None:
        while True:
            wrong = await self._rows.look_at_remote(ELSEWHERE / 2)
            await events.send("elsewhere", {"error": wrong})
            await trio.sleep(ELSEWHERE)

    async def _tell_log(self, events: _Events) -> None:
        async with aclosing(self._recent.follow(_STORY)) as records:
            async for record in records:
                await events.send("log", record)


class _Events:
    """Sends one event after the other, each of them whole."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = trio.Lock()

    async def send(self, name: str, data: Mapping[str, Any]) -> None:
        body = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
        async with self._lock:
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
