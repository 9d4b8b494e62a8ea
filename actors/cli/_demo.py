"""`everproc demo`: the project of `everproc new`, run, killed in the middle, and run again."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.text import Text

from actors._values.errors import UNAVAILABLE, Error
from actors.cli._arguments import json_option
from actors.cli._client import NodeClient, choose
from actors.cli._new import make_project
from actors.cli._output import Output

T = TypeVar("T")

_PATIENCE: Final = 60.0
"""Seconds for a step: the first start may have to download the server."""

_ORDER: Final = "{default@temporal|order-ada}"


@click.command()
@json_option
@click.pass_obj
def demo(output: Output) -> None:
    r"""A durable order that outlives the program: a real Temporal server, a kill -9 in the middle, ten seconds.

    \b
    everproc demo
    """

    def tell(step: str, **facts: Any) -> None:
        output.show({"step": step, **facts}, lambda: Text(step))

    with tempfile.TemporaryDirectory(prefix="everproc-demo-") as directory:
        make_project(Path(directory), "shop")
        tell("a shop is made, as by `everproc new shop`, and run, with a Temporal server of its own")
        with _running(Path(directory)) as (program, client):
            tell("a local process, the clerk, is called: place an order for Ada, 900", pid=_place(client))
            tell("the order waits for approval; now the program is killed: kill -9")
            program.kill()
            program.wait()
        tell("it runs again; nobody has told it of the order, which goes on where it was")
        with _running(Path(directory)) as (_, client):
            tell("the clerk watches it again", pid=_place(client))
            client.ask("send", pid=_ORDER, topic="approve")
            tell("the order is approved: a message, from a terminal")
            paid = _until(lambda: _said(client, "Ada has paid 900"), "the order to be paid")
            tell(f"the clerk says: {paid}")
    tell("the code is what `everproc new shop` writes; its README.md says what to try next")


@contextmanager
def _running(directory: Path) -> Generator[tuple[subprocess.Popen[bytes], NodeClient], None, None]:
    """The project, as `everproc run` runs it, and how to speak to it."""
    name = f"demo-{os.getpid()}"
    log = directory / "demo.log"
    with log.open("wb") as written:
        program = subprocess.Popen(
            [sys.executable, "-m", "actors.cli", "run", "--name", name],
            cwd=directory,
            stdout=written,
            stderr=written,
            start_new_session=True,  # a Ctrl-C is for us, and we stop it in order
        )

    def ready() -> NodeClient | None:
        if program.poll() is not None:
            raise Error(f"the program has ended:\n{log.read_text(errors='replace')}", kind=UNAVAILABLE)
        try:
            client = choose(name)
            client.ask("describe", pid="clerk")
        except Error:
            return None
        return client

    try:
        yield program, _until(ready, "the program to start")
    finally:
        program.terminate()
        program.wait()


def _place(client: NodeClient) -> str:
    answer: str = client.ask("call", pid="clerk", topic="place", payload=["Ada", 900], timeout="30s")[
        "answer"
    ]
    return answer


def _said(client: NodeClient, words: str) -> str | None:
    records = client.ask("log", lines=1000)
    return next((record["message"] for record in records if words in record["message"]), None)


def _until(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + _PATIENCE
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Error(f"waited {_PATIENCE:g} s for {what}", kind=UNAVAILABLE)
        time.sleep(0.05)
    return found
