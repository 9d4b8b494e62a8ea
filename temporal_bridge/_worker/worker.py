"""Workers: which task queue a worker's entry id means, and how its part of Temporal is set up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from actors import Duration, Entry, Namespace, check_entry_id, invalid
from temporal_bridge._worker.worker_options import count, flag, length, worker_settings
from temporal_bridge._workflow.code import check_importable
from temporal_bridge._workflow.lint import offences_of

log = logging.getLogger("everproc.bridge")


def _tuple(entries: Iterable[Namespace]) -> tuple[Namespace, ...]:
    if isinstance(entries, Namespace) or not isinstance(entries, Iterable):
        raise invalid("entries", entries, _ENTRIES)
    found = tuple(entries)
    for namespace in found:
        if not isinstance(namespace, Namespace):
            raise invalid("entries", entries, _ENTRIES)
    return found


_ENTRIES = "a list of actors.Namespace objects, such as [app]"


def _modules(names: Iterable[str]) -> tuple[str, ...]:
    found = () if isinstance(names, str) else tuple(names)
    if isinstance(names, str) or not all(isinstance(name, str) and name for name in found):
        raise invalid("passed_through", names, 'names of modules, such as ["numpy"]')
    return found


@attrs.frozen(eq=False)
class Worker:
    """Runs durable processes and the activities of a task queue.

        Worker("app:worker", task_queue="orders", entries=[app])

    Args:
        id: the entry id by which processes name it: `on="app:worker"`.
        task_queue: its task queue on the Temporal server; all workers of one queue should have the same entries.
        entries: the namespaces whose processes and functions it runs.
        run: False for a worker that another program runs: it can be named here, and nothing runs here.
        sandbox: whether durable processes run in Temporal's sandbox, which catches what is not deterministic.
        passed_through: names of modules that the sandbox does not import again for each durable process, but shares
            with the program: those that are deterministic and slow to import, or that other code's classes come from.
        max_cached_workflows: how many durable processes are kept in memory between their tasks.
        max_concurrent_activities: how many functions run at once.
        graceful_shutdown_timeout: how long functions may go on when the worker stops, before they are cancelled.
        options: of Temporal's worker, such as `max_concurrent_workflow_tasks`, `workflow_task_pollers`, `versioning`
            and `tuner`; the error for one that is not known lists them all.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    id: str
    task_queue: str
    entries: tuple[Namespace, ...] = attrs.field(default=(), converter=_tuple)
    run: bool = True
    sandbox: bool = True
    passed_through: tuple[str, ...] = attrs.field(default=(), converter=_modules)
    max_cached_workflows: int = 1000
    max_concurrent_activities: int = 100
    graceful_shutdown_timeout: Duration = "2s"
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def __attrs_post_init__(self) -> None:
        check_entry_id(self.id, "id")
        if not isinstance(self.task_queue, str) or not self.task_queue:
            raise invalid("task_queue", self.task_queue, "a non-empty string")
        for name in ("run", "sandbox"):
            flag(getattr(self, name), name)
        self.settings()
        if self.run and self.sandbox:
            for entry in self.declared():
                if entry.kind == "process" and not entry.activity:
                    check_importable(entry)

    def settings(self) -> dict[str, Any]:
        """The keyword arguments for Temporal's worker that this one decides."""
        if not isinstance(self.options, Mapping):
            raise invalid("options", self.options, 'a table such as {"max_concurrent_workflow_tasks": 50}')
        settings = worker_settings(self.options)
        activities = count(self.max_concurrent_activities, "max_concurrent_activities")
        if "tuner" not in settings:
            settings["max_concurrent_activities"] = activities
        settings["max_cached_workflows"] = count(self.max_cached_workflows, "max_cached_workflows", 0)
        settings["graceful_shutdown_timeout"] = length(
            self.graceful_shutdown_timeout, "graceful_shutdown_timeout"
        )
        return settings

    def declared(self) -> Iterable[Entry]:
        """The entries of its namespaces."""
        for namespace in self.entries:
            yield from namespace


def report_offences(worker: Worker) -> None:
    """Say at the start of a worker without a sandbox which of its processes would end at once, and why."""
    if worker.sandbox:
        return
    for entry in worker.declared():
        if entry.kind == "process" and not entry.activity:
            for found in offences_of(entry.function):
                log.warning("%s will end with an error whenever it is spawned: %s", entry.id, found)
