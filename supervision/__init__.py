"""Supervisors, servers and services: keeping processes alive, the OTP way.

This layer builds on `actors` and may import its public names only; it knows nothing about Temporal. The specification
is OTP's: names and rules are those of its `supervisor`, `gen_server` and `gen_statem`.

Rooms, top to bottom: `_services` (applications), `_servers` (servers and state machines), `_supervisors`, `_children`
(specs, starting, restart decisions). Start reading at `_supervisors/supervisor.py` and `_servers/server.py`, what users
write. `_supervisors/supervisor_process.py` and `_servers/server_loop.py` are what runs.
"""

from actors import at_home
from supervision._children.backoff import Backoff
from supervision._children.child_spec import Child, ChildSpec, Counts
from supervision._children.errors import Ignore
from supervision._children.start import ready
from supervision._servers.callbacks import Refused
from supervision._servers.handlers import handle_call, handle_cast, handle_info
from supervision._servers.server import Server
from supervision._servers.server_address import ServerAddress
from supervision._servers.server_calls import (
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
from supervision._servers.server_timer import ServerTimer
from supervision._servers.state_events import Called, Entered, Inserted, Sent, State, StateEvent, TimedOut
from supervision._servers.state_machine import StateMachine
from supervision._services.application import Application, ApplicationHandle
from supervision._services.run_application import run_application
from supervision._services.service import Service, ServiceState
from supervision._supervisors.dynamic_supervisor import DynamicSupervisor, DynamicSupervisorHandle
from supervision._supervisors.partition_supervisor import PartitionSupervisor, PartitionSupervisorHandle
from supervision._supervisors.supervisor import Supervisor, SupervisorHandle, start
from supervision._supervisors.task import Task
from supervision._supervisors.task_map import TaskMap
from supervision._supervisors.task_supervisor import TaskSupervisor, TaskSupervisorHandle

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

at_home(__name__, [globals()[name] for name in __all__])
