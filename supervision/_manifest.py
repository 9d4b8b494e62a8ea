"""What a manifest can say of services, run as one `Application`. Registered as a layer of `everproc`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import trio

import actors
from actors import INVALID, Cancel, Error, LinkDown, Node, invalid, process_entry, seconds
from actors.manifest import (
    Field,
    Kind,
    Layer,
    ManifestEntry,
    Problem,
    WaitForEnd,
    count,
    duration,
    flag,
    import_source,
    mapping,
    number,
    one_of,
    sequence,
    source,
    text,
    texts,
)
from supervision._children.backoff import Backoff
from supervision._services.application import Application
from supervision._services.dependencies import levels
from supervision._services.service import Service
from supervision._supervisors.supervisor import start

SERVICE: Final = "service"


def _stop_timeout(value: Any, name: str) -> None:
    if value not in ("brutal_kill", "infinity"):
        seconds(value, name)


_BACKOFF_FIELDS: Final[Mapping[str, Field]] = {
    "initial": Field(duration),
    "max": Field(duration),
    "factor": Field(number(1, 1000)),
    "jitter": Field(number(0, 1)),
}
_LIFECYCLE_FIELDS: Final[Mapping[str, Field]] = {
    "requires": Field(texts, refers_to=(SERVICE,)),
    "auto_start": Field(flag),
    "start_timeout": Field(duration),
    "stop_timeout": Field(_stop_timeout),
    "restart": Field(one_of("permanent", "transient", "temporary")),
    "max_restarts": Field(count(0)),
    "within": Field(duration),
    "backoff": Field(mapping, fields=_BACKOFF_FIELDS),
    "stable_threshold": Field(duration),
}
_SERVICE_FIELDS: Final[Mapping[str, Field]] = {
    "source": Field(source),
    "process": Field(text),
    "args": Field(sequence),
    "on": Field(text),
    "register": Field(text),
    "wait_ready": Field(flag),
    "options": Field(mapping),
    "lifecycle": Field(mapping, fields=_LIFECYCLE_FIELDS),
}


def _backoff(lifecycle: Mapping[str, Any]) -> Backoff | None:
    given = dict(lifecycle.get("backoff", {}))
    if "stable_threshold" in lifecycle:
        given["reset_after"] = lifecycle["stable_threshold"]
    return Backoff(**given) if given else None


def _check(values: Mapping[str, Any]) -> None:
    if ("source" in values) == ("process" in values):
        raise Error(
            'a service runs either a source = "package.module:name", or a process = "app:name" that is declared:'
            " give one of them",
            kind=INVALID,
        )
    try:
        _backoff(values.get("lifecycle", {}))
    except Error as error:
        name = str(error.details.get("name", ""))
        raise Error(error.message, kind=INVALID, details={"name": f"lifecycle.backoff.{name}"}) from error


def _declare(item: ManifestEntry, target: Any) -> None:
    """A service is no entry of the registry; but what it starts has to be something that can be started."""
    if target is None:
        process_entry(item.values["process"], f"{item.key}.process")
    try:
        _service(item)
    except Error as error:
        if error.details.get("name") != "start":
            raise
        expected = error.message.rpartition("expected ")[2].partition(" or the id of an entry")[0]
        raise invalid(f"{item.key}.source", item.values.get("source"), f"that of {expected}") from error


def _service(item: ManifestEntry) -> Service:
    values, lifecycle = item.values, item.values.get("lifecycle", {})
    target = import_source(values.get("source"), f"{item.key}.source")
    given = {
        **{name: values[name] for name in ("on", "register", "wait_ready", "options") if name in values},
        **{
            name: lifecycle[name]
            for name in ("requires", "start_timeout", "stop_timeout", "restart", "max_restarts", "within")
            if name in lifecycle
        },
    }
    start = values["process"] if target is None else target
    return Service(item.id, start, tuple(values.get("args", ())), backoff=_backoff(lifecycle), **given)


def _problems(items: Sequence[ManifestEntry]) -> Iterator[Problem]:
    """Services that require one another."""
    requires = {item.id: tuple(item.values.get("lifecycle", {}).get("requires", ())) for item in items}
    if any(name not in requires for names in requires.values() for name in names):
        return  # which is a problem of its own
    try:
        levels(requires)
    except Error as error:
        first = next(item for item in items if item.id in error.details["cycle"])
        key = f"{first.key}.lifecycle.requires"
        yield first.problem(f"{key}: {error.message}", "lifecycle", "requires")


def _started(items: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """Those that start by themselves, and what they require."""
    by_id = {item.id: item for item in items}
    waiting = [item for item in items if item.values.get("lifecycle", {}).get("auto_start", True)]
    chosen: dict[str, ManifestEntry] = {}
    while waiting:
        item = waiting.pop()
        if item.id not in chosen:
            chosen[item.id] = item
            waiting += [by_id[name] for name in item.values.get("lifecycle", {}).get("requires", ())]
    return [item for item in items if item.id in chosen]


class _Running:
    """The services of a node, and the process that they are started from."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._error: Error | None = None
        self._started = trio.Event()
        self._ended = trio.Event()

    async def keep(self) -> None:
        """The process: starts the application, and stops it when it is asked to."""
        actors.set_options(trap_links=True, label="the services of the program")
        events = actors.events()
        try:
            running = await start(self._application)
            self._started.set()
            async for event in events:
                match event:
                    case Cancel():
                        await running.stop()
                        return
                    case LinkDown(pid=running.pid):
                        self._error = event.result.error
                        return
                    case _:
                        pass
        except Error as error:
            self._error = error
        finally:
            self._started.set()
            self._ended.set()

    async def until_started(self) -> None:
        """Returns when all run; raises why they do not."""
        await self._started.wait()
        if self._error is not None:
            raise self._error

    async def until_stopped(self) -> None:
        """Returns when they have ended, well or not."""
        await self._ended.wait()

    async def until_ended(self) -> None:
        """Returns when they have ended well; raises why they have not."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error


@asynccontextmanager
async def _open(node: Node, items: Sequence[ManifestEntry]) -> AsyncGenerator[WaitForEnd | None, None]:
    services = [_service(item) for item in _started(items)]
    if not services:
        yield None
        return
    running = _Running(Application(services))
    pid = await node.spawn(running.keep, on="trio")
    try:
        await running.until_started()
        yield running.until_ended
    finally:
        await node.cancel(pid, reason="shutdown")
        await running.until_stopped()


LAYER: Final = Layer(
    (Kind(SERVICE, _SERVICE_FIELDS, _check, _declare),), order=20, problems=_problems, open=_open
)
