"""`everproc new`: a project that runs, from the files in `template`."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click
from rich.text import Text

from actors._values.errors import ALREADY_EXISTS, INVALID, PERMISSION_DENIED, UNAVAILABLE, Error
from actors.cli._arguments import json_option
from actors.cli._output import Output

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_RENAMED = {"gitignore": ".gitignore"}


def make_project(directory: Path, name: str) -> list[Path]:
    """Write the files of a new project, whose package has the same name; gives their paths.

    Raises:
        Error: INVALID for a name that no package can have, ALREADY_EXISTS for a directory with something in it, or
            what says why it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise Error(
            f"name={name!r} is not valid: expected lower-case letters, digits and '-', a letter first,"
            " such as 'my-shop'",
            kind=INVALID,
            details={"usage": True},
        )
    if keyword.iskeyword(name):
        raise Error(
            f"name={name!r} is not valid: expected a name that is no word of Python",
            kind=INVALID,
            details={"usage": True},
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise Error(
            f"directory={str(directory)!r} is there already, and not empty: choose another name, or --directory",
            kind=ALREADY_EXISTS,
        )
    package = name.replace("-", "_")
    written: list[Path] = []
    for relative, source in _templates(files("actors.cli").joinpath("template"), Path()):
        path = directory / Path(*(package if part == "package" else part for part in relative.parts))
        content = source.read_text(encoding="utf-8").replace("{{name}}", name).replace("{{package}}", package)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise Error(
                f"directory={str(directory)!r} cannot be written: {error.strerror}; name another with --directory",
                kind=PERMISSION_DENIED if isinstance(error, PermissionError) else UNAVAILABLE,
            ) from error
        written.append(path)
    return written


def _templates(folder: Traversable, at: Path) -> list[tuple[Path, Traversable]]:
    found: list[tuple[Path, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _templates(entry, at / entry.name)
        elif entry.name.endswith(".in"):
            name = entry.name.removesuffix(".in")
            found.append((at / _RENAMED.get(name, name), entry))
    return found


@click.command()
@click.argument("name")
@click.option(
    "--directory", type=click.Path(path_type=Path), help="Where.  [default: a new one of that name]"
)
@json_option
@click.pass_obj
def new(output: Output, name: str, directory: Path | None) -> None:
    r"""Make a project: a service in memory, a durable order, a manifest, and tests.

    \b
    everproc new shop
    everproc new my-shop --directory ~/projects/shop
    """
    where = Path(name) if directory is None else directory
    written = make_project(where, name)
    shown = "\n".join(f"  {path}" for path in written)
    output.show(
        {"directory": str(where), "files": [str(path) for path in written]},
        lambda: Text(f"{shown}\nnow: cd {where} && everproc run    (README.md says what to try)"),
    )
