"""What `actors` exports: a contract, so a change here is a change for users."""

import importlib

import actors

FOR_PROCESSES = """
ALREADY_EXISTS CANCEL CANCELED CONFLICT EXIT INTERNAL INVALID KINDS LINK_DOWN NOT_FOUND PERMISSION_DENIED PID
RATE_LIMITED TIMEOUT UNAVAILABLE UNKNOWN Cancel Channel ChannelClosed DeadLetter Dest Duration Error Event
Exit GroupChange Kind LinkDown Message MonitorRef Namespace Node Options Picked Reason Result Sending Spawner
Target Ticker after call cancel context describe events every execute funcs get_options groups in_trio inbox
incoming link listen monitor names now random_bytes register reply run select self_pid send set_options shield sleep
spawn spawn_linked spawn_linked_monitored spawn_monitored spawner start_soon telemetry terminate unlink unlisten
unmonitor upgrade uuid4
"""

FOR_HOSTS = """
OUTSIDE Attempt Behaviour CallOptions Capacity Cluster CurrentProcess DeadLetters Description Entry
FunctionCall FunctionHost FunctionInfo Future GreenTask Host Instruments Kernel Outside Process Queue Registry
ReplyTo RetryPolicy Scheduler SpawnFunction SpawnRequest StateCarrier Statistics Suspender TaskOwner Timer
Timers Trampoline Wait Wiring at_home attempt check_entry_id check_topic current_context current_process
exit_callback function_entry gone invalid is_async kernel_of mailbox_full not_one_of option_seconds payload_of
plain_result portable_class portable_name process_entry process_function register_sandbox running_process
seconds wire
"""

SUBMODULES = {
    "context": ["all", "get"],
    "funcs": [
        "Executor",
        "FunctionInfo",
        "Future",
        "RetryPolicy",
        "call",
        "heartbeat",
        "heartbeat_details",
        "info",
        "start",
    ],
    "metrics": ["NodeCollector", "endpoint"],
    "observer": ["observer"],
    "spans": ["Attributes", "LiveSpans", "Span", "SpanTracing", "Spans", "carried", "carrier_of"],
    "telemetry": ["annotate_logs", "trace"],
    "groups": ["broadcast", "join", "leave", "members", "monitor"],
    "names": ["lookup", "register", "unregister"],
}


def test_actors_exports_these_names_and_no_others() -> None:
    assert sorted(actors.__all__) == sorted((FOR_PROCESSES + FOR_HOSTS).split())


def test_every_exported_name_is_there() -> None:
    assert [name for name in actors.__all__ if not hasattr(actors, name)] == []


def test_submodules_export_these_names_and_no_others() -> None:
    assert {
        name: sorted(importlib.import_module(f"actors.{name}").__all__) for name in SUBMODULES
    } == SUBMODULES
