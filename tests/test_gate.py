"""The gate of a durable process: whatever comes in, its workflow task does not fail, and the process answers.

Real traffic is damaged in many ways and given to the workflow itself, as the worker gives it, without a server.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio import workflow
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import (
    DoUpdate,
    InitializeWorkflow,
    QueryWorkflow,
    SignalWorkflow,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowInterceptorClassInput,
)

from actors import PID, Error, Exit, Message, MonitorRef, ReplyTo, Result, process_entry, wire
from actors.wire import Envelope, SequenceNumber
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import JSONConverter
from temporal_bridge._wire.data_converter import FailureConverter
from temporal_bridge._worker.headers import HeaderInterceptor
from temporal_bridge._workflow.durable_process import DurableProcess
from tests.gate_entries import answers

EXAMPLES = 10_000 if os.environ.get("EVERPROC_THOROUGH") else 100

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONVERTER = JSONConverter()
OTHER = PID("default", "temporal", "other")
HERE = PID("web.k3x9", "trio", "17")


_interceptor = HeaderInterceptor().workflow_interceptor_class(WorkflowInterceptorClassInput({}))


class Instance:
    """One run of a durable process, activated as by a worker."""

    def __init__(self, headers: Mapping[str, Payload] | None = None, continued: str | None = None) -> None:
        fields: dict[str, Any] = dict.fromkeys(workflow.Info.__dataclass_fields__)
        fields.update(
            attempt=1,
            continued_run_id=continued,
            first_execution_run_id="run",
            original_execution_run_id="run",
            headers=dict(headers or {}),
            namespace="default",
            raw_memo={},
            run_id="run",
            search_attributes={},
            typed_search_attributes=TypedSearchAttributes([]),
            start_time=NOW,
            workflow_start_time=NOW,
            task_queue="q",
            task_timeout=timedelta(seconds=10),
            workflow_id="here",
            workflow_type=process_entry(answers).id,
            priority=Priority.default,
        )
        definition = workflow._Definition.must_from_class(DurableProcess)
        details = WorkflowInstanceDetails(
            payload_converter_factory=JSONConverter,
            failure_converter_class=FailureConverter,
            interceptor_classes=[_interceptor],
            defn=definition,
            info=workflow.Info(**fields),
            randomness_seed=1,
            extern_functions={},
            disable_eager_activity_execution=True,
            worker_level_failure_exception_types=[],
            patch_activation_callback=None,
            last_completion_result=Payloads(),
            last_failure=Failure(),
        )

        async def create() -> WorkflowInstance:
            return UnsandboxedWorkflowRunner().create_instance(details)

        self._instance = asyncio.run(create())
        self._length = 3
        init = InitializeWorkflow(workflow_id="here", workflow_type="gate:answers")
        self.activate(WorkflowActivationJob(initialize_workflow=init))

    def activate(self, *jobs: WorkflowActivationJob) -> WorkflowActivationCompletion:
        """Give it one workflow task, which must not fail."""
        self._length += 3
        activation = WorkflowActivation(run_id="run", history_length=self._length, jobs=jobs)
        activation.timestamp.FromDatetime(NOW)
        completion = self._instance.activate(activation)
        assert not completion.HasField("failed"), completion.failed.failure.message
        return completion

    def signal(self, name: str, payloads: Iterable[Payload], header: Mapping[str, Payload]) -> None:
        """Bring a signal."""
        job = SignalWorkflow(
            signal_name=name, input=payloads, headers=header, originating_event_id=self._length
        )
        self.activate(WorkflowActivationJob(signal_workflow=job))

    def update(self, name: str, payloads: Iterable[Payload], header: Mapping[str, Payload], id: str) -> Any:
        """Bring an update: what it returns, None if it was refused."""
        job = DoUpdate(
            id=id, protocol_instance_id=id, name=name, input=payloads, headers=header, run_validator=True
        )
        job.meta.update_id = id
        completion = self.activate(WorkflowActivationJob(do_update=job))
        for command in completion.successful.commands:
            if command.HasField("update_response") and command.update_response.HasField("completed"):
                return CONVERTER.from_payloads([command.update_response.completed])[0]
        return None

    def query(self, name: str, payloads: Iterable[Payload] = ()) -> None:
        """Bring a query."""
        job = QueryWorkflow(query_id="1", query_type=name, arguments=payloads)
        self.activate(WorkflowActivationJob(query_workflow=job))

    def answers(self, id: str) -> bool:
        """Whether the process still does what it does."""
        return bool(self.update("ask", CONVERTER.to_payloads([[1, "x"]]), {}, id) == [1, "x"])


def real_traffic() -> list[tuple[str, list[Payload], dict[str, Payload]]]:
    """Signals as programs of ours send them, one of each kind."""
    ref = MonitorRef(HERE, 3)
    items = [
        wire.to_envelope(
            Message("item", {"a": [1, (2, {3}), NOW]}, OTHER, None), {"traceparent": "00-1-2-3"}
        ),
        wire.to_envelope(Message("called", ("x", 2), HERE, ReplyTo(HERE, 7))),
        wire.refused_envelope(wire.to_envelope(Message("called", 1, HERE, ReplyTo(HERE, 8)))),
        wire.reply_envelope(7, "y"),
        wire.refusal_envelope(7, Error("no", kind="CONFLICT", details={"a": 1})),
        wire.link_envelope(wire.LINK, OTHER),
        wire.link_envelope(wire.UNLINK, OTHER),
        wire.link_down_envelope(OTHER, "normal", Result(error=Error("gone"))),
        wire.monitor_envelope(wire.MONITOR, OTHER, 3),
        wire.exit_envelope(3, Exit(HERE, ref, "error", Result(error=Error("gone")))),
        Envelope(wire.CANCEL_CALL, ["{a@b|c}#1"]),
        Envelope(wire.CANCEL, [str(OTHER), "why", None]),
        Envelope(signals.DEADLINE, [None, str(OTHER), "why", "id-1"]),
    ]
    found: list[tuple[str, list[Payload], dict[str, Payload]]] = []
    batches = [[item] for item in items] + [items[:3], items[3:7], items[7:]]
    for number, batch in enumerate(batches, 1):
        signal = signals.signal_of(batch, SequenceNumber(f"web/{number}", 1))
        found.append((signal.name, CONVERTER.to_payloads(signal.args), signal.header))
    return found


TRAFFIC = real_traffic()
_ENDS = (wire.TERMINATE, wire.CANCEL, wire.LINK_DOWN, signals.DEADLINE)
"""Who says these rightly may end the process."""


def test_traffic_that_is_not_damaged_is_taken_in() -> None:
    instance = Instance()
    for number, (name, payloads, header) in enumerate(TRAFFIC):
        if name not in (*_ENDS, wire.BATCH):
            instance.signal(name, payloads, header)
            assert instance.answers(str(number))


DEEP = b"[" * 5000 + b"]" * 5000
PLAIN = {"encoding": b"json/plain"}
PACKED = {"encoding": b"binary/msgpack"}


def plain(value: Any) -> Payload:
    """JSON as any tool writes it."""
    return Payload(metadata=PLAIN, data=json.dumps(value).encode())


def packed(value: Any) -> Payload:
    """Msgpack, as only we write it."""
    return Payload(metadata=PACKED, data=wire.pack(value))


def nested(levels: int) -> bytes:
    """Msgpack of tuples in one another, deeper than anybody may write them."""
    data = b"\xc0"
    for _ in range(levels):
        inner = b"\x91" + data
        data = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x08" + inner
    return data


PAYLOADS = [
    Payload(metadata=PLAIN, data=b"{"),
    Payload(metadata=PLAIN, data=DEEP),
    Payload(metadata=PLAIN, data=b'"\\ud800"'),
    Payload(metadata=PLAIN, data=b"1" * 5000),
    Payload(metadata=PLAIN, data=b"\xff"),
    Payload(metadata=PACKED, data=nested(1000)),
    Payload(metadata=PACKED, data=nested(200)),
    Payload(metadata=PACKED, data=b"\x91" * 600 + b"\xc0"),
    Payload(metadata=PACKED, data=b"\xdd\xff\xff\xff\xff"),
    Payload(metadata=PACKED, data=b""),
    Payload(metadata={"encoding": b"binary/protobuf", "messageType": b"no.such.Type"}, data=b"?"),
    Payload(metadata={"encoding": b"json/protobuf", "messageType": b"\xff"}, data=b"{}"),
    Payload(metadata={"encoding": b"\xff\xfe"}, data=b"x"),
    Payload(metadata={"encoding": b"binary/everproc-unopened"}, data=b"\xff"),
    Payload(data=b"x"),
    Payload(),
]


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
@pytest.mark.parametrize(
    "name", ["item", "ask", "stop!", wire.BATCH, wire.REPLY, wire.EXIT, signals.DEADLINE]
)
def test_payload_that_cannot_be_read_is_dropped_with_one_warning(
    name: str, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    instance = Instance()
    with caplog.at_level(logging.WARNING):
        instance.signal(name, [payload], {})
    (record,) = caplog.records
    assert repr(name) in record.getMessage()
    assert instance.update(name, [payload], {}, "bad") is None
    assert instance.answers("1")
    instance.query("get_state", [payload])
    instance.query(signals.DESCRIBE, [payload])
    assert instance.answers("2")


NONSENSE: list[tuple[str, list[Any]]] = [
    (wire.BATCH, [[[1, [], None, None]]]),
    (wire.BATCH, [[["item", [1], {"a": 1}, None]]]),
    (wire.BATCH, [[["item", [1], None, ["x"]], 5, None, [], ["item"]]]),
    (wire.BATCH, [[["item", [1], None, [str(HERE), "x"]]]]),
    (wire.BATCH, [[["", [1]], ["n" * 2000, [1]]]]),
    (signals.DEADLINE, [1e400, None, "why", None]),
    (signals.DEADLINE, [float("nan"), None, "why", None]),
    (signals.DEADLINE, [10**400, None, "why", None]),
    (signals.DEADLINE, [-1, None, "why", None]),
    (signals.DEADLINE, [None, 5, ["why"], {}]),
    (wire.CANCEL, ["nobody", "why", None]),
    (wire.CANCEL, [None, None, "soon"]),
    (wire.EXIT, [str(HERE), [1], "error", None]),
    (wire.EXIT, [str(HERE), 1, "error", "result"]),
    (wire.EXIT, [1, 1, 1, 1]),
    (wire.REPLY, [[1], 2]),
    (wire.REPLY, []),
    (wire.REFUSED, [1, "no error"]),
    (wire.LINK, [[1]]),
    (wire.LINK, []),
    (wire.LINK_DOWN, [str(OTHER), "error", "no error"]),
    (wire.TERMINATE, [[1]]),
    (wire.UNLINK, ["{"]),
    (wire.CANCEL_CALL, [[1]]),
    ("@nobody knows", [1]),
    ("@", []),
]


@pytest.mark.parametrize(("name", "args"), NONSENSE)
def test_system_signal_that_makes_no_sense_is_dropped(name: str, args: list[Any]) -> None:
    instance = Instance()
    instance.signal(name, [plain(arg) for arg in args], {})
    assert instance.answers("1")


HEADERS = [
    packed({"stream": "a", "number": [1]}),
    packed({"stream": ["a"], "number": 1}),
    packed({"stream": "a"}),
    packed({"stream": "a", "number": -(2**70)}),
    packed({"from": 5}),
    packed({"call": "x"}),
    packed({"cause": [1]}),
    packed({1: 2, (): None}),
    packed([1]),
    Payload(metadata=PACKED, data=nested(1000)),
    Payload(metadata=PLAIN, data=b"{"),
    Payload(),
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_header_that_is_not_ours_is_dropped_and_what_it_comes_with_is_taken(header: Payload) -> None:
    instance = Instance()
    headers = {signals.HEADER: header}
    instance.signal("item", [plain(1)], headers)
    assert instance.update("ask", [plain([1])], headers, "1") in ([1], None)
    instance.signal("stop?", [plain(1)], headers)
    assert instance.answers("2")


STARTS = [
    {"parent": "nobody"},
    {"parent": 5},
    {"context": [1]},
    {"context": {1: 2}},
    {"bound": [1, 2, 3]},
    {"bound": ["x", "y"]},
    {"messages": [1, ["item"], ["item", [1]]]},
    {"messages": 5},
    {"carried": {"x": 1}},
    {"carried": 5},
    {"signalled": 5},
    {"pending": "x"},
    {"pending": -5},
]


@pytest.mark.parametrize("facts", STARTS, ids=map(str, STARTS))
def test_start_with_a_forged_header_is_a_start_without_it(facts: dict[str, Any]) -> None:
    assert Instance({signals.HEADER: packed(facts)}).answers("1")


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_start_with_a_header_that_is_not_ours_is_a_start_without_it(header: Payload) -> None:
    assert Instance({signals.HEADER: header}).answers("1")


def bytes_damaged(data: bytes, choose: Callable[[int], int]) -> bytes:
    """One change of some bytes: flipped, cut, doubled, or put in."""
    at = choose(len(data))
    match choose(4):
        case 0:
            return data[:at] + bytes([choose(255)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:
            return data[:at] + data[at:] * 2
        case 3:
            return data[:at] + bytes([choose(255)]) * (1 + choose(300)) + data[at:]
        case _:
            return data[at:]


def payload_damaged(payload: Payload, choose: Callable[[int], int]) -> Payload:
    """A payload with one change, to its bytes or to what it says that they are."""
    encodings = [b"json/plain", b"binary/msgpack", b"binary/plain", b"binary/null", b"json/protobuf", b"?"]
    metadata = dict(payload.metadata)
    if choose(4) == 0:
        metadata["encoding"] = encodings[choose(len(encodings) - 1)]
        return Payload(metadata=metadata, data=payload.data)
    return Payload(metadata=metadata, data=bytes_damaged(payload.data, choose))


_shared: list[Instance] = []


def shared() -> Instance:
    """An instance that has seen a lot; a new one after it was asked to end."""
    if not _shared:
        _shared.append(Instance())
    return _shared[0]


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_whatever_becomes_of_real_traffic_the_process_answers(data: st.DataObject) -> None:
    def choose(most: int) -> int:
        return data.draw(st.integers(0, max(0, most)))

    name, payloads, header = TRAFFIC[choose(len(TRAFFIC) - 1)]
    if choose(3) == 0:
        name = data.draw(st.sampled_from([name for name, *_ in TRAFFIC]) | st.text(min_size=1, max_size=8))
    payloads = [payload_damaged(payload, choose) if choose(2) else payload for payload in payloads]
    payloads = payloads[: choose(len(payloads) + 1)] if choose(3) == 0 else payloads
    if choose(2) == 0:
        header = {signals.HEADER: payload_damaged(header[signals.HEADER], choose)}
    instance = Instance() if name in (*_ENDS, wire.BATCH) else shared()
    if choose(2):
        instance.signal(name, payloads, header)
    else:
        instance.update(name, payloads, header, f"u{choose(10**9)}")
    if name not in (*_ENDS, wire.BATCH):  # those may have asked it to end, which it does
        assert instance.answers(f"a{choose(10**9)}")


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=400), st.sampled_from([b"json/plain", b"binary/msgpack", b"json/protobuf"]))
def test_no_bytes_make_the_converter_raise_anything_but_an_error(data: bytes, encoding: bytes) -> None:
    with suppress(Error):
        (value,) = CONVERTER.from_payloads([Payload(metadata={"encoding": encoding}, data=data)])
        wire.check_depth(value, wire.DEEPEST_WRITTEN)
