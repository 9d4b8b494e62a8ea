"""Calls: a request, and the wait for the reply to it (semantics 16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from actors._kernel import links_and_monitors as relations
from actors._kernel.process import Process
from actors._kernel.tracing import Tracing
from actors._scheduling.scheduler import Scheduler, Wait, running
from actors._values.errors import CONFLICT, INVALID, NOT_FOUND, TIMEOUT, UNAVAILABLE, Error, shown
from actors._values.events import Exit, MonitorRef, make_ref
from actors._values.messages import Message, make_message, make_reply_to
from actors._values.pid import PID, Dest


class CallsKernel(Protocol):
    """What calls need of the kernel that they are made through."""

    name: str
    pid: PID

    def find(self, dest: Dest, /) -> Process | PID:
        """The process itself if it lives in this program, else the PID to route by."""
        ...

    def next_number(self) -> int:
        """A number that was not given before: for refs and calls."""
        ...

    async def call(
        self, target: PID, message: Message, ref: MonitorRef, on_exit: Callable[[Exit], None]
    ) -> bool:
        """Bring a call to a process elsewhere, and call `on_exit` with its exit; until `unwatch`."""
        ...

    def unwatch(self, target: PID, ref: MonitorRef, /) -> None:
        """Forget a watch."""
        ...


_Answer = list[Any] | Exit | Error
"""How a call may end: a list of the payload that was the reply; an `Error` is that of its way."""


class _Call(Wait):
    """A task that waits for the answer to its call. The first counts; it may come before the task waits."""

    __slots__ = ("answer", "parked")

    answer: _Answer | None
    parked: bool

    # Filled in where it is made: a class whose __init__ is Python code is called in twice the time.
    __init__ = object.__init__  # pyright: ignore[reportAssignmentType]

    def take(self, answer: _Answer) -> None:
        """An answer, or what comes instead of one."""
        if self.answer is None:
            self.answer = answer
            if self.parked:
                self.parked = False
                self.scheduler.wake(self.task, None)

    def abort(self) -> None:
        self.parked = False


class Calls:
    """The calls that processes of one kernel make, and code outside any process through it.

    Invariant: a call is in `_waiting` exactly while somebody takes answers to it, so that a late one finds nobody.
    """

    def __init__(self, kernel: CallsKernel) -> None:
        self._kernel = kernel
        self._waiting: dict[int, Callable[[list[Any] | Error], None]] = {}

    async def make(
        self, clock: Scheduler, sender: PID | None, dest: Dest, topic: str, payload: Any, timeout: float
    ) -> Any:
        """Send, and wait for the reply, the target's death or the timeout: whichever comes first, and only that."""
        kernel = self._kernel
        target = kernel.find(dest)
        local, pid = (target, target.pid) if isinstance(target, Process) else (None, target)
        if sender is pid or (local is None and sender == pid):
            raise Error(
                "a process cannot call itself: it would wait for itself",
                kind=INVALID,
                details={"reason": "calling_self"},
            )
        by = running()
        scheduler = by.scheduler
        call = _Call()  # pyright: ignore[reportCallIssue]
        call.scheduler = scheduler
        call.task = scheduler.running()
        call.answer = None
        call.parked = False
        take = call.take
        number = kernel.next_number()
        here = sender or kernel.pid
        ref = make_ref(here, kernel.next_number())
        self._waiting[number] = take
        timer = clock.call_later(timeout, lambda: take(_late(pid, topic, timeout)))
        try:
            message = make_message(topic, payload, sender, make_reply_to(here, number))
            if local is None:
                await kernel.call(pid, message, ref, take)
            else:
                relations.watch(local, ref, take)
                local.kernel.deliver(local, message)
            if call.answer is None:
                call.parked = True
                await scheduler.park(call)
            else:
                by.reductions -= 1
                if by.reductions < 0:
                    await by.pause()
        finally:
            self._waiting.pop(number, None)
            timer.cancel()
            if local is None:
                kernel.unwatch(pid, ref)
            elif local.watchers is not None:
                local.watchers.pop(ref, None)
        answer = call.answer
        if isinstance(answer, list):
            reply: Any = answer[0]
            if isinstance(reply, Error):
                raise reply.again()
            return reply
        assert answer is not None
        raise answer if isinstance(answer, Error) else _failed(answer, topic)

    def close(self) -> None:
        """The node has been left, and with it the clock of the calls: those that code outside still waits for fail."""
        for number in list(self._waiting):
            self.fail(
                number, Error(f"node {self._kernel.name} was left before the reply came", kind=CONFLICT)
            )

    @property
    def waiting(self) -> int:
        """How many calls wait for their answer."""
        return len(self._waiting)

    def expect(self, call: int, take: Callable[[list[Any] | Error], None]) -> None:
        """Have `take` called with each answer to a call, in a list, or the error of its way, until `forget`."""
        self._waiting[call] = take

    def forget(self, call: int) -> None:
        """Take no more answers to a call; fine when it was done before."""
        self._waiting.pop(call, None)

    def answer(self, call: int, payload: Any) -> bool:
        """A reply has come; it vanishes when its call is over."""
        take = self._waiting.get(call)
        if take is None:
            return False
        take([payload])
        return True

    def fail(self, call: int, error: Error) -> None:
        """A call was refused, or could not be brought to its target."""
        take = self._waiting.get(call)
        if take is not None:
            take(error)


class TracedCalls(Calls):
    """Calls whose time is told to a tracing."""

    def __init__(self, kernel: CallsKernel, tracing: Tracing) -> None:
        super().__init__(kernel)
        self._tracing = tracing

    async def make(
        self, clock: Scheduler, sender: PID | None, dest: Dest, topic: str, payload: Any, timeout: float
    ) -> Any:
        """As `Calls.make`."""
        with self._tracing.calling(dest, topic):
            return await super().make(clock, sender, dest, topic, payload, timeout)


def _late(pid: PID, topic: str, timeout: float) -> Error:
    return Error(
        f"call {shown(topic)} to {pid} got no reply within {timeout:g} s",
        kind=TIMEOUT,
        details={"pid": str(pid), "topic": topic, "timeout": timeout},
    )


def _failed(event: Exit, topic: str) -> Error:
    missing = event.reason == "noproc"
    text = "does not exist" if missing else f"ended ({event.reason}) before it replied"
    error = Error(
        f"call {shown(topic)} failed: process {event.pid} {text}",
        kind=NOT_FOUND if missing else UNAVAILABLE,
        details={"pid": str(event.pid), "reason": event.reason, "topic": topic},
    )
    error.__cause__ = event.result.error
    return error
