"""Applications: services started by what they require, stopped in reverse; on every host."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors import Error
from supervision import Application, ChildSpec, Service, Supervisor, ready, start
from supervision._services.dependencies import levels
from tests.hosts import on_every_host
from tests.supervised import Stage, end, end_of, pid_of, reason_of


@pytest.fixture
def stage() -> Stage:
    return Stage()


def service(stage: Stage, name: str, *requires: str, **settings: Any) -> Service:
    settings.setdefault("wait_ready", True)
    return Service(name, stage.worker, (name,), requires, **settings)


@on_every_host
async def test_services_start_after_what_they_require_and_stop_before(stage: Stage) -> None:
    services = [service(stage, "web", "db", "cache"), service(stage, "cache", "db"), service(stage, "db")]
    app = await start(Application(services))
    assert stage.told() == ["start db", "start cache", "start web"]
    assert await app.status() == {"web": "running", "cache": "running", "db": "running"}
    await app.stop()
    assert stage.told() == ["stop web", "stop cache", "stop db"]


@on_every_host
async def test_services_of_one_level_start_and_stop_at_the_same_time(stage: Stage) -> None:
    async def slow() -> None:
        events = actors.events()
        await actors.sleep("10s")
        ready()
        await events.receive()
        await actors.sleep("3s")

    services = [Service(name, slow, wait_ready=True) for name in "abc"]
    clock = actors.running_process().scheduler.time
    before = clock()
    app = await start(Application(services))
    assert clock() - before == pytest.approx(10)
    before = clock()
    await app.stop()
    assert clock() - before == pytest.approx(3)


@on_every_host
async def test_failed_service_stops_those_before_it_and_later_ones_do_not_start(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.broken.add("b")
    services = [service(stage, "a"), service(stage, "b", "a"), service(stage, "c", "b")]
    with pytest.raises(Error, match="b is broken") as failure:
        await start(Application(services))
    assert failure.value.details["reason"] == "failed_to_start_child"
    assert failure.value.details["id"] == "b"
    assert failure.value.message.count("failed to start") == 1
    assert sum("failed to start" in record.message for record in caplog.records) == 1
    assert stage.told() == ["start a", "broken b", "stop a"]


@on_every_host
async def test_service_that_takes_too_long_to_start_is_a_failure(stage: Stage) -> None:
    services = [service(stage, "a"), Service("slow", actors_sleep, wait_ready=True, start_timeout="5s")]
    with pytest.raises(Error, match="slow") as failure:
        await start(Application(services))
    assert failure.value.kind == actors.TIMEOUT
    assert stage.told() == ["start a", "stop a"]


async def actors_sleep() -> None:
    await actors.sleep("1d")


@on_every_host
async def test_application_that_is_asked_to_stop_does_not_finish_its_start(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    async def parent() -> None:
        slow = Service("slow", actors_sleep, requires=("a",), wait_ready=True, start_timeout="1d")
        await start(Application([service(stage, "a"), slow]))

    pid = await actors.spawn(parent)
    await actors.sleep("1s")
    assert stage.told() == ["start a"]
    await actors.terminate(pid)
    await actors.sleep("1s")
    assert stage.told() == ["stop a"]
    assert not [record.message for record in caplog.records if record.name == "everproc.supervision"]


@on_every_host
async def test_service_that_takes_too_long_to_stop_is_terminated(stage: Stage) -> None:
    app = await start(Application([Service("s", stage.stubborn, wait_ready=True, stop_timeout="2s")]))
    clock = actors.running_process().scheduler.time
    before = clock()
    await app.stop()
    assert clock() - before == pytest.approx(2)
    assert stage.told() == ["stop stubborn"]


async def once(how: str) -> None:
    await actors.sleep("1s")
    if how == "crash":
        raise ValueError("on purpose")


@pytest.mark.parametrize(
    ("restart", "how", "state"),
    [("transient", "return", "exited"), ("temporary", "return", "exited"), ("temporary", "crash", "failed")],
)
@on_every_host
async def test_service_that_ends_for_good_is_shown_and_the_others_go_on(
    stage: Stage, restart: Any, how: str, state: str
) -> None:
    app = await start(Application([service(stage, "a"), Service("job", once, (how,), restart=restart)]))
    await actors.sleep("2s")
    assert await app.status() == {"a": "running", "job": state}
    await app.stop()


@on_every_host
async def test_transient_service_that_fails_too_often_is_failed(stage: Stage) -> None:
    job = Service("job", once, ("crash",), restart="transient", max_restarts=1)
    app = await start(Application([service(stage, "a"), job]))
    await actors.sleep("5s")
    assert await app.status() == {"a": "running", "job": "failed"}
    await app.stop()


@on_every_host
async def test_permanent_service_that_fails_for_good_ends_the_application(stage: Stage) -> None:
    actors.set_options(trap_links=True)
    app = await start(Application([service(stage, "a"), Service("job", once, ("crash",), max_restarts=1)]))
    ref = await actors.monitor(app.pid)
    async for event in actors.events():
        if isinstance(event, actors.Exit) and event.ref == ref:
            assert event.reason == "shutdown"
            assert event.result.error is not None
            assert event.result.error.details["service"] == "job"
            break
    assert stage.told() == ["start a", "stop a"]


@on_every_host
async def test_application_is_a_child_of_a_supervisor(stage: Stage) -> None:
    sup = await start(Supervisor([ChildSpec("app", Application([service(stage, "a")]))]))
    first = await pid_of(sup, "app")
    await end(first, "kill")
    assert (await end_of(first)).reason in ("terminated", "noproc")
    assert await Application.at(await pid_of(sup, "app")).status() == {"a": "running"}
    await sup.stop()


def test_bad_applications_are_refused_when_they_are_written() -> None:
    a, b = Service("a", once, requires=("b",)), Service("b", once, requires=("a",))
    with pytest.raises(Error, match="require one another") as failure:
        Application([a, b])
    assert set(failure.value.details["cycle"]) == {"a", "b"}
    with pytest.raises(Error, match="not there") as failure:
        Application([a])
    assert failure.value.kind == actors.NOT_FOUND
    with pytest.raises(Error):
        Application([Service("a", once), Service("a", once)])
    with pytest.raises(Error):
        Application([once])
    with pytest.raises(Error):
        Application(5)
    with pytest.raises(Error):
        Service("a", once, requires="b")
    with pytest.raises(Error):
        Service("", once)
    with pytest.raises(Error):
        Service("a", once, start_timeout=5)  # type: ignore[arg-type]


@given(
    st.integers(0, 8).flatmap(
        lambda n: st.tuples(*(st.sets(st.integers(0, max(0, i - 1))) for i in range(n)))
    )
)
def test_levels_have_every_name_once_and_after_all_it_requires(needs: tuple[set[int], ...]) -> None:
    requires = {
        str(i): [str(other) for other in sorted(needed) if other < i] for i, needed in enumerate(needs)
    }
    found = levels(requires)
    place = {name: i for i, level in enumerate(found) for name in level}
    assert sorted(place) == sorted(requires)
    assert sum(map(len, found)) == len(requires)
    for name, needed in requires.items():
        assert place[name] == max((place[other] + 1 for other in needed), default=0)


PROGRAM = """
import actors
from supervision import Application, Service, ready, run_application

async def serve(name):
    print("start", name, flush=True)
    ready()
    try:
        await actors.sleep("1d")
    finally:
        print("stop", name, flush=True)

run_application(Application([
    Service("web", serve, ("web",), requires=("db",), wait_ready=True),
    Service("db", serve, ("db",), wait_ready=True),
]))
print("done", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_a_program_in_order(number: signal.Signals) -> None:
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert [program.stdout.readline() for _ in range(2)] == ["start db\n", "start web\n"]
        program.send_signal(number)
        assert program.stdout.read() == "stop web\nstop db\ndone\n"
    assert program.returncode == 0


@on_every_host
async def test_application_answers_only_what_it_knows(stage: Stage) -> None:
    app = await start(Application([]))
    assert await app.status() == {}
    assert (await reason_of(Supervisor.at(app.pid).which_children()))[0] == actors.INVALID
    await app.stop()
