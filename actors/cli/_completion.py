"""Completion for the user's shell."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from rich.text import Text

from actors.cli._arguments import json_option
from actors.cli._output import Output

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    r"""Print the completion for a shell, by default yours.

    \b
    eval "$(everproc completion bash)"          in ~/.bashrc
    eval "$(everproc completion zsh)"           in ~/.zshrc
    everproc completion fish > ~/.config/fish/completions/everproc.fish
    """
    found = shell or Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(found)
    if kind is None or found not in _SHELLS:
        raise click.UsageError(f"shell={found!r} is not known: expected one of {', '.join(_SHELLS)}")
    script = kind(ctx.find_root().command, {}, "everproc", "_EVERPROC_COMPLETE").source()
    output = ctx.ensure_object(Output)
    if output.json:
        output.show({"shell": found, "script": script}, lambda: Text(script))
    else:
        click.echo(script)
