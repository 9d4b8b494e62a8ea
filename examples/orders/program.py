"""Orders in a shop, each a durable process.

Reads a file of orders, runs one process per order and ends with a table and with the proof, from the shop's own
database, that every order was charged at most once and none was shipped unpaid. Halfway it kills the worker that the
orders live in.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import shlex
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trio

import actors
from examples.orders import shop
from examples.orders.dispatcher import Ended, Setting, closing_table, office
from examples.orders.orders_file import read_orders
from examples.orders.process import Order
from examples.orders.proof import calls, check
from examples.orders.stopping import Stopped, Stopping
from supervision import ChildSpec

ORDERS = Path(__file__).with_name("orders.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit code: 0, 1 when it went wrong, 2 for bad input, 128 and more after a signal."""
    options = _options(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names have letters that not every terminal has
            stream.reconfigure(errors="replace", line_buffering=True)
    stopping = Stopping()
    try:
        orders, errors = read_orders(options.orders, options.wait)
        for error in errors:
            print(f"{error}; left out", file=sys.stderr)
        with _directory(options) as directory:
            return _run(options, orders, len(errors), directory, stopping)
    except actors.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if error.kind == actors.INVALID else 1
    except Stopped as stopped:
        print(f"stopped by {stopped.name}: nothing is left running", file=sys.stderr)
        return 128 + stopped.number


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.orders", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--in-memory", action="store_true", help="run the same processes without Temporal")
    parser.add_argument(
        "--address", help="host:port of a Temporal server; left out, one is started and stopped"
    )
    parser.add_argument(
        "--manual-approval", action="store_true", help="large orders wait for you, or for ten minutes"
    )
    parser.add_argument(
        "--orders", type=Path, default=ORDERS, metavar="FILE", help="one JSON object a line; %(default)s"
    )
    parser.add_argument(
        "--wait",
        type=_duration,
        default="1s",
        metavar="TIME",
        help='between charging and shipping, such as "500ms" or "1h"; %(default)s',
    )
    parser.add_argument(
        "--directory",
        type=Path,
        help="where files go, and stay: run again with it, and orders that were not done go on",
    )
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory, to look into it")
    options = parser.parse_args(arguments)
    if options.in_memory and (options.address or options.manual_approval):
        parser.error("--in-memory has no server: leave out --address and --manual-approval")
    return options


def _duration(text: str) -> str:
    try:
        actors.seconds(text, "wait")
    except actors.Error as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return text


