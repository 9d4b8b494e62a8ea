"""What a soak has found: counts of what was tried, what did not hold, and whether anything still moves."""

from __future__ import annotations

import logging
from collections import Counter

import attrs
import trio

from actors import NOT_FOUND, PID, Error, Node

LOOK = 10.0
STILL = 12
"""After how many looks, seconds apart, at which nothing has moved, a round is over: something was lost."""

log = logging.getLogger("everproc.soak")


@attrs.define
class Findings:
    """Counted by all parts of a soak. `waits` is what each part of the round that runs waits for."""

    counts: Counter[str] = attrs.field(factory=Counter[str])
    violations: list[str] = attrs.field(factory=list[str])
    waits: dict[str, str] = attrs.field(factory=dict[str, str])
    pending: dict[PID, str] = attrs.field(factory=dict[PID, str])
    """The processes whose ends are waited for."""
    steps: int = 0
    violated: trio.Event = attrs.field(factory=trio.Event)
    told: str = ""
    """The signal that has ended the soak before its time."""

    def violation(self, text: str) -> None:
        """Note what did not hold: the round that runs is the last."""
        log.error("%s", text)
        self.violations.append(text)
        self.violated.set()

    def step(self, part: str, waits_for: str) -> None:
        """A part of the round has come as far as to wait for this."""
        self.steps += 1
        self.waits[part] = waits_for

    def ended(self, pid: PID) -> None:
        """A process has ended whose end was waited for."""
        self.steps += 1
        self.pending.pop(pid, None)

    def report(self) -> str:
        """What held, for people."""
        lines = [f"{name}: {count}" for name, count in sorted(self.counts.items())]
        lines += [f"VIOLATION {text}" for text in self.violations]
        if self.violations:
            lines.append("FAILED")
        elif self.told:
            lines.append(
                f"ended by {self.told}: nothing is known of the round that ran, no history was replayed"
            )
        else:
            lines.append(
                "nothing lost, doubled or out of order; every monitor fired once; every history replays"
            )
        return "\n".join(lines)


async def watch_for_stillness(findings: Findings, node: Node) -> None:
    """Note a violation when nothing moves any more: no step, and none of the processes waited for handles a message.

    However slow the machine is, a round goes on as long as it moves.
    """
    still, steps = 0, -1
    seen: dict[PID, object] = {}
    while still < STILL:
        await trio.sleep(LOOK)
        moved = findings.steps != steps
        steps = findings.steps
        for pid in list(findings.pending):
            if moved:
                break
            found = await _seen(node, pid)
            if found is not None:
                moved = seen.get(pid, found) != found
                seen[pid] = found
        still = 0 if moved else still + 1
        if still:
            log.warning("nothing has moved for %d looks; %s", still, findings.waits)
    lines = [f"{part} waits for {what}" for part, what in findings.waits.items()]
    lines += [f"{name} {pid}: {seen.get(pid)}" for pid, name in findings.pending.items()]
    findings.violation("nothing moves any more:\n    " + "\n    ".join(lines))


async def _seen(node: Node, pid: PID) -> object:
    """How far a process has come; None when it is out of reach, which the disorder brings with it."""
    try:
        found = await node.describe(pid)
    except Error as error:
        return "not there" if error.kind == NOT_FOUND else None
    return found.status, found.handled, found.mailbox, found.waits
