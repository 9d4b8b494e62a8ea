"""The manifest, `everproc.toml`: what a program consists of, in a file.

A manifest is read (`_read.py`), with the line of each key (`_positions.py`), checked against the fields of the kinds
(`_fields.py`, `_check.py`), and loaded: the functions that it names are imported and declared (`_load.py`), in the one
registry that decorators use too. Kinds come from the packages that can run them, as layers (`_layers.py`): this one has
`process` and `function`; the others register theirs under the entry point group `everproc.layers`, so that nothing here
imports upwards.
"""

from actors._kernel.entries import entries
from actors.manifest._fields import (
    Field,
    count,
    duration,
    flag,
    mapping,
    number,
    one_of,
    sequence,
    source,
    text,
    texts,
)
from actors.manifest._items import ManifestEntry, ManifestError, Problem
from actors.manifest._layers import CheckResult, Kind, Layer, WaitForEnd, declare, layers
from actors.manifest._load import Manifest, import_source, load, of_module
from actors.manifest._read import read

__all__ = [
    "CheckResult",
    "Field",
    "Kind",
    "Layer",
    "Manifest",
    "ManifestEntry",
    "ManifestError",
    "Problem",
    "WaitForEnd",
    "count",
    "declare",
    "duration",
    "entries",
    "flag",
    "import_source",
    "layers",
    "load",
    "mapping",
    "number",
    "of_module",
    "one_of",
    "read",
    "sequence",
    "source",
    "text",
    "texts",
]
