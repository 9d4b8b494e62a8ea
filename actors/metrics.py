"""Figures of a node for Prometheus. Needs the extra `metrics`.

    async with actors.Node("web") as node:
        async with metrics.endpoint(node, port=9464): ...

Nothing is counted for it: what is there anyway is read when somebody asks, which takes about as long as a look at each
process. A bridge that is opened inside the block adds the figures of Temporal's own SDK.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from actors._runtime.node import Node
from actors._values.errors import CONFLICT, Error, invalid
from actors.telemetry import missing

try:
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from prometheus_client.registry import Collector

    from actors._inspection.http import serving
except ImportError as error:
    raise missing("metrics", error) from error

__all__ = ["NodeCollector", "endpoint"]


class NodeCollector(Collector):
    """A collector for a registry of one's own: `registry.register(NodeCollector(node))`.

    It looks at the node's table, so whoever collects does so in the thread of the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        """As `Collector.collect`."""
        statistics = self._node.statistics()
        yield _counter("spawned", "Processes that were spawned.", {(): statistics.spawned})
        exits: _Values = {(reason,): count for reason, count in statistics.exits.items()}
        yield _counter("exits", "Processes that ended.", exits, ["reason"])
        yield _counter("messages", "Messages that mailboxes took.", {(): statistics.messages})
        yield _counter("dead_letters", "Messages that reached nobody.", {(): statistics.dead_letters})
        yield _gauge("names", "Registered names.", {(): statistics.names})
        for name, text in _COUNTERS.items():
            yield _counter(name, text, {(): statistics.counters.get(name, 0)})
        for name, value in statistics.gauges.items():
            yield _gauge(name, _GAUGES.get(name, name), {(): value})
        yield from self._by_entry()

    def _by_entry(self) -> Iterable[Metric]:
        alive: Counter[tuple[str, ...]] = Counter()
        unread: Counter[tuple[str, ...]] = Counter()
        longest: Counter[tuple[str, ...]] = Counter()
        for process in self._node.kernel.table.values():
            labels = (process.entry.id, process.pid.host)
            alive[labels] += 1
            waiting = process.mailbox.unread
            unread[labels] += waiting
            if waiting > longest[labels]:
                longest[labels] = waiting
        names = ["entry", "host"]
        yield _gauge("processes", "Processes that run.", alive, names)
        yield _gauge("mailbox_messages", "Messages that wait in mailboxes.", unread, names)
        yield _gauge("mailbox_longest", "Messages in the longest mailbox.", longest, names)


_COUNTERS = {
    "restarts": "Children that their supervisors restarted.",
    "batches": "Batches of messages that went to Temporal.",
    "batched_messages": "Messages in these batches.",
}
_GAUGES = {
    "outbox_messages": "Messages that wait for a batch to Temporal.",
    "calls": "Calls that wait for their reply.",
}

_Values = dict[tuple[str, ...], int] | Counter[tuple[str, ...]]


def _counter(name: str, text: str, values: _Values, labels: list[str] | None = None) -> Metric:
    return _filled(CounterMetricFamily(f"everproc_{name}", text, labels=labels or []), values)


def _gauge(name: str, text: str, values: _Values, labels: list[str] | None = None) -> Metric:
    return _filled(GaugeMetricFamily(f"everproc_{name}", text, labels=labels or []), values)


def _filled(family: CounterMetricFamily | GaugeMetricFamily, values: _Values) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


@asynccontextmanager
async def endpoint(node: Node, host: str = "127.0.0.1", port: int = 9464) -> AsyncGenerator[str, None]:
    """Serve the figures of a node over HTTP while the block lasts; gives the URL. Port 0 takes a free one.

    Raises:
        Error: kind INVALID for a bad argument; CONFLICT, when the node has an endpoint already; UNAVAILABLE, when the
            port is taken.
    """
    if not isinstance(node, Node):
        raise invalid("node", node, "an actors.Node")
    kernel = node.kernel
    if kernel.instruments.expositions is not None:
        raise Error(f"node {node.name} has an endpoint for its metrics already", kind=CONFLICT)
    registry = CollectorRegistry()
    registry.register(NodeCollector(node))

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "lifespan":
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})
            if event == "lifespan.shutdown":
                return
        known = scope["path"] == "/metrics"
        texts = (
            [generate_latest(registry), *[await ask() for ask in kernel.instruments.expositions or ()]]
            if known
            else []
        )
        headers = [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())]
        start = {"type": "http.response.start", "status": 200 if known else 404, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"".join(texts)})

    kernel.instruments.expositions = []
    try:
        async with serving(application, host, port) as url:
            yield f"{url}/metrics"
    finally:
        kernel.instruments.expositions = None
