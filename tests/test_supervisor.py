"""The supervisor, line by line as OTP describes it; on every local host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import actors
from actors import Channel, Error
from supervision import Child, ChildSpec, Counts, Ignore, Supervisor, ready, start
from tests.hosts import on_every_host
from tests.supervised import Stage, children, end, end_of, pid_of, reason_of, statuses


@pytest.fixture
def stage() -> Stage:
    return Stage()


# Start


@on_every_host
async def test_children_start_left_to_right_and_stop_right_to_left(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a"), stage.spec("b"), stage.spec("c")]))
    assert stage.told() == ["start a", "start b", "start c"]
    await sup.stop()
    assert stage.told() == ["stop c", "stop b", "stop a"]


@on_every_host
async def test_start_returns_when_every_child_has_started(stage: Stage) -> None:
    async def slow() -> None:
        await actors.sleep("1h")
        stage.journal.append("ready")
        ready()
        await actors.sleep("1d")

    sup = await start(Supervisor([stage.spec("slow", slow, wait_ready=True), stage.spec("b")]))
    assert stage.told() == ["ready", "start b"]
    await sup.stop()


@on_every_host
async def test_plain_function_counts_as_started_once_it_is_spawned(stage: Stage) -> None:
    async def never_ready() -> None:
        await actors.sleep("1d")

    sup = await start(Supervisor([stage.spec("a", never_ready)]))
    assert (await statuses(sup)) == {"a": "running"}
    await sup.stop()


@on_every_host
async def test_failed_child_stops_those_before_it_and_its_error_comes_out_of_start(stage: Stage) -> None:
    stage.broken.add("c")
    specs = [stage.spec(name) for name in "abcd"]
    with pytest.raises(Error, match="c is broken") as failure:
        await start(Supervisor(specs))
    assert failure.value.kind == actors.UNAVAILABLE
    assert failure.value.details["reason"] == "failed_to_start_child"
    assert failure.value.details["id"] == "c"
    assert isinstance(failure.value.__cause__, Error)
    assert failure.value.__cause__.message == "c is broken"
    assert stage.told() == ["start a", "start b", "broken c", "stop b", "stop a"]


@on_every_host
async def test_starter_that_does_not_trap_links_survives_a_failed_start(stage: Stage) -> None:
    stage.broken.add("a")
    with pytest.raises(Error):
        await start(Supervisor([stage.spec("a")]))
    await actors.sleep("1s")


@on_every_host
async def test_child_that_raises_something_else_is_wrapped(stage: Stage) -> None:
    async def typo() -> None:
        raise KeyError("x")

    with pytest.raises(Error, match="KeyError") as failure:
        await start(Supervisor([stage.spec("a", typo, wait_ready=True)]))
    assert failure.value.kind == actors.INTERNAL
    cause = failure.value.__cause__
    assert cause is not None
    assert isinstance(cause.__cause__, KeyError)


@on_every_host
async def test_child_that_returns_before_it_is_ready_has_failed_to_start(stage: Stage) -> None:
    async def hasty() -> None:
        pass

    with pytest.raises(Error, match="before it was ready"):
        await start(Supervisor([stage.spec("a", hasty, wait_ready=True)]))


@on_every_host
async def test_ignored_child_keeps_its_spec_without_a_process(stage: Stage) -> None:
    stage.ignoring.add("a")
    sup = await start(Supervisor([stage.spec("a"), stage.spec("b")]))
    assert await statuses(sup) == {"a": "stopped", "b": "running"}
    stage.ignoring.clear()
    assert await sup.restart_child("a") == await pid_of(sup, "a")
    await sup.stop()


@on_every_host
async def test_ignored_temporary_child_is_dropped(stage: Stage) -> None:
    stage.ignoring.add("a")
    sup = await start(Supervisor([stage.spec("a", restart="temporary")]))
    assert await sup.which_children() == []
    assert await sup.start_child(stage.spec("a", restart="temporary")) is None
    assert await sup.which_children() == []
    await sup.stop()


@on_every_host
async def test_supervisor_has_its_name_and_refuses_one_that_is_taken(stage: Stage) -> None:
    sup = await start(Supervisor(), name="app")
    assert await actors.names.lookup("app") == sup.pid
    assert await reason_of(start(Supervisor(), name="app")) == (
        actors.ALREADY_EXISTS,
        "already_started",
    )
    assert await Supervisor.at("app").which_children() == []
    await Supervisor.at("app").stop()
    assert await reason_of(actors.names.lookup("app")) == (actors.NOT_FOUND, None)


@on_every_host
async def test_name_is_free_again_when_start_fails(stage: Stage) -> None:
    stage.broken.add("a")
    with pytest.raises(Error):
        await start(Supervisor([stage.spec("a")]), name="app")
    sup = await start(Supervisor(), name="app")
    await sup.stop()


@on_every_host
async def test_child_whose_name_is_taken_fails_with_already_started(stage: Stage) -> None:
    await actors.names.register("db")
    sup = await start(Supervisor())
    spec = stage.spec("a", name="db")
    assert await reason_of(sup.start_child(spec)) == (actors.ALREADY_EXISTS, "already_started")
    await actors.names.unregister("db")
    pid = await sup.start_child(spec)
    assert await actors.names.lookup("db") == pid
    await end(pid)
    restarted = await pid_of(sup, "a")
    assert await actors.names.lookup("db") == restarted != pid
    await sup.stop()


@on_every_host
async def test_children_are_linked_to_their_supervisor_and_monitored(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    seen = await actors.describe(await pid_of(sup, "a"))
    assert seen.links == (sup.pid,)
    assert seen.watchers == 1
    assert seen.parent == sup.pid
    await sup.stop()


# The end of a child: the table


@pytest.mark.parametrize(
    ("restart", "how", "status"),
    [
        ("permanent", "return", "running"),
        ("permanent", "shutdown", "running"),
        ("permanent", "crash", "running"),
        ("permanent", "kill", "running"),
        ("transient", "return", "stopped"),
        ("transient", "shutdown", "stopped"),
        ("transient", "crash", "running"),
        ("transient", "kill", "running"),
        ("temporary", "return", None),
        ("temporary", "shutdown", None),
        ("temporary", "crash", None),
        ("temporary", "kill", None),
    ],
)
@on_every_host
async def test_end_of_a_child_follows_its_restart_type(
    stage: Stage, restart: str, how: str, status: str | None
) -> None:
    sup = await start(Supervisor([stage.spec("a", restart=restart)]))
    before = await pid_of(sup, "a")
    await end(before, how)
    after = (await children(sup)).get("a")
    assert (after and after.status) == status
    if after is not None:
        assert (after.pid is None) == (status == "stopped")
        assert after.pid != before
    await sup.stop()


@on_every_host
async def test_whoever_saw_a_child_end_is_not_told_that_it_runs(stage: Stage) -> None:
    async def slow() -> None:
        await actors.listen("go").receive()
        ready()
        await actors.sleep("1d")

    asked = Channel[list[Child]](1)

    async def ask() -> None:
        await asked.send(await sup.which_children())

    sup = await start(Supervisor([stage.spec("a", restart="transient")]))
    a = await pid_of(sup, "a")
    actors.start_soon(sup.start_child, stage.spec("slow", slow, wait_ready=True, name="slow"))
    await actors.sleep("1ms")  # the supervisor is busy, and hears of nothing
    await end(a, "return")
    actors.start_soon(ask)
    await actors.sleep("1ms")
    await actors.send("slow", "go")
    assert {child.id: child.status for child in await asked.receive()} == {"a": "stopped", "slow": "running"}
    await sup.stop()


@on_every_host
async def test_exit_of_a_process_that_is_no_child_is_ignored(stage: Stage) -> None:
    async def stranger(sup: actors.PID) -> None:
        await actors.link(sup)
        await actors.sleep("1s")

    sup = await start(Supervisor([stage.spec("a")]))
    pid = await actors.spawn(stranger, sup.pid)
    await actors.sleep("10ms")
    await end(pid, "shutdown")
    assert await statuses(sup) == {"a": "running"}
    assert stage.told() == ["start a"]
    await sup.stop()


@pytest.mark.parametrize("how", ["return", "crash", "kill", "shutdown"])
@on_every_host
async def test_supervisor_stops_with_its_parent_however_that_ends(stage: Stage, how: str) -> None:
    found: list[actors.PID] = []

    async def parent() -> None:
        sup = await start(Supervisor([stage.spec("a")]))
        found.append(sup.pid)
        await stage.worker("parent")

    pid = await actors.spawn(parent)
    await actors.sleep("1s")
    (sup,) = found
    await actors.spawn_monitored(_ended, sup)
    await end(pid, how)
    ended = await end_of(sup)
    assert ended.reason in ("shutdown", "noproc")
    assert stage.journal[-1] == "stop a"


async def _ended(pid: actors.PID) -> None:
    assert (await end_of(pid)).reason == "shutdown"


# Restart intensity


@on_every_host
async def test_as_many_restarts_as_the_limit_are_allowed_and_one_more_stops_it(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a"), stage.spec("b")], max_restarts=3))
    for _ in range(3):
        await end(await pid_of(sup, "a"))
    assert await statuses(sup) == {"a": "running", "b": "running"}
    stage.told()
    await end(await pid_of(sup, "b"))
    ended = await end_of(sup.pid)
    assert ended.reason in ("shutdown", "noproc")
    assert stage.told() == ["stop b", "stop a"]


@on_every_host
async def test_restarts_of_all_children_count_together(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a"), stage.spec("b")], max_restarts=1))
    await end(await pid_of(sup, "a"))
    ref = await actors.monitor(sup.pid)
    await end(await pid_of(sup, "b"))
    async for event in actors.events():
        if isinstance(event, actors.Exit) and event.ref == ref:
            assert event.reason == "shutdown"
            assert event.result.error is not None
            assert event.result.error.details["reason"] == "reached_max_restart_intensity"
            break


@on_every_host
async def test_restarts_that_are_long_ago_do_not_count(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")], max_restarts=1, within="2s"))
    for _ in range(5):
        await end(await pid_of(sup, "a"))
        await actors.sleep("2100ms")
    assert await statuses(sup) == {"a": "running"}
    await sup.stop()


@on_every_host
async def test_no_restart_at_all_with_a_limit_of_zero(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a")], max_restarts=0))
    await end(await pid_of(sup, "a"))
    assert (await reason_of(sup.which_children()))[0] in (actors.NOT_FOUND, actors.UNAVAILABLE)
    assert stage.told() == ["start a", "stop a"]


@on_every_host
async def test_supervisor_that_gives_up_is_restarted_by_its_own_supervisor(stage: Stage) -> None:
    inner = Supervisor([stage.spec("a")], max_restarts=0)
    sup = await start(Supervisor([stage.spec("inner", inner)]))
    first = await pid_of(sup, "inner")
    await end(await pid_of(Supervisor.at(first), "a"))
    assert (await end_of(first)).reason in ("shutdown", "noproc")
    second = await pid_of(sup, "inner")
    assert second != first
    assert await statuses(Supervisor.at(second)) == {"a": "running"}
    await sup.stop()


# A restart that fails


@on_every_host
async def test_each_failed_restart_counts(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a")], max_restarts=3))
    pid = await pid_of(sup, "a")
    stage.broken.add("a")
    await end(pid)
    assert (await reason_of(_forever(sup)))[0] in (actors.NOT_FOUND, actors.UNAVAILABLE)
    assert stage.told() == ["start a", "stop a", "broken a", "broken a", "broken a"]


async def _forever(sup: Any) -> None:
    while True:
        await sup.which_children()
        await actors.sleep("1ms")


@on_every_host
async def test_requests_are_answered_between_failed_restarts(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")], max_restarts=1_000_000))
    pid = await pid_of(sup, "a")
    stage.broken.add("a")
    await end(pid)
    assert await children(sup) == {"a": Child("a", None, "restarting", "worker")}
    assert await sup.count_children() == Counts(1, 0, 0, 1)
    conflict = (actors.CONFLICT, "restarting")
    assert await reason_of(sup.restart_child("a")) == conflict
    assert await reason_of(sup.delete_child("a")) == conflict
    assert await reason_of(sup.start_child(stage.spec("a"))) == (actors.ALREADY_EXISTS, "already_present")
    await sup.terminate_child("a")
    assert await statuses(sup) == {"a": "stopped"}
    stage.told()
    await actors.sleep("1s")
    assert stage.told() == []
    await sup.delete_child("a")
    await sup.stop()


@on_every_host
async def test_failed_restart_is_tried_again_until_it_succeeds(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")], max_restarts=1_000_000))
    pid = await pid_of(sup, "a")
    stage.broken.add("a")
    await end(pid)
    for _ in range(10):
        assert await statuses(sup) == {"a": "restarting"}
    stage.broken.clear()
    while await statuses(sup) != {"a": "running"}:
        await actors.sleep("1ms")
    await sup.stop()


@on_every_host
async def test_child_that_ignores_its_restart_rests(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    pid = await pid_of(sup, "a")
    stage.ignoring.add("a")
    await end(pid)
    assert await statuses(sup) == {"a": "stopped"}
    await sup.stop()


# Groups


@on_every_host
async def test_one_for_one_restarts_only_the_child(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec(name) for name in "abc"]))
    stage.told()
    await end(await pid_of(sup, "b"))
    assert list(await statuses(sup)) == ["a", "b", "c"]
    assert stage.told() == ["stop b", "start b"]
    await sup.stop()


@on_every_host
async def test_one_for_all_stops_the_others_in_reverse_and_starts_all_in_order(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec(name) for name in "abc"], strategy="one_for_all"))
    stage.told()
    await end(await pid_of(sup, "b"))
    assert list((await statuses(sup)).values()) == ["running"] * 3
    assert stage.told() == ["stop b", "stop c", "stop a", "start a", "start b", "start c"]
    await sup.stop()


@on_every_host
async def test_rest_for_one_restarts_those_after_the_child(stage: Stage) -> None:
    specs = [stage.spec(name) for name in "abcd"]
    sup = await start(Supervisor(specs, strategy="rest_for_one"))
    stage.told()
    await end(await pid_of(sup, "b"))
    assert list((await statuses(sup)).values()) == ["running"] * 4
    assert stage.told() == ["stop b", "stop d", "stop c", "start b", "start c", "start d"]
    await sup.stop()


@on_every_host
async def test_restart_of_a_group_counts_once(stage: Stage) -> None:
    sup = await start(
        Supervisor([stage.spec(name) for name in "abc"], strategy="one_for_all", max_restarts=2),
    )
    for _ in range(2):
        await end(await pid_of(sup, "b"))
    assert list((await statuses(sup)).values()) == ["running"] * 3
    await sup.stop()


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@on_every_host
async def test_temporary_bystander_is_stopped_and_not_started_again(stage: Stage, strategy: Any) -> None:
    specs = [stage.spec("a"), stage.spec("b", restart="temporary"), stage.spec("c")]
    sup = await start(Supervisor(specs, strategy=strategy))
    stage.told()
    await end(await pid_of(sup, "a"))
    assert await statuses(sup) == {"a": "running", "c": "running"}
    assert stage.told() == ["stop a", "stop c", "stop b", "start a", "start c"]
    await sup.stop()


@on_every_host
async def test_stopped_transient_sibling_is_started_again_with_the_group(stage: Stage) -> None:
    specs = [stage.spec("a"), stage.spec("b", restart="transient")]
    sup = await start(Supervisor(specs, strategy="one_for_all"))
    await end(await pid_of(sup, "b"), "return")
    assert await statuses(sup) == {"a": "running", "b": "stopped"}
    await end(await pid_of(sup, "a"))
    assert await statuses(sup) == {"a": "running", "b": "running"}
    await sup.stop()


@on_every_host
async def test_sibling_that_fails_in_one_for_all_has_all_stopped_and_tried_again(stage: Stage) -> None:
    specs = [stage.spec(name) for name in "abc"]
    sup = await start(Supervisor(specs, strategy="one_for_all", max_restarts=1000))
    stage.told()
    pid = await pid_of(sup, "a")
    stage.broken.add("b")
    await end(pid)
    assert await statuses(sup) == {"a": "running", "b": "restarting", "c": "stopped"}
    assert stage.told()[:5] == ["stop a", "stop c", "stop b", "start a", "broken b"]
    stage.broken.clear()
    while "restarting" in (await statuses(sup)).values():
        await actors.sleep("1ms")
    assert stage.told()[-3:] == ["start a", "start b", "start c"]
    await sup.stop()


@on_every_host
async def test_sibling_that_fails_in_rest_for_one_is_tried_again_from_there(stage: Stage) -> None:
    specs = [stage.spec(name) for name in "abc"]
    sup = await start(Supervisor(specs, strategy="rest_for_one", max_restarts=1000))
    stage.told()
    pid = await pid_of(sup, "a")
    stage.broken.add("b")
    await end(pid)
    first = await pid_of(sup, "a")
    stage.broken.clear()
    while "restarting" in (await statuses(sup)).values():
        await actors.sleep("1ms")
    assert await pid_of(sup, "a") == first
    assert stage.told()[-2:] == ["start b", "start c"]
    await sup.stop()


# Stopping a child


@on_every_host
async def test_child_that_does_not_stop_in_time_is_terminated(stage: Stage, caplog: Any) -> None:
    spec = stage.spec("stubborn", stage.stubborn, wait_ready=True, shutdown="3s")
    sup = await start(Supervisor([spec]))
    before = actors.running_process().scheduler.time()
    await sup.terminate_child("stubborn")
    assert actors.running_process().scheduler.time() - before == pytest.approx(3)
    assert stage.told() == ["stop stubborn"]
    assert _reports(caplog) == ["shutdown_error"]
    await sup.stop()


@on_every_host
async def test_brutal_kill_does_not_ask(stage: Stage, caplog: Any) -> None:
    spec = stage.spec("stubborn", stage.stubborn, wait_ready=True, shutdown="brutal_kill")
    sup = await start(Supervisor([spec]))
    before = actors.running_process().scheduler.time()
    await sup.terminate_child("stubborn")
    assert actors.running_process().scheduler.time() == before
    assert _reports(caplog) == []
    await sup.stop()


@on_every_host
async def test_shutdown_of_infinity_waits_as_long_as_it_takes(stage: Stage) -> None:
    async def slow() -> None:
        events = actors.events()
        ready()
        cancel = await events.receive()
        assert isinstance(cancel, actors.Cancel)
        assert cancel.reason == "shutdown"
        assert cancel.deadline is None
        await actors.sleep("30d")
        stage.journal.append("slow has cleaned up")

    spec = stage.spec("slow", slow, wait_ready=True, shutdown="infinity")
    sup = await start(Supervisor([spec]))
    await sup.stop()
    assert stage.told() == ["slow has cleaned up"]


@on_every_host
async def test_children_are_stopped_one_at_a_time(stage: Stage) -> None:
    specs = [ChildSpec(n, stage.stubborn, wait_ready=True, shutdown="2s") for n in range(3)]
    sup = await start(Supervisor(specs))
    before = actors.running_process().scheduler.time()
    await sup.stop()
    assert actors.running_process().scheduler.time() - before == pytest.approx(6)


@on_every_host
async def test_child_that_unlinked_itself_does_not_hang_its_supervisor(stage: Stage) -> None:
    async def loner() -> None:
        parent = (await actors.describe(actors.self_pid())).parent
        assert parent is not None
        await actors.unlink(parent)
        ready()
        await actors.sleep("1d")

    sup = await start(Supervisor([stage.spec("a", loner, wait_ready=True)]))
    await sup.terminate_child("a")
    await sup.restart_child("a")
    await end(await pid_of(sup, "a"), "kill")
    assert await statuses(sup) == {"a": "running"}
    await sup.stop()


# auto_shutdown


@pytest.mark.parametrize(
    ("restart", "how", "stops"),
    [
        ("transient", "return", True),
        ("transient", "shutdown", True),
        ("transient", "crash", False),
        ("temporary", "return", True),
        ("temporary", "crash", True),
        ("temporary", "kill", True),
    ],
)
@on_every_host
async def test_any_significant_child_that_ends_by_itself_stops_the_supervisor(
    stage: Stage, restart: str, how: str, stops: bool
) -> None:
    actors.set_options(trap_links=True)
    specs = [stage.spec("a", restart=restart, significant=True), stage.spec("b")]
    sup = await start(Supervisor(specs, auto_shutdown="any_significant"))
    pid = await pid_of(sup, "a")
    ref = await actors.monitor(sup.pid)
    await end(pid, how)
    if stops:
        exits = [event async for event in _until(ref)]
        assert exits[-1].reason == "shutdown"
        assert "stop b" in stage.told()
    else:
        assert await statuses(sup) == {"a": "running", "b": "running"}
        await sup.stop()


async def _until(ref: actors.MonitorRef) -> Any:
    async for event in actors.events():
        yield event
        if isinstance(event, actors.Exit) and event.ref == ref:
            return


@on_every_host
async def test_all_significant_stops_with_the_last_of_them(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    specs = [stage.spec(name, restart="transient", significant=name != "c") for name in "abc"]
    sup = await start(Supervisor(specs, auto_shutdown="all_significant"))
    b = await pid_of(sup, "b")
    await end(await pid_of(sup, "a"), "return")
    await end(await pid_of(sup, "c"), "return")
    assert await statuses(sup) == {"a": "stopped", "b": "running", "c": "stopped"}
    await end(b, "return")
    assert (await reason_of(_forever(sup)))[0] in (actors.NOT_FOUND, actors.UNAVAILABLE)


@on_every_host
async def test_terminate_child_and_group_restarts_do_not_trigger_auto_shutdown(stage: Stage) -> None:
    specs = [
        stage.spec("a"),
        stage.spec("b", restart="transient", significant=True),
        stage.spec("c", restart="temporary", significant=True),
    ]
    sup = await start(Supervisor(specs, auto_shutdown="any_significant", strategy="one_for_all"))
    await end(await pid_of(sup, "a"))
    assert await statuses(sup) == {"a": "running", "b": "running"}
    await sup.terminate_child("b")
    assert await statuses(sup) == {"a": "running", "b": "stopped"}
    await sup.stop()


@on_every_host
async def test_significant_supervisor_that_shuts_down_triggers_its_parent(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    inner = Supervisor(
        [stage.spec("a", restart="temporary", significant=True)], auto_shutdown="any_significant"
    )
    outer = Supervisor(
        [stage.spec("inner", inner, restart="transient", significant=True)],
        auto_shutdown="any_significant",
    )
    sup = await start(outer)
    a = await pid_of(Supervisor.at(await pid_of(sup, "inner")), "a")
    await end(a, "return")
    assert (await reason_of(_forever(sup)))[0] in (actors.NOT_FOUND, actors.UNAVAILABLE)


# The calls


@on_every_host
async def test_start_child_adds_a_child_after_the_others(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    pid = await sup.start_child(stage.spec("b"))
    assert await sup.which_children() == [
        Child("b", pid, "running", "worker"),
        Child("a", await pid_of(sup, "a"), "running", "worker"),
    ]
    stage.told()
    await sup.stop()
    assert stage.told() == ["stop b", "stop a"]


@on_every_host
async def test_start_child_refuses_an_id_that_is_there(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    with pytest.raises(Error) as failure:
        await sup.start_child(stage.spec("a"))
    assert failure.value.kind == actors.ALREADY_EXISTS
    assert failure.value.details["reason"] == "already_started"
    assert failure.value.details["pid"] == str(await pid_of(sup, "a"))
    await sup.terminate_child("a")
    assert await reason_of(sup.start_child(stage.spec("a"))) == (actors.ALREADY_EXISTS, "already_present")
    await sup.stop()


@on_every_host
async def test_failed_start_child_leaves_no_spec(stage: Stage) -> None:
    sup = await start(Supervisor())
    stage.broken.add("a")
    assert await reason_of(sup.start_child(stage.spec("a"))) == (
        actors.UNAVAILABLE,
        "failed_to_start_child",
    )
    assert await sup.which_children() == []
    assert await reason_of(sup.delete_child("a")) == (actors.NOT_FOUND, "not_found")
    await sup.stop()


@on_every_host
async def test_terminate_restart_and_delete_child_give_otps_results(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    assert await reason_of(sup.restart_child("a")) == (actors.CONFLICT, "running")
    assert await reason_of(sup.delete_child("a")) == (actors.CONFLICT, "running")
    for _ in range(2):  # fine when it is stopped already
        assert await reason_is_none(sup.terminate_child("a"))
    assert await statuses(sup) == {"a": "stopped"}
    pid = await sup.restart_child("a")
    assert pid == await pid_of(sup, "a")
    await sup.terminate_child("a")
    stage.broken.add("a")
    assert (await reason_of(sup.restart_child("a")))[1] == "failed_to_start_child"
    assert await statuses(sup) == {"a": "stopped"}
    await sup.delete_child("a")
    missing = (actors.NOT_FOUND, "not_found")
    assert await reason_of(sup.terminate_child("a")) == missing
    assert await reason_of(sup.restart_child("a")) == missing
    assert await reason_of(sup.delete_child("a")) == missing
    assert await reason_of(sup.get_childspec("a")) == missing
    await sup.stop()


async def reason_is_none(awaitable: Any) -> bool:
    return await awaitable is None


@on_every_host
async def test_terminated_temporary_child_is_dropped(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a", restart="temporary")]))
    await sup.terminate_child("a")
    assert await reason_of(sup.terminate_child("a")) == (actors.NOT_FOUND, "not_found")
    await sup.stop()


@on_every_host
async def test_terminated_child_is_not_restarted(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    await sup.terminate_child("a")
    await actors.sleep("10s")
    assert stage.told() == ["start a", "stop a"]
    await sup.stop()


@on_every_host
async def test_count_children_counts_by_type_whether_alive_or_not(stage: Stage) -> None:
    specs = [
        stage.spec("a"),
        stage.spec("b", restart="transient"),
        stage.spec("sup", Supervisor()),
    ]
    sup = await start(Supervisor(specs))
    assert await sup.count_children() == Counts(specs=3, active=3, supervisors=1, workers=2)
    await sup.terminate_child("b")
    assert await sup.count_children() == Counts(specs=3, active=2, supervisors=1, workers=2)
    await sup.stop()


@on_every_host
async def test_stop_ends_with_normal_and_leaves_the_linked_starter_alone(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    ref = await actors.monitor(sup.pid)
    await sup.stop()
    assert [event.reason async for event in _until(ref)] == ["normal"]
    assert await reason_of(sup.stop()) == (actors.NOT_FOUND, "noproc")


@on_every_host
async def test_stop_ends_with_the_reason_it_is_given(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a")]))
    ref = await actors.monitor(sup.pid)
    await sup.stop("shutdown")
    assert [event.reason async for event in _until(ref)] == ["shutdown"]
    assert stage.told() == ["start a", "stop a"]


@on_every_host
async def test_stop_that_takes_too_long_times_out_and_goes_on(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("stubborn", stage.stubborn, wait_ready=True)]))
    assert (await reason_of(sup.stop(timeout="1s")))[0] == actors.TIMEOUT
    await actors.sleep("5s")
    assert stage.told() == ["stop stubborn"]
    assert (await reason_of(sup.which_children()))[0] == actors.NOT_FOUND


@on_every_host
async def test_terminated_supervisor_takes_its_children_with_it(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a"), stage.spec("in", Supervisor([stage.spec("b")]))]))
    await end(sup.pid, "kill")
    await actors.sleep("1s")
    assert sorted(stage.told()) == ["start a", "start b", "stop a", "stop b"]


@on_every_host
async def test_unexpected_message_is_dropped_and_logged(stage: Stage, caplog: Any) -> None:
    sup = await start(Supervisor([stage.spec("a")]))
    await actors.send(sup.pid, "hello", 1)
    await actors.send(sup.pid, "supervision", "hello")
    assert (await reason_of(actors.call(sup.pid, "hello", timeout="1s")))[0] == actors.TIMEOUT
    assert await statuses(sup) == {"a": "running"}
    assert sum("unexpected message" in record.message for record in caplog.records) == 3
    await sup.stop()


# Back-off


@on_every_host
async def test_restarts_wait_longer_and_longer_until_the_child_was_stable(stage: Stage) -> None:
    backoff = {"initial": "1s", "factor": 2, "max": "3s", "reset_after": "1m"}
    sup = await start(Supervisor([stage.spec("a", backoff=backoff)], max_restarts=100))
    time = actors.running_process().scheduler.time
    waits = []
    for alive in ("0s", "0s", "0s", "2m"):
        pid = await pid_of(sup, "a")
        await actors.sleep(alive)
        await end(pid)
        before = time()
        assert await statuses(sup) == {"a": "restarting"}
        while await statuses(sup) != {"a": "running"}:
            await actors.sleep("100ms")
        waits.append(round(time() - before))
    assert waits == [1, 2, 3, 1]
    await sup.stop()


@on_every_host
async def test_backing_off_child_is_stopped_at_once_and_stays_so(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("a", backoff={"initial": "10s"})]))
    await end(await pid_of(sup, "a"))
    await sup.terminate_child("a")
    assert await statuses(sup) == {"a": "stopped"}
    await sup.restart_child("a")
    stage.told()
    await actors.sleep("30s")
    assert stage.told() == []
    await sup.stop()


@on_every_host
async def test_group_is_down_while_its_child_backs_off(stage: Stage) -> None:
    specs = [stage.spec("a", backoff={"initial": "10s"}), stage.spec("b")]
    sup = await start(Supervisor(specs, strategy="one_for_all"))
    await end(await pid_of(sup, "a"))
    assert await statuses(sup) == {"a": "restarting", "b": "stopped"}
    await actors.sleep("11s")
    assert await statuses(sup) == {"a": "running", "b": "running"}
    await sup.stop()


# The log


def _reports(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.report
        for record in caplog.records
        if record.name == "everproc.supervision"
        and hasattr(record, "report")
        and record.levelno >= logging.ERROR
    ]


@pytest.mark.parametrize(
    ("restart", "how", "reports"),
    [
        ("permanent", "return", ["child_terminated"]),
        ("permanent", "crash", ["child_terminated"]),
        ("transient", "return", []),
        ("transient", "crash", ["child_terminated"]),
        ("temporary", "return", []),
        ("temporary", "crash", ["child_terminated"]),
    ],
)
@on_every_host
async def test_end_of_a_child_is_reported_as_in_otp(
    stage: Stage, restart: str, how: str, reports: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    sup = await start(Supervisor([stage.spec("a", restart=restart)]))
    await end(await pid_of(sup, "a"), how)
    await sup.stop()
    assert _reports(caplog) == reports


@on_every_host
async def test_failed_starts_and_giving_up_are_reported(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    actors.set_options(trap_links=True)
    sup = await start(Supervisor([stage.spec("a")], max_restarts=2))
    pid = await pid_of(sup, "a")
    stage.broken.add("a")
    await end(pid)
    await reason_of(_forever(sup))
    assert _reports(caplog) == [
        "child_terminated",
        "start_error",
        "start_error",
        "reached_max_restart_intensity",
    ]


# Specs


def test_error_of_a_spec_names_all_that_can_be_given() -> None:
    with pytest.raises(Error, match=r'such as "250ms".*; or "brutal_kill", or "infinity"$'):
        ChildSpec("a", _ended, shutdown="soon")
    with pytest.raises(Error, match=r"expected an async function .*; or a Server class, or a supervisor$"):
        ChildSpec("a", 5)  # type: ignore[arg-type]


BAD_SPECS: dict[str, Callable[[], object]] = {
    "empty id": lambda: ChildSpec("", _ended),
    "None as id": lambda: ChildSpec(None, _ended),
    "unhashable id": lambda: ChildSpec([], _ended),  # type: ignore[arg-type]
    "sync function": lambda: ChildSpec("a", lambda: None),  # type: ignore[arg-type]
    "number as start": lambda: ChildSpec("a", 5),  # type: ignore[arg-type]
    "number as args": lambda: ChildSpec("a", _ended, args=5),
    "unknown restart": lambda: ChildSpec("a", _ended, restart="always"),  # type: ignore[arg-type]
    "number as shutdown": lambda: ChildSpec("a", _ended, shutdown=5),  # type: ignore[arg-type]
    "word as shutdown": lambda: ChildSpec("a", _ended, shutdown="soon"),
    "unknown type": lambda: ChildSpec("a", _ended, type="nurse"),  # type: ignore[arg-type]
    "word as significant": lambda: ChildSpec("a", _ended, significant="yes"),  # type: ignore[arg-type]
    "significant and permanent": lambda: ChildSpec("a", _ended, significant=True),
    "unknown back-off": lambda: ChildSpec("a", _ended, backoff={"start": "1s"}),
    "number as back-off": lambda: ChildSpec("a", _ended, backoff=5),  # type: ignore[arg-type]
    "empty host": lambda: ChildSpec("a", _ended, on=""),
    "empty name": lambda: ChildSpec("a", _ended, name=""),
    "two with one id": lambda: Supervisor([ChildSpec("a", _ended), ChildSpec("a", _ended)]),
    "function as child": lambda: Supervisor([_ended]),  # type: ignore[list-item]
    "child that is no list": lambda: Supervisor(ChildSpec("a", _ended)),  # type: ignore[arg-type]
    "unknown strategy": lambda: Supervisor([], strategy="all_for_one"),  # type: ignore[arg-type]
    "negative max_restarts": lambda: Supervisor([], max_restarts=-1),
    "empty within": lambda: Supervisor([], within="0s"),
    "unknown auto_shutdown": lambda: Supervisor([], auto_shutdown="always"),  # type: ignore[arg-type]
    "significant without auto_shutdown": lambda: Supervisor(
        [ChildSpec("a", _ended, restart="transient", significant=True)]
    ),
}


@pytest.mark.parametrize("spec", BAD_SPECS)
def test_bad_spec_is_refused_when_it_is_written(spec: str) -> None:
    with pytest.raises(Error) as failure:
        BAD_SPECS[spec]()
    assert failure.value.kind == actors.INVALID


def test_unknown_entry_is_refused_when_the_spec_is_written() -> None:
    with pytest.raises(Error) as failure:
        ChildSpec("a", "nowhere:nothing")
    assert failure.value.kind == actors.NOT_FOUND


def test_defaults_are_otps_and_elixirs() -> None:
    spec = ChildSpec("a", _ended)
    assert (spec.restart, spec.shutdown, spec.type, spec.significant) == ("permanent", "5s", "worker", False)
    nested = ChildSpec("a", Supervisor())
    assert (nested.shutdown, nested.type) == ("infinity", "supervisor")
    sup = Supervisor()
    assert (sup.strategy, sup.max_restarts, sup.within, sup.auto_shutdown) == (
        "one_for_one",
        3,
        "5s",
        "never",
    )


@on_every_host
async def test_bad_spec_is_refused_by_start_child(stage: Stage) -> None:
    sup = await start(Supervisor())
    assert (await reason_of(sup.start_child(_ended)))[0] == actors.INVALID  # type: ignore[arg-type]
    significant = stage.spec("a", restart="transient", significant=True)
    assert await reason_of(sup.start_child(significant)) == (actors.INVALID, "bad_combination")
    await sup.stop()


async def test_start_outside_a_process_says_so() -> None:
    with pytest.raises(Error, match="needs a running process"):
        await start(Supervisor())


def test_ready_outside_a_process_says_so() -> None:
    with pytest.raises(Error, match="needs a running process"):
        ready()


@on_every_host
async def test_ready_may_be_awaited_and_nobody_has_to_wait(stage: Stage) -> None:
    await ready()
    ready()


def test_ignore_is_an_error_that_keeps_its_reason() -> None:
    assert Ignore("not on Sundays").message == "not on Sundays"
