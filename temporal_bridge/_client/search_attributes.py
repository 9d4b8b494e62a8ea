"""Search attributes that a namespace does not have, or has with another type.

The server refuses the whole workflow task that sets one, each time it is tried again. So it is asked before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client

PATIENCE: Final = timedelta(seconds=1)
"""How long the code of a process may stand still for the answer: at two seconds, Temporal takes it for hung."""

_ALSO: Final = {"KEYWORD": ("TEXT",), "INT": ("DOUBLE",), "DATETIME": ("KEYWORD", "TEXT")}
"""Of what other types search attributes may be to take a value of each type."""


async def refused_attributes(client: Client, namespace: str, given: Mapping[str, str]) -> dict[str, str]:
    """Of search attributes and their types, those that the namespace does not have, and what it has instead."""
    request = ListSearchAttributesRequest(namespace=namespace)
    found = await client.operator_service.list_search_attributes(request, timeout=PATIENCE)
    types = {
        name: IndexedValueType.Name(kind).removeprefix("INDEXED_VALUE_TYPE_")
        for name, kind in found.custom_attributes.items()
    }
    return {
        name: types.get(name, "")
        for name, kind in given.items()
        if types.get(name) not in (kind, *_ALSO.get(kind, ()))
    }
