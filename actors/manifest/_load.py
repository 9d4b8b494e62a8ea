"""Loading a manifest: importing what it names, and declaring its entries in the registry."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from actors._kernel.entries import entries
from actors._values.errors import INVALID, NOT_FOUND, Error, invalid
from actors.manifest._items import ManifestEntry, ManifestError, Problem
from actors.manifest._layers import kinds, layers
from actors.manifest._read import read


@attrs.frozen
class Manifest:
    """A program whose entries are declared: `items` are those that its layers run."""

    name: str
    items: tuple[ManifestEntry, ...]
    node: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Manifest:
    """Read a manifest, import what it names, from its own directory too, and declare its entries.

    Args:
        path: of the file.
        said: what the command line says, for the layers.

    Raises:
        ManifestError: with all that is wrong, each with its line, its key and what to do.
        Error: NOT_FOUND, when there is no such file.
    """
    document = read(path)
    directory = str(path.parent.absolute())
    if directory not in sys.path:
        sys.path.insert(0, directory)
    problems: list[Problem] = []
    for module in document.imports:
        try:
            import_module(module, "imports")
        except Error as error:
            problems.append(Problem(path.name, document.lines.get("imports", 1), "imports", error.message))
    known = kinds()
    for item in [item for layer in layers() for item in layer.own(document.items)]:
        declare = known[item.kind].declare
        if declare is None:
            continue
        try:
            declare(item, import_source(item.values.get("source"), f"{item.key}.source"))
        except Error as error:
            key = "source" if "source" in item.values else "process"
            where = f"{item.key}.{key}"
            message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
            problems.append(item.problem(message, key))
    if problems:
        raise ManifestError(problems)
    return Manifest(path.absolute().parent.name, _completed(document.items, overrides), document.node)


def of_module(name: str, overrides: Mapping[str, Any] | None = None, label: str = "module") -> Manifest:
    """The program that a module makes by the entries that it declares.

    Args:
        name: of the module.
        said: what the command line says.
        called: what errors call the module.

    Raises:
        Error: INVALID or NOT_FOUND, when it cannot be imported.
    """
    import_module(name, label)
    return Manifest(name.rpartition(".")[2], _completed((), overrides))


def _completed(
    items: Sequence[ManifestEntry], overrides: Mapping[str, Any] | None
) -> tuple[ManifestEntry, ...]:
    found = list(items)
    for layer in layers():
        if layer.complete is not None:
            found += layer.complete(found, entries(), overrides or {})
    return tuple(found)


def import_source(source: str | None, name: str) -> Any:
    """What a text such as `"package.module:function"` names; None for none.

    Raises:
        Error: NOT_FOUND for a module or a name that is not there, INVALID for a module that cannot be imported.
    """
    if source is None:
        return None
    module_name, _, path = source.partition(":")
    found: Any = import_module(module_name, name)
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            near = difflib.get_close_matches(
                part, [each for each in dir(found) if not each.startswith("_")], 1
            )
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise Error(
                f"{name}={source!r} is not there: module {module_name} has no {path!r}{hint}", kind=NOT_FOUND
            ) from None
    return found


def import_module(module: str, name: str) -> ModuleType:
    """A module.

    Raises:
        Error: NOT_FOUND for one that is not there, INVALID for one that cannot be imported.
    """
    if not module or not all(part.isidentifier() for part in module.split(".")):
        raise invalid(name, module, 'the name of a module, such as "package.module"')
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            near = _near(module)
            hint = (
                f"did you mean {near!r}?"
                if near
                else "expected one below this directory, or an installed one"
            )
            raise Error(
                f"{name}: there is no module {error.name!r}, which {module!r} needs; {hint}"
                if error.name != module
                else f"{name}: there is no module {module!r}; {hint}",
                kind=NOT_FOUND,
            ) from None
        raise _broken(module, name, error) from error
    except Exception as error:  # whatever a module raises
        raise _broken(module, name, error) from error


def _broken(module: str, name: str, error: Exception) -> Error:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    last = frames[-1] if frames else None
    where = "" if last is None else f" ({Path(last.filename).name}:{last.lineno})"
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({Path(error.filename).name}:{error.lineno})"
    return Error(
        f"{name}: module {module!r} cannot be imported: {type(error).__name__}: {error}{where}", kind=INVALID
    )


def _near(module: str) -> str | None:
    """A module of a similar name, next to where this one would be."""
    parent, _, last = module.rpartition(".")
    try:
        search = importlib.import_module(parent).__path__ if parent else None
    except (ImportError, AttributeError):
        return None
    prefix = f"{parent}." if parent else ""
    names = [found.name for found in pkgutil.iter_modules(search)]
    near = difflib.get_close_matches(last, names, 1, 0.7)
    return prefix + near[0] if near else None
