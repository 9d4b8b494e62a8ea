"""The table and the routes: sending, dead letters, and what can be seen from outside (semantics 2, 8, 9)."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import actors
from actors import PID, Message, kernel_of
from tests.hosts import crash, echo, exit_of, forever, me, on_every_host, settle

STRANGER = PID("other.0", "trio", "1")


async def value() -> int:
    return 1


# PIDs (semantics 2)


@on_every_host
async def test_pid_names_node_and_host_and_is_never_given_again() -> None:
    pids = [await actors.spawn(value) for _ in range(100)]
    assert len(set(pids)) == 100
    for pid in pids:
        assert pid.node == kernel_of(me()).name == actors.self_pid().node
        assert PID.parse(str(pid)) == pid


# Send (semantics 8)


@on_every_host
async def test_send_returns_true_when_the_message_is_in_the_mailbox() -> None:
    pid = await actors.spawn(forever)
    assert await actors.send(pid, "topic", 1) is True
    assert (await actors.describe(pid)).mailbox == 1


@on_every_host
async def test_send_to_what_does_not_exist_returns_false() -> None:
    dead = (await exit_of(value)).pid
    for dest in (
        dead,
        STRANGER,
        PID(dead.node, dead.host, "999999"),
        PID(dead.node, "other", dead.id),
        "nobody",
    ):
        assert await actors.send(dest, "topic", 1) is False


@on_every_host
async def test_pid_of_another_node_or_host_with_a_known_id_reaches_nobody() -> None:
    pid = await actors.spawn(forever)
    for stranger in (
        PID("other.0", pid.host, pid.id),
        PID(pid.node, "other", pid.id),
        PID(f"{pid.node}x", pid.host, pid.id),
    ):
        assert not await actors.send(stranger, "topic", 1)
        assert not await actors.terminate(stranger)
    assert (await actors.describe(pid)).mailbox == 0


@on_every_host
async def test_send_does_not_wait_for_the_receiver() -> None:
    pid = await actors.spawn(forever)
    for number in range(1000):
        assert await actors.send(pid, "topic", number)


@on_every_host
async def test_process_can_send_to_itself_and_to_a_name() -> None:
    await actors.names.register("me")
    await actors.send("me", "by name", 1)
    await actors.send(actors.self_pid(), "by pid", 2)
    assert [(await actors.inbox().receive()).payload for _ in range(2)] == [1, 2]


@on_every_host
async def test_pid_that_was_made_anew_reaches_the_same_process() -> None:
    pid = await actors.spawn(echo)
    assert await actors.call(PID.parse(str(pid)), "question", 1) == 1
    assert await actors.call(PID(pid.node, pid.host, pid.id), "question", 2) == 2


@on_every_host
async def test_message_of_a_spawner_comes_before_all_others() -> None:
    owner = actors.self_pid()

    async def child() -> None:
        for _ in range(3):
            await actors.send(owner, "got", (await actors.inbox().receive()).topic)

    pid = await actors.spawner().with_message("first", 1).with_message("second").spawn(child)
    await actors.send(pid, "third")
    assert [(await actors.inbox().receive()).payload for _ in range(3)] == ["first", "second", "third"]


# Dead letters (semantics 8)


@on_every_host
async def test_messages_that_nobody_takes_count_as_dead_letters_and_can_be_subscribed_to() -> None:
    kernel = kernel_of(me())
    await actors.send("nobody", "before", 1)
    subscription = kernel.instruments.dead_letters.subscribe()
    assert subscription.count == 1
    await actors.send(STRANGER, "after", 2)
    full = await actors.spawner(options={"mailbox.max": 1, "mailbox.overflow": "drop_oldest"}).spawn(forever)
    await actors.send(full, "dropped", 3)
    await actors.send(full, "kept", 4)
    letters = [await subscription.channel.receive() for _ in range(2)]
    assert [(letter.pid, letter.message.topic) for letter in letters] == [
        (STRANGER, "after"),
        (full, "dropped"),
    ]
    assert letters[0].message == Message("after", 2, actors.self_pid())
    assert kernel.statistics().dead_letters == 3


@on_every_host
async def test_subscriber_that_reads_no_dead_letters_keeps_the_latest_thousand() -> None:
    subscription = kernel_of(me()).instruments.dead_letters.subscribe()
    for number in range(1500):
        await actors.send("nobody", "topic", number)
    letters = [await subscription.channel.receive() for _ in range(1000)]
    assert [letter.message.payload for letter in letters] == list(range(500, 1500))
    subscription.channel.close()
    await actors.send("nobody", "topic")


# Looking in


@on_every_host
async def test_describe_tells_what_a_process_is_and_has() -> None:
    async def child(peer: PID) -> None:
        await actors.names.register("described")
        await actors.link(peer)
        await actors.monitor(peer)
        actors.listen("listened")
        actors.set_options(trap_links=True)
        await forever()

    peer = await actors.spawn(forever)
    pid = await actors.spawner(context={"user": "ada"}).spawn_monitored(child, peer)
    await actors.sleep("2s")
    await actors.send(pid, "listened", 1)
    await actors.send(pid, "other", 1)
    description = await actors.describe("described")
    assert description == await actors.describe(pid)
    assert description.pid == pid
    assert description.entry.endswith("child")
    assert description.status == "running"
    assert description.parent == actors.self_pid()
    assert description.names == ("described",)
    assert (description.mailbox, dict(description.topics)) == (2, {"listened": 1})
    assert (description.links, description.monitors, description.watchers) == ((peer,), (peer,), 1)
    assert description.trap_links is True
    assert dict(description.context) == {"user": "ada"}
    assert description.age is not None
    assert description.age >= timedelta(seconds=2)
    assert len(description.waits) == 1


@on_every_host
async def test_describe_counts_what_was_received_and_not_what_was_dropped() -> None:
    async def reads(count: int) -> None:
        for _ in range(count):
            await actors.inbox().receive()
        await forever()

    pid = await actors.spawner(options={"mailbox.max": 2, "mailbox.overflow": "drop_oldest"}).spawn(reads, 3)
    for _ in range(3):
        await actors.send(pid, "topic")
        await settle()
    for _ in range(10):
        await actors.send(pid, "topic")
    description = await actors.describe(pid)
    assert (description.handled, description.mailbox) == (3, 2)


@on_every_host
async def test_describe_of_what_does_not_exist_raises() -> None:
    dead = (await exit_of(value)).pid
    for dest in (dead, STRANGER, "nobody"):
        with pytest.raises(actors.Error) as caught:
            await actors.describe(dest)
        assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_describe_shows_that_a_process_is_ending() -> None:
    async def lingers() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")

    pid = await actors.spawn(lingers)
    await settle()
    await actors.terminate(pid)
    assert (await actors.describe(pid)).status == "ending"


@on_every_host
async def test_statistics_count_processes_spawns_and_exits_by_reason() -> None:
    kernel = kernel_of(me())
    before = kernel.statistics()
    await exit_of(value)
    await exit_of(crash)
    await actors.spawn(forever)
    after = kernel.statistics()
    assert after.spawned - before.spawned == 3
    assert after.processes - before.processes == 1
    assert (after.exits["normal"], after.exits["error"]) == (1, 1)


# The crash report


def reports(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [
        record for record in caplog.records if record.name == "everproc" and record.levelno >= logging.ERROR
    ]


@on_every_host
async def test_error_that_nobody_watches_is_logged_with_pid_entry_reason_and_parent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pid = await actors.spawn(crash, "unseen")
    await settle()
    (record,) = reports(caplog)
    text = record.getMessage()
    for part in (str(pid), "tests.hosts:crash", "reason=error", str(actors.self_pid()), "unseen"):
        assert part in text
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


@on_every_host
async def test_error_that_somebody_watches_is_not_logged_as_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await exit_of(crash)
    actors.set_options(trap_links=True)
    await actors.spawn_linked(crash)
    await settle()
    with pytest.raises(actors.Error, match="on purpose"):
        await actors.execute(crash)
    assert reports(caplog) == []


@on_every_host
async def test_error_is_logged_once_when_it_ends_linked_processes_that_nobody_watches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def parent() -> None:
        for _ in range(3):
            await actors.spawn_linked(forever)
        await actors.spawn_linked(crash, "takes all with it")
        await forever()

    await actors.spawn(parent)
    await settle()
    assert kernel_of(me()).statistics().exits["link_down"] == 4
    (record,) = reports(caplog)
    assert "takes all with it" in record.getMessage()


@on_every_host
async def test_ends_that_are_no_errors_are_not_logged_as_such(caplog: pytest.LogCaptureFixture) -> None:
    await actors.spawn(value)
    for verb in (actors.terminate, actors.cancel):
        pid = await actors.spawn(forever)
        await settle()
        await verb(pid)
    await settle()
    assert reports(caplog) == []


# The kernel knows no scheduler


def test_suite_passes_on_a_kernel_that_cannot_import_trio_or_asyncio() -> None:
    command = [sys.executable, "-m", "tests.without_schedulers"]
    root: Any = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout
