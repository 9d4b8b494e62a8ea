"""The kernel of one durable process: where it differs from that of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from temporalio import workflow

from actors import (
    Entry,
    Error,
    Kernel,
    Process,
    ReplyTo,
    Result,
)
from temporal_bridge._wire.converter import payload_size
from temporal_bridge._workflow.code import check_durable
from temporal_bridge._workflow.open_updates import OpenCalls


class Successor(NamedTuple):
    """The code that an upgraded process goes on with."""

    entry: Entry
    args: tuple[Any, ...]


class WorkflowKernel(Kernel):
    """The kernel of one durable process. Its upgrade is Temporal's continue-as-new."""

    next_code: Successor | None = None
    on_upgrade: Callable[[], None]
    open_calls: OpenCalls
    post_refusal: Callable[[ReplyTo, Error], None]

    async def reply(self, to: ReplyTo, payload: Any) -> bool:
        """As `Kernel.reply`: as the result of the update that the call came by, if it waits."""
        return self.open_calls.answer(to, payload) or await super().reply(to, payload)

    def refuse_call(self, to: ReplyTo, error: Error) -> None:
        """As `Kernel.refuse_call`, wherever its caller is."""
        if not self.open_calls.refuse(to, error) and self.route(to.pid) is not None:
            self.post_refusal(to, error)

    def begin_upgrade(self, process: Process, args: tuple[Any, ...]) -> None:
        """As `Kernel.begin_upgrade`. What cannot be the start of a new run ends the process instead."""
        try:
            check_durable(process.entry)
            payload_size(workflow.payload_converter(), list(args), f"the arguments of {process.entry.id}")
        except Error as error:
            self.finalize(process, "error", Result(error=error))
            return
        self.next_code = Successor(process.entry, args)
        self.on_upgrade()

    def unhandled(self, process: Process, error: Error) -> None:
        """As `Kernel.unhandled`, once: not again in a replay."""
        if not workflow.unsafe.is_replaying():
            super().unhandled(process, error)
