"""Arguments that commands have in common, checked as they come in, and their completion in the shell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import click
from click.shell_completion import CompletionItem

from actors._values.durations import seconds
from actors._values.errors import Error
from actors._values.messages import check_topic
from actors.cli._client import choose, nodes
from actors.cli._output import Output
from actors.manifest import ManifestError

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def of_the_command_line() -> Generator[None, None, None]:
    """Around what checks the command line: an error there is the user's, and not one of a program that was tried."""
    try:
        yield
    except ManifestError:
        raise
    except Error as error:
        raise Error(error.message, kind=error.kind, details={**error.details, "usage": True}) from error


class WithNumbers(click.Command):
    """A command with JSON among its arguments: `-2` is a number and no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, which sees no option in what begins with a space; to JSON that is the same number."""
        return super().parse_args(
            ctx, [f" {arg}" if re.fullmatch(r"-[\d.]+\S*", arg) else arg for arg in args]
        )


def json_value(written: str) -> Any:
    """A value, as JSON."""
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        raise click.BadParameter(
            f"value={written!r} is not JSON: expected such as 5, true, null, '[1, 2]', '{{\"a\": 1}}'; a text has"
            f" quotes of its own, so write {json.dumps(written)!r}"
        ) from None


def json_table(written: str) -> dict[str, Any]:
    """A value, as JSON that is an object."""
    found = json_value(written)
    if not isinstance(found, dict):
        raise click.BadParameter(f"value={written!r} is not an object: expected such as '{{\"a\": 1}}'")
    return cast("dict[str, Any]", found)


def length(written: str) -> str:
    """A duration, as it was written."""
    try:
        number = float(written) if written.replace(".", "", 1).isdigit() else None
        seconds(cast("str", written if number is None else number), "duration")
    except Error as error:
        raise click.BadParameter(error.message.replace(", or a timedelta", "")) from None
    return written


def topic_name(written: str) -> str:
    """The topic of a message."""
    try:
        check_topic(written)
    except Error as error:
        raise click.BadParameter(error.message) from None
    return written


def json_option(command: F) -> F:
    """`--json`."""

    def note(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(Output).json = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=note,
        help="Show JSON, for scripts.",
    )(command)


def node_option(command: F) -> F:
    """`--node`."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(client.node) for client in nodes() if client.node.startswith(incomplete)]

    return click.option(
        "--node",
        metavar="NAME",
        envvar="EVERPROC_NODE",
        shell_complete=complete,
        help="Which node, when several run; also EVERPROC_NODE.",
    )(command)


def pid_argument(command: F) -> F:
    """A process: its PID, its name or its number."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = choose(ctx.params.get("node")).ask("processes")["processes"]
        except Error:
            return []
        words = [
            CompletionItem(word, help=process["entry"])
            for process in found
            for word in (*process["names"], process["pid"])
        ]
        return [word for word in words if str(word.value).startswith(incomplete)]

    return click.argument("pid", metavar="PID", shell_complete=complete)(command)
