"""Supervisors, servers and services: keeping processes alive, the OTP way.

This layer builds on `actors` and may import its public names only; it knows nothing about Temporal. The specification
is OTP's: names and rules are those of its `supervisor`, `gen_server` and `gen_statem`.

Start reading at `_supervisor.py`, what users write. `_supervising.py` is the process of every supervisor,
`_children.py` what a static one does, `_dynamic_children.py` one of many children. `_server.py` is what users write of
a server, `_server_process.py` its process, `_serving.py` the loop of that, `_machine_serving.py` a state machine's, and
`_answers.py` what they reply. `_start.py` and `_requests.py` are how they talk. Decisions are functions of plain
values: `_restart.py`, `_restart_intensity.py`, `_backoff.py`, `_dependencies.py`.
"""

from supervision._application import Application, ApplicationHandle, Service, ServiceState
from supervision._backoff import Backoff
from supervision._child_spec import Child, ChildSpec, Counts
from supervision._dynamic_supervisor import DynamicSupervisor, DynamicSupervisorHandle
from supervision._errors import Ignore
from supervision._handlers import handle_call, handle_cast, handle_info
from supervision._partition_supervisor import PartitionSupervisor, PartitionSupervisorHandle
from supervision._run_application import run_application
from supervision._server import Refused, Server
from supervision._server_address import ServerAddress
from supervision._server_calls import (
    call,
    cast,
    change_code,
    get_state,
    replace_state,
    resume,
    start_server,
    stop_server,
    suspend,
)
from supervision._server_timer import ServerTimer
from supervision._start import ready
from supervision._state_machine import (
    Called,
    Entered,
    Inserted,
    Sent,
    State,
    StateEvent,
    StateMachine,
    TimedOut,
)
from supervision._supervisor import Supervisor, SupervisorHandle, start
from supervision._task import Task
from supervision._task_map import TaskMap
from supervision._task_supervisor import TaskSupervisor, TaskSupervisorHandle

__all__ = [
    "Application",
    "ApplicationHandle",
    "Backoff",
    "Called",
    "Child",
    "ChildSpec",
    "Counts",
    "DynamicSupervisor",
    "DynamicSupervisorHandle",
    "Entered",
    "Ignore",
    "Inserted",
    "PartitionSupervisor",
    "PartitionSupervisorHandle",
    "Refused",
    "Sent",
    "Server",
    "ServerAddress",
    "ServerTimer",
    "Service",
    "ServiceState",
    "State",
    "StateEvent",
    "StateMachine",
    "Supervisor",
    "SupervisorHandle",
    "Task",
    "TaskMap",
    "TaskSupervisor",
    "TaskSupervisorHandle",
    "TimedOut",
    "call",
    "cast",
    "change_code",
    "get_state",
    "handle_call",
    "handle_cast",
    "handle_info",
    "ready",
    "replace_state",
    "resume",
    "run_application",
    "start",
    "start_server",
    "stop_server",
    "suspend",
]
