"""Looking into a node: ps, tree, top, describe, logs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import click
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from actors._values.durations import seconds
from actors.cli._arguments import json_option, length, node_option, pid_argument
from actors.cli._client import NodeClient, choose
from actors.cli._output import Output

Row = Mapping[str, Any]


def _snapshot(client: NodeClient, limit: int) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("processes", elsewhere=limit)
    return found


def _warn(output: Output, found: Mapping[str, Any]) -> None:
    for error in found["errors"]:
        output.note(f"not all processes are here: {error['message']}")


limit_option = click.option(
    "--durable",
    "limit",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many durable processes at most; 0 asks the server for none.",
)


@click.command()
@limit_option
@node_option
@json_option
@click.pass_obj
def ps(output: Output, limit: int, node: str | None) -> None:
    r"""List the processes of a node, local and durable.

    \b
    everproc ps
    everproc ps --node shop --durable 0
    everproc ps --json | jq '.processes[].pid'
    """
    found = _snapshot(choose(node), limit)
    _warn(output, found)
    output.show(found, lambda: _table(found["processes"]))


def _table(processes: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("PID", no_wrap=True)
    for heading in ("PROCESS", "NAME", "STATUS"):
        table.add_column(heading, overflow="fold")
    for heading in ("MAILBOX", "HANDLED", "AGE"):
        table.add_column(heading, justify="right")
    for process in processes:
        table.add_row(
            Text(process["pid"]),
            Text(_what(process)),
            Text(" ".join(process["names"])),
            Text(process["status"]),
            _count(process["mailbox"]),
            _count(process["handled"]),
            _age(process["age"]),
        )
    return table


def _what(process: Row) -> str:
    """What a process is: as it calls itself, or else its entry."""
    called: str = process["label"] or process["entry"]
    return called


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _age(value: float | None) -> str:
    if value is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.1f}s"


@click.command()
@limit_option
@node_option
@json_option
@click.pass_obj
def tree(output: Output, limit: int, node: str | None) -> None:
    r"""Show processes under the ones that started or watch them, local and durable in one tree.

    \b
    everproc tree
    everproc tree --node shop
    """
    found = _snapshot(choose(node), limit)
    _warn(output, found)
    rows = {process["pid"]: process for process in found["processes"]}
    children: dict[str | None, list[Row]] = {}
    for process in rows.values():
        parent = process["parent"]
        children.setdefault(parent if parent in rows else None, []).append(process)
    output.show(
        {"node": found["node"]["name"], "tree": _nested(children, None), "errors": found["errors"]},
        lambda: _branches(Tree(Text(found["node"]["name"], style="bold")), children, None),
    )


def _nested(children: Mapping[str | None, Sequence[Row]], parent: str | None) -> list[dict[str, Any]]:
    return [
        {**process, "children": _nested(children, process["pid"])} for process in children.get(parent, ())
    ]


def _branches(tree: Tree, children: Mapping[str | None, Sequence[Row]], parent: str | None) -> Tree:
    for process in children.get(parent, ()):
        label = Text.assemble((_what(process), "bold"), "  ", (process["pid"], "dim"))
        if process["names"]:
            label.append(f"  {' '.join(process['names'])}", "green")
        if process["mailbox"]:
            label.append(f"  {process['mailbox']} unread", "yellow")
        if process["status"] != "running":
            label.append(f"  {process['status']}", "red")
        _branches(tree.add(label), children, process["pid"])
    return tree


@click.command()
@click.option(
    "--interval", type=length, metavar="DURATION", default="1s", show_default=True, help="Between two looks."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many looks.")
@click.option(
    "--rows", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many processes."
)
@node_option
@json_option
@click.pass_obj
def top(output: Output, interval: str, count: int | None, rows: int, node: str | None) -> None:
    r"""Watch the busiest processes of a node, by messages handled a second. Ctrl-C ends it.

    \b
    everproc top
    everproc top --interval 200ms --rows 50
    everproc top --count 1 --json
    """
    client = choose(node)
    pause = seconds(interval, "interval")
    before: dict[str, int] = {}
    looked = 0
    at = time.monotonic()
    with Live(console=output.console, auto_refresh=False, screen=False) as live:
        while True:
            found = _snapshot(client, 1000)
            now = time.monotonic()
            busiest = _busiest(found["processes"], before, max(now - at, 1e-9))[:rows]
            before = {process["pid"]: process["handled"] or 0 for process in found["processes"]}
            at = now
            if output.json:
                output.line({"node": found["node"], "processes": busiest})
            else:
                live.update(_top(found["node"], busiest), refresh=True)
            looked += 1
            if looked == count:
                return
            time.sleep(pause)


def _busiest(processes: Sequence[Row], before: Mapping[str, int], passed: float) -> list[dict[str, Any]]:
    rated = [
        {
            **process,
            "rate": round(
                ((process["handled"] or 0) - before.get(process["pid"], process["handled"] or 0)) / passed, 1
            ),
        }
        for process in processes
    ]
    return sorted(rated, key=lambda process: (-process["rate"], -(process["mailbox"] or 0)))


def _top(node: Mapping[str, Any], processes: Sequence[Row]) -> RenderableType:
    statistics = node["statistics"]
    ends = ", ".join(f"{count} {reason}" for reason, count in statistics["exits"].items()) or "none"
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{node['name']}   {statistics['processes']} processes, {statistics['spawned']} spawned,"
        f" ended: {ends}, {statistics['dead_letters']} dead letters",
        title_justify="left",
    )
    for heading in ("MSG/S", "MAILBOX", "HANDLED", "AGE"):
        table.add_column(heading, justify="right")
    for heading in ("PROCESS", "NAME"):
        table.add_column(heading, overflow="fold")
    table.add_column("PID", no_wrap=True)
    for process in processes:
        table.add_row(
            f"{process['rate']:g}",
            _count(process["mailbox"]),
            _count(process["handled"]),
            _age(process["age"]),
            Text(_what(process)),
            Text(" ".join(process["names"])),
            Text(process["pid"]),
        )
    return table


@click.command()
@pid_argument
@node_option
@json_option
@click.pass_obj
def describe(output: Output, pid: str, node: str | None) -> None:
    r"""Show all about a process: its mailbox, links, monitors, and where it waits.

    PID is a PID, with or without braces, a registered name, or the number of a local process.

    \b
    everproc describe counter
    everproc describe 7
    everproc describe '{default@temporal|order-1}'
    """
    found = choose(node).ask("describe", pid=pid)
    output.show(found, lambda: _details(found))


def _details(found: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in found.items():
        if value in (None, "", [], {}):
            continue
        if name == "age":
            shown = _age(value)
        elif name == "waits":
            shown = "\n\n".join("\n".join(frames) for frames in value)
        elif isinstance(value, dict):
            shown = "\n".join(f"{key} = {item}" for key, item in cast("dict[str, object]", value).items())
        elif isinstance(value, list):
            shown = "\n".join(map(str, cast("list[object]", value)))
        else:
            shown = str(value)
        table.add_row(name, Text(shown))
    return table


@click.command()
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=100, show_default=True, help="How many of the last."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with each new record, until Ctrl-C.")
@node_option
@json_option
@click.pass_obj
def logs(output: Output, lines: int, follow: bool, node: str | None) -> None:
    r"""Show what a node has logged: its last thousand records are kept.

    \b
    everproc logs -n 20
    everproc logs --follow --json
    """
    client = choose(node)
    if follow:
        for record in client.follow("log", lines=lines, follow=True):
            _record(output, record)
    else:
        for record in client.ask("log", lines=lines):
            _record(output, record)


_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}


def _record(output: Output, record: Row) -> None:
    def rendered() -> Text:
        colour = _COLOURS.get(record["level"], "")
        text = Text.assemble(
            (record["time"], "dim"), " ", (f"{record['level']:<8}", colour), f"{record['logger']}: "
        )
        text.append(record["message"])
        if "exception" in record:
            text.append(f"\n{record['exception']}", "dim")
        return text

    output.show(record, rendered)
