"""What a command shows: for people with tables and colours, for programs as JSON; errors to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.text import Text

from actors._inspection.json_view import error_to_json
from actors._values.errors import Error

_WIDE: Final = 2000
"""Columns where there is no terminal."""


class Output:
    """Where and how the running command shows things."""

    def __init__(self) -> None:
        self.json = False
        # Where it is not shown but kept, such as in a pipe, lines are as long as they are.
        self.console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)

    def show(self, value: Any, rendered: Callable[[], RenderableType]) -> None:
        """A result: itself as one line of JSON, or what people are shown of it."""
        if self.json:
            self.line(value)
        elif self.console.is_terminal:
            self.console.print(rendered())
        else:
            with self.console.capture() as captured:
                self.console.print(rendered())
            click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))

    def line(self, value: Any) -> None:
        """A value as a line of JSON."""
        click.echo(json.dumps(value, ensure_ascii=False))

    def note(self, message: str) -> None:
        """Something that is not the result: to stderr, for people."""
        if not self.json:
            self.errors.print(escape(message))

    def error(self, error: Error) -> None:
        """An error, with its kind."""
        if self.json:
            click.echo(json.dumps({"error": error_to_json(error)}, ensure_ascii=False), err=True)
        else:
            for line in error.message.split("\n"):
                self.errors.print(Text.assemble(("error: ", "bold red"), line))

    def usage_error(self, error: click.ClickException) -> None:
        """What is wrong with the command line, and where its help is."""
        message = error.format_message()
        if self.json or "--json" in sys.argv:
            told: dict[str, Any] = {"kind": "INVALID", "message": message, "details": {}}
            click.echo(json.dumps({"error": told}, ensure_ascii=False), err=True)
            return
        self.errors.print(Text.assemble(("error: ", "bold red"), message))
        context = error.ctx if isinstance(error, click.UsageError) else None
        if context is not None:
            self.errors.print(Text(context.get_usage()))
            self.errors.print(Text(f"Examples: {context.command_path} --help"))
