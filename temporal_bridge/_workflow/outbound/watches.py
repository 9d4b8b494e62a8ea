"""How a durable process learns of the end of others: by watches, and by the watch behind each link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import attrs
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, TimeoutError

from actors import PID, Exit, Kernel, MonitorRef, Reason, Result, gone, wire
from temporal_bridge._wire import signals
from temporal_bridge._wire.converter import read_value
from temporal_bridge._wire.failures import exit_of, from_failure
from temporal_bridge._wire.signals import DURABLE
from temporal_bridge._wire.task_queues import node_queue, watch_queue
from temporal_bridge._workflow.outbound.children import WorkflowChildren
from temporal_bridge._workflow.outbound.commands import WorkflowCommands
from temporal_bridge._workflow.outbound.messages import ALIVE, PICKED_UP, WorkflowMessages
from temporal_bridge._workflow.scheduler import WorkflowScheduler

_FOR_EVER = timedelta(days=3650)
_ONCE = RetryPolicy(maximum_attempts=1)


@attrs.define(eq=False)
class _End:
    """Who waits for the end of one process."""

    number: int
    sinks: dict[MonitorRef, Callable[[Exit], None]]
    task: asyncio.Task[None] | None = None


class WorkflowWatches:
    """What one durable process watches.

    A child is watched natively; another durable process by an activity that waits for its end; a local one by a monitor
    at its node, which sends the exit, and a lease that says whether the node is alive.
    """

    def __init__(
        self,
        kernel: Kernel,
        pid: PID,
        scheduler: WorkflowScheduler,
        commands: WorkflowCommands,
        messages: WorkflowMessages,
        children: WorkflowChildren,
    ) -> None:
        self._kernel = kernel
        self._pid = pid
        self._scheduler = scheduler
        self._commands = commands
        self._messages = messages
        self._children = children
        self._ends: dict[PID, _End] = {}
        self._links: dict[PID, MonitorRef] = {}
        self._leases: set[str] = set()
        self.on_node_lost: Callable[[str], None]
        """Who else wants to know that a node is gone."""
        self.suspended = False
        """Whether ends are left to the next run, because this one continues as new."""

    async def watch(self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
        """As `Host.watch`. All watches of one target share a wait."""
        end = self._ends.get(target)
        if end is not None:
            end.sinks[ref] = on_exit
            return
        end = self._new_end(target, ref, on_exit)
        if target.host == DURABLE:
            end.task = self._commands.start(self._wait_for(target, end))
        elif await self._messages.send(target, wire.monitor_envelope(wire.MONITOR, self._pid, end.number)):
            self.hold(target.node)
        else:
            self._ended(target, end, "noconnection", gone(target, "noconnection"))

    @property
    def numbers(self) -> dict[PID, int]:
        """The numbers by which the nodes of local processes know our watches."""
        return {target: end.number for target, end in self._ends.items() if target.host != DURABLE}

    def resume_watch(
        self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None], number: int | None = None
    ) -> None:
        """Watch again after the workflow has continued as new; under the number of before, which the node knows."""
        end = self._ends.get(target)
        if end is not None:
            end.sinks[ref] = on_exit
            return
        end = self._new_end(target, ref, on_exit, number)
        if target.host == DURABLE:
            end.task = self._commands.start(self._wait_for(target, end))
        else:
            self._messages.post(target, wire.monitor_envelope(wire.MONITOR, self._pid, end.number))
            self.hold(target.node)

    def _new_end(
        self, target: PID, ref: MonitorRef, on_exit: Callable[[Exit], None], number: int | None = None
    ) -> _End:
        end = self._ends[target] = _End(number or self._kernel.next_number(), {ref: on_exit})
        return end

    def unwatch(self, target: PID, ref: MonitorRef) -> None:
        """As `Host.unwatch`. The last one ends the wait, but not that for a child: that would cancel the child."""
        end = self._ends.get(target)
        if (
            end is None
            or end.sinks.pop(ref, None) is None
            or end.sinks
            or self._children.handle_of(target) is not None
        ):
            return
        del self._ends[target]
        if end.task is not None:
            end.task.cancel()
        if target.host != DURABLE and not self._scheduler.evicted:
            self._messages.post(target, wire.monitor_envelope(wire.UNMONITOR, self._pid, end.number))

    def receive_exit(self, pid: str, reason: Reason, result: Result) -> None:
        """The node of a local process tells of its end."""
        target = PID.parse(pid)
        end = self._ends.get(target)
        if end is not None:  # whatever its number: that of the run before counts as well
            self._ended(target, end, reason, result)

    def _ended(self, target: PID, end: _End, reason: Reason, result: Result) -> None:
        if self.suspended or self._ends.get(target) is not end:
            return
        del self._ends[target]
        if target.host == DURABLE:
            self._children.forget(target)
        for ref, on_exit in end.sinks.items():
            on_exit(Exit(target, ref, reason, result))

    def hold(self, node: str) -> None:
        """Watch that a node is alive, from now to the end of this process; `on_node_lost` is told."""
        if node not in self._leases:
            self._leases.add(node)
            _ = self._commands.start(self._lease(node))

    async def _lease(self, node: str) -> None:
        dead = given_back = False
        while not (dead or given_back):
            began = workflow.time()
            try:
                await self._commands.activity(
                    signals.LEASE,
                    args=[node],
                    task_queue=node_queue(node),
                    start_to_close_timeout=_FOR_EVER,
                    schedule_to_start_timeout=PICKED_UP,
                    heartbeat_timeout=ALIVE,
                    retry_policy=_ONCE,
                )
            except ActivityError as failure:
                if self.suspended:
                    return
                if isinstance(failure.cause, TimeoutError):
                    dead = await self._messages.is_dead(node, failure.cause, began)
                else:
                    given_back = True  # its bridge closes
            if self.suspended:
                return
        if dead:
            self._messages.lose(node)
        self._leases.discard(node)
        self.on_node_lost(node)
        for target, end in list(self._ends.items()):
            if target.node == node and target.host != DURABLE:
                self._ended(target, end, "noconnection", gone(target, "noconnection"))
        for target, ref in list(self._links.items()):
            if target.node == node and target.host != DURABLE:
                del self._links[target]
                self._kernel.signal_link_down(ref.owner, target, "noconnection", gone(target, "noconnection"))

    async def _wait_for(self, target: PID, end: _End) -> None:
        self._ended(target, end, *await self._end_of(target))

    async def _end_of(self, target: PID) -> tuple[Reason, Result]:
        child = self._children.handle_of(target)
        try:
            if child is not None:
                return "normal", Result(read_value(workflow.payload_converter(), await child))
            reason, result = await self._commands.activity(
                signals.WATCH,
                args=[str(target)],
                task_queue=watch_queue(workflow.info().task_queue),
                start_to_close_timeout=_FOR_EVER,
                heartbeat_timeout=ALIVE,
            )
        except ActivityError as failure:
            return "noconnection", Result(error=from_failure(failure))
        except Exception as failure:  # noqa: BLE001 - of a child: whatever it is, it is how it ended
            reason, error = exit_of(failure)
            return reason, Result(error=error)
        return reason, result

    def resume_link(self, target: PID, by: PID) -> None:
        """Watch the other end of a link, whose node or worker may go without a word."""
        if target in self._links:
            return
        ref = self._links[target] = MonitorRef(by, self._kernel.next_number())
        if target.host != DURABLE:
            self.hold(target.node)  # the end itself comes as the signal of the link
            return

        def ended(event: Exit) -> None:
            self._links.pop(target, None)
            self._kernel.signal_link_down(by, target, event.reason, event.result)

        self.resume_watch(target, ref, ended)

    def forget_link(self, target: PID) -> None:
        """The link is gone: its watch too."""
        ref = self._links.pop(target, None)
        if ref is not None:
            self.unwatch(target, ref)
