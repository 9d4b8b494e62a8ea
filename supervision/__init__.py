"""Supervisors, servers and services: keeping processes alive, the OTP way.

This layer builds on `actors` and may import its public names only; it knows nothing about Temporal. The specification
is OTP's: names and rules are those of its `supervisor`, `gen_server` and `gen_statem`.

Start reading at `_supervisor.py`, what users write. `_supervising.py` is the process of every supervisor,
`_children.py` what a static one does. Decisions are functions of plain values: `_restart.py`, `_restart_intensity.py`,
`_backoff.py`.
"""

from supervision._backoff import Backoff
from supervision._child_spec import Child, ChildSpec, Counts
from supervision._errors import Ignore
from supervision._start import ready
from supervision._supervisor import Supervisor, SupervisorHandle, start

__all__ = [
    "Backoff",
    "Child",
    "ChildSpec",
    "Counts",
    "Ignore",
    "Supervisor",
    "SupervisorHandle",
    "ready",
    "start",
]
