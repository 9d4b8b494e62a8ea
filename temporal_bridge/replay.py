"""Replays histories against the code as it is now: run it before a deployment.

    everproc replay --import shop.processes tests/histories
    everproc replay --import shop.processes --address localhost:7233 --query 'TaskQueue="orders"'

The same as `python -m temporal_bridge.replay`.

A history that does not replay belongs to a durable process that the new code would stop: keep the old way beside the
new one with `temporal_bridge.workflow.version`.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":  # a Ctrl-C while it imports ends it: there is nothing to put away
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import asyncio
import gzip
import importlib
import json
import logging
import re
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Literal

import attrs
import click
from google.protobuf.json_format import ParseError
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Replayer

from actors import INVALID, NOT_FOUND, Error, invalid, process_entry
from actors.manifest import entries, load
from temporal_bridge._client.connection import connect, shared_runtime
from temporal_bridge._client.temporal_client import TemporalClient
from temporal_bridge._wire.data_converter import data_converter
from temporal_bridge._wire.failures import from_failure
from temporal_bridge._wire.task_queues import add_open_workers, open_workers
from temporal_bridge._worker.headers import HeaderInterceptor
from temporal_bridge._worker.sandbox import workflow_runner
from temporal_bridge._worker.worker import Worker
from temporal_bridge._workflow.durable_process import DurableProcess

__all__ = ["Replayed", "main", "read_histories", "replay"]

_AFTER_CANCEL: Final = 0.2
"""Seconds before the interpreter may exit: threads of Temporal's core may still be about to call into it."""


@attrs.frozen
class Replayed:
    """How one history fared: `error` is None when the code replays it."""

    workflow_id: str
    run_id: str
    error: Error | None = None