def _run(
    options: argparse.Namespace, orders: list[Order], left_out: int, directory: Path, stopping: Stopping
) -> int:
    logging.basicConfig(
        filename=directory / "orders.log",
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    database = directory / "shop.db"
    shop.create_database(database)
    started = time.monotonic()
    if options.in_memory:
        print(f"{len(orders)} orders from {options.orders}, in memory; the shop's database is {database}")
        ended = stopping.run(_in_memory, orders, database)
    else:
        print(f"{len(orders)} orders from {options.orders}, durably; the shop's database is {database}")
        ended = stopping.run(_durably, orders, options, directory)
    print(f"\n{closing_table(ended)}\n")
    print(f"{len(ended)} orders in {time.monotonic() - started:.1f} s. Proof, from {database}:")
    proof = check(database, ended)
    for claim in proof:
        broken = f": broken by {', '.join(claim.broken_by)}" if claim.broken_by else ""
        print(f"  {'FAILED' if broken else 'ok    '}  {claim.text}{broken}")
    count, repeated, processes = calls(database)
    print(
        f"  {count} calls of functions, {repeated} of them repeated without effect, by OS process"
        f" {' and then '.join(map(str, processes))}"
    )
    if left_out:
        print(f"{left_out} of the lines of {options.orders} had no order: see the errors above")
    _what_next(options, directory)
    return int(any(claim.broken_by for claim in proof))


async def _in_memory(orders: list[Order], database: Path) -> list[Ended]:
    async with actors.Node("orders") as node:
        ended: list[Ended] = await node.execute(office, orders, Setting(database))
        return ended


async def _durably(orders: list[Order], options: argparse.Namespace, directory: Path) -> list[Ended]:
    # Only here: a run in memory needs nothing of Temporal.
    from examples.orders.worker import keep, worker
    from temporal_bridge import TemporalBridge, TemporalClient

    client = TemporalClient(options.address, data_dir=directory / "temporal")
    async with (
        actors.Node("orders") as node,
        TemporalBridge(node, client, worker(run=False)) as bridge,
        trio.open_nursery() as nursery,
    ):
        mark = ""
        if bridge.server is not None:
            nursery.start_soon(bridge.server.watch)
        else:  # others may run this example there too, each with files of their own
            options.address = bridge.address  # it may have come from the environment
            mark = f"-{zlib.crc32(str(directory).encode()):08x}"
        print(f"         the Temporal server is at {bridge.address}")

        def approval(order: str) -> str:
            temporal = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
            target = ("--address", bridge.address, "--namespace", bridge.namespace, "--workflow-id", order)
            return shlex.join(
                (temporal, "workflow", "signal", *target, "--name", "approve", "--input", "true")
            )

        async def halfway() -> None:
            print(
                "         half of them are done: killing the worker with SIGKILL, in the middle of the others"
            )
            await actors.send("worker", "kill")

        setting = Setting(directory / "shop.db", None, mark, approval if options.manual_approval else None)
        keeper = ChildSpec(
            "worker", keep, (bridge.address, directory / "worker.log"), shutdown="12s", name="worker"
        )
        try:
            ended: list[Ended] = await node.execute(office, orders, setting, halfway, [keeper])
        finally:
            with trio.move_on_after(15, shield=True):  # the worker goes before the server that it speaks to
                while any(True for _ in node.processes()):  # noqa: ASYNC110 - a node has no event for it
                    await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    return ended


def _what_next(options: argparse.Namespace, directory: Path) -> None:
    kept = options.directory is not None or options.keep
    # The Python of `make demo` is not on PATH.
    python = min(sys.executable, os.path.relpath(sys.executable), key=len)
    again = f"{python} -m examples.orders"
    print("\nWhat to open next:")
    print("  examples/orders/process.py   the life of an order")
    if kept:
        print(f"  sqlite3 {directory / 'shop.db'} 'SELECT * FROM outcomes'")
    else:
        print(f"  {again} --keep   leaves the database and the logs to look into")
    if options.in_memory:
        print(f"  {again}   the same orders, durably: they outlive their worker")
    else:
        print(f"  {again} --manual-approval   large orders wait for your word")
        print(f"  {again} --in-memory   the same processes without Temporal")
    print("  docs/tutorial.md   fifteen minutes, from nothing to a durable service of your own")


# Files


@contextmanager
def _directory(options: argparse.Namespace) -> Generator[Path, None, None]:
    """Where files go: a directory that was given stays, another only when asked to, or when orders still need it."""
    given: Path | None = options.directory
    try:
        if given is not None:
            given.mkdir(parents=True, exist_ok=True)
        directory = (given or Path(tempfile.mkdtemp(prefix="everproc-orders-"))).absolute()
    except OSError as error:
        raise actors.Error(
            f"cannot use the directory: {error.filename}: {error.strerror}", kind=actors.INVALID
        ) from error
    kept = given is not None or options.keep
    try:
        yield directory
    except Stopped:
        if options.address is not None:
            kept = True
            again = (
                "python",
                "-m",
                "examples.orders",
                "--address",
                options.address,
                "--directory",
                str(directory),
            )
            print(f"\nits orders wait on the Temporal server; to go on: {shlex.join(again)}")
        raise
    finally:
        if kept:
            print(f"\nfiles kept in {directory}")
        else:
            _remove(directory)


def _remove(directory: Path) -> None:
    # A function that was given up on by Ctrl-C ends its transaction in its thread, a moment later.
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)
