"""A node, a worker and a web server in one program; ends with Ctrl-C, and the orders live on."""

from __future__ import annotations

from typing import cast

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework

import actors
from examples.http_orders.order import app
from examples.http_orders.web import application
from temporal_bridge import TemporalBridge, TemporalClient, Worker


async def main() -> None:
    config = Config()
    config.bind = ["127.0.0.1:8000"]
    worker = Worker("http_orders:worker", task_queue="http-orders", entries=[app])
    async with actors.Node("web") as node, TemporalBridge(node, TemporalClient(), worker) as bridge:
        await serve(cast("ASGIFramework", application(node, bridge.namespace)), config)


if __name__ == "__main__":
    try:
        trio.run(main)
    except* KeyboardInterrupt:
        pass
