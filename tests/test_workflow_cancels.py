"""Which cancel requests a durable process is told of: each once, whatever the server records of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors import PID
from temporal_bridge._wire.cancel_request import CancelRequest, cancel_text, read_cancel
from temporal_bridge._workflow.cancels import WorkflowCancels

BY = str(PID("default", "temporal", "boss"))


@given(
    st.text(),
    st.none() | st.just(BY),
    st.none() | st.floats(0, 1e6),
    st.none() | st.from_regex(r"[0-9a-f]{4}", fullmatch=True),
)
def test_request_survives_its_text(
    reason: str, by: str | None, deadline: float | None, id: str | None
) -> None:
    request = CancelRequest(by, reason, deadline, id)
    if read_cancel(reason).reason == reason:  # one that does not end as if it were ours
        assert read_cancel(cancel_text(request)) == request


@given(st.data())
def test_each_request_is_told_once_however_the_runs_cut_it(data: st.DataObject) -> None:
    """Each request is announced, then recorded by the server, but only the first of a run; runs end at any time."""
    requests = [CancelRequest(None, "please", None, str(number)) for number in range(5)]
    todo = [("announce", request) for request in requests]
    cancels = WorkflowCancels()
    told: list[CancelRequest] = []
    while todo:
        step = data.draw(st.integers(-1, len(todo) - 1))
        if step < 0:
            cancels = WorkflowCancels(cancels.carried())
            continue
        kind, request = todo.pop(step)
        if kind == "announce":
            told += cancels.announce(request)
            todo.append(("request", request))
        elif not cancels.requested:
            told += cancels.request(request)
    assert sorted(request.id or "" for request in told) == [request.id for request in requests]
