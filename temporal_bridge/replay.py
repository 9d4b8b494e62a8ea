"""Replays histories against the code as it is now: run it before a deployment.

    python -m temporal_bridge.replay --import shop.processes tests/histories
    python -m temporal_bridge.replay --import shop.processes --address localhost:7233 --query 'TaskQueue="orders"'

A history that does not replay belongs to a durable process that the new code would stop: keep the old way beside the
new one with `temporal_bridge.workflow.version`.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import importlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Literal

import attrs
from google.protobuf.json_format import ParseError
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.service import RPCError
from temporalio.worker import Replayer

from actors import INVALID, NOT_FOUND, Error, Namespace, invalid
from temporal_bridge._connection import TemporalClient, connect, shared_runtime
from temporal_bridge._converter import JSONConverter, MsgpackConverter
from temporal_bridge._failures import from_failure
from temporal_bridge._interceptors import HeaderInterceptor
from temporal_bridge._sandbox import workflow_runner
from temporal_bridge._workers import Worker, add_known, known
from temporal_bridge._workflow_body import DurableProcess

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
    converter: Literal["msgpack", "json"] = "msgpack",
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
    added = [worker for worker in workers if worker.id not in known]
    add_known(added)
    replayer = Replayer(
        workflows=[DurableProcess],
        workflow_runner=workflow_runner(sandbox),
        namespace=namespace,
        data_converter=_data_converter(converter),
        interceptors=[HeaderInterceptor()],
        runtime=shared_runtime(),
    )
    source = histories if isinstance(histories, AsyncIterator) else _each(histories)
    try:
        async with replayer.workflow_replay_iterator(source) as results:
            async for result in results:
                failure = result.replay_failure
                error = None if failure is None else _explained(failure)
                yield Replayed(result.history.workflow_id, result.history.run_id, error)
    finally:
        for worker in added:
            known.pop(worker.id, None)


async def _each(histories: Sequence[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history


def _explained(failure: Exception) -> Error:
    error = Error(
        f"the code does not replay this history: {failure}. Make the change behind temporal_bridge.workflow.version, or"
        " let such processes end on the old code",
        kind=INVALID,
    )
    error.__cause__ = from_failure(failure)
    return error


def _data_converter(name: str) -> DataConverter:
    return DataConverter(payload_converter_class=MsgpackConverter if name == "msgpack" else JSONConverter)


async def _from_server(
    client: Client, query: str | None, limit: int | None
) -> AsyncIterator[WorkflowHistory]:
    count = 0
    async for found in client.list_workflows(query):
        if limit is not None and count >= limit:
            return
        count += 1
        yield await client.get_workflow_handle(found.id, run_id=found.run_id).fetch_history()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m temporal_bridge.replay",
        description="Replay histories of durable processes against the code as it is now.",
        epilog="Exit status: 0 when all replay, 1 when one does not, 2 when it could not be tried.",
    )
    parser.add_argument("paths", nargs="*", help="JSON files of histories, or directories of them")
    parser.add_argument(
        "--import", dest="modules", action="append", default=[], metavar="MODULE",
        help="a module that declares the entries; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--worker", dest="workers", action="append", default=[], metavar="ID=QUEUE",
        help="a worker that processes name, and its task queue; may be given several times",
    )  # fmt: skip
    parser.add_argument("--address", help="host:port of a server, whose histories are replayed")
    parser.add_argument(
        "--namespace", default="default", help="the namespace of the processes (default: default)"
    )
    parser.add_argument(
        "--query", help="which of the server's workflows, such as 'ExecutionStatus=\"Running\"'"
    )
    parser.add_argument("--limit", type=int, help="how many of the server's workflows at most")
    parser.add_argument("--converter", choices=("msgpack", "json"), default="msgpack", help="of the payloads")
    parser.add_argument("--no-sandbox", action="store_true", help="for processes of a Worker(sandbox=False)")
    return parser


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
            imported = importlib.import_module(module)
        except Exception as error:
            raise Error(
                f"module={module!r} cannot be imported: {type(error).__name__}: {error}", kind=INVALID
            ) from error
        for namespace in vars(imported).values():
            if isinstance(namespace, Namespace):
                for entry in namespace:
                    if entry.worker is not None:
                        queues.setdefault(entry.worker, entry.worker)  # a replay compares no task queues
    return [Worker(name, task_queue=queue, run=False) for name, queue in queues.items()]


async def _run(arguments: argparse.Namespace, workers: list[Worker]) -> int:
    source: AsyncIterator[WorkflowHistory] | list[WorkflowHistory] = read_histories(arguments.paths)
    if arguments.address is not None:
        config = TemporalClient(arguments.address, namespace=arguments.namespace)
        client = await connect(config, address=arguments.address, runtime=shared_runtime())
        source = _from_server(client, arguments.query, arguments.limit)
    failed = count = 0
    async for result in replay(
        source,
        *workers,
        namespace=arguments.namespace,
        converter=arguments.converter,
        sandbox=not arguments.no_sandbox,
    ):
        count += 1
        if result.error is not None:
            failed += 1
            sys.stdout.write(f"FAILED {result.workflow_id} {result.run_id}\n    {result.error.message}\n")
    sys.stdout.write(f"{count - failed} of {count} histories replay\n")
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: its exit status."""
    parsed = _arguments().parse_args(arguments)
    if bool(parsed.paths) == (parsed.address is not None):
        sys.stderr.write("give either files or directories of histories, or --address of a server\n")
        return 2
    sys.path.insert(0, "")
    try:
        return asyncio.run(_run(parsed, _workers(parsed.modules, parsed.workers)))
    except (Error, RPCError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    finally:
        time.sleep(_AFTER_CANCEL)


if __name__ == "__main__":
    sys.exit(main())
