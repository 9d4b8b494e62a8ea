"""Task queues: which one a worker's entry id means, and those that the runtime has for itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from actors import CONFLICT, Error


class OpenWorker(Protocol):
    """What others need to know of a worker: by which id processes name it, and its task queue."""

    @property
    def id(self) -> str:
        """The entry id of the worker."""
        ...

    @property
    def task_queue(self) -> str:
        """The task queue on the Temporal server."""
        ...


open_workers: dict[str, OpenWorker] = {}
"""The workers of this program's open bridges, by entry id: where a spawn `on=` one of them goes."""


def add_open_workers(workers: Iterable[OpenWorker]) -> None:
    """Note the workers of a bridge.

    Raises:
        Error: kind CONFLICT, when another open bridge has one of that id with another task queue.
    """
    for worker in workers:
        other = open_workers.get(worker.id)
        if other is not None and other.task_queue != worker.task_queue:
            raise Error(
                f"worker={worker.id!r} is known with task_queue={other.task_queue!r}, so it cannot have"
                f" task_queue={worker.task_queue!r}",
                kind=CONFLICT,
            )
    open_workers.update({worker.id: worker for worker in workers})


def id_of(task_queue: str) -> str | None:
    """The worker of a task queue."""
    return next((worker.id for worker in open_workers.values() if worker.task_queue == task_queue), None)


def node_queue(node: str) -> str:
    """The task queue on which a node takes deliveries for its local processes."""
    return f"everproc-node:{node}"


def pulse_queue(node: str) -> str:
    """On which a node polls for nothing, to learn at once when the server is away."""
    return f"everproc-pulse:{node}"


def watch_queue(task_queue: str) -> str:
    """Where the processes of a task queue wait for others: apart, so that waits take no slots from functions."""
    return f"everproc-watch:{task_queue}"
