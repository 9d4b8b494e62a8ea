"""Acting on the processes of a node: send, call, spawn, cancel, terminate."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.text import Text

from actors._values.errors import NOT_FOUND, Error
from actors.cli._arguments import (
    WithNumbers,
    json_option,
    json_table,
    json_value,
    length,
    node_option,
    pid_argument,
    topic_name,
)
from actors.cli._client import choose
from actors.cli._output import Output

payload_argument = click.argument("payload", metavar="[JSON]...", nargs=-1, type=json_value)


def _pretty(value: Any) -> Text:
    return Text(json.dumps(value, indent=2, ensure_ascii=False))


def _gone(pid: str) -> Error:
    return Error(f"process {pid} does not exist any more", kind=NOT_FOUND)


@click.command(cls=WithNumbers)
@pid_argument
@click.argument("topic", type=topic_name, metavar="TOPIC")
@payload_argument
@node_option
@json_option
@click.pass_obj
def send(output: Output, pid: str, topic: str, payload: tuple[Any, ...], node: str | None) -> None:
    r"""Send a message; the payload is JSON: nothing, one value, or several.

    \b
    everproc send counter add 5
    everproc send counter rename '"total"'
    everproc send '{default@temporal|order-1}' approve '{"by": "Ada"}'
    """
    found = choose(node).ask("send", pid=pid, topic=topic, payload=list(payload))
    if not found["taken"]:
        raise Error(
            f"process {found['pid']} did not take the message: it does not exist, or is full", kind=NOT_FOUND
        )
    output.show(found, lambda: Text(f"sent to {found['pid']}"))


@click.command(cls=WithNumbers)
@pid_argument
@click.argument("topic", type=topic_name, metavar="TOPIC")
@payload_argument
@click.option(
    "--timeout",
    type=length,
    metavar="DURATION",
    default="5s",
    show_default=True,
    help="How long to wait for the answer.",
)
@node_option
@json_option
@click.pass_obj
def call(
    output: Output, pid: str, topic: str, payload: tuple[Any, ...], timeout: str, node: str | None
) -> None:
    r"""Send a message, and show what the process answers (actors.reply).

    \b
    everproc call counter get
    everproc call counter add 5 --timeout 1s
    """
    found = choose(node).ask("call", pid=pid, topic=topic, payload=list(payload), timeout=timeout)
    output.show(found, lambda: _pretty(found["answer"]))


@click.command(cls=WithNumbers)
@click.argument("entry", metavar="ENTRY")
@click.argument("args", metavar="[JSON]...", nargs=-1, type=json_value)
@click.option("--on", metavar="HOST", help='Where: "trio", "green", or a worker such as app:worker.')
@click.option("--name", help="The name it is registered under; durable ones have it as their id.")
@click.option("--context", type=json_table, metavar="JSON", help="What actors.context gives it.")
@click.option("--options", type=json_table, metavar="JSON", help="Such as '{\"mailbox.max\": 100}'.")
@click.option("--wait", is_flag=True, help="Wait for its end, and show its result.")
@node_option
@json_option
@click.pass_obj
def spawn(
    output: Output,
    entry: str,
    args: tuple[Any, ...],
    on: str | None,
    name: str | None,
    context: dict[str, Any] | None,
    options: dict[str, Any] | None,
    wait: bool,
    node: str | None,
) -> None:
    r"""Start a process by the id of its entry, with JSON arguments; shows its PID.

    \b
    everproc spawn app:order '{"id": 7}' --name order-7
    everproc spawn app:count 5 --on green
    everproc spawn app:report --wait
    """
    found = choose(node).ask(
        "spawn",
        target=entry,
        args=list(args),
        on=on,
        name=name,
        context=context,
        options=options,
        execute=wait,
    )
    output.show(found, lambda: _pretty(found["value"]) if wait else Text(found["pid"]))


@click.command()
@pid_argument
@click.option("--deadline", type=length, metavar="DURATION", help="Then it is terminated, if it still runs.")
@click.option("--reason", default="", help="What it is told.")
@node_option
@json_option
@click.pass_obj
def cancel(output: Output, pid: str, deadline: str | None, reason: str, node: str | None) -> None:
    r"""Ask a process to stop.

    \b
    everproc cancel counter
    everproc cancel counter --deadline 5s --reason "closing time"
    """
    found = choose(node).ask("cancel", pid=pid, deadline=deadline, reason=reason)
    if not found["asked"]:
        raise _gone(found["pid"])
    output.show(found, lambda: Text(f"asked {found['pid']} to stop"))


@click.command()
@pid_argument
@click.option("--reason", default="", help="For whoever watches it.")
@node_option
@json_option
@click.pass_obj
def terminate(output: Output, pid: str, reason: str, node: str | None) -> None:
    r"""End a process, whatever it does.

    \b
    everproc terminate counter
    everproc terminate '{default@temporal|order-1}' --reason "ordered twice"
    """
    found = choose(node).ask("terminate", pid=pid, reason=reason)
    if not found["terminated"]:
        raise _gone(found["pid"])
    output.show(found, lambda: Text(f"terminated {found['pid']}"))
