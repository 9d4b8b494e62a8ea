"""The dynamic supervisor, as Elixir's; on every local host."""

from __future__ import annotations

import pytest

import actors
from actors import PID, Error
from supervision import (
    Child,
    ChildSpec,
    Counts,
    DynamicSupervisor,
    DynamicSupervisorHandle,
    Supervisor,
    start,
)
from tests.hosts import on_every_host
from tests.supervised import Stage, end, end_of, reason_of


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def begin(sup: DynamicSupervisorHandle, spec: ChildSpec) -> PID:
    pid = await sup.start_child(spec)
    assert pid is not None
    return pid


async def only(sup: DynamicSupervisorHandle) -> Child:
    (child,) = await sup.which_children()
    return child


@on_every_host
async def test_children_are_known_by_pid_and_need_no_id_of_their_own(stage: Stage) -> None:
    sup = await start(DynamicSupervisor())
    first, second = await begin(sup, stage.spec("a")), await begin(sup, stage.spec("a"))
    assert first != second
    assert {child.pid for child in await sup.which_children()} == {first, second}
    assert await sup.count_children() == Counts(specs=2, active=2, supervisors=0, workers=2)
    await sup.terminate_child(first)
    assert await sup.which_children() == [Child("a", second, "running", "worker")]
    assert await reason_of(sup.terminate_child(first)) == (actors.NOT_FOUND, "not_found")
    await sup.stop()
    assert stage.told() == ["start a", "start a", "stop a", "stop a"]


@on_every_host
async def test_max_children_refuses_one_more(stage: Stage) -> None:
    sup = await start(DynamicSupervisor(max_children=2))
    pid = await begin(sup, stage.spec("a"))
    await begin(sup, stage.spec("b"))
    assert await reason_of(sup.start_child(stage.spec("c"))) == (actors.CONFLICT, "max_children")
    await sup.terminate_child(pid)
    await begin(sup, stage.spec("c"))
    await sup.stop()


@pytest.mark.parametrize(
    ("restart", "how", "stays"),
    [
        ("permanent", "return", True),
        ("permanent", "crash", True),
        ("transient", "shutdown", False),
        ("transient", "crash", True),
        ("temporary", "crash", False),
    ],
)
@on_every_host
async def test_end_of_a_child_follows_its_restart_type(
    stage: Stage, restart: str, how: str, stays: bool
) -> None:
    sup = await start(DynamicSupervisor())
    pid = await begin(sup, stage.spec("a", restart=restart))
    await end(pid, how)
    children = await sup.which_children()
    assert len(children) == stays
    assert pid not in {child.pid for child in children}
    await sup.stop()


@on_every_host
async def test_failed_and_ignored_starts_leave_nothing(stage: Stage) -> None:
    sup = await start(DynamicSupervisor())
    stage.broken.add("a")
    assert await reason_of(sup.start_child(stage.spec("a"))) == (actors.UNAVAILABLE, "failed_to_start_child")
    stage.ignoring.add("b")
    assert await sup.start_child(stage.spec("b")) is None
    assert await sup.count_children() == Counts(0, 0, 0, 0)
    await sup.stop()


