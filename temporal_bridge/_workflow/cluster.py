"""The names and groups of a namespace: kept by a durable process that runs wherever there is a bridge.

Its workflow has one id in each namespace. It is started when a request finds it missing, served by the workers of all
bridges on a task queue of its own, and continues as new before its history is too long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import actors
from actors import PID, Namespace, Registry, SpawnRequest, process_entry
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge.workflow import should_upgrade

REGISTRY: Final = "everproc-cluster"
"""The id of its workflow, and its task queue."""

system = Namespace("everproc")


@system.process
async def cluster(kept: Mapping[str, Any] | None = None) -> None:
    """Keeps the names and groups."""
    registry = Registry(kept)
    await registry.serve(should_upgrade)
    await actors.upgrade(cluster, registry.kept())


def registry_of(namespace: str) -> PID:
    """The process that keeps the names and groups of a namespace."""
    return PID(namespace, DURABLE, REGISTRY)


def start_registry() -> SpawnRequest:
    """What starts it, or finds the one that runs; it outlives whoever starts it."""
    return SpawnRequest(
        process_entry(cluster),
        (),
        name=REGISTRY,
        options={
            "temporal.workflow.parent_close_policy": "abandon",
        },
    )
