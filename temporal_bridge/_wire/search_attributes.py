"""Search attributes: which types the values given need, and the error for those that a namespace would refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.common import SearchAttributeIndexedValueType, SearchAttributePair

from actors import invalid

Pairs = Sequence[SearchAttributePair[Any]]


def kinds_of(pairs: Pairs) -> dict[str, str]:
    """The type that each search attribute must have to take the value given."""
    return {
        pair.key.name: SearchAttributeIndexedValueType(pair.key.indexed_value_type).name for pair in pairs
    }


def check_refused(namespace: str, pairs: Pairs, refused: Mapping[str, str], option: str) -> None:
    """Say of the first that is refused what to do about it."""
    for pair in pairs:
        name = pair.key.name
        if name not in refused:
            continue
        if refused[name]:
            expected = f"a value for its type in namespace {namespace!r}, {_spelled(refused[name])}"
        else:
            expected = (
                f"a search attribute that namespace {namespace!r} has; register it with `temporal operator"
                f" search-attribute create --namespace {namespace} --name {name} --type"
                f" {_spelled(kinds_of([pair])[name])}`"
            )
        raise invalid(f"{option}[{name!r}]", pair.value, expected)


def _spelled(kind: str) -> str:
    """As the `temporal` command writes a type."""
    return "".join(word.capitalize() for word in kind.split("_"))
