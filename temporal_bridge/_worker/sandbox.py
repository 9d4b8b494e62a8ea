"""Where the code of durable processes runs: in Temporal's sandbox, or without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import PayloadCodec, StorageDriverStoreContext, WithSerializationContext
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import Info

import actors
from temporal_bridge._wire.sdk_log import quiet_sdk_log
from temporal_bridge._workflow.suspension import quiet_log

PASSED_THROUGH: Final = (
    "actors",
    "temporal_bridge",
    "supervision",
    "attrs",
    "attr",
    "msgpack",
    "trio",
    "outcome",
    "opentelemetry",
)
"""What is not imported again for each workflow: our packages, and what they need."""


UNRESTRICTED: Final = ("datetime", "zoneinfo")
"""Modules whose classes are in the sandbox what they are outside: a restricted class is a proxy, which `match` and
`isinstance` do not take for a class. The lint finds the calls of the clock in the source instead."""


def workflow_runner(
    sandbox: bool, codec: PayloadCodec | None = None, passed_through: Sequence[str] = ()
) -> WorkflowRunner:
    """What a worker, or a replay, runs durable processes with.

    Args:
        sandbox: whether in Temporal's sandbox.
        codec: that of its payloads.
        passed_through: modules that the sandbox shares with the program, besides ours.
    """
    quiet_log()
    quiet_sdk_log()
    if not sandbox:
        return UnsandboxedWorkflowRunner()
    # Only a module that is loaded already passes through, and some of `actors` are loaded when they are named.
    for name in actors.__all__:
        getattr(actors, name)
    members = SandboxRestrictions.invalid_module_members_default
    children = {name: child for name, child in members.children.items() if name not in UNRESTRICTED}
    restrictions = replace(
        SandboxRestrictions.default, invalid_module_members=replace(members, children=children)
    ).with_passthrough_modules(*PASSED_THROUGH, *passed_through)
    runner = SandboxedWorkflowRunner if isinstance(codec, WithSerializationContext) else _PlainPayloads
    return runner(restrictions=restrictions)


class _PlainPayloads(SandboxedWorkflowRunner):
    """For payloads that are written the same whatever they are part of.

    The SDK asks the workflow about each, on its way in or out, three times or more what it is part of, and each time
    compiles the question and enters the sandbox for it: a quarter of the time of a small workflow task.
    """

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """As the SDK asks."""
        return _Instance(super().create_instance(det))


class _Instance(WorkflowInstance):
    """A workflow in the sandbox that is not asked."""

    def __init__(self, instance: WorkflowInstance) -> None:
        self._instance = instance

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """As the SDK asks."""
        return self._instance.activate(act)

    def get_serialization_context(self, command_info: object) -> None:
        """Nobody wants it."""

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:
        """There is no such store."""
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        """As the SDK asks."""
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        """As the SDK asks."""
        return self._instance.get_thread_id()
