"""Whether a bridge works now: its server answers, and its workers run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import attrs
import trio
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest
from temporalio.client import Client

from actors import TIMEOUT, Duration, Error, seconds
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._asyncio.rpc import ask
from temporal_bridge._worker.run_worker import WorkerRunner


@attrs.frozen
class Health:
    """What a bridge knows of its server and workers: `ok` when the server answers and all workers run.

    `workers` are those that run in this program, by id. `error` is why the server did not answer.
    """

    ok: bool
    address: str
    namespace: str
    server_version: str
    workers: Mapping[str, bool]
    round_trip: timedelta
    error: Error | None = None


async def check_health(
    portal: Portal,
    client: Client,
    address: str,
    running: Mapping[str, WorkerRunner],
    timeout: Duration,
) -> Health:
    """Ask the server once, and look at the workers."""
    within = seconds(timeout, "timeout")
    version, error = "", None
    started = trio.current_time()
    try:
        with trio.fail_after(within):
            version = await ask(portal, f"asking {address}", _version, client)
    except trio.TooSlowError:
        error = Error(f"no answer from {address} within {timeout}", kind=TIMEOUT)
    except Error as refusal:
        error = refusal
    workers = {name: worker.is_running for name, worker in running.items()}
    return Health(
        ok=error is None and all(workers.values()),
        address=address,
        namespace=client.namespace,
        server_version=version,
        workers=workers,
        round_trip=timedelta(seconds=trio.current_time() - started),
        error=error,
    )


async def _version(client: Client) -> str:
    """That of the server, which has to know the namespace."""
    service = client.workflow_service
    await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return (await service.get_system_info(GetSystemInfoRequest())).server_version
