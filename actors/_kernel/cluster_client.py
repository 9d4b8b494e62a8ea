"""Names and groups of a cluster, as the processes of one kernel reach them: they are kept by a process elsewhere.

The keeper is `_cluster/registry.py`. A request is a message that wants a reply; a watch of a group is one that gets
many.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from actors._channels.channel import Queue
from actors._kernel.calls import Calls
from actors._kernel.entries import process_entry
from actors._kernel.groups import Changes, GroupChange
from actors._kernel.host import SpawnRequest
from actors._kernel.process import Process
from actors._scheduling.scheduler import Scheduler
from actors._values.errors import UNAVAILABLE, Error, invalid
from actors._values.messages import Message, ReplyTo
from actors._values.pid import PID

log = logging.getLogger("everproc.cluster")

PATIENCE = 20.0
"""Seconds until a registry that does not answer is out of reach. One whose worker dies goes on elsewhere in less."""


class ClusterKernel(Protocol):
    """What a cluster needs of the kernel of the processes that ask it."""

    calls: Calls
    closing: bool

    def next_number(self) -> int:
        """A number that was not given before."""
        ...

    def spawn_here(
        self, request: SpawnRequest, host: str, scheduler: Scheduler, pid: PID | None = None
    ) -> PID:
        """Put a process into the table."""
        ...


class Cluster:
    """What the names and groups of a cluster are asked through; a host sets it as `Kernel.cluster`.

    Args:
        kernel: of the processes that ask.
        send: brings a request to the process that keeps them, or is about to; False, when that does not run.
        start: starts it, if it does not run; called when a request finds it missing.
        incarnation: tells apart those that had the PIDs of this kernel one after another; empty where PIDs are not
            used twice.
    """

    def __init__(
        self,
        kernel: ClusterKernel,
        send: Callable[[Message], Awaitable[bool]],
        start: Callable[[], Awaitable[Any]],
        incarnation: str = "",
    ) -> None:
        self._kernel = kernel
        self._send = send
        self._start = start
        self._incarnation = incarnation
        self._held: set[PID] = set()

    def holds(self, pid: PID) -> bool:
        """Whether a process may have something that its death must free."""
        return pid in self._held

    def hold(self, pid: PID) -> None:
        """Note that a process may have something; one that continues as new has what it had."""
        self._held.add(pid)

    async def ask(self, process: Process, topic: str, *values: str) -> Any:
        """One request of a process, and the answer to it.

        Raises:
            Error: UNAVAILABLE, when there is none; the request may have been granted all the same.
        """
        answers: Queue[list[Any] | Error] = Queue()
        number = self._kernel.next_number()
        self._kernel.calls.expect(number, answers.put)
        try:
            return await self._answer(process, number, answers, topic, values)
        finally:
            self._kernel.calls.forget(number)

    async def gain(self, process: Process, topic: str, value: str) -> Any:
        """As `ask`, for what the death of the process frees."""
        self.hold(process.pid)
        return await self.ask(process, topic, value)

    async def watch(self, process: Process, group: str) -> tuple[list[PID], Changes]:
        """The members of a group, and a channel of every change from then on.

        The registry learns that the channel was closed from the next answer that nobody takes.
        """
        kernel = self._kernel
        number = kernel.next_number()
        answers: Queue[list[Any] | Error] = Queue()
        begun = False

        def end() -> None:
            kernel.calls.forget(number)
            process.disown(changes)

        def take(answer: list[Any] | Error) -> None:
            nonlocal begun
            if begun and isinstance(answer, list):
                ((change, pid),) = answer
                changes.put(GroupChange(change, group, pid))
            else:
                begun = True
                answers.put(answer)

        self.hold(process.pid)
        changes = Changes(end)
        kernel.calls.expect(number, take)
        process.own(changes)
        try:
            members = await self._answer(process, number, answers, "watch", (group,))
        except BaseException:  # the caller gets it, or is being ended: nobody will read the changes
            changes.close()
            raise
        return members, changes

    def release(self, process: Process, then: Callable[[], None]) -> None:
        """Free what a dead process had, and go on: once that is done, or when it cannot be.

        A process of its own asks for it; the registry takes it for one of the dead process.
        """
        self._held.discard(process.pid)

        async def free() -> None:
            try:
                await self.ask(process, "forget")
            except Error as error:
                # The registry monitors the process, and will know.
                log.info("%s could not free its names and groups in the cluster: %s", process.pid, error)
            finally:
                then()

        if self._kernel.closing:
            then()
        else:
            request = SpawnRequest(process_entry(free), ())
            self._kernel.spawn_here(request, process.pid.host, process.scheduler)

    async def _answer(
        self,
        process: Process,
        number: int,
        answers: Queue[list[Any] | Error],
        topic: str,
        values: tuple[str, ...],
    ) -> Any:
        to = ReplyTo(process.pid, number)
        message = Message(topic, (self._incarnation, *values), process.pid, to)
        timer = process.scheduler.call_later(PATIENCE, lambda: answers.put(_silent()))
        try:
            while not await self._send(message):
                await self._start()
            answer = await answers.receive()
            if isinstance(answer, Error):
                raise answer
        except Error as error:
            raise Error(
                f'scope="cluster" is out of reach: {error.message}. Is the Temporal server there?',
                kind=UNAVAILABLE,
            ) from error
        finally:
            timer.cancel()
        (payload,) = answer
        if isinstance(payload, Error):
            raise payload
        return payload


def _silent() -> Error:
    return Error(
        f"its registry did not answer within {PATIENCE:g} s, and the request may have been granted all the same",
        kind=UNAVAILABLE,
    )


def in_cluster(scope: str) -> bool:
    """Whether a scope is the cluster's, and not the node's.

    Raises:
        Error: kind INVALID, when it is neither.
    """
    if not isinstance(scope, str) or scope not in ("node", "cluster"):
        raise invalid("scope", scope, '"node" or "cluster"')
    return scope == "cluster"
