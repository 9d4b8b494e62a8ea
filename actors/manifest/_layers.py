"""Layers: the packages that know kinds of entries and can run them, found as entry points: none is imported here.

A package registers its layer in its distribution:

    [project.entry-points."everproc.layers"]
    temporal = "temporal_bridge._manifest:LAYER"
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any, Final, Literal, Protocol

import attrs

from actors._kernel.entries import Entry, Namespace
from actors._runtime.node import Node
from actors._values.callables import is_async
from actors._values.errors import invalid
from actors.manifest._fields import Field, source
from actors.manifest._items import ManifestEntry, Problem

GROUP: Final = "everproc.layers"

WaitForEnd = Callable[[], Awaitable[None]]
"""Waits for the end of what a layer runs: returns when it has ended well, raises what ended it badly."""


@attrs.frozen
class CheckResult:
    """What a check found: `ok`, and in words what."""

    what: str
    ok: bool
    message: str


@attrs.frozen
class Kind:
    """A kind of entries.

    Args:
        name: as `kind = "name"` in a manifest.
        fields: the keys that its entries have.
        check: of an entry as a whole, where fields depend on one another; raises `Error`.
        declare: puts an entry into the registry, given what its `source` names.
    """

    name: str
    fields: Mapping[str, Field]
    check: Callable[[Mapping[str, Any]], object] | None = None
    declare: Callable[[ManifestEntry, Any], None] | None = None


class LayerRunner(Protocol):
    """Runs the entries of a layer on a node, while the block lasts."""

    def __call__(
        self, node: Node, items: Sequence[ManifestEntry], /
    ) -> AbstractAsyncContextManager[WaitForEnd | None]:
        """The block; it gives what to wait for, if its end is the end of the program."""
        ...


@attrs.frozen
class Layer:
    """Kinds of entries, and how they are run.

    Args:
        kinds: what it knows.
        order: layers are opened in that order, and closed in reverse.
        complete: adds the entries that the registry needs and the manifest does not have; is given also what the
            command line says.
        problems: what is wrong with its entries taken together.
        open: runs its entries; None, when declaring them is all there is to do.
        check: looks at its entries without running them.
    """

    kinds: tuple[Kind, ...]
    order: int = 0
    complete: (
        Callable[[Sequence[ManifestEntry], Sequence[Entry], Mapping[str, Any]], Sequence[ManifestEntry]]
        | None
    ) = None
    problems: Callable[[Sequence[ManifestEntry]], Iterable[Problem]] | None = None
    open: LayerRunner | None = None
    check: Callable[[Sequence[ManifestEntry]], AsyncIterator[CheckResult]] | None = None

    def own(self, items: Sequence[ManifestEntry]) -> list[ManifestEntry]:
        """Those of its kinds."""
        names = {kind.name for kind in self.kinds}
        return [item for item in items if item.kind in names]


def declare(kind: Literal["process", "function"], item: ManifestEntry, function: Any, **facts: Any) -> None:
    """Put an entry of a manifest into the registry that decorators use too.

    Raises:
        Error: INVALID, when it is no function, or not an async one; as `Namespace.add`.
    """
    source = item.values["source"]
    if kind == "process" and not is_async(function):
        raise invalid(f"{item.key}.source", source, "that of an async function (`async def`)")
    if not callable(function):
        raise invalid(f"{item.key}.source", source, f"that of a function, not of a {type(function).__name__}")
    entry = Entry(item.id, kind, function, place=item.place, **facts)
    Namespace(item.id.partition(":")[0]).add(entry)


LAYER: Final = Layer(
    (
        Kind(
            "process",
            {"source": Field(source, required=True)},
            declare=lambda item, function: declare("process", item, function),
        ),
        Kind(
            "function",
            {"source": Field(source, required=True)},
            declare=lambda item, function: declare("function", item, function),
        ),
    )
)


@cache
def layers() -> tuple[Layer, ...]:
    """All layers that are installed, in the order in which they are opened."""
    found = [LAYER, *(point.load() for point in importlib.metadata.entry_points(group=GROUP))]
    return tuple(sorted(found, key=lambda layer: layer.order))


def kinds() -> dict[str, Kind]:
    """All kinds of entries, by name."""
    return {kind.name: kind for layer in layers() for kind in layer.kinds}
