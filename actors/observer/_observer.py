"""The block in which a node can be observed."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors._inspection.recent_log import RecentLog
from actors._runtime.node import Node
from actors._values.errors import invalid
from actors.telemetry import missing

try:
    from actors._inspection.http import serving
    from actors.observer._application import PUBLIC, Application
    from actors.observer._guard import Guard
except ImportError as error:
    raise missing("observe", error) from error


@asynccontextmanager
async def observer(
    node: Node,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    allow_actions: bool = False,
    temporal_ui: str | None = None,
) -> AsyncGenerator[str, None]:
    """Serve a page that shows a node's processes, while the block lasts; gives its URL, with the token that opens it.

        async with observer(node) as url:
            print(url)

    While nobody looks at it, it costs nothing.

    Args:
        node: an open node.
        host: where it listens; other machines reach it only if that is not loopback. It speaks plain HTTP: put a
            proxy with TLS before one that is to be seen from elsewhere.
        port: 0 takes a free one.
        allow_actions: whether processes can be cancelled, terminated and sent messages from the page.
        temporal_ui: the URL of Temporal's web UI, to which durable processes then link; needed only where the server is
            not an embedded one with `ui=True`.

    Raises:
        Error: kind INVALID for a bad argument; UNAVAILABLE, when nobody can listen there.
    """
    if not isinstance(node, Node):
        raise invalid("node", node, "an actors.Node")
    if not isinstance(allow_actions, bool):
        raise invalid("allow_actions", allow_actions, "True or False")
    if temporal_ui is not None and not (
        isinstance(temporal_ui, str) and temporal_ui.startswith(("http://", "https://"))
    ):
        raise invalid("temporal_ui", temporal_ui, 'a URL such as "http://localhost:8233"')
    token = secrets.token_urlsafe(24)
    recent = RecentLog()
    application = Application(node, recent, allow_actions, temporal_ui and temporal_ui.rstrip("/"))
    logging.getLogger().addHandler(recent)
    try:
        async with serving(Guard(application.asgi, token, host, PUBLIC), host, port) as url:
            yield f"{url}/?token={token}"
    finally:
        logging.getLogger().removeHandler(recent)
        application.close()
