"""Children, monitors, links, and the end of others from inside durable processes: W05, W28 to W36 of the seed map."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

import actors
from actors import PID, Error, Exit, LinkDown
from tests.bridging import Outside, cached_or_evicted
from tests.eventually import eventually
from tests.workflow_entries import (
    WORKER,
    cleans_up,
    ends,
    ends_itself,
    executes,
    exits_hard,
    fails,
    links,
    monitors,
    parent_of,
    polite,
    returns,
    spawns,
    stubborn,
    unlinks_its_child,
    waits,
    wf,
)

here = cached_or_evicted(wf, worker=WORKER)


async def end_of(here: Outside, pid: PID) -> Exit:
    async def watch() -> Exit:
        await actors.monitor(pid)
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        return event

    found: Exit = await here.as_process(watch)
    return found


async def was_sent(here: Outside, pid: PID, *names: str, times: int = 1) -> bool:
    """Whether a durable process has got signals of one of these names."""
    events = await here.history(pid)
    sent = [event.workflow_execution_signaled_event_attributes.signal_name for event in events]
    return sum(name in names for name in sent) >= times


async def has_links(here: Outside, pid: PID, count: int) -> bool:
    return len((await here.node.kernel.describe(pid)).links) >= count


async def until_linked(here: Outside, pid: PID) -> None:
    """Wait until a link to a durable process has been recorded there."""
    await eventually(partial(was_sent, here, pid, "@link", "linked", "monitored"))


# Children


async def test_w05_execute_gives_the_value_of_a_child_or_raises_its_error(here: Outside) -> None:
    assert await here.node.execute(executes, "wf:returns", {"a": (1, 2)}) == {"a": (1, 2)}
    found = await here.node.execute(executes, "wf:fails", "CONFLICT", "no")
    assert found == ["CONFLICT", "no"]


async def test_w28_plain_spawn_delivers_the_exit_of_the_child_to_events(here: Outside) -> None:
    assert await here.node.execute(parent_of, "wf:returns", [1]) == [True, "normal", [1], None]


@pytest.mark.parametrize("retryable", [None, True, False])
async def test_w29_error_of_a_child_keeps_kind_retryable_message_and_details(
    here: Outside, retryable: bool | None
) -> None:
    found = await here.node.execute(parent_of, "wf:fails", "RATE_LIMITED", "slow down", retryable)
    shown = True if retryable is None else retryable
    assert found == [True, "error", None, ["RATE_LIMITED", shown, "slow down", {"n": 1}]]


async def test_w29_bug_in_a_child_is_internal(here: Outside) -> None:
    found = await here.node.execute(parent_of, "wf:crashes")
    assert found == [True, "error", None, ["INTERNAL", True, "ValueError: a bug", {"type": "ValueError"}]]


@pytest.mark.parametrize("kind", ["system", "keyboard", "base"])
async def test_any_exception_ends_a_durable_process_and_leaves_the_worker_alive(
    here: Outside, kind: str
) -> None:
    event = await end_of(here, await here.node.spawn(exits_hard, kind))
    assert event.reason == "error"
    assert await here.node.execute(returns, 1) == 1


async def test_w11_child_by_name_gives_the_one_that_runs(here: Outside) -> None:
    name = here.new_id()
    pid = await here.node.spawner(name=name).spawn(waits)
    assert await here.node.execute(spawns, "wf:waits", name, {}) == pid
    await here.node.send(pid, "finish", 5)
    assert await here.result(pid) == 5


async def test_w13_child_with_policy_fail_says_who_runs(here: Outside) -> None:
    name = here.new_id()
    pid = await here.node.spawner(name=name).spawn(waits)
    options = {"temporal.workflow.id_conflict_policy": "fail"}
    kind, holder, _ = await here.node.execute(spawns, "wf:waits", name, options)
    assert (kind, holder) == ("ALREADY_EXISTS", str(pid))


async def test_w13_child_with_policy_terminate_existing_starts_anew(here: Outside) -> None:
    name = here.new_id()
    await here.node.spawner(name=name).spawn(waits)
    first = (await here.describe(PID("default", "temporal", name))).run_id
    options = {
        "temporal.workflow.id_conflict_policy": "terminate_existing",
        "temporal.workflow.parent_close_policy": "abandon",
    }
    pid = await here.node.execute(spawns, "wf:waits", name, options)
    assert pid.id == name
    found = await here.describe(pid)
    assert found.run_id != first
    assert found.status is WorkflowExecutionStatus.RUNNING


async def test_spawn_from_inside_refuses_what_cannot_be(here: Outside) -> None:
    for options, text in (
        ({"temporal.workflow.start_delay": "1s"}, "start_delay"),
        ({"temporal.workflow.namespace": "other"}, "namespace"),
        ({"nonsense": 1}, "nonsense"),
    ):
        kind, _, message = await here.node.execute(spawns, "wf:waits", None, options)
        assert kind == "INVALID"
        assert text in message
    kind, _, message = await here.node.execute(spawns, "wf:nobody", None, {})
    assert kind == "NOT_FOUND"


# Monitors


async def test_w31_monitor_from_inside_of_durable_and_local_processes(here: Outside) -> None:
    async def local(value: str) -> str:
        await actors.listen("monitored").receive()
        if value == "bad":
            raise Error("no", kind="CONFLICT")
        return value

    target = await here.node.spawn(waits)
    pid = await here.node.spawn(monitors, target, 3)
    await until_linked(here, target)
    await here.node.send(target, "finish", 9)
    assert await here.result(pid) == [*[[target, "normal", 9, None]] * 3, True]
    for value, reason in (("good", "normal"), ("bad", "error")):
        target = await here.node.spawn(local, value, on="trio")
        found = await here.node.execute(monitors, target)
        expected = [
            target,
            reason,
            value if reason == "normal" else None,
            "CONFLICT" if reason == "error" else None,
        ]
        assert found == [expected, True]


async def test_w31_monitor_of_what_is_gone_gives_noproc_or_the_real_result(here: Outside) -> None:
    missing = PID("default", "temporal", here.new_id("missing"))
    closed = await here.node.spawn(returns, 4)
    assert await here.result(closed) == 4
    ended = PID(here.node.kernel.name, "trio", "999")
    assert await here.node.execute(monitors, missing) == [[missing, "noproc", None, "NOT_FOUND"], True]
    assert await here.node.execute(monitors, closed) == [[closed, "normal", 4, None], True]
    assert await here.node.execute(monitors, ended) == [[ended, "noproc", None, "NOT_FOUND"], True]


async def test_w34_after_unmonitor_no_exit_comes(here: Outside) -> None:
    target = await here.node.spawn(waits)
    pid = await here.node.spawn(monitors, target, 2, True)
    await until_linked(here, target)
    await here.node.send(target, "finish")
    assert await here.result(pid) == [[target, "normal", None, None], True]


# Links


async def test_w32_link_down_comes_as_an_event_with_trap_links(here: Outside) -> None:
    async def local() -> None:
        await actors.listen("linked").receive()
        raise Error("broken", kind="CONFLICT")

    target = await here.node.spawn(local, on="trio")
    pid, reason, error = await here.node.execute(links, target, True)
    assert (pid, reason, error.kind, error.message) == (target, "error", "CONFLICT", "broken")
    target = await here.node.spawn(waits)
    pid = await here.node.spawn(links, target, True)
    await until_linked(here, target)
    await here.node.terminate(target)
    found, reason, _ = await here.result(pid)
    assert (found, reason) == (target, "terminated")


async def test_w33_without_trap_links_the_failure_spreads_in_both_directions(here: Outside) -> None:
    async def local(partner: PID | None) -> None:
        if partner is not None:
            await actors.link(partner)
        await actors.listen("never").receive()

    # A local process dies, and the durable one with it.
    target = await here.node.spawn(local, None, on="trio")
    pid = await here.node.spawn(links, target, False)
    await here.node.spawn(links, target, False)  # a second one
    await eventually(partial(has_links, here, target, 2))
    await here.node.terminate(target)
    event = await end_of(here, pid)
    assert event.reason == "link_down"
    # A durable process dies, and the local one and the durable one with it.
    target = await here.node.spawn(waits)
    near = await here.node.spawn(local, target, on="trio")
    pid = await here.node.spawn(links, target, False)
    await eventually(partial(was_sent, here, target, "@link", times=2))
    watching = end_of(here, near)
    await here.node.terminate(target)
    assert (await watching).reason in ("link_down", "noproc")
    assert (await end_of(here, pid)).reason == "link_down"


async def test_w33_death_of_a_durable_process_reaches_a_local_one_that_traps(here: Outside) -> None:
    async def local() -> Any:
        actors.set_options(trap_links=True)
        target = await actors.spawn_linked(fails, "CONFLICT", "broken")
        event = await actors.events().receive()
        assert isinstance(event, LinkDown)
        assert event.result.error is not None
        return [event.pid == target, event.reason, event.result.error.kind]

    assert await here.as_process(local) == [True, "error", "CONFLICT"]


async def test_w34_after_unlink_neither_end_feels_the_other(here: Outside) -> None:
    target = await here.node.spawn(waits)
    pid = await here.node.spawn(links, target, False, True)
    await eventually(partial(was_sent, here, target, "linked"))
    await here.node.terminate(target)
    assert (await end_of(here, target)).reason == "terminated"
    await here.node.send(pid, "finish", "alive")
    assert await here.result(pid) == "alive"


async def test_w34_link_to_what_is_gone_is_a_signal_with_noproc(here: Outside) -> None:
    missing = PID("default", "temporal", here.new_id("missing"))
    closed = await here.node.spawn(returns, 4)
    assert await here.result(closed) == 4
    ended = PID(here.node.kernel.name, "trio", "999")
    for target in (missing, closed, ended):
        pid, reason, error = await here.node.execute(links, target, True)
        assert (pid, reason, error.kind) == (target, "noproc", "NOT_FOUND")
    assert (await end_of(here, await here.node.spawn(links, missing, False))).reason == "link_down"


async def test_unlink_of_a_child_leaves_the_child_alone(here: Outside) -> None:
    pid = await here.node.spawn(unlinks_its_child)
    assert await here.result(pid) == ["normal", 3]


# The end of others


async def test_w35_terminate_from_inside_really_terminates(here: Outside) -> None:
    target = await here.node.spawn(stubborn)
    assert await here.node.execute(ends, "terminate", target) is True
    assert (await here.describe(target)).status is WorkflowExecutionStatus.TERMINATED
    event = await end_of(here, target)
    assert event.reason == "terminated"
    assert event.result.error is not None
    assert await here.node.execute(ends, "terminate", target) is False


async def test_w35_terminate_from_inside_ends_a_local_process_with_its_finally_blocks(here: Outside) -> None:
    cleaned: list[bool] = []

    async def local() -> None:
        try:
            await actors.sleep("1h")
        finally:
            cleaned.append(True)

    target = await here.node.spawn(local, on="trio")
    assert await here.node.execute(ends, "terminate", target) is True
    assert (await end_of(here, target)).reason in ("terminated", "noproc")
    assert cleaned == [True]


async def test_w35_process_that_terminates_or_cancels_itself(here: Outside) -> None:
    assert (await end_of(here, await here.node.spawn(ends_itself, "terminate"))).reason == "terminated"
    assert (await end_of(here, await here.node.spawn(ends_itself, "cancel"))).reason == "cancelled"


async def test_w36_cancel_from_inside_is_an_event_with_its_deadline(here: Outside) -> None:
    target = await here.node.spawn(polite)
    pid = await here.node.spawn(ends, "cancel", target, "60s")
    assert await here.result(pid) is True
    assert await here.result(target) == [pid, "please", True]
    assert await here.node.execute(ends, "cancel", target) is False


async def test_w36_process_that_ignores_a_cancel_is_terminated_at_the_deadline(here: Outside) -> None:
    target = await here.node.spawn(stubborn)
    await here.node.execute(ends, "cancel", target, "100ms")
    assert (await end_of(here, target)).reason == "terminated"


async def test_w36_process_that_reads_no_events_is_cancelled_at_its_next_await(here: Outside) -> None:
    async def observer() -> tuple[str, Any]:
        target = await actors.spawn_monitored(cleans_up, actors.self_pid())
        await actors.execute(ends, "cancel", target)
        message = await actors.inbox().receive()
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        return event.reason, message.payload

    assert await here.as_process(observer) == ("cancelled", 1)


async def test_w36_cancel_from_inside_reaches_a_local_process(here: Outside) -> None:
    async def local() -> Any:
        event = await actors.events().receive()
        assert isinstance(event, actors.Cancel)
        return event.pid

    async def body() -> tuple[Any, Any]:
        target = await actors.spawn_monitored(local)
        pid = await actors.spawn(ends, "cancel", target, "60s")
        event = await actors.events().receive()
        assert isinstance(event, Exit)
        return event.result.value, pid

    found, pid = await here.as_process(body)
    assert found == pid
