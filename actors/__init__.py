"""Erlang-style processes for Python, on trio.

This layer is the process kernel, the local hosts and the node. It may import trio, attrs and msgpack; the kernel (the
modules that `pyproject.toml` lists) not even trio. Start reading at `_api.py`, and follow a message: `_kernel.find`,
`_kernel.deliver`, `_mailbox`, `_channel`. `_process` and `_relations` are life and death.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from actors import context, groups, names
from actors._api import (
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
from actors._channel import Channel, Picked, Queue, Sending, select
from actors._cluster import Cluster
from actors._context import current_context
from actors._dead_letters import DeadLetter, DeadLetters
from actors._duration import Duration, option_seconds, seconds
from actors._entries import (
    Behaviour,
    Entry,
    Namespace,
    Target,
    function_entry,
    process_entry,
    process_function,
)
from actors._errors import (
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
from actors._events import (
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
from actors._green_host import in_trio
from actors._groups import GroupChange
from actors._host import Host, SpawnFunction, SpawnRequest
from actors._kernel import Kernel
from actors._long_life import LongLife
from actors._mailbox import Bound, mailbox_full
from actors._message import Message, ReplyTo, check_topic, payload_of
from actors._node import Node, run
from actors._pid import PID, Dest
from actors._portable import portable, portable_class, portable_name
from actors._process import Options, Process, running_process
from actors._relations import exit_sink, gone
from actors._scheduler import OUTSIDE, Caller, Outside, Parking, Scheduler, Timer, Wait, caller
from actors._spawner import Spawner
from actors._ticker import Ticker
from actors._timers import Timers
from actors._trampoline import GreenTask, Trampoline

if TYPE_CHECKING:
    from actors import funcs, telemetry
    from actors._description import Description, Statistics
    from actors._functions import (
        Attempt,
        CallOptions,
        FunctionCall,
        FunctionHost,
        FunctionInfo,
        Future,
        RetryPolicy,
        attempt,
    )
    from actors._registry import Registry

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
    "Bound",
    "CallOptions",
    "Caller",
    "Cluster",
    "DeadLetters",
    "Description",
    "Entry",
    "FunctionCall",
    "FunctionHost",
    "FunctionInfo",
    "Future",
    "GreenTask",
    "Host",
    "Kernel",
    "LongLife",
    "Outside",
    "Parking",
    "Process",
    "Queue",
    "Registry",
    "ReplyTo",
    "RetryPolicy",
    "Scheduler",
    "SpawnFunction",
    "SpawnRequest",
    "Statistics",
    "Timer",
    "Timers",
    "Trampoline",
    "Wait",
    "attempt",
    "caller",
    "check_topic",
    "current_context",
    "exit_sink",
    "function_entry",
    "gone",
    "invalid",
    "mailbox_full",
    "not_one_of",
    "option_seconds",
    "payload_of",
    "portable",
    "portable_class",
    "portable_name",
    "process_entry",
    "process_function",
    "running_process",
    "seconds",
]

# Where to find what is loaded only when somebody asks for it: many programs never do.
_LATER = {
    **dict.fromkeys(("Description", "Statistics"), "_description"),
    **dict.fromkeys(("Attempt", "CallOptions", "FunctionCall", "FunctionHost"), "_functions"),
    **dict.fromkeys(("FunctionInfo", "Future", "RetryPolicy", "attempt"), "_functions"),
    "Registry": "_registry",
    "funcs": "funcs",
    "telemetry": "telemetry",
}

if not TYPE_CHECKING:  # to type checkers they are imported above, and no other name is there

    def __getattr__(name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = import_module(f"actors.{_LATER[name]}")
        value = globals()[name] = getattr(module, name, module)
        return value
