"""Orders in a shop, each a durable process.

Reads a file of orders, runs one process per order and ends with a table and with the proof, from the shop's own
database, that every order was charged at most once and none was shipped unpaid.
"""

from __future__ import annotations

import argparse
import io
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import trio

import actors
from examples.orders import shop
from examples.orders.dispatcher import Ended, closing_table, office
from examples.orders.orders_file import read_orders
from examples.orders.process import Order
from examples.orders.proof import calls, check

T = TypeVar("T")

ORDERS = Path(__file__).with_name("orders.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit code: 0, 1 when it went wrong, 2 for bad input, 130 after Ctrl-C."""
    options = _options(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names have letters that not every terminal has
            stream.reconfigure(errors="replace", line_buffering=True)
    try:
        if not options.in_memory:
            raise actors.Error("only --in-memory is there yet", kind=actors.INVALID)
        orders, errors = read_orders(options.orders, options.wait)
        for error in errors:
            print(f"{error}; left out", file=sys.stderr)
        with _directory(options.directory, options.keep) as directory:
            return _run(options, orders, len(errors), directory)
    except actors.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if error.kind == actors.INVALID else 1
    except _Stopped as stopped:
        print(f"stopped by {stopped.name}: nothing is left running", file=sys.stderr)
        return 128 + stopped.number
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.orders", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--in-memory", action="store_true", help="run the same processes without Temporal")
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
    parser.add_argument("--directory", type=Path, help="where files go, and stay; else a temporary one")
    parser.add_argument("--keep", action="store_true", help="keep the temporary directory, to look into it")
    return parser.parse_args(arguments)


def _duration(text: str) -> str:
    try:
        actors.seconds(text, "wait")
    except actors.Error as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return text


def _run(options: argparse.Namespace, orders: list[Order], left_out: int, directory: Path) -> int:
    database = directory / "shop.db"
    shop.create_database(database)
    print(f"{len(orders)} orders from {options.orders}, in memory; the shop's database is {database}")
    started = time.monotonic()
    ended = trio.run(_stoppable, _in_memory, orders, database)
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
    async with actors.Node("shop") as node:
        ended: list[Ended] = await node.execute(office, orders, "trio", database, None)
        return ended


def _what_next(options: argparse.Namespace, directory: Path) -> None:
    kept = options.directory is not None or options.keep
    print("\nWhat to open next:")
    print("  examples/orders/process.py   the life of an order")
    if kept:
        print(f"  sqlite3 {directory / 'shop.db'} 'SELECT * FROM outcomes'")
    else:
        print("  python -m examples.orders --keep   leaves the database to look into")
    print("  python -m examples.orders          the same orders, durably: they outlive their worker")


# Files and signals


@contextmanager
def _directory(given: Path | None, keep: bool) -> Generator[Path, None, None]:
    """Where files go: a directory that was given stays, another only when asked to."""
    try:
        if given is not None:
            given.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix="everproc-orders-")) if given is None else given
    except OSError as error:
        raise actors.Error(
            f"cannot use the directory: {error.filename}: {error.strerror}", kind=actors.INVALID
        ) from error
    try:
        yield directory
    finally:
        if given is not None or keep:
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


class _Stopped(Exception):
    """A signal asked the program to stop, and everything has."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


async def _stoppable(work: Callable[..., Awaitable[T]], *args: object) -> T:
    """Await `work`; Ctrl-C and SIGTERM cancel it and wait until it has put everything away.

    A KeyboardInterrupt would hit anywhere, also in the middle of putting away.
    """
    received: list[int] = []
    outcome: T | actors.Error | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def listen() -> None:
            async for number in signals:
                received.append(number)
                working.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            with trio.CancelScope() as working:
                try:
                    outcome = await work(*args)
                except actors.Error as error:
                    outcome = error
            nursery.cancel_scope.cancel()
    if received:
        raise _Stopped(received[0])
    if isinstance(outcome, actors.Error):
        raise outcome
    assert outcome is not None
    return outcome


if __name__ == "__main__":
    sys.exit(main())
