"""The bridge: makes durable processes part of a node."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any

import temporalio.worker
import trio
from temporalio.client import Client

from actors import CONFLICT, Cluster, Duration, Error, Kernel, Message, Node, invalid
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import through_trio
from temporal_bridge._client.clients import Clients
from temporal_bridge._client.connection import connect, shared_runtime
from temporal_bridge._client.server_liveness import ServerMonitor
from temporal_bridge._client.temporal_client import TemporalClient
from temporal_bridge._client.temporal_host import TemporalHost
from temporal_bridge._nodes.nodes_host import NodesHost
from temporal_bridge._wire.data_converter import data_converter
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.task_queues import (
    add_open_workers,
    node_queue,
    open_workers,
    pulse_queue,
    watch_queue,
)
from temporal_bridge._worker.dead_letters import DeadLetterFunction
from temporal_bridge._worker.function_activity import FunctionActivity
from temporal_bridge._worker.headers import HeaderInterceptor
from temporal_bridge._worker.health import Health, check_health
from temporal_bridge._worker.run_worker import WorkerRunner
from temporal_bridge._worker.sandbox import workflow_runner
from temporal_bridge._worker.sdk_metrics import SDKMetrics
from temporal_bridge._worker.search_attributes import RefusedAttributesFunction
from temporal_bridge._worker.system_activities import Activities
from temporal_bridge._worker.tracing import tracing_interceptors
from temporal_bridge._worker.worker import Worker, report_offences
from temporal_bridge._workflow.cluster import REGISTRY, registry_of, start_registry
from temporal_bridge._workflow.durable_process import DurableProcess
from temporal_bridge.devserver.server import EmbeddedServer

log = logging.getLogger("everproc.bridge")

_THROTTLE = timedelta(seconds=1)
"""At most one heartbeat in that time is told to the server. Its answer is how a cancellation comes."""

_ASKED = 10.0
"""Seconds for which a request to the registry waits for a server that is away. It has an answer, or an error, soon."""


class TemporalBridge:
    """Makes a node's processes reach durable ones, and runs workers, while the block lasts.

        async with actors.Node("web") as node:
            async with TemporalBridge(node, TemporalClient(), Worker("app:worker", task_queue="orders", entries=[app])):
                pid = await node.spawn("app:order", {"id": 7})

    Leaving it stops the workers and the connection; durable processes live on. Local ones that watch them get an exit
    with `noconnection`.

    Args:
        node: an open node.
        client: how to reach Temporal.
        workers: what runs here, and what is known to run elsewhere (`run=False`).

    Raises:
        Error: on entering, what the server or the connection fails with; UNAVAILABLE, when Temporal is not there.
    """

    def __init__(self, node: Node, client: TemporalClient | None = None, *workers: Worker) -> None:
        if not isinstance(node, Node):
            raise invalid("node", node, "an actors.Node")
        if client is not None and not isinstance(client, TemporalClient):
            raise invalid("client", client, "a TemporalClient")
        for worker in workers:
            if not isinstance(worker, Worker):
                raise invalid("workers", worker, "Worker objects")
            if [other.id for other in workers].count(worker.id) > 1:
                raise invalid("workers", worker.id, "each id once")
        self._node = node
        self._config = client if client is not None else TemporalClient()
        self._workers = workers
        self._block: AbstractAsyncContextManager[TemporalBridge] | None = None
        self._health: Callable[[Duration], Awaitable[Health]] | None = None
        self.address = ""
        """`host:port` of the server."""
        self.namespace = ""
        """The namespace of its durable processes."""
        self.server: EmbeddedServer | None = None
        """The embedded server, if this bridge has started one."""

    async def __aenter__(self) -> TemporalBridge:
        if self._block is not None:
            raise Error("a TemporalBridge is entered once: make a new one", kind=CONFLICT)
        self._block = self._running()
        return await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._block is not None
        return await self._block.__aexit__(kind, error, traceback)

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[TemporalBridge, None]:
        kernel = self._node.kernel
        before = kernel.wiring.routes.get(DURABLE)
        if isinstance(before, TemporalHost) and not before.closed:
            raise Error(f"node {kernel.name} has a bridge already", kind=CONFLICT)
        own: Exception | None = None  # an error of the block, which the nursery would wrap in a group
        async with AsyncExitStack() as stack:
            add_open_workers(self._workers)
            stack.callback(self._forget_known)
            config = self._config.resolve()
            self.namespace = config.namespace or "default"
            if config.address is None:
                server = EmbeddedServer(config.data_dir, namespace=self.namespace, ui=config.ui)
                self.server = await stack.enter_async_context(server)
                self.address = server.address
            else:
                self.address = config.address
            portal = await stack.enter_async_context(Portal())
            metrics = SDKMetrics() if kernel.instruments.expositions is not None else None
            client = await portal.call(self._connect, config, metrics)
            nursery = await stack.enter_async_context(trio.open_nursery())
            clients = Clients(client)
            web = None if self.server is None else self.server.ui_address
            host = TemporalHost(kernel, clients, portal, nursery, web)
            outages = ServerMonitor(client, portal, pulse_queue(kernel.name))
            nodes = NodesHost(kernel, client, portal, nursery, outages)
            activities = Activities(kernel, portal, host, nodes)
            here = [worker for worker in self._workers if worker.run]
            for mine in here:
                report_offences(mine)
            functions = [FunctionActivity(kernel, portal, worker) for worker in here]
            queues = [*(worker.task_queue for worker in here), REGISTRY]
            running = [
                WorkerRunner(portal, make)
                for make in (
                    partial(_node_worker, client, kernel, activities),
                    *(partial(_worker, client, served, activities, kernel, portal) for served in functions),
                    *(partial(_watch_worker, client, queue, activities) for queue in queues),
                    partial(_registry_worker, client, activities),
                )
            ]
            for serving in running:
                await serving.begin()
            self._attach(kernel, host, nodes)
            if metrics is not None and kernel.instruments.expositions is not None:
                kernel.instruments.expositions.append(metrics.read)
                stack.callback(kernel.instruments.expositions.remove, metrics.read)

            async def serve(namespace: str) -> None:
                """Take deliveries from the processes of another namespace."""
                serving = WorkerRunner(
                    portal, partial(_node_worker, clients.of(namespace), kernel, activities)
                )
                await serving.begin()
                running.append(serving)
                nursery.start_soon(_run_visiting, serving, namespace)

            host.serve = serve
            workers = {worker.id: made for worker, made in zip(here, running[1:], strict=False)}
            self._health = partial(check_health, portal, client, self.address, workers)
            try:
                for serving in running:
                    nursery.start_soon(serving.run)
                nursery.start_soon(outages.run)
                yield self
            except Exception as error:  # noqa: BLE001 - raised again below
                own = error
            finally:
                self._health = None
                with trio.CancelScope(shield=True):
                    for served in functions:
                        served.stop()
                    for serving in running:
                        await serving.stop()
                    await nodes.close()
                    await host.close()
                    self._detach(kernel)
                nursery.cancel_scope.cancel()
        if own is not None:
            raise own

    async def health(self, timeout: Duration = "2s") -> Health:
        """Whether the server answers now, and whether the workers run here. For a readiness check.

            if not (await bridge.health()).ok:
                return Response(status_code=503)

        It asks once and does not try again; the bridge itself tries again until the server is back.

        Args:
            timeout: how long the server may take to answer.

        Raises:
            Error: kind CONFLICT, when the bridge is not open.
        """
        if self._health is None:
            raise Error("the bridge is not open: enter it with async with", kind=CONFLICT)
        return await self._health(timeout)

    async def _connect(self, config: TemporalClient, metrics: SDKMetrics | None) -> Client:
        return await connect(
            config,
            address=self.address,
            interceptors=[HeaderInterceptor(), *tracing_interceptors(self._node.kernel)],
            data_converter=data_converter(config.converter, config.codec),
            runtime=shared_runtime() if metrics is None else metrics.runtime,
        )

    def _attach(self, kernel: Kernel, host: TemporalHost, nodes: NodesHost) -> None:
        kernel.wiring.routes[DURABLE] = host
        kernel.wiring.remote_host = nodes
        kernel.instruments.gauges["outbox_messages"] = lambda: host.waiting() + nodes.waiting()
        start, registry = host.spawner(REGISTRY), registry_of(self.namespace)

        async def ask(message: Message) -> bool:
            with trio.move_on_after(_ASKED):
                return await kernel.transmit(registry, message)
            return True  # it waits for the server; who asks does not for so long

        send = partial(through_trio, ask)
        kernel.wiring.cluster = Cluster(kernel, send, lambda: start(start_registry()))
        for worker in self._workers:
            kernel.wiring.spawners[worker.id] = host.spawner(worker.task_queue)

    def _detach(self, kernel: Kernel) -> None:
        kernel.wiring.remote_host = None
        del kernel.instruments.gauges["outbox_messages"]
        kernel.wiring.cluster = None
        for worker in self._workers:
            kernel.wiring.spawners.pop(worker.id, None)

    def _forget_known(self) -> None:
        for worker in self._workers:
            if open_workers.get(worker.id) is worker:
                del open_workers[worker.id]


# Workers are made on the asyncio loop, which they belong to: hence async, although nothing waits.


async def _node_worker(client: Client, kernel: Kernel, activities: Activities) -> temporalio.worker.Worker:
    """Serves the node's own task queue: deliveries and watches for workflows that run elsewhere."""
    return temporalio.worker.Worker(
        client,
        task_queue=node_queue(kernel.name),
        activities=activities.for_node(),
        max_concurrent_activities=10_000,
    )


