"""A web server on trio, for what a node shows of itself. Needs Hypercorn, of the extras `metrics` and `observe`."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve  # pyright: ignore[reportUnknownVariableType]

from actors._values.errors import UNAVAILABLE, Error, invalid

log = logging.getLogger("everproc.http")
log.setLevel(
    logging.WARNING
)  # Hypercorn's remarks on where it runs and how to stop it are not about this program


@asynccontextmanager
async def serving(application: Any, host: str, port: int) -> AsyncGenerator[str, None]:
    """Serve an ASGI application while the block lasts; gives the URL of its root. Port 0 takes a free one.

    Raises:
        Error: kind INVALID for a host or port of another form; UNAVAILABLE, when nobody can listen there.
    """
    if not isinstance(host, str) or not host:
        raise invalid("host", host, 'the address of an interface, such as "127.0.0.1"')
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 65536:
        raise invalid("port", port, "a port, or 0 for a free one")
    listener = _bound(host, port)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.errorlog = log
    config.include_server_header = False
    own: Exception | None = None  # an error of the block, which the nursery would wrap in a group
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(partial(serve, application, config, mode="asgi"))
        listener.detach()  # it is the server's now
        try:
            yield url
        except Exception as error:  # noqa: BLE001 - raised again below
            own = error
        nursery.cancel_scope.cancel()
    if own is not None:
        raise own


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Error(
            f"nothing can listen on host={host!r} port={port}: {error}; give another port, or 0 for a free one",
            kind=UNAVAILABLE,
        ) from error
    return bound
