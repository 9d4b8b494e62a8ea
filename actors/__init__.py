"""Erlang-style processes for Python, on trio.

This package is the process kernel, the local hosts and the node, in rooms that are layers, top to bottom: `cli`;
`observer`, `metrics`; `_inspection`, `testing`, `manifest`; `_runtime`, `_cluster`; `_verbs`; `_kernel`; `_wire`;
`_channels`; `_scheduling`; `_values`. It may import trio, attrs and msgpack; nothing below `_runtime` imports trio.
Start reading at `_verbs/api.py`, and follow a message: `_kernel/kernel.py`, `_channels/mailbox.py`,
`_channels/channel.py`. `_kernel/process.py` and `_kernel/links_and_monitors.py` are the life and exit of a process.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actors import context, groups, names
from actors._channels.channel import Channel, Picked, Queue, Sending, select
from actors._channels.dead_letters import DeadLetter, DeadLetters
from actors._channels.mailbox import Capacity, mailbox_full
from actors._kernel.cluster_client import Cluster
from actors._kernel.entries import (
    Behaviour,
    Entry,
    Namespace,
    Target,
    check_entry_id,
    function_entry,
    process_entry,
    process_function,
)
from actors._kernel.groups import GroupChange
from actors._kernel.host import Host, SpawnFunction, SpawnRequest
from actors._kernel.kernel import Kernel, kernel_of
from actors._kernel.links_and_monitors import exit_callback, gone
from actors._kernel.process import Options, Process, running_process
from actors._kernel.wiring import Instruments, Wiring
from actors._runtime.green_scheduler import in_trio
from actors._runtime.node import ControlSocket, Node, register_control_socket, run
from actors._runtime.trampoline import GreenTask, Trampoline
from actors._scheduling.context import current_context
from actors._scheduling.continuation import StateCarrier
from actors._scheduling.scheduler import (
    OUTSIDE,
    CurrentProcess,
    Outside,
    Scheduler,
    Suspender,
    TaskOwner,
    Timer,
    Wait,
    current_process,
)
from actors._scheduling.timers import Timers
from actors._values.callables import is_async, plain_result
from actors._values.durations import Duration, option_seconds, seconds
from actors._values.errors import (
    ALREADY_EXISTS,
    CANCELED,
    CONFLICT,
    INTERNAL,
    INVALID,
    KINDS,
    NOT_FOUND,
    PERMISSION_DENIED,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    UNKNOWN,
    ChannelClosed,
    Error,
    Kind,
    invalid,
    not_one_of,
)
from actors._values.events import (
    CANCEL,
    EXIT,
    LINK_DOWN,
    Cancel,
    Event,
    Exit,
    LinkDown,
    MonitorRef,
    Reason,
    Result,
)
from actors._values.messages import Message, ReplyTo, check_topic, payload_of
from actors._values.pid import PID, Dest
from actors._values.portable import portable_class, portable_name, register, register_sandbox
from actors._values.public import at_home
from actors._verbs.api import (
    after,
    call,
    cancel,
    describe,
    events,
    every,
    execute,
    get_options,
    inbox,
    incoming,
    link,
    listen,
    monitor,
    now,
    random_bytes,
    reply,
    self_pid,
    send,
    set_options,
    shield,
    sleep,
    spawn,
    spawn_linked,
    spawn_linked_monitored,
    spawn_monitored,
    spawner,
    start_soon,
    terminate,
    unlink,
    unlisten,
    unmonitor,
    upgrade,
    uuid4,
)
from actors._verbs.spawner import Spawner
from actors._verbs.ticker import Ticker

if TYPE_CHECKING:
    from actors import funcs, telemetry, wire
    from actors._cluster.registry import Registry
    from actors._kernel.functions import Attempt, FunctionCall, FunctionHost, FunctionInfo, Future, attempt
    from actors._kernel.process_info import Description, Statistics
    from actors._values.function_options import CallOptions, RetryPolicy

# For whoever writes processes, and programs that run them.
__all__: list[str] = [
    "ALREADY_EXISTS",
    "CANCEL",
    "CANCELED",
    "CONFLICT",
    "EXIT",
    "INTERNAL",
    "INVALID",
    "KINDS",
    "LINK_DOWN",
    "NOT_FOUND",
    "PERMISSION_DENIED",
    "PID",
    "RATE_LIMITED",
    "TIMEOUT",
    "UNAVAILABLE",
    "UNKNOWN",
    "Cancel",
    "Channel",
    "ChannelClosed",
    "DeadLetter",
    "Dest",
    "Duration",
    "Error",
    "Event",
    "Exit",
    "GroupChange",
    "Kind",
    "LinkDown",
    "Message",
    "MonitorRef",
    "Namespace",
    "Node",
    "Options",
    "Picked",
    "Reason",
    "Result",
    "Sending",
    "Spawner",
    "Target",
    "Ticker",
    "after",
    "call",
    "cancel",
    "context",
    "describe",
    "events",
    "every",
    "execute",
    "funcs",
    "get_options",
    "groups",
    "in_trio",
    "inbox",
    "incoming",
    "link",
    "listen",
    "monitor",
    "names",
    "now",
    "random_bytes",
    "register",
    "reply",
    "run",
    "select",
    "self_pid",
    "send",
    "set_options",
    "shield",
    "sleep",
    "spawn",
    "spawn_linked",
    "spawn_linked_monitored",
    "spawn_monitored",
    "spawner",
    "start_soon",
    "telemetry",
    "terminate",
    "unlink",
    "unlisten",
    "unmonitor",
    "upgrade",
    "uuid4",
]

# For whoever writes a host: another place where processes or functions run.
__all__ += [
    "OUTSIDE",
    "Attempt",
    "Behaviour",
    "CallOptions",
    "Capacity",
    "Cluster",
    "CurrentProcess",
    "DeadLetters",
    "Description",
    "Entry",
    "FunctionCall",
    "FunctionHost",
    "FunctionInfo",
    "Future",
    "GreenTask",
    "Host",
    "Instruments",
    "Kernel",
    "Outside",
    "Process",
    "Queue",
    "Registry",
    "ReplyTo",
    "RetryPolicy",
    "Scheduler",
    "SpawnFunction",
    "SpawnRequest",
    "StateCarrier",
    "Statistics",
    "Suspender",
    "TaskOwner",
    "Timer",
    "Timers",
    "Trampoline",
    "Wait",
    "Wiring",
    "at_home",
    "attempt",
    "check_entry_id",
    "check_topic",
    "current_context",
    "current_process",
    "exit_callback",
    "function_entry",
    "gone",
    "invalid",
    "is_async",
    "kernel_of",
    "mailbox_full",
    "not_one_of",
    "option_seconds",
    "payload_of",
    "plain_result",
    "portable_class",
    "portable_name",
    "process_entry",
    "process_function",
    "register_sandbox",
    "running_process",
    "seconds",
    "wire",
]

# Where to find what is loaded only when somebody asks for it: many programs never do.
_LATER = {
    **dict.fromkeys(("Description", "Statistics"), "_kernel.process_info"),
    **dict.fromkeys(("CallOptions", "RetryPolicy"), "_values.function_options"),
    **dict.fromkeys(("Attempt", "FunctionCall", "FunctionHost"), "_kernel.functions"),
    **dict.fromkeys(("FunctionInfo", "Future", "attempt"), "_kernel.functions"),
    "Registry": "_cluster.registry",
    "funcs": "funcs",
    "telemetry": "telemetry",
    "wire": "wire",
}


def _control_socket(node: Node) -> ControlSocket:
    from actors._inspection.control_server import Control  # only for those who open it

    return Control(node)


register_control_socket(_control_socket)
at_home(__name__, [globals()[name] for name in __all__ if name in globals()])

if not TYPE_CHECKING:  # to type checkers they are imported above, and no other name is there

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"actors.{_LATER[name]}")
        value = globals()[name] = getattr(module, name, module)
        at_home(__name__, [value])
        return value
