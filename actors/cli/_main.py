"""The command and its list of commands, the way of errors to the user, and the exit codes."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from actors._values.errors import Error
from actors.cli._client import NoNode
from actors.cli._output import Output
from actors.manifest import ManifestError

GROUP: Final = "everproc.commands"

FAILED: Final = 1
WRONG: Final = 2
NO_NODE: Final = 3
INTERRUPTED: Final = 130

_COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "new": ("_new", "A new project that runs."),
    "demo": ("_demo", "A small shop with a durable order, from start to end."),
    "run": ("_run", "Run a manifest, or a module's main function."),
    "check": ("_check", "Check a manifest, the connection and durable entries."),
    "ps": ("_look", "List processes."),
    "tree": ("_look", "Show processes under their parents."),
    "top": ("_look", "Watch the busiest processes."),
    "describe": ("_look", "Show all about a process."),
    "logs": ("_look", "Show the log of a node."),
    "send": ("_act", "Send a message to a process."),
    "call": ("_act", "Send a message and show the answer."),
    "spawn": ("_act", "Start a process."),
    "cancel": ("_act", "Ask a process to stop."),
    "terminate": ("_act", "End a process."),
    "completion": ("_completion", "Completion for your shell."),
}
"""Each command, its module here, and what it does: they are imported when they are used."""


class _Commands(click.Group):
    """The commands of this package, then those of others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *sorted(_foreign())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            module = importlib.import_module(f"actors.cli.{_COMMANDS[cmd_name][0]}")
            command: click.Command = getattr(module, cmd_name)
            command.help = _with_lines_kept(command.help)
            return command
        point = _foreign().get(cmd_name)
        return None if point is None else point.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            names = self.list_commands(ctx)
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
            raise click.UsageError(f"command={name!r} is not known: {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, about) for name, (_, about) in _COMMANDS.items()]
        for name in sorted(_foreign()):
            command = self.get_command(ctx, name)
            rows.append((name, command.get_short_help_str() if command is not None else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _with_lines_kept(text: str | None) -> str | None:
    """Click keeps the lines of a paragraph after a backspace, which a raw docstring has as two characters."""
    return None if text is None else text.replace("\\b\n", "\b\n")


def _foreign() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(package_name="everproc")
def everproc() -> None:
    r"""Erlang-style processes for Python that can outlive the machine.

    \b
    everproc new shop && cd shop     a project
    everproc run                     run it: everproc.toml here
    everproc tree                    look at what runs, from another terminal

    Each command has examples: everproc COMMAND --help. All take --json, for scripts.

    Exit status: 0 done, 1 tried and failed, 2 the command line or the manifest is wrong, 3 no node runs.
    """


everproc.help = _with_lines_kept(everproc.help)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    output = Output()
    try:
        status: Any = everproc.main(arguments, prog_name="everproc", standalone_mode=False, obj=output)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return WRONG
    except click.ClickException as error:
        output.usage_error(error)
        return WRONG
    except Error as error:
        output.error(error)
        if isinstance(error, NoNode):
            return NO_NODE
        return WRONG if isinstance(error, ManifestError) or error.details.get("usage") else FAILED
    except BrokenPipeError:  # whoever read has read enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else 0
