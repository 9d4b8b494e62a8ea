"""`everproc server`: the embedded Temporal server by itself, with its web page."""

from __future__ import annotations

import json
import signal

import click
import trio

from actors import Error
from temporal_bridge.devserver.server import EmbeddedServer


@click.command(
    "server",
    epilog="\b\neverproc server\neverproc server --port 7233 --ui-port 8233\n"
    "everproc server --in-memory --search-attribute customer=Keyword",
)
@click.option("--directory", metavar="PATH", help="Where its database and log are.  [default: .everproc]")
@click.option("--in-memory", is_flag=True, help="Without a database: all is gone when it ends.")
@click.option("--namespace", default="default", show_default=True, help="Made if it is missing.")
@click.option(
    "--search-attribute",
    "attributes",
    multiple=True,
    metavar="NAME=TYPE",
    help="Registered with the namespace; may be given several times.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where it listens; the `temporal` command looks at 7233.  [default: a free one]",
)
@click.option(
    "--ui-port", type=click.IntRange(1, 65535), help="Where its web page is.  [default: a free one]"
)
@click.option("--no-ui", is_flag=True, help="Without the web page.")
@click.option("--json", "as_json", is_flag=True, help="Show JSON, for scripts.")
def command(
    directory: str | None,
    in_memory: bool,
    namespace: str,
    attributes: tuple[str, ...],
    port: int | None,
    ui_port: int | None,
    no_ui: bool,
    as_json: bool,
) -> None:
    """Run a Temporal server on this machine.

    A real one, with its web page, until Ctrl-C. Programs find it by its address, in TEMPORAL_ADDRESS or as
    `everproc run --address`.
    """
    if ui_port is not None and (no_ui or ui_port == port):
        raise click.UsageError(
            "--ui-port is for the web page: leave out --no-ui, and say another than --port"
        )
    try:
        server = EmbeddedServer(
            directory,
            namespace=namespace,
            port=port,
            ui=not no_ui,
            ui_port=ui_port,
            database=not in_memory,
            search_attributes=_pairs(attributes),
        )
    except Error as error:
        raise click.UsageError(error.message) from error
    trio.run(_serve, server, namespace, as_json)


def _pairs(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in given:
        name, equals, kind = pair.partition("=")
        if not equals:
            raise click.BadParameter(
                f"search_attribute={pair!r} is not valid: expected NAME=TYPE, such as customer=Keyword"
            )
        found[name] = kind
    return found


async def _serve(embedded: EmbeddedServer, namespace: str, as_json: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with embedded as server, trio.open_nursery() as nursery:
            if as_json:
                facts = {"address": server.address, "ui": server.ui_address, "namespace": namespace}
                click.echo(json.dumps(facts))
            else:
                click.echo(f"export TEMPORAL_ADDRESS={server.address}")
                click.echo(f"the server runs, namespace {namespace}; stop it with Ctrl-C", err=True)
                if server.ui_address is not None:
                    click.echo(f"its web page: {server.ui_address}", err=True)
            nursery.start_soon(server.watch)
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
