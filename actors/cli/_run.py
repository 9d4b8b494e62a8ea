"""`everproc run`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import click
from rich.text import Text

from actors._inspection.json_view import to_jsonable
from actors._runtime.node import Node
from actors._values.callables import is_async
from actors._values.errors import invalid
from actors.cli._arguments import WithNumbers, json_option, json_value, of_the_command_line
from actors.cli._output import Output
from actors.cli._program import Main, Observing, run_program
from actors.cli._reload import run_again
from actors.manifest import Manifest, import_source, load, of_module

MANIFEST = "everproc.toml"

target_argument = click.argument("target", default=MANIFEST, metavar="[MANIFEST | MODULE[:MAIN]]")


@of_the_command_line()
def find(target: str, overrides: Mapping[str, Any]) -> tuple[Manifest, Main | None]:
    """The program that a target names: a manifest's, a module's entries, or its main function with these.

    Raises:
        ManifestError: for a manifest that is wrong.
        Error: for one that is not there, or a module that cannot be imported.
    """
    if target.endswith(".toml") or Path(target).is_file():
        return load(Path(target), overrides), None
    if Path(target).is_dir():
        return load(Path(target, MANIFEST), overrides), None
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, colon, _ = target.partition(":")
    manifest = of_module(module, overrides, "target")
    if not colon:
        return manifest, None
    function = import_source(target, "target")
    if not is_async(function):
        raise invalid("target", target, 'an async function, such as "shop:main"')
    return manifest, Main(function)


@click.command(cls=WithNumbers)
@target_argument
@click.argument("args", metavar="[JSON]...", nargs=-1, type=json_value)
@click.option("--name", help="Of the node, instead of what the manifest says.")
@click.option("--address", metavar="HOST:PORT", help="Of a Temporal server, instead of an embedded one.")
@click.option("--namespace", help="On that server.")
@click.option("--reload", is_flag=True, help="Run again when a .py or .toml file here has changed.")
@click.option(
    "--observe", is_flag=True, help="Serve a page on this machine that shows the processes; its URL is told."
)
@click.option(
    "--observe-port", type=click.IntRange(0, 65535), default=0, help="Of that page, instead of a free one."
)
@click.option(
    "--observe-actions", is_flag=True, help="Let that page end processes and send them messages, too."
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is logged to stderr.",
)
@json_option
@click.pass_obj
def run(
    output: Output,
    target: str,
    args: tuple[Any, ...],
    name: str | None,
    address: str | None,
    namespace: str | None,
    reload: bool,
    observe: bool,
    observe_port: int,
    observe_actions: bool,
    log_level: str,
) -> int:
    r"""Run a manifest, by default everproc.toml here, or a module: its main function, or what its entries need.

    When entries name workers, and neither the manifest nor the environment (TEMPORAL_ADDRESS) has the address of a
    Temporal server, an embedded one runs with them; its database is in .everproc. Ctrl-C and SIGTERM stop all in
    order; a second one at once.

    \b
    everproc run
    everproc run shop/everproc.toml --reload
    everproc run shop.main:main '{"orders": 3}'
    everproc run shop.orders --address localhost:7233
    """
    if reload:
        return run_again(output)
    manifest, main = find(target, {"address": address, "namespace": namespace})
    if name is not None:
        with of_the_command_line():
            Node(name)
        manifest = attrs.evolve(manifest, node={**manifest.node, "name": name})
    if main is not None:
        main = attrs.evolve(main, args=args)
    elif args:
        raise click.UsageError(f"args={list(args)!r}: only a main function takes arguments, MODULE:MAIN")

    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)-8s %(name)s: %(message)s", stream=sys.stderr
    )
    if log_level == "info":
        logging.getLogger("temporalio").setLevel(
            logging.WARNING
        )  # tells of each worker that it starts and stops

    def ready(node: Node) -> None:
        output.note(f"{node.name} runs; look at it with `everproc tree`, stop it with Ctrl-C")

    if not observe and (observe_port or observe_actions):
        raise click.UsageError("--observe-port and --observe-actions are for --observe: give that too")

    def tell(url: str) -> None:
        click.echo(f"observe it at {url}", err=True)  # as one line, whatever the width of the terminal

    observing = Observing(observe_port, observe_actions, tell) if observe else None
    value = run_program(manifest, main, ready, observing)
    if value is not None:
        output.show(to_jsonable(value), lambda: Text(str(value)))
    return 0
