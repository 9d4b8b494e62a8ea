"""Durable processes: the processes of `actors` as Temporal workflows, and functions as activities.

This layer may import `actors` (public names only), `temporalio` and `asyncio`, and nothing of `supervision`. Start
reading at `_bridge.py`; `_host.py` is how a local process reaches durable ones, `_workflow_body.py` is a durable
process from the inside, `_workflow_host.py` how it reaches others (by the modules `_workflow_messages.py`,
`_workflow_children.py` and `_workflow_watches.py`), `_wire.py` is what travels between them.
"""

from temporal_bridge import workflow
from temporal_bridge._bridge import TemporalBridge
from temporal_bridge._converter import register
from temporal_bridge._embedded import EmbeddedServer
from temporal_bridge._health import Health
from temporal_bridge._temporal_client import TLS, TemporalClient
from temporal_bridge._workers import Worker

__all__ = [
    "TLS",
    "EmbeddedServer",
    "Health",
    "TemporalBridge",
    "TemporalClient",
    "Worker",
    "register",
    "workflow",
]