async def _watch_worker(client: Client, task_queue: str, activities: Activities) -> temporalio.worker.Worker:
    """Serves the waits of a task queue's processes."""
    return temporalio.worker.Worker(
        client,
        task_queue=watch_queue(task_queue),
        activities=activities.for_waits(),
        max_concurrent_activities=10_000,
    )


async def _registry_worker(client: Client, activities: Activities) -> temporalio.worker.Worker:
    """Serves the process that keeps the names and groups of the cluster: each bridge does, so that one is there."""
    return temporalio.worker.Worker(
        client,
        task_queue=REGISTRY,
        workflows=[DurableProcess],
        activities=activities.for_worker(),
        workflow_runner=workflow_runner(sandbox=False),
        max_cached_workflows=10,
        max_concurrent_workflow_task_polls=2,
        max_concurrent_activity_task_polls=1,
        # A worker that is gone is missed after that time; the others wait for what it has in its cache.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    )


async def _worker(
    client: Client, served: FunctionActivity, activities: Activities, kernel: Kernel, portal: Portal
) -> temporalio.worker.Worker:
    worker = served.worker
    settings: dict[str, Any] = {
        "default_heartbeat_throttle_interval": _THROTTLE,
        "max_heartbeat_throttle_interval": _THROTTLE,
        **worker.settings(),
    }
    return temporalio.worker.Worker(
        client,
        task_queue=worker.task_queue,
        workflows=[DurableProcess],
        activities=[*activities.for_worker(), served.function, served.fetch_result],
        workflow_runner=workflow_runner(
            worker.sandbox, client.data_converter.payload_codec, worker.passed_through
        ),
        interceptors=[
            RefusedAttributesFunction(client),
            DeadLetterFunction(kernel, portal),
        ],
        **settings,
    )


async def _run_visiting(serving: WorkerRunner, namespace: str) -> None:
    """Run a worker in a namespace that is not the bridge's: what becomes of that is no reason to end."""
    try:
        await serving.run()
    except Exception as error:  # noqa: BLE001 - the SDK raises a RuntimeError; whatever it is, it is told
        log.error("namespace %s can no longer reach this node: %s", namespace, error)
