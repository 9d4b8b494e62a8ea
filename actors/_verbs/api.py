"""The verbs of a process. Each acts on the process that is running.

None of them waits for another process except `call` and `execute`. All are checkpoints once in a while (semantics 15),
and at once for a process that is being ended.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs

from actors._channels.channel import Channel
from actors._kernel.entries import Target, process_entry
from actors._kernel.kernel import kernel_of
from actors._kernel.process import Options, Process, next_reduction, running_process, take_reduction
from actors._scheduling.scheduler import REDUCTIONS, current_process, running
from actors._values.arguments import check_arguments
from actors._values.callables import check_async
from actors._values.durations import Duration, seconds
from actors._values.errors import INVALID, Error, invalid
from actors._values.events import Event, MonitorRef
from actors._values.messages import Draft, Message, check_topic, payload_of
from actors._values.pid import PID, Dest
from actors._verbs.spawner import Spawner
from actors._verbs.ticker import Sleep, Ticker

if TYPE_CHECKING:
    from actors._kernel.kernel import Kernel
    from actors._kernel.process_info import Description

_SPAWNER = Spawner()


# Identity and life


def self_pid() -> PID:
    """The PID of the running process; also in a thread that it has started."""
    process = current_process.get()  # nothing is touched, so any thread may ask
    return process.pid if isinstance(process, Process) and process.alive else running_process().pid


# Those of a spawner with nothing set; without a coroutine in between, which a spawn would feel.

spawn = _SPAWNER.spawn
"""Start a process: `await spawn(function, *args, on=None)`; see `Spawner.spawn`."""

spawn_monitored = _SPAWNER.spawn_monitored
"""Start a process and monitor it, in one step: its `Exit` comes to `events()`; see `Spawner.spawn_monitored`."""

spawn_linked = _SPAWNER.spawn_linked
"""Start a process and link to it, in one step; see `Spawner.spawn_linked`."""

spawn_linked_monitored = _SPAWNER.spawn_linked_monitored
"""Start a process, link to it and monitor it, in one step; see `Spawner.spawn_linked_monitored`."""

execute = _SPAWNER.execute
"""Start a process, wait for its end, and return its value or raise its error; see `Spawner.execute`."""


def spawner(
    name: str | None = None,
    on: str | None = None,
    context: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Spawner:
    """A `Spawner`, to say more about a spawn than its function and host."""
    return Spawner(name, on, context if context is not None else {}, options if options is not None else {})


async def terminate(dest: Dest, reason: str = "") -> bool:
    """End a process whatever it does; its `finally` blocks run. False when there was none.

    A durable process is ended by the server, and runs no more code, no `finally` either, unless it terminates itself.

    A checkpoint that raises when a process terminates itself.
    """
    process = await take_reduction()
    _check_reason(reason)
    ended = await process.kernel.terminate(process.pid, dest, reason)
    await _leave(process)
    return ended


async def cancel(dest: Dest, deadline: Duration | None = None, reason: str = "") -> bool:
    """Ask a process to stop. False when there was none.

    It gets a `Cancel` event if it has opened `events()`, else its next await raises. If it is alive after `deadline`,
    it is terminated.
    """
    process = await take_reduction()
    _check_reason(reason)
    within = None if deadline is None else seconds(deadline, "deadline")
    asked = await process.kernel.cancel(process.pid, dest, reason, within)
    await _leave(process)
    return asked


async def upgrade(target: Target | None = None, *args: Any) -> None:
    """Become other code (or the same again) with the same PID, mailbox, monitors, links, names and context.

    Never returns: the running function unwinds, its other tasks are cancelled, then the new function is called.
    """
    process = await take_reduction()
    entry = process.entry if target is None else process_entry(target)
    if (
        target is not None or entry.accepts is None
    ):  # a server that continues as itself gives what only it knows
        check_arguments(entry.function, args, entry.id)
    raise process.upgrade(entry, args)


# Messages


async def send(dest: Dest | None, topic: str, *payload: Any) -> bool:
    """Send a message: the value, the tuple of several values, or None for none.

    A `dest` of None, the sender of a message that no process sent, is a dead letter: nobody takes it.

    Returns:
        True when it is in the mailbox (same node), recorded by the server (a durable process), or in the outbox for its
        node (another program; a full outbox is waited for). False when the target is known not to exist, its node to be
        gone, or its mailbox is full and rejects.

    Raises:
        Error: INVALID for a bad destination, topic or payload; UNAVAILABLE for a transport that cannot be reached.
    """
    # The path of most messages, so it is written out instead of called: the process that runs, the message, the target.
    process: Any = running()
    process.reductions = reductions = process.reductions - 1
    if reductions < 0:
        process = await next_reduction()
    if type(topic) is not str or not topic or topic[0] == "@":
        check_topic(topic)
    message: Any = Draft()
    message.topic = topic
    message.payload = payload[0] if len(payload) == 1 else payload or None
    message.sender = process.pid
    message.reply_to = None
    message.arrival = 0
    message.__class__ = Message
    kernel: Kernel = process.kernel
    target = kernel.table.get(dest.id) if type(dest) is PID else None
    if target is None or target.pid is not dest:
        return await kernel.send(dest, message)
    return target.kernel.deliver(target, message)


def inbox() -> Channel[Message]:
    """The messages of all topics that nobody listens to."""
    return running_process().mailbox.inbox


def events() -> Channel[Event]:
    """The events: `Exit` of what is monitored, `LinkDown` with `trap_links`, and `Cancel`.

    A process that has called this is asked to stop by an event; before that, by an exception at its next await.
    """
    process = running_process()
    process.events_opened = True
    return process.open_events()


def incoming() -> Channel[Message | Event]:
    """What `inbox()` and `events()` give as one channel, in the order of arrival: as an Erlang process receives.

        async for came in actors.incoming():
            match came:
                case Message(topic="add"): ...
                case Exit(): ...

    It stands for both, as a call of `events()` does; receive from it or from them, as what one has given is gone.
    """
    process = running_process()
    process.events_opened = True
    return process.open_events().joined()


@overload
def listen(topic: str, messages: Literal[False] = False) -> Channel[Any]: ...
@overload
def listen(topic: str, messages: Literal[True]) -> Channel[Message]: ...
def listen(topic: str, messages: bool = False) -> Channel[Any]:
    """A channel of the messages of one topic, from those that wait in the inbox on.

    Args:
        topic: a topic; twice the same gives the same channel.
        messages: whole `Message` objects instead of their payloads.
    """
    return running_process().mailbox.listen(topic, messages)


def unlisten(channel: Channel[Any]) -> None:
    """Close a channel of `listen`; what it holds goes back to the inbox, in order of arrival."""
    running_process().mailbox.unlisten(channel)


async def call(dest: Dest, topic: str, *payload: Any, timeout: Duration = "5s") -> Any:
    """Send a message and wait for the reply to it.

    Raises:
        Error: TIMEOUT when none came in time; NOT_FOUND when there is no such process; UNAVAILABLE when it ended before
            it replied, with its exit reason in `details["reason"]`; INVALID as for `send`.
    """
    by: Any = running()
    by.reductions -= 1
    process: Process = by if by.reductions >= 0 else await next_reduction()
    if type(topic) is not str or not topic or topic[0] == "@":
        check_topic(topic)
    within = seconds(timeout, "timeout")
    return await kernel_of(process).calls.make(
        process.scheduler,
        process.pid,
        dest,
        topic,
        payload[0] if len(payload) == 1 else payload or None,
        within,
    )


async def reply(message: Message, *payload: Any) -> bool:
    """Answer a message that came by `call`. False when the caller no longer waits; a late reply vanishes.

    Raises:
        Error: kind INVALID, when the message did not come by `call`.
    """
    by: Any = running()
    by.reductions -= 1
    process: Process = by if by.reductions >= 0 else await next_reduction()
    if not isinstance(message, Message):
        raise invalid("message", message, "a Message: listen with messages=True, or receive from inbox()")
    if message.reply_to is None:
        raise Error(
            f"message={message!r} was sent, not called: answer with send(message.sender, ...)", kind=INVALID
        )
    return await process.kernel.reply(message.reply_to, payload_of(payload))


# Relations


async def monitor(dest: Dest) -> MonitorRef:
    """Have exactly one `Exit` come to `events()` when a process ends; at once if it has ended already."""
    process = await take_reduction()
    return await process.kernel.monitor(process, dest)


async def unmonitor(ref_or_dest: MonitorRef | Dest) -> None:
    """End one monitor by its ref, or all that this process has on a target. No `Exit` of it comes after this."""
    process = await take_reduction()
    if not isinstance(ref_or_dest, MonitorRef | PID | str) or ref_or_dest == "":
        raise invalid("ref_or_dest", ref_or_dest, "what monitor() returned, a PID or a registered name")
    process.kernel.unmonitor(process, ref_or_dest)


async def link(dest: Dest) -> None:
    """Tie two processes: the abnormal end of one ends the other, or reaches it as `LinkDown` if it traps links."""
    process = await take_reduction()
    await process.kernel.link(process, dest)
    await _leave(process)


async def unlink(dest: Dest) -> None:
    """Remove a link; it has no effect after this."""
    process = await take_reduction()
    await process.kernel.unlink(process, dest)


def set_options(
    *, trap_links: bool | None = None, label: str | None = None, state: Callable[[], Any] | None = None
) -> Options:
    """Change options of the running process; returns them as they were.

    Args:
        trap_links: whether the death of a linked process comes as `LinkDown` to `events()` instead of ending this one.
        label: what it is called where people look at it, beside its entry (OTP's `proc_lib:set_label`).
        state: gives what it shows of its state when somebody looks (`Node.state`); it must not wait.
    """
    process = running_process()
    before = process.options
    if trap_links is not None:
        if not isinstance(trap_links, bool):
            raise invalid("trap_links", trap_links, "True or False")
        process.options = attrs.evolve(process.options, trap_links=trap_links)
    if label is not None:
        if not isinstance(label, str):
            raise invalid("label", label, "a string")
        process.options = attrs.evolve(process.options, label=label)
    if state is not None:
        if not callable(state):
            raise invalid("state", state, "a function without arguments")
        process.options = attrs.evolve(process.options, state=state)
    return before


def get_options() -> Options:
    """The options of the running process."""
    return running_process().options


# Concurrency and time


def start_soon(function: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Start a task of this process. It is cancelled when the process's function ends; its error ends the process."""
    process = running_process()
    check_async(function, "function")
    process.start_soon(function, args)


def shield() -> AbstractContextManager[Any]:
    """A block in which awaits do not raise although the process is being ended: for cleaning up in `finally`."""
    return current_process.get().scheduler.shield()


async def sleep(duration: Duration) -> None:
    """Wait; durably in a durable process. Always a checkpoint."""
    process = running_process()
    delay = seconds(duration, "duration")
    if not delay:
        await process.pause()
        return
    await process.scheduler.park(Sleep(process, delay))
    if process.reductions > 0:
        process.reductions = REDUCTIONS


def after(duration: Duration) -> Channel[datetime]:
    """A channel that gives the time once, after `duration`: for `select`."""
    return Ticker(running_process(), seconds(duration, "duration"), repeat=False)


def every(interval: Duration) -> Ticker:
    """A channel that gives the time every `interval`. A tick that nobody has received yet is not doubled."""
    length = seconds(interval, "interval")
    if not length:
        raise invalid("interval", interval, "a duration of more than 0")
    return Ticker(running_process(), length, repeat=True)


def now() -> datetime:
    """The date and time, aware, in UTC; in a durable process the same again on replay."""
    return running_process().scheduler.now()


def uuid4() -> uuid.UUID:
    """A random UUID; in a durable process the same again on replay."""
    return uuid.UUID(bytes=random_bytes(16), version=4)


def random_bytes(count: int) -> bytes:
    """Random bytes; in a durable process the same again on replay, and there not fit for secrets."""
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise invalid("count", count, "a whole number of 0 or more")
    return running_process().scheduler.random_bytes(count)


async def describe(dest: Dest) -> Description:
    """What can be seen of a process: status, mailbox, links, monitors, where it waits.

    Raises:
        Error: kind NOT_FOUND, when there is no such process.
    """
    process = await take_reduction()
    return await kernel_of(process).describe(dest)


async def _leave(process: Process) -> None:
    """Raise if the call has ended the process that made it."""
    if process.exiting:
        await process.pause()


def _check_reason(reason: str) -> None:
    if not isinstance(reason, str):
        raise invalid("reason", reason, "a string")
