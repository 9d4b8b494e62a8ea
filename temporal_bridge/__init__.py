"""Durable processes: the processes of `actors` as Temporal workflows, and functions as activities.

This package may import `actors` (public names only), `temporalio` and `asyncio`, and nothing of `supervision`. Rooms,
top to bottom: `_bridge.py`; `_worker` and `devserver`; `_nodes`; `_client`; `_workflow`; `_asyncio` and `_wire`. Start
reading at `_bridge.py`; `_client/temporal_host.py` is how a local process reaches durable ones,
`_workflow/durable_process.py` is a durable process from the inside, `_workflow/outbound/host.py` how it reaches others.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from temporal_bridge import workflow
    from temporal_bridge._bridge import TemporalBridge
    from temporal_bridge._client.temporal_client import TLS, TemporalClient
    from temporal_bridge._worker.health import Health
    from temporal_bridge._worker.worker import Worker
    from temporal_bridge.devserver.server import EmbeddedServer

__all__ = [
    "TLS",
    "EmbeddedServer",
    "Health",
    "TemporalBridge",
    "TemporalClient",
    "Worker",
    "workflow",
]

_HOMES: Final = {
    "TLS": "_client.temporal_client",
    "EmbeddedServer": "devserver.server",
    "Health": "_worker.health",
    "TemporalBridge": "_bridge",
    "TemporalClient": "_client.temporal_client",
    "Worker": "_worker.worker",
    "workflow": "workflow",
}
"""The module of each public name; `workflow` is one itself."""


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562).

    Temporal's SDK takes half a second to import, and this package is imported where nobody uses it: its plugin in every
    run of pytest, its commands in every `everproc --help`.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Not by importlib, which goes past Temporal's sandbox: that would have a module of ours twice.
    home = __import__(f"{__name__}.{_HOMES[name]}", fromlist=[name])
    value = globals()[name] = home if name == _HOMES[name] else getattr(home, name)
    from actors import at_home

    at_home(__name__, [value])
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