def read_histories(paths: Sequence[str | Path]) -> list[WorkflowHistory]:
    """The histories of JSON files, as `temporal workflow show --output json` writes them, also when they are gzipped.

    Of a directory, all that end in `.json` or `.json.gz`.

    Raises:
        Error: NOT_FOUND for a path that is not there, INVALID for a file that holds no history.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += sorted([*path.rglob("*.json"), *path.rglob("*.json.gz")])
        elif path.exists():
            files.append(path)
        else:
            raise Error(
                f"path={str(path)!r} does not exist: expected a JSON file or a directory", kind=NOT_FOUND
            )
    histories: list[WorkflowHistory] = []
    for file in files:
        try:
            history = WorkflowHistory.from_json(file.name.partition(".")[0], _text(file))
        except (ParseError, ValueError, OSError) as error:
            raise Error(
                f"path={str(file)!r} is not a history: {error}; expected JSON, as of"
                " `temporal workflow show --output json`",
                kind=INVALID,
            ) from error
        if not history.events:
            raise Error(f"path={str(file)!r} is a history without events", kind=INVALID)
        histories.append(_named(history))
    return histories


def _text(file: Path) -> str:
    data = file.read_bytes()
    return (gzip.decompress(data) if file.suffix == ".gz" else data).decode()


def _named(history: WorkflowHistory) -> WorkflowHistory:
    """With the id that its first event tells, if it does: a process knows its own PID."""
    started = history.events[0].workflow_execution_started_event_attributes
    return WorkflowHistory(started.workflow_id or history.workflow_id, history.events)


async def replay(
    histories: AsyncIterator[WorkflowHistory] | Sequence[WorkflowHistory],
    *workers: Worker,
    namespace: str = "default",
    converter: Literal["msgpack", "json"] = "json",
    sandbox: bool = True,
) -> AsyncIterator[Replayed]:
    """Replay histories, in asyncio; the modules that declare their entries must be imported.

    Args:
        histories: what is replayed.
        workers: those that the processes name, by their entries or by `on=`.
        namespace: that of the processes.
        converter: of their payloads.
        sandbox: whether their workers use Temporal's sandbox.
    """
    added = [worker for worker in workers if worker.id not in open_workers]
    add_open_workers(added)
    replayer = Replayer(
        workflows=[DurableProcess],
        workflow_runner=workflow_runner(sandbox),
        namespace=namespace,
        data_converter=data_converter(converter),
        interceptors=[HeaderInterceptor()],
        runtime=shared_runtime(),
    )
    source = histories if isinstance(histories, AsyncIterator) else _each(histories)
    try:
        async with replayer.workflow_replay_iterator(source) as results:
            async for result in results:
                failure = result.replay_failure
                error = None if failure is None else _undeclared(result.history) or _explained(failure)
                yield Replayed(result.history.workflow_id, result.history.run_id, error)
    finally:
        for worker in added:
            open_workers.pop(worker.id, None)


async def _each(histories: Sequence[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history


def _undeclared(history: WorkflowHistory) -> Error | None:
    """Why a history cannot be tried: nobody has declared its entry here."""
    workflow_type = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    try:
        process_entry(workflow_type)
    except Error as error:
        return Error(
            f"its entry={workflow_type!r} is not declared here: import the module that declares it, with --import",
            kind=error.kind,
            details={"entry": workflow_type},
        )
    return None


_NONDETERMINISM: Final = re.compile(r'message: "(?P<text>(?:[^"\\]|\\.)*)"')


def _explained(failure: Exception) -> Error:
    match = _NONDETERMINISM.search(
        str(failure)
    )  # Temporal's core wraps it in the debug output of its own types
    text = str(failure) if match is None else match["text"].replace('\\"', '"')
    error = Error(
        f"the code does not replay this history: {text}. Make the change behind temporal_bridge.workflow.version, or"
        " let such processes end on the old code",
        kind=INVALID,
    )
    error.__cause__ = from_failure(failure)
    return error


async def _from_server(
    client: Client, query: str | None, limit: int | None
) -> AsyncIterator[WorkflowHistory]:
    count = 0
    async for found in client.list_workflows(query):
        if limit is not None and count >= limit:
            return
        count += 1
        yield await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()


def _workers(modules: Sequence[str], workers: Sequence[str]) -> list[Worker]:
    """Import the modules; the workers that are given or that their entries name."""
    queues: dict[str, str] = {}
    for text in workers:
        name, equals, queue = text.partition("=")
        if not equals:
            raise invalid("worker", text, "ID=QUEUE, such as app:worker=orders")
        queues[name] = queue
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:
            raise Error(
                f"module={module!r} cannot be imported: {type(error).__name__}: {error}", kind=INVALID
            ) from error
    for entry in entries():
        if entry.worker is not None:
            queues.setdefault(entry.worker, entry.worker)  # a replay compares no task queues
    return [Worker(name, task_queue=queue, run=False) for name, queue in queues.items()]


@attrs.frozen
class _Source:
    """Where histories come from: files, or a server."""

    paths: tuple[str, ...]
    address: str | None
    namespace: str
    query: str | None
    limit: int | None


async def _run(
    source: _Source, workers: list[Worker], converter: Literal["msgpack", "json"], sandbox: bool
) -> list[Replayed]:
    histories: AsyncIterator[WorkflowHistory] | list[WorkflowHistory] = read_histories(source.paths)
    if source.address is not None:
        config = TemporalClient(source.address, namespace=source.namespace)
        client = await connect(config, address=source.address, runtime=shared_runtime())
        histories = _from_server(client, source.query, source.limit)
    found = replay(histories, *workers, namespace=source.namespace, converter=converter, sandbox=sandbox)
    return [replayed async for replayed in found]


@click.command(
    "replay",
    epilog="\b\neverproc replay --import shop.orders tests/histories\n"
    "everproc replay --manifest everproc.toml --address localhost:7233 --query 'TaskQueue=\"orders\"'",
)
@click.argument("paths", nargs=-1, metavar="[FILE | DIRECTORY]...")
@click.option("--manifest", metavar="FILE", help="An everproc.toml, whose entries and workers are used.")
@click.option(
    "--import",
    "modules",
    multiple=True,
    metavar="MODULE",
    help="A module that declares the entries; repeatable.",
)
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="ID=QUEUE",
    help="A worker that processes name, and its task queue; repeatable.",
)
@click.option("--address", metavar="HOST:PORT", help="A server, whose histories are replayed.")
@click.option("--namespace", default="default", show_default=True, help="The namespace of the processes.")
@click.option("--query", help="Which of the server's workflows, such as 'ExecutionStatus=\"Running\"'.")
@click.option("--limit", type=click.IntRange(1), help="How many of the server's workflows at most.")
@click.option("--converter", type=click.Choice(["msgpack", "json"]), default="json", help="Of the payloads.")
@click.option("--no-sandbox", is_flag=True, help="For processes of a Worker(sandbox=False).")
@click.option("--json", "as_json", is_flag=True, help="Show JSON, for scripts.")
def command(
    paths: tuple[str, ...],
    manifest: str | None,
    modules: tuple[str, ...],
    workers: tuple[str, ...],
    address: str | None,
    namespace: str,
    query: str | None,
    limit: int | None,
    converter: Literal["msgpack", "json"],
    no_sandbox: bool,
    as_json: bool,
) -> int:
    """Replay histories against the code as it is.

    Before a deployment: durable processes whose histories do not replay would be stopped by it. Histories are JSON
    files, as of `temporal workflow show --output json`, also gzipped, or directories of them; or those of a server.
    Exit status 0 when all replay, 1 when one does not, 2 when it could not be tried.
    """
    if bool(paths) == (address is not None):
        raise click.UsageError("give either files or directories of histories, or --address of a server")
    if address is None and (query is not None or limit is not None):
        raise click.UsageError("--query and --limit choose histories of a server: give its --address")
    if not namespace:
        raise click.UsageError(
            "--namespace is empty: expected the namespace of the processes, such as default"
        )
    log = logging.getLogger("everproc.temporal")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what fails is said once, here
    sys.path.insert(0, "")
    try:
        if manifest is not None:
            load(Path(manifest))
        source = _Source(paths, address, namespace, query, limit)
        found = asyncio.run(_run(source, _workers(modules, workers), converter, not no_sandbox))
    except (Error, RPCError) as error:
        raise click.UsageError(str(error)) from error
    finally:
        time.sleep(_AFTER_CANCEL)
        log.setLevel(level)
    failed = [replayed for replayed in found if replayed.error is not None]
    if as_json:
        click.echo(json.dumps([_shown(replayed) for replayed in found]))
    else:
        for replayed in failed:
            assert replayed.error is not None
            click.echo(f"FAILED {replayed.workflow_id} {replayed.run_id}\n    {replayed.error.message}")
        click.echo(f"{len(found) - len(failed)} of {len(found)} histories replay")
    return 1 if failed else 0


def _shown(replayed: Replayed) -> dict[str, object]:
    message = None if replayed.error is None else replayed.error.message
    return {"workflow_id": replayed.workflow_id, "run_id": replayed.run_id, "error": message}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: its exit status."""
    try:
        status: int = command.main(
            arguments, prog_name="python -m temporal_bridge.replay", standalone_mode=False
        )
    except click.exceptions.Exit as asked:
        return asked.exit_code
    except click.Abort:
        return 130  # Ctrl-C
    except click.ClickException as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return 2
    return status


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
