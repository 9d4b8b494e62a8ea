"""What a manifest can say of Temporal: a client, workers, workflows, activities: a layer of `everproc`."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, cast

import attrs
from temporalio.client import Client

from actors import INVALID, Entry, Error, Namespace, Node, invalid
from actors.manifest import (
    CheckResult,
    Field,
    Kind,
    Layer,
    ManifestEntry,
    Problem,
    WaitForEnd,
    count,
    declare,
    duration,
    entries,
    flag,
    import_source,
    mapping,
    one_of,
    source,
    text,
)
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._bridge import TemporalBridge
from temporal_bridge._client.connection import connect
from temporal_bridge._client.temporal_client import TLS, TemporalClient
from temporal_bridge._worker.worker import Worker
from temporal_bridge._worker.worker_options import WORKER_OPTIONS
from temporal_bridge._workflow.code import check_importable
from temporal_bridge._workflow.lint import check_source
from temporal_bridge.devserver.program import find_temporal

log = logging.getLogger("everproc.bridge")

CLIENT: Final = "temporal.client"
WORKER: Final = "temporal.worker"

_TLS_FIELDS: Final[Mapping[str, Field]] = {
    "server_root_ca": Field(text, path=True),
    "client_cert": Field(text, path=True),
    "client_key": Field(text, path=True),
    "domain": Field(text),
}


def _address(value: Any, name: str) -> None:
    text(value, name)
    try:
        TemporalClient(value)
    except Error:
        hint = f"; write it without {value.split('://')[0]}://" if "://" in value else ""
        expected = f'host:port, such as "localhost:7233"; leave it out for the embedded server{hint}'
        raise invalid(name, value, expected) from None


_CLIENT_FIELDS: Final[Mapping[str, Field]] = {
    "address": Field(_address),
    "namespace": Field(text),
    "api_key": Field(text),
    "tls": Field(flag, fields=_TLS_FIELDS),
    "profile": Field(text),
    "config_file": Field(text, path=True),
    "converter": Field(one_of("msgpack", "json")),
    "codec": Field(source),
    "data_dir": Field(text, path=True),
    "ui": Field(flag),
    "identity": Field(text),
    "rpc_metadata": Field(mapping),
    "connect_timeout": Field(duration),
}
_OWN_WORKER_FIELDS: Final[Mapping[str, Field]] = {
    "client": Field(text, refers_to=(CLIENT,)),
    "task_queue": Field(text, required=True),
    "run": Field(flag),
    "sandbox": Field(flag),
    "max_cached_workflows": Field(count(0)),
    "max_concurrent_activities": Field(count(1)),
    "graceful_shutdown_timeout": Field(duration),
}
_WORKER_FIELDS: Final[Mapping[str, Field]] = {
    **_OWN_WORKER_FIELDS,
    **{option: Field(check) for option, (_, check) in WORKER_OPTIONS.items()},
}
_WORKFLOW_FIELDS: Final[Mapping[str, Field]] = {
    "source": Field(source, required=True),
    "worker": Field(text, required=True, refers_to=(WORKER,)),
    "name": Field(text),
    "on_crash": Field(one_of("fail", "suspend")),
}
_ACTIVITY_FIELDS: Final[Mapping[str, Field]] = {
    "source": Field(source, required=True),
    "worker": Field(text, required=True, refers_to=(WORKER,)),
    "local": Field(flag),
    "process": Field(flag),
}


def _client(values: Mapping[str, Any]) -> TemporalClient:
    tls: Any = values.get("tls")
    given = {name: value for name, value in values.items() if name not in ("tls", "codec", "ui")}
    return TemporalClient(
        **given,
        ui=values.get("ui", True),
        tls=TLS(**_pems(cast("Mapping[str, str]", tls))) if isinstance(tls, dict) else tls,
    )


def _pems(given: Mapping[str, str]) -> dict[str, Any]:
    """A certificate that was filled in from the environment is its text; else what is written is the path of one."""
    return {
        name: value.encode() if "-----BEGIN" in value and name != "domain" else value
        for name, value in given.items()
    }


def _worker(item: ManifestEntry, served: Sequence[Entry]) -> Worker:
    own = {name: item.values[name] for name in _OWN_WORKER_FIELDS if name in item.values and name != "client"}
    options = {name: item.values[name] for name in WORKER_OPTIONS if name in item.values}
    namespace = Namespace(item.id.partition(":")[0])
    for entry in served:
        namespace.add(entry)
    return Worker(item.id, entries=(namespace,), options=options, **own)


def _check_worker(values: Mapping[str, Any]) -> None:
    try:
        _worker(ManifestEntry("check:worker", WORKER, values), ())
    except Error as error:  # options have no table of their own here
        name = str(error.details.get("name", "")).removeprefix("options.")
        raise Error(error.message.replace("options.", ""), kind=INVALID, details={"name": name}) from None


def _check_activity(values: Mapping[str, Any]) -> None:
    if values.get("local") and values.get("process"):
        raise Error(
            "local=True and process=True exclude each other: a process takes long, and a local activity must not;"
            " remove one",
            kind=INVALID,
            details={"name": "local"},
        )


def _declare_workflow(item: ManifestEntry, function: Any) -> None:
    facts = {name: item.values[name] for name in ("worker", "name", "on_crash") if name in item.values}
    declare("process", item, function, **facts)
    check_importable(Entry(item.id, "process", function))


def _declare_activity(item: ManifestEntry, function: Any) -> None:
    worker = item.values["worker"]
    if item.values.get("process"):
        declare("process", item, function, worker=worker, activity=True)
    else:
        declare("function", item, function, worker=worker, local=item.values.get("local", False))


def _complete(
    items: Sequence[ManifestEntry], known: Sequence[Entry], overrides: Mapping[str, Any]
) -> list[ManifestEntry]:
    """A worker for each that entries name and nobody has declared; and the client that the command line names."""
    there = {item.id for item in items if item.kind == WORKER}
    named = {entry.worker for entry in known if entry.worker is not None}
    added = [
        ManifestEntry(worker, WORKER, {"task_queue": worker.replace(":", "-")})
        for worker in sorted(named - there)
    ]
    wanted = {name: overrides[name] for name in ("address", "namespace") if overrides.get(name) is not None}
    if wanted:
        if "address" in wanted:
            _address(wanted["address"], "address")
        added.append(ManifestEntry("everproc:command-line", CLIENT, wanted))
    return added


def _problems(items: Sequence[ManifestEntry]) -> Iterator[Problem]:
    """More than one client: all durable processes of a node are in one namespace of one server."""
    clients = [item for item in items if item.kind == CLIENT]
    for first, other in zip(clients[:1] * len(clients), clients[1:], strict=False):
        yield other.problem(
            f"{other.key} is a second temporal.client, next to {first.key} of line {first.line()}: a node has one;"
            " remove one, or give each node a manifest of its own"
        )


def _bridging(items: Sequence[ManifestEntry]) -> tuple[TemporalClient, list[Worker]] | None:
    """The client and the workers of a program; None, when it needs none.

    Raises:
        Error: as `TemporalClient` and `Worker`.
    """
    clients = [item for item in items if item.kind == CLIENT]
    overrides = [item for item in clients if not item.file]
    declared = [item for item in clients if item.file]
    workers = [item for item in items if item.kind == WORKER]
    if not workers and not clients:
        return None
    client = _client(declared[0].values if declared else {})
    if declared and "codec" in declared[0].values:
        codec = import_source(declared[0].values["codec"], f"{declared[0].key}.codec")
        client = attrs.evolve(client, codec=codec)
    for item in overrides:
        client = attrs.evolve(client, **item.values)
    served = [entry for entry in entries() if entry.kind in ("process", "function")]
    return client, [_worker(item, [entry for entry in served if _serves(item.id, entry)]) for item in workers]


def _serves(worker: str, entry: Entry) -> bool:
    """What names the worker; and functions that name none, which run wherever they are called."""
    return entry.worker == worker or (entry.worker is None and entry.kind == "function")


@asynccontextmanager
async def _open(node: Node, items: Sequence[ManifestEntry]) -> AsyncGenerator[WaitForEnd | None, None]:
    found = _bridging(items)
    if found is None:
        yield None
        return
    client, workers = found
    async with TemporalBridge(node, client, *workers) as bridge:
        log.info("Temporal is at %s, namespace %s", bridge.address, bridge.namespace)
        if bridge.server is not None and bridge.server.ui_address is not None:
            log.info("its web page is %s", bridge.server.ui_address)
        yield None if bridge.server is None else bridge.server.watch


async def _check(items: Sequence[ManifestEntry]) -> AsyncIterator[CheckResult]:
    """The connection, and the determinism of what is durable, as far as its source shows."""
    try:
        found = _bridging(items)
    except Error as error:
        yield CheckResult("temporal", False, error.message)
        return
    if found is None:
        return
    client, _ = found
    try:
        yield CheckResult("connection", True, await _connection(client))
    except Error as error:
        yield CheckResult("connection", False, error.message)
    for entry in entries():
        if entry.kind == "process" and not entry.activity and entry.worker is not None:
            try:
                check_importable(entry)
                check_source(entry)
            except Error as error:
                yield CheckResult(f"determinism of {entry.id}", False, error.message)
            else:
                yield CheckResult(f"determinism of {entry.id}", True, "nothing found that would not replay")


async def _connection(client: TemporalClient) -> str:
    config = client.resolve()
    if config.address is None:
        return f"no address: `everproc run` starts an embedded server, with {await find_temporal()}"
    async with Portal("everproc-check") as portal:
        found: Client = await portal.call(partial(connect, config))
        return f"connected to {config.address}, namespace {found.namespace!r} is there"


LAYER: Final = Layer(
    (
        Kind(CLIENT, _CLIENT_FIELDS, _client),
        Kind(WORKER, _WORKER_FIELDS, _check_worker),
        Kind("workflow", _WORKFLOW_FIELDS, declare=_declare_workflow),
        Kind("activity", _ACTIVITY_FIELDS, _check_activity, _declare_activity),
    ),
    order=10,
    complete=_complete,
    problems=_problems,
    open=_open,
    check=_check,
)
