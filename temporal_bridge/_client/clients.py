"""Clients for the namespaces of one server: that of the bridge, and others that PIDs and spawns name."""

from __future__ import annotations

from typing import Any

from temporalio.client import Client, WorkflowHandle

from actors import PID


class Clients:
    """One client for each namespace; they share the connection, the converters and the interceptors of `own`."""

    def __init__(self, own: Client) -> None:
        self.own = own
        self.at_once = own.data_converter.payload_codec is None
        """Whether payloads are written without waiting: a codec may wait, for whatever asyncio has."""
        self._found = {own.namespace: own}

    def of(self, namespace: str) -> Client:
        """The client for a namespace, whether there is one of that name or not."""
        client = self._found.get(namespace)
        if client is None:
            config = self.own.config()
            config["namespace"] = namespace
            client = self._found[namespace] = Client(**config)
        return client

    def handle(self, pid: PID, run_id: str | None = None) -> WorkflowHandle[Any, Any]:
        """The workflow of a durable process: its latest run, or a certain one."""
        return self.of(pid.node).get_workflow_handle(pid.id, run_id=run_id)
