"""Every public name has its entry in the reference pages."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import actors
import actors.manifest
import actors.metrics
import actors.observer
import actors.spans
import actors.testing
import supervision
import temporal_bridge

PAGES = Path(__file__).parent.parent / "docs" / "reference"
ENTRIES = {
    entry
    for page in PAGES.glob("*.md")
    for entry in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
}


SUBMODULES = {"actors.manifest", "actors.metrics", "actors.observer", "actors.spans", "actors.testing"}


@pytest.mark.parametrize(
    "package", [actors, supervision, temporal_bridge], ids=lambda package: package.__name__
)
def test_every_public_name_is_in_the_reference(package: ModuleType) -> None:
    names = {f"{package.__name__}.{name}" for name in package.__all__}
    if package is actors:  # the kinds are listed with `Kind`
        names -= {f"actors.{kind}" for kind in actors.KINDS}
    assert names - ENTRIES == set()


def test_the_reference_names_nothing_that_is_not_public() -> None:
    known = {
        f"{package.__name__}.{name}"
        for package in (actors, actors.testing, supervision, temporal_bridge)
        for name in package.__all__
    }
    assert ENTRIES - known - SUBMODULES == set()


def test_every_public_submodule_that_is_not_exported_is_in_the_reference() -> None:
    assert SUBMODULES <= ENTRIES
