"""Run the behaviour suite on the plain host where trio, asyncio and temporalio cannot be imported.

    python -m tests.without_schedulers

`actors/__init__.py` imports the trio host, so `actors` is put together here from its kernel alone: those of its imports
that come from the modules which the contract of `pyproject.toml` lists.
"""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent
REFUSED = ("trio", "asyncio", "temporalio")
SUITE = ("api", "calls", "channel", "context", "groups", "kernel", "mailbox", "names", "process", "relations")


class Refusal(MetaPathFinder):
    """Refuses to import schedulers."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in REFUSED:
            raise ImportError(f"{fullname} is a scheduler, and this is about the kernel without any")
        return None


def kernel_modules() -> set[str]:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (kernel,) = [
        contract
        for contract in contracts
        if contract["name"] == "Nothing below the runtime knows a scheduler"
    ]
    return set(kernel["source_modules"])


def is_of_the_kernel(module: str, known: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in known)


def import_the_kernel_as_actors() -> None:
    """Make a package `actors` of the kernel's names only."""
    path = ROOT / "actors" / "__init__.py"
    package = ModuleType("actors")
    package.__path__ = [str(path.parent)]
    sys.modules["actors"] = package
    known = kernel_modules()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    ]  # those for type checkers, too
    for node in imports:
        if node.module == "actors":
            node.names = [name for name in node.names if f"actors.{name.name}" in known]
    tree.body = [
        node for node in imports if node.module == "actors" or is_of_the_kernel(node.module or "", known)
    ]
    exec(compile(tree, str(path), "exec"), vars(package))


def main() -> None:
    assert [name for name in REFUSED if name in sys.modules] == []
    sys.meta_path.insert(0, Refusal())
    import_the_kernel_as_actors()
    hosts = importlib.import_module("tests.hosts")
    for name in SUITE:
        importlib.import_module(f"tests.test_{name}")
    for body in hosts.PORTABLE:
        hosts.HOSTS["plain"].run(body)
    assert [name for name in REFUSED if name in sys.modules] == []
    sys.stdout.write(f"{len(hosts.PORTABLE)} passed\n")


if __name__ == "__main__":
    main()
