"""The requests to stop that a durable process gets. Temporal records one for each run, so each is announced as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from temporal_bridge._wire.cancel_request import CancelRequest

_REMEMBERED: Final = 100


class WorkflowCancels:
    """Which requests the process is to be told of, and when: each once.

    The first waits until Temporal has recorded it, because only then may the workflow close as cancelled. From then on
    the server takes no more in this run, so what is announced counts at once.
    """

    def __init__(self, carried: Mapping[str, Any] | None = None) -> None:
        self.requested = False
        """Whether Temporal has recorded a request in this run."""
        self._announced = [CancelRequest(*found) for found in (carried or {}).get("announced", ())]
        self._told: list[str] = list((carried or {}).get("told", ()))

    def announce(self, request: CancelRequest) -> list[CancelRequest]:
        """A request is about to come, or to be turned away by the server: what the process is told now."""
        if not self.requested:
            self._announced.append(request)
            return []
        if request.id is not None:
            self._told = [*self._told[1 - _REMEMBERED :], request.id]
        return [request]

    def request(self, request: CancelRequest) -> list[CancelRequest]:
        """Temporal has recorded a request: what the process is told now."""
        self.requested = True
        others = [found for found in self._announced if found.id != request.id]
        self._told = [*self._told, *[found.id for found in others if found.id]][-_REMEMBERED:]
        self._announced = []
        # It may have been told of already: announced in the run before, where one had been recorded.
        return [*(() if request.id is not None and request.id in self._told else (request,)), *others]

    def carried(self) -> dict[str, Any]:
        """For the next run."""
        return {"announced": [list(found) for found in self._announced], "told": self._told}
