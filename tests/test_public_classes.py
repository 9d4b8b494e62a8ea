"""Public classes say where they are imported from."""

import importlib
import inspect
import subprocess
import sys

import pytest

PACKAGES = ["actors", "supervision", "temporal_bridge"]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_class_is_of_its_public_package(package: str) -> None:
    module = importlib.import_module(package)
    classes = {name: found for name in module.__all__ if inspect.isclass(found := getattr(module, name))}
    assert classes
    ours = {name: found for name, found in classes.items() if found.__module__.partition(".")[0] in PACKAGES}
    elsewhere = {name: found.__module__ for name, found in ours.items() if found.__module__ != package}
    assert elsewhere == {}


def test_an_error_that_nobody_catches_is_named_as_it_is_imported() -> None:
    program = "import actors\nraise actors.Error('no more paper', kind=actors.UNAVAILABLE)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.stderr.splitlines()[-1].startswith("actors.Error: ")
