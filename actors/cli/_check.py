"""`everproc check`."""

from __future__ import annotations

import attrs
import click
import trio
from rich.table import Table
from rich.text import Text

from actors.cli._arguments import json_option
from actors.cli._output import Output
from actors.cli._run import find, target_argument
from actors.manifest import CheckResult, Manifest, layers


@click.command()
@target_argument
@click.option(
    "--address", metavar="HOST:PORT", help="Of a Temporal server, instead of what the manifest says."
)
@click.option("--namespace", help="On that server.")
@json_option
@click.pass_obj
def check(output: Output, target: str, address: str | None, namespace: str | None) -> int:
    r"""Check a manifest or a module without running it: what it names, the connection, and what is durable.

    Durable processes are looked through for calls that would not be the same again on replay. Exit status 1 when
    something is wrong, 2 when the manifest cannot be read.

    \b
    everproc check
    everproc check shop/everproc.toml --json
    everproc check shop.orders --address localhost:7233
    """
    manifest, _ = find(target, {"address": address, "namespace": namespace})
    findings = [
        CheckResult("manifest", True, f"{len(manifest.items)} entries"),
        *trio.run(_findings, manifest),
    ]

    def rendered() -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for finding in findings:
            mark = Text("ok", "green") if finding.ok else Text("wrong", "red")
            table.add_row(mark, Text(finding.what), Text(finding.message))
        return table

    output.show({"findings": [attrs.asdict(finding) for finding in findings]}, rendered)
    return 0 if all(finding.ok for finding in findings) else 1


async def _findings(manifest: Manifest) -> list[CheckResult]:
    found: list[CheckResult] = []
    for layer in layers():
        if layer.check is not None:
            found += [finding async for finding in layer.check(layer.own(manifest.items))]
    return found
