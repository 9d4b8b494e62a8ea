"""Search attributes that a namespace does not have, or has with another type.

The server refuses the whole workflow task that sets one, each time it is tried again. So it is asked before, and who
sets it gets an error that says what to do.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, cast

from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType, SearchAttributePair
from temporalio.service import RPCError

from actors import invalid
from temporal_bridge._lent import Lend, lent

log = logging.getLogger("everproc.bridge")

_LEND: Final = "everproc_refused_attributes"
"""The function that tells a workflow what would be refused."""

_REFUSED: Final = "everproc-refused-attributes"
"""Of the marks in a history that the process was given that error."""

_PATIENCE: Final = timedelta(seconds=1)
"""How long the code of a process may stand still for the answer: at two seconds, Temporal takes it for hung."""

_ALSO: Final = {"KEYWORD": ("TEXT",), "INT": ("DOUBLE",), "DATETIME": ("KEYWORD", "TEXT")}
"""Of what other types search attributes may be to take a value of each type."""

Pairs = Sequence[SearchAttributePair[Any]]


def kinds_of(pairs: Pairs) -> dict[str, str]:
    """The type that each search attribute must have to take the value given."""
    return {
        pair.key.name: SearchAttributeIndexedValueType(pair.key.indexed_value_type).name for pair in pairs
    }


async def refused_attributes(client: Client, namespace: str, given: Mapping[str, str]) -> dict[str, str]:
    """Of search attributes and their types, those that the namespace does not have, and what it has instead."""
    request = ListSearchAttributesRequest(namespace=namespace)
    found = await client.operator_service.list_search_attributes(request, timeout=_PATIENCE)
    types = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_")
        for name, kind in found.custom_attributes.items()
    }
    return {
        name: types.get(name, "")
        for name, kind in given.items()
        if types.get(name) not in (kind, *_ALSO.get(kind, ()))
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


class LendRefused(Lend):
    """Lends the workflows of a worker the question what would be refused. Made on the loop of the client."""

    def __init__(self, client: Client) -> None:
        super().__init__(_LEND, self._ask)
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._taken: set[tuple[str, str]] = set()

    def _ask(self, given: dict[str, str]) -> dict[str, str]:
        """Called in the thread of a workflow, which waits. When there is no answer, the server will say."""
        if given.items() <= self._taken:
            return {}
        asked = asyncio.run_coroutine_threadsafe(
            refused_attributes(self._client, self._client.namespace, given), self._loop
        )
        try:
            refused = asked.result(_PATIENCE.total_seconds())
        except (concurrent.futures.TimeoutError, RPCError) as error:
            asked.cancel()
            log.debug("search attributes could not be asked for: %r", error)
            return {}
        self._taken.update((name, kind) for name, kind in given.items() if name not in refused)
        return refused


class AttributeChecks:
    """The search attributes that one durable process sets, checked.

    What the server has now it may not have had, or have no more, when the history is replayed. So an error that a
    process was given is marked in its history, by patches of Temporal's: one that there was an error in this call, and
    one that says which.
    """

    def __init__(self) -> None:
        self._made = 0

    def check(self, pairs: Pairs, option: str) -> None:
        """Refuse what the server would refuse.

        Raises:
            Error: kind INVALID, naming the attribute and what to do.
        """
        self._made += 1
        given = kinds_of(pairs)
        mark = f"{_REFUSED}-{self._made}"
        if workflow.unsafe.is_replaying():
            refused = self._replayed(mark, given)
        else:
            ask = lent(_LEND)
            refused = {} if ask is None else cast("dict[str, str]", ask(given))
            if refused:
                workflow.patched(mark)
            for name, kind in refused.items():
                workflow.patched(f"{mark}-{name}-{kind}")
        check_refused(workflow.info().namespace, pairs, refused, option)

    @staticmethod
    def _replayed(mark: str, given: Mapping[str, str]) -> dict[str, str]:
        if not workflow.patched(mark):
            return {}
        kinds = ["", *(kind.name for kind in SearchAttributeIndexedValueType)]
        return {name: kind for name in given for kind in kinds if workflow.patched(f"{mark}-{name}-{kind}")}