@on_every_host
async def test_one_restart_too_many_stops_it(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(DynamicSupervisor(max_restarts=1))
    await end(await begin(sup, stage.spec("a")))
    pid = await begin(sup, stage.spec("b"))
    await end(pid)
    assert (await end_of(sup.pid)).reason in ("shutdown", "noproc")
    assert stage.told()[-1] == "stop a"


@on_every_host
async def test_failed_restart_is_tried_again_and_counts(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    sup = await start(DynamicSupervisor(max_restarts=100))
    pid = await begin(sup, stage.spec("a"))
    stage.broken.add("a")
    await end(pid)
    assert await only(sup) == Child("a", None, "restarting", "worker")
    assert await sup.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
    stage.broken.clear()
    while (await only(sup)).status == "restarting":
        await actors.sleep("1ms")
    stage.broken.add("a")
    await end((await only(sup)).pid)
    assert (await end_of(sup.pid)).reason in ("shutdown", "noproc")


@on_every_host
async def test_child_that_is_restarted_in_vain_is_known_by_its_last_pid_and_can_be_terminated(
    stage: Stage,
) -> None:
    sup = await start(DynamicSupervisor(max_restarts=10**9, max_children=1))
    pid = await sup.start_child(stage.spec("a"))
    assert pid is not None
    stage.broken.add("a")
    await end(pid)
    assert [child.status for child in await sup.which_children()] == ["restarting"]
    assert await sup.count_children() == Counts(specs=1, active=0, supervisors=0, workers=1)
    assert (await reason_of(sup.start_child(stage.spec("b"))))[1] == "max_children"
    await sup.terminate_child(pid)
    assert await sup.which_children() == []
    stage.told()
    await actors.sleep("1s")
    assert stage.told() == []
    assert (await reason_of(sup.terminate_child(pid)))[1] == "not_found"
    await sup.stop()


@on_every_host
async def test_every_child_gets_the_extra_arguments_first(stage: Stage) -> None:
    async def add(*numbers: int) -> None:
        stage.journal.append(repr(numbers))

    sup = await start(DynamicSupervisor(extra_args=(1,)))
    await sup.start_child(ChildSpec("a", add, args=(2, 3), restart="temporary"))
    await actors.sleep("1s")
    assert stage.told() == ["(1, 2, 3)"]
    await sup.stop()


@on_every_host
async def test_restarts_wait_for_the_back_off(stage: Stage) -> None:
    sup = await start(DynamicSupervisor())
    await end(await begin(sup, stage.spec("a", backoff={"initial": "10s"})))
    await actors.sleep("9s")
    assert (await only(sup)).status == "restarting"
    await actors.sleep("2s")
    assert (await only(sup)).status == "running"
    await sup.stop()


@on_every_host
async def test_all_are_stopped_at_once_and_share_their_time(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    sup = await start(DynamicSupervisor())
    for shutdown in ("2s", "2s", "4s", "4s", "brutal_kill"):
        await begin(sup, stage.spec("x", stage.stubborn, wait_ready=True, shutdown=shutdown))
    await begin(sup, stage.spec("a"))
    stage.told()
    clock = actors.running_process().scheduler.time
    before = clock()
    await sup.stop()
    assert clock() - before == pytest.approx(4)
    assert sorted(stage.told()) == ["stop a"] + ["stop stubborn"] * 5
    late = [record for record in caplog.records if getattr(record, "report", "") == "shutdown_error"]
    assert len(late) == 4


@on_every_host
async def test_child_that_takes_for_ever_is_waited_for_if_that_was_asked_for(stage: Stage) -> None:
    async def slow() -> None:
        await actors.events().receive()
        await actors.sleep("30d")
        stage.journal.append("clean")

    sup = await start(DynamicSupervisor())
    await begin(sup, stage.spec("slow", slow, shutdown="infinity"))
    await begin(sup, stage.spec("stubborn", stage.stubborn, wait_ready=True, shutdown="1s"))
    await actors.sleep("1ms")
    await sup.stop()
    assert stage.told() == ["stop stubborn", "clean"]


@on_every_host
async def test_it_is_a_child_with_a_name(stage: Stage) -> None:
    sup = await start(Supervisor([stage.spec("rooms", DynamicSupervisor(), name="rooms")]))
    rooms = DynamicSupervisor.at("rooms")
    await begin(rooms, stage.spec("a"))
    (child,) = await sup.which_children()
    assert child.type == "supervisor"
    await end(child.pid, "kill")
    assert await sup.which_children() != [child]
    assert await rooms.which_children() == []
    await sup.stop()


@on_every_host
async def test_thousands_of_children_start_and_stop(stage: Stage) -> None:
    async def idle() -> None:
        await actors.sleep("1d")

    sup = await start(DynamicSupervisor())
    spec = ChildSpec("idle", idle)
    for _ in range(2000):
        await sup.start_child(spec)
    assert (await sup.count_children()).active == 2000
    await sup.stop()


@pytest.mark.parametrize(
    "settings",
    [{"max_children": -1}, {"max_children": 1.5}, {"max_restarts": -1}, {"within": 5}, {"extra_args": 5}],
    ids=str,
)
def test_bad_setting_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(Error) as failure:
        DynamicSupervisor(**settings)  # type: ignore[arg-type]
    assert failure.value.kind == actors.INVALID


@on_every_host
async def test_bad_arguments_are_refused(stage: Stage) -> None:
    sup = await start(DynamicSupervisor())
    assert (await reason_of(sup.start_child("a")))[0] == actors.INVALID  # type: ignore[arg-type]
    assert (await reason_of(sup.terminate_child("a")))[0] == actors.INVALID  # type: ignore[arg-type]
    spec = stage.spec("a", restart="transient", significant=True)
    assert await reason_of(sup.start_child(spec)) == (actors.INVALID, "bad_combination")
    await sup.stop()
