"""Why a simulated run fails: by a claim of the program, or by itself."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from actors._kernel.process import Process
from actors._kernel.process_info import describe_process
from actors._values.events import Result
from actors.testing._trace import short


@attrs.frozen
class Failure:
    """What was violated: `kind` is error, invariant, deadlock, livelock, lost or crash."""

    kind: str
    message: str

    def __str__(self) -> str:
        return self.message


def deadlock(processes: Iterable[Process]) -> Failure:
    """All are parked and no timer is set."""
    return Failure("deadlock", f"deadlock: nobody can run and no timer is set\n{_who_waits(processes)}")


def livelock(steps: int, processes: Iterable[Process]) -> Failure:
    """Steps without end."""
    return Failure(
        "livelock", f"livelock: {steps} steps, and the clock does not go on\n{_who_waits(processes)}"
    )


def lost_processes(processes: Iterable[Process]) -> Failure:
    """Some do not end although they were terminated."""
    return Failure("lost", f"lost processes: terminated, and still there\n{_who_waits(processes)}")


def unwatched_crash(process: Process, result: Result) -> Failure:
    """An error that nobody would have seen."""
    return Failure(
        "crash",
        f"process {short(process.pid)} ({process.entry.id}) crashed and nobody watches it: {result.error}",
    )


def _who_waits(processes: Iterable[Process]) -> str:
    lines: list[str] = []
    for process in processes:
        seen = describe_process(process)
        lines.append(f"  {short(process.pid)} {process.entry.id}, {seen.mailbox} unread, waits at")
        for stack in seen.waits:
            own = [frame for frame in stack if not frame.startswith("_")] or list(stack)
            lines.append(f"      {' > '.join(own[-3:]) or 'its start'}")
    return "\n".join(lines)
