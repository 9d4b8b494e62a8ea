"""The worker: an OS process of its own in which the orders live, and the local process that keeps it running.

    python -m examples.orders.worker localhost:7233

It may die at any moment: what the orders have done is on the Temporal server, and the next worker goes on from there.
"""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

import actors
import examples.orders.shop  # noqa: F401 - declares the functions
from examples.orders.process import app
from temporal_bridge import TemporalBridge, TemporalClient, Worker

ROOT = Path(__file__).parents[2]
QUEUE = "orders"


def worker(run: bool) -> Worker:
    """The worker that orders name; `run=False` where it is only spoken of."""
    return Worker("app:worker", task_queue=QUEUE, entries=[app], run=run)


# The program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m examples.orders.worker", allow_abbrev=False)
    parser.add_argument("address", help="host:port of the Temporal server")
    parser.add_argument(
        "--stop-at-eof",
        action="store_true",
        help="stop when standard input ends: with the program that started this",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
    )
    try:
        trio.run(_serve, options.address, options.stop_at_eof)
    except actors.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if error.kind == actors.INVALID else 1
    return 0


async def _serve(address: str, stop_at_eof: bool) -> None:
    async with trio.open_nursery() as nursery:

        async def stop_at_signal() -> None:
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await signals.__anext__()
            nursery.cancel_scope.cancel()

        async def stop_with_parent() -> None:
            await trio.lowlevel.wait_readable(sys.stdin)  # nobody writes there: it is the end
            nursery.cancel_scope.cancel()

        nursery.start_soon(stop_at_signal)
        if stop_at_eof:
            nursery.start_soon(stop_with_parent)
        async with (
            actors.Node("orders-worker") as node,
            TemporalBridge(node, TemporalClient(address), worker(run=True)),
        ):
            await trio.sleep_forever()


# Its keeper, in the program that started it


async def keep(address: str, log: Path) -> None:
    """Run the worker as an OS process, and end when that ends: the supervisor then starts both anew.

    The message `kill` kills it without a warning, as a power cut would.
    """
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "examples.orders.worker", address, "--stop-at-eof"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we stop it in order
        )
    try:
        print(f"         the worker is OS process {process.pid}")
        kills = actors.listen("kill")

        async def kill() -> None:
            async for _ in kills:
                process.kill()

        actors.start_soon(kill)
        code = await process.wait()
    finally:
        with actors.shield():
            await _stop(process)
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    dead = f"the worker, OS process {process.pid}, is dead: {how}"
    if code >= 0:  # it has said why
        dead += f"; its log {log} ends with\n{_last_lines(log)}"
    print(f"         {dead}")
    raise actors.Error(dead)  # our supervisor starts another


async def _stop(process: trio.Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    with trio.move_on_after(8):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


if __name__ == "__main__":
    sys.exit(main())
