"""Ends durable processes whose version no code supports any more. They cannot do it themselves.

Their history was made by code that is gone, so a replay does not even come to its end: whatever a workflow answers that
is not in its history is refused. So the worker has the server terminate it, with the error as the details.
"""

from __future__ import annotations

import asyncio
import logging

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from actors import Error
from temporal_bridge._wire.extern_functions import END, ExternFunction
from temporal_bridge._wire.failures import to_details

log = logging.getLogger("everproc.bridge")


class EndUnsupported(ExternFunction):
    """Lends the workflows of a worker the function `END`. Made on the loop of the client."""

    def __init__(self, client: Client) -> None:
        super().__init__(END, self._end_soon)
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._ending: set[asyncio.Task[None]] = set()

    def _end_soon(self, workflow_id: str, run_id: str, error: Error) -> None:
        """Called in the thread of a workflow."""
        self._loop.call_soon_threadsafe(self._start, workflow_id, run_id, error)

    def _start(self, workflow_id: str, run_id: str, error: Error) -> None:
        task = self._loop.create_task(self._end(workflow_id, run_id, error))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, workflow_id: str, run_id: str, error: Error) -> None:
        log.warning("workflow %s is ended: %s", workflow_id, error)
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            await handle.terminate(to_details(error), reason=error.message)
        except RPCError as failure:
            if (
                failure.status is not RPCStatusCode.NOT_FOUND
            ):  # its next workflow task fails again, and asks again
                log.warning("workflow %s could not be ended: %s", workflow_id, failure)
