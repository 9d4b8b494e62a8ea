"""What a cancel request to Temporal says: who asks, why and by when, in one text that people read too."""

from __future__ import annotations

import re

from actors import PID

# Temporal's core puts words of its own in front when a workflow asks.
_CANCEL = re.compile(
    r"(?:Cancel requested by workflow with run id [0-9a-f-]+ with reason: )?"
    r"(?P<reason>.*?)(?: \[by (?P<by>\{.+\})\])?(?: \[deadline (?P<deadline>[\d.e+-]+)s\])?",
    re.DOTALL,
)


def cancel_text(by: PID | None, reason: str, deadline: float | None) -> str:
    """The reason of a cancel request to Temporal."""
    text = reason
    if by is not None:
        text += f" [by {by}]"
    if deadline is not None:
        text += f" [deadline {deadline!r}s]"
    return text


def read_cancel(text: str) -> tuple[PID | None, str, float | None]:
    """Who asks, why, and within how many seconds; from somebody else's tool just why."""
    match = _CANCEL.fullmatch(text)
    assert match is not None  # the reason takes whatever there is
    by, deadline = match["by"], match["deadline"]
    return (
        (None if by is None else PID.parse(by)),
        match["reason"],
        None if deadline is None else float(deadline),
    )
