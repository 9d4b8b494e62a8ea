"""The figures of Temporal's own SDK, for a node whose metrics are served."""

from __future__ import annotations

import socket
import urllib.request
from functools import partial

import trio
from temporalio.runtime import PrometheusConfig

from temporal_bridge._client.connection import new_runtime


class SDKMetrics:
    """A runtime that serves its figures on a loopback port, as it can do nothing else with them; and their text."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.runtime = new_runtime(PrometheusConfig(bind_address=address, counters_total_suffix=True))
        self._url = f"http://{address}/metrics"

    async def read(self) -> bytes:
        """All figures, in Prometheus' text."""
        return await trio.to_thread.run_sync(partial(_read, self._url), abandon_on_cancel=True)


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())
