"""Search attributes that a namespace does not have, or has with another type.

The server refuses the whole workflow task that sets one, each time it is tried again. So it is asked before, and who
sets it gets an error that says what to do.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging

from temporalio.client import Client
from temporalio.service import RPCError

from temporal_bridge._client.search_attributes import PATIENCE, refused_attributes
from temporal_bridge._wire.extern_functions import ExternFunction
from temporal_bridge._workflow.outbound.attribute_checks import REFUSED_ATTRIBUTES

log = logging.getLogger("everproc.bridge")


class RefusedAttributesFunction(ExternFunction):
    """Lends the workflows of a worker the question what would be refused. Made on the loop of the client."""

    def __init__(self, client: Client) -> None:
        super().__init__(REFUSED_ATTRIBUTES, self._ask)
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
            refused = asked.result(PATIENCE.total_seconds())
        except (concurrent.futures.TimeoutError, RPCError) as error:
            asked.cancel()
            log.debug("search attributes could not be asked for: %r", error)
            return {}
        self._taken.update((name, kind) for name, kind in given.items() if name not in refused)
        return refused
