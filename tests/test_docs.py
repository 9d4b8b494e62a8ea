"""Every Python block of the documentation runs, in the order of its page; whole programs are in `test_readme.py`."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from actors.cli._main import everproc
from actors.manifest import Field, Kind, layers

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(?!# \S+\.py\n)(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if BLOCK.search(page.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path) -> None:
    names: dict[str, Any] = {"__name__": f"docs.{page.stem}"}
    text = page.read_text()
    for block in BLOCK.finditer(text):
        before = text[: block.start(1)].count("\n")
        code = compile(
            "\n" * before + block[1], str(page), "exec"
        )  # so that an error names the line of the page
        exec(code, names)


# The manifest and the command

MANIFEST_PAGE = (ROOT / "docs" / "guides" / "manifest.md").read_text()
COMMAND_PAGE = (ROOT / "docs" / "guides" / "command.md").read_text()
MANIFESTS = re.findall(r"^```toml\n(.*?)^```", MANIFEST_PAGE, re.MULTILINE | re.DOTALL)
LOADING = "import pathlib, actors.manifest; actors.manifest.load(pathlib.Path('everproc.toml'))"


@pytest.mark.parametrize("manifest", MANIFESTS, ids=range(len(MANIFESTS)))
def test_a_manifest_of_the_documentation_can_be_loaded(tmp_path: Path, manifest: str) -> None:
    for name, text in re.findall(
        r"^```python\n# (\S+\.py)\n(.*?)^```", MANIFEST_PAGE, re.MULTILINE | re.DOTALL
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "everproc.toml").write_text(manifest)
    given = {"TEMPORAL_ADDRESS": "eu.api.temporal.io:7233", "TEMPORAL_API_KEY": "a key"}
    done = subprocess.run(
        [sys.executable, "-c", LOADING],
        check=False,
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
    )
    assert (done.stderr, done.returncode) == ("", 0)


def _keys(fields: Mapping[str, Field], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        if field.fields is None or name != "lifecycle":
            yield prefix + name
        yield from _keys(field.fields or {}, f"{prefix}{name}.")


@pytest.mark.parametrize(
    "kind", [kind for layer in layers() for kind in layer.kinds], ids=lambda kind: kind.name
)
def test_every_key_of_a_kind_is_in_the_guide_to_the_manifest(kind: Kind) -> None:
    assert f"`{kind.name}`" in MANIFEST_PAGE
    for key in _keys(kind.fields):
        last = key.rpartition(".")[2]  # a backoff is told in one line
        assert f"`{key}`" in MANIFEST_PAGE or (
            key.startswith("lifecycle.backoff.") and f"`{last}`" in MANIFEST_PAGE
        )


def test_every_command_and_its_options_are_in_the_guide_to_the_command() -> None:
    context = click.Context(everproc)
    for name in everproc.list_commands(context):
        command = everproc.get_command(context, name)
        assert command is not None
        assert f"`{name}" in COMMAND_PAGE, name
        for option in command.params:
            longest = max(option.opts, key=len)
            if isinstance(option, click.Option):
                assert re.search(rf"`[^`\n]*{longest}\b", COMMAND_PAGE), f"{name} {longest}"
