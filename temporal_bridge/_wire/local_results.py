"""Results of local functions that are too large to be sent with those of others: the worker keeps them until asked."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import attrs

from actors import register

LARGEST_AT_ONCE: Final = 96 * 1024
"""Bytes of a local result that is sent at once: so 32 of them may be under way in one workflow task."""

_MOST_KEPT: Final = 64 * 1024 * 1024
"""Bytes of results that one program keeps; the oldest go first."""


@register
@attrs.frozen
class KeptResult:
    """Stands for a result that the worker keeps."""

    key: str
    size: int


class KeptResults:
    """The results that the workers of one bridge keep.

    One that was fetched stays for a while: when the workflow task fails that fetched it, it is fetched again.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def keep(self, key: str, value: Any, size: int) -> KeptResult:
        """Keep a result until there is no more room."""
        self._remove(key)
        self._kept[key] = value, size
        self._size += size
        while self._size > _MOST_KEPT:
            self._remove(next(iter(self._kept)))
        return KeptResult(key, size)

    def fetch(self, key: str) -> list[Any]:
        """The result in a list; an empty one when it is not here any more."""
        return [self._kept[key][0]] if key in self._kept else []

    def _remove(self, key: str) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self._size -= size
