"""The lint for workers without a sandbox: what the source of a process calls that would not replay.

It looks at the function of the process, and at what this uses of its own module. Names are followed through imports,
and judged by the list of Temporal's own sandbox.
"""

from __future__ import annotations

import ast
import builtins
import logging
from collections.abc import Iterator
from functools import lru_cache
from inspect import unwrap
from pathlib import Path
from typing import Any, Final

from temporalio import workflow
from temporalio.worker.workflow_sandbox import SandboxRestrictions

from actors import Entry, Error
from temporal_bridge._workflow.determinism import offence

log = logging.getLogger("everproc.bridge")

_RESTRICTED: Final = SandboxRestrictions.invalid_module_members_default
_OTHER_LOOPS: Final = ("asyncio.", "trio.", "anyio.")
_PURE: Final = ("os.path.",)
_BELIEVED: Final = "# deterministic"
_ENTRY_DECORATORS: Final = ("process", "function")

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def check_source(entry: Entry) -> None:
    """Refuse a process that calls what does not replay, and that no sandbox catches.

    In a sandbox, that is the clock by `datetime`. A line with `# deterministic` is believed.

    Raises:
        Error: kind INVALID, naming the call, where it is, and the safe one.
    """
    for found in offences_of(entry.function):
        if not workflow.unsafe.in_sandbox() or found.details["call"].startswith("datetime."):
            raise found


@lru_cache(maxsize=4096)
def offences_of(function: Any) -> tuple[Error, ...]:
    """All that the source of a process shows; nothing when there is no source to look at."""
    code = getattr(unwrap(function), "__code__", None)
    if code is None:
        return ()
    path = Path(code.co_filename)
    try:
        module = _Module(path.read_text())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ()
    found: dict[int, str] = {}
    for name, line in module.offences(code.co_firstlineno):
        found.setdefault(line, name)  # of what a call is given, the call itself comes first
    return tuple(offence(found[line], where=f"{path.name}:{line}: ") for line in sorted(found))


class _Module:
    def __init__(self, text: str) -> None:
        self._tree = ast.parse(text)
        self._lines = text.splitlines()
        self._imported = dict(_imports(self._tree))
        self._defined: dict[str, Definition] = {
            node.name: node for node in self._tree.body if isinstance(node, Definition)
        }

    def offences(self, first_line: int) -> Iterator[tuple[str, int]]:
        """In the function that begins at a line, and in what it uses of this module: names and lines."""
        todo: list[Definition] = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.AsyncFunctionDef) and _first_line(node) == first_line
        ]
        seen = set(todo)
        while todo:
            definition = todo.pop()
            for node in ast.walk(definition):
                name = self._offence(node)
                if name is not None and _BELIEVED not in self._lines[_line(node) - 1]:
                    yield name, _line(node)
                used = self._defined.get(node.id) if isinstance(node, ast.Name) else None
                if used is not None and used not in seen and not _is_entry(used):
                    seen.add(used)
                    todo.append(used)

    def _offence(self, node: ast.AST) -> str | None:
        if isinstance(node, ast.Global):
            return f"the global variable {node.names[0]}"
        if not isinstance(node, ast.Call | ast.Subscript):
            return None
        name = self._full_name(node.func if isinstance(node, ast.Call) else node.value)
        if name is None or name.startswith(_PURE):
            return None
        if name.startswith(_OTHER_LOOPS):
            return name
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            matcher = _RESTRICTED.child_matcher(*parts[:count])
            if matcher is not None and matcher.match_self:
                return ".".join(parts[:count]).removeprefix("__builtins__.")
        return None

    def _full_name(self, node: ast.expr) -> str | None:
        """What an expression names, if it names something imported or built in."""
        if isinstance(node, ast.Attribute):
            owner = self._full_name(node.value)
            return None if owner is None else f"{owner}.{node.attr}"
        if isinstance(node, ast.Call):  # of a class: its object
            return self._full_name(node.func)
        if not isinstance(node, ast.Name):
            return None
        if node.id in self._imported:
            return self._imported[node.id]
        return (
            f"__builtins__.{node.id}" if hasattr(builtins, node.id) and node.id not in self._defined else None
        )


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The local name of each import, and what it means."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _first_line(node: ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _line(node: ast.AST) -> int:
    line: int = getattr(node, "lineno", 1)
    return line


def _is_entry(node: Definition) -> bool:
    """Whether it is declared as a process or function of its own, which runs elsewhere."""
    called = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
    return any(isinstance(item, ast.Attribute) and item.attr in _ENTRY_DECORATORS for item in called)
