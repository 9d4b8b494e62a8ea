"""The bookkeeping of monitors and links at the ends of a process (semantics 17 to 24). Nothing here waits."""

from __future__ import annotations

from collections.abc import Callable

from actors._kernel.process import Process
from actors._values.errors import NOT_FOUND, UNAVAILABLE, Error, shortened
from actors._values.events import EXIT, LINK_DOWN, Exit, LinkDown, MonitorRef, Reason, Result
from actors._values.pid import PID


def gone(pid: PID, reason: Reason = "noproc") -> Result:
    """The result of a process about which nothing more is known."""
    if reason == "noproc":
        return Result(
            error=Error(
                f"process {shortened(str(pid))} does not exist", kind=NOT_FOUND, details={"pid": str(pid)}
            )
        )
    return Result(
        error=Error(f"the node of process {pid} is gone", kind=UNAVAILABLE, details={"pid": str(pid)})
    )


def exit_callback(process: Process) -> Callable[[Exit], None]:
    """Where the exits go that `process` monitors: to its events, each ref once, and not after `unmonitor`."""

    def deliver(event: Exit) -> None:
        monitors = process.monitors
        if monitors is not None and event.ref is not None and monitors.pop(event.ref, None) is not None:
            process.put_event(event)

    return deliver


def watch(target: Process, ref: MonitorRef, on_exit: Callable[[Exit], None]) -> None:
    """Have `on_exit` called once, with the exit of `target`."""
    if target.watchers is None:
        target.watchers = {}
    target.watchers[ref] = on_exit


def forget_exits(process: Process, dest: MonitorRef | PID) -> list[tuple[MonitorRef, PID]]:
    """End monitors, those of one ref or of one target, and drop exits that are queued; what is left to be unwatched.

    A ref that is still among the monitors has no exit in the queue, and one that has is no longer among them.
    """
    ended: list[tuple[MonitorRef, PID]] = []
    monitors = process.monitors
    if isinstance(dest, MonitorRef):
        pid = None if monitors is None else monitors.pop(dest, None)
        if pid is not None:
            return [(dest, pid)]
        key: MonitorRef | tuple[str, PID] = dest
    else:
        key = (EXIT, dest)
        if monitors is not None:
            ended.extend((ref, dest) for ref in monitors.of(dest))
            for ref, _ in ended:
                monitors.pop(ref)
    if process.events is not None:
        process.events.withdraw(key)
    return ended


def link(process: Process, peer: PID) -> bool:
    """Note the link at this end; False when it was there already."""
    if process.links is None:
        process.links = {}
    if peer in process.links:
        return False
    process.links[peer] = None
    return True


def unlink(process: Process, peer: PID) -> bool:
    """Drop the link at this end, and a LinkDown of it that is queued; False when there was no link."""
    if process.events is not None:
        process.events.withdraw((LINK_DOWN, peer))
    return process.links is not None and process.links.pop(peer, _ABSENT) is None


_ABSENT = object()


def link_down(process: Process, peer: PID, reason: Reason, result: Result) -> None:
    """The signal of a link: the peer has ended. After a normal end the link goes, and nothing else happens."""
    if process.links is None or process.links.pop(peer, _ABSENT) is _ABSENT or reason == "normal":
        return
    if process.options.trap_links:
        process.put_event(LinkDown(peer, reason, result))
        return
    cause = result.error
    if reason == "link_down" and cause is not None and isinstance(cause.__cause__, Error):
        cause = cause.__cause__  # along a chain of links each death names its neighbour, and the first cause
    error = Error(
        f"linked process {peer} ended: {reason}",
        kind=cause.kind if cause is not None else UNAVAILABLE,
        retryable=cause.retryable if cause is not None else None,
        details={"pid": str(peer), "reason": reason},
    )
    error.__cause__ = cause
    process.end("link_down", error)
