"""What a cancel request to Temporal says: who asks, why and by when, in one text that people read too."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from actors import Error, invalid
from actors.wire import CANCEL, Envelope, check_system


class CancelRequest(NamedTuple):
    """Who asks (as text), why, and within how many seconds; `id` joins the request to its announcement."""

    by: str | None
    reason: str
    deadline: float | None
    id: str | None = None


# Temporal's core puts words of its own in front when a workflow asks.
_CANCEL = re.compile(
    r"(?:Cancel requested by workflow with run id [0-9a-f-]+ with reason: )?"
    r"(?P<reason>.*?)(?: \[by (?P<by>\{.+\})\])?(?: \[deadline (?P<deadline>[\d.e+-]+)s\])?"
    r"(?: \[request (?P<id>[\w-]+)\])?",
    re.DOTALL,
)


def cancel_text(request: CancelRequest) -> str:
    """The reason of a cancel request to Temporal."""
    text = request.reason
    if request.by is not None:
        text += f" [by {request.by}]"
    if request.deadline is not None:
        text += f" [deadline {request.deadline!r}s]"
    if request.id is not None:
        text += f" [request {request.id}]"
    return text


def read_cancel(text: str) -> CancelRequest:
    """The request that a text says; from somebody else's tool just the reason."""
    match = _CANCEL.fullmatch(text)
    assert match is not None  # the reason takes whatever there is
    by, deadline = match["by"], match["deadline"]
    try:
        within = None if deadline is None else float(deadline)
        check_system(Envelope(CANCEL, [by, match["reason"], within]))
    except (Error, ValueError):  # it only looks like one of ours
        return CancelRequest(None, text, None)
    return CancelRequest(by, match["reason"], within, match["id"])


def read_announcement(values: list[Any]) -> CancelRequest:
    """The request that is about to come.

    Raises:
        Error: kind INVALID, when it is none.
    """
    if len(values) != 4:
        raise invalid("announcement", values, "a deadline, who asks, why, and an id")
    deadline, by, reason, id = values
    check_system(Envelope(CANCEL, [by, reason, deadline]))
    if id is not None and not isinstance(id, str):
        raise invalid("announcement.id", id, "text or None")
    return CancelRequest(by, reason, None if deadline is None else float(deadline), id)
