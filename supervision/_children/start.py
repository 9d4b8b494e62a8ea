"""Starting a process so that the start returns when it is ready, and not before (OTP's `proc_lib:start_link`).

Whoever starts asks by a call; the process answers once it is ready. If it ends instead, the call fails with its error.
A call needs no channel between the two, so it works from any host to any other, and it sees the end of the process.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NoReturn, cast

import actors
from actors import (
    INVALID,
    NOT_FOUND,
    PID,
    TIMEOUT,
    UNAVAILABLE,
    Channel,
    Duration,
    Error,
    Message,
    Result,
    Spawner,
    Target,
    kernel_of,
)
from supervision._children.child_spec import ChildSpec, is_behaviour
from supervision._children.errors import IGNORE, Ignore, already_started, ended_before_ready
from supervision._children.requests import STARTED, TOPIC


class _Done:
    """What has happened already: awaiting it returns at once."""

    def __await__(self) -> Generator[Any, None, None]:
        """Does not wait."""
        yield from ()


def ready() -> Any:
    """Say that the running process is ready, to the supervisor whose spec for it has `wait_ready=True`.

    Acts at once, and may be awaited. Nothing happens when nobody waits.

    Raises:
        Error: kind CONFLICT, when the code runs outside any process.
    """
    # Listening begins here and not in the task: a process that reads its inbox next must not find the question there.
    actors.start_soon(_answer_starters, actors.listen(TOPIC, messages=True))
    return _Done()


async def _answer_starters(requests: Channel[Message]) -> None:
    # The question may come after `ready`: a process on another host can be faster than its starter.
    async for message in requests:
        if message.reply_to is not None and message.payload == STARTED:
            await actors.reply(message, Result(actors.self_pid()))


async def launch(spec: ChildSpec) -> tuple[PID, bool]:
    """Spawn the process of a spec, linked and monitored; and whether it says itself when it is ready.

    A durable one is only monitored: it has to outlive us. One that runs already, under its name, is it.

    Raises:
        Error: as `spawn`; INVALID for a durable one that could not be found again.
    """
    if is_behaviour(spec.start):
        target, args = spec.start.__supervision_body__(spec.args)
        waits = True
    else:
        target, args, waits = cast(Target, spec.start), spec.args, spec.wait_ready
    if spec.durable:
        spawner = spec.spawner().with_name(durable_name(spec))
        return await spawner.detach().spawn_monitored(target, *args), waits
    return await spawn(spec.spawner(), target, args, monitored=True), waits


def durable_name(spec: ChildSpec) -> str:
    """The id under which a durable child runs: the same after a restart of its supervisor, or of the whole program."""
    if spec.name is not None:
        return spec.name
    process = actors.running_process()
    names = (
        [process.pid.id]
        if kernel_of(process).wiring.state_carrier is not None
        else sorted(process.names or ())
    )
    if not names:
        raise Error(
            f"child id={spec.id!r} is durable, and needs a name by which it is found when its supervisor starts again:"
            " give ChildSpec(name=...), or start the supervisor under a name",
            kind=INVALID,
            details={"id": spec.id},
        )
    return f"{names[0]}/{spec.id}"


async def spawn(spawner: Spawner, target: Target, args: tuple[Any, ...], monitored: bool) -> PID:
    """Spawn a linked process; a name that another process has is an error, not that process.

    Raises:
        Error: as `Spawner.spawn`; ALREADY_EXISTS with the reason `already_started` for a name that is taken.
    """
    if spawner.name is not None:
        holder = await _holder(spawner.name)
        if holder is not None:
            raise already_started(f"name={spawner.name!r}", holder)
    if monitored:
        pid = await spawner.spawn_linked_monitored(target, *args)
    else:
        pid = await spawner.spawn_linked(target, *args)
    if spawner.name is not None and not await _is_child(pid):
        # Somebody took the name between the two: then the spawner gives that process, which is none of ours.
        await actors.unlink(pid)
        if monitored:
            await actors.unmonitor(pid)
        raise already_started(f"name={spawner.name!r}", pid)
    return pid


async def until_ready(pid: PID, timeout: Duration) -> None:
    """Wait until a process says that it is ready.

    Raises:
        Error: the error it ended with instead; TIMEOUT when it took too long, and then it has been terminated.
    """
    try:
        await actors.call(pid, TOPIC, STARTED, timeout=timeout)
    except Error as failure:
        if failure.kind == TIMEOUT and "reason" not in failure.details:
            if not actors.running_process().kernel.has_current_process(pid):
                raise  # it lives elsewhere, and goes on: nobody may be there to run it
            await actors.unlink(pid)
            await actors.terminate(pid, "start took too long")
            raise _too_slow(pid, timeout) from None
        cause = failure.__cause__
        if isinstance(cause, Error):
            if cause.details.get("reason") == IGNORE:
                raise Ignore(cause.message) from cause.__cause__
            raise cause from cause.__cause__
        if failure.kind not in (NOT_FOUND, UNAVAILABLE) or "reason" not in failure.details:
            raise
        raise ended_before_ready(pid, failure.details.get("reason", "noproc")) from None


async def answer_starter(requests: Channel[Message]) -> list[Message]:
    """Tell the starter of the running process that it is ready; gives the requests that came before its question."""
    question, early = await _question(requests)
    if question is not None:
        await actors.reply(question, Result(actors.self_pid()))
    return early


async def fail_to_start(requests: Channel[Message], starter: PID | None, error: Exception) -> NoReturn:
    """End the running process because it could not start. Its starter gets the error by its call alone."""
    if starter is not None:
        # The call has to be under way, or it would only find that there is no such process.
        await _question(requests)
        await actors.unlink(starter)
    raise error


async def _question(requests: Channel[Message]) -> tuple[Message | None, list[Message]]:
    """The starter's question, which may still be on its way; None when the starter is gone and will not ask."""
    early: list[Message] = []
    patience = actors.after("5s")
    try:
        while (picked := await actors.select(requests, patience)).channel is requests:
            message: Message = picked.value
            if message.reply_to is not None and message.payload == STARTED:
                return message, early
            early.append(message)
        return None, early
    finally:
        patience.close()


def _too_slow(pid: PID, timeout: Duration) -> Error:
    """OTP's `{error, timeout}` of a start."""
    return Error(
        f"process {pid} was not ready within timeout={timeout!r} and was terminated",
        kind=TIMEOUT,
        details={"reason": "timeout", "pid": str(pid)},
    )


async def _is_child(pid: PID) -> bool:
    try:
        return (await actors.describe(pid)).parent == actors.self_pid()
    except Error as error:
        if error.kind != NOT_FOUND:
            raise
        return True  # it has ended already, and its exit will say how


async def _holder(name: str) -> PID | None:
    try:
        return await actors.names.lookup(name)
    except Error as error:
        if error.kind != NOT_FOUND:
            raise
        return None
