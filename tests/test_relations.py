"""Monitors and links (semantics 17 to 24)."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import PID, Exit, LinkDown, MonitorRef, kernel_of
from tests.hosts import crash, echo, exit_of, forever, me, next_exit, on_every_host, settle

STRANGER = PID("other.0", "trio", "1")


async def value(result: Any = 1) -> Any:
    return result


async def waits_for_links(*peers: PID) -> None:
    """Link to the given, and then wait for ever."""
    for peer in peers:
        await actors.link(peer)
    await forever()


async def traps_links(owner: PID, *peers: PID) -> None:
    """Link to the given, and report each `LinkDown`."""
    actors.set_options(trap_links=True)
    for peer in peers:
        await actors.link(peer)
    await actors.send(owner, "linked")
    async for event in actors.events():
        await actors.send(owner, "event", event)


async def no_event() -> bool:
    await settle()
    return (await actors.select(actors.events(), default=True)).channel is None


# Monitors


@on_every_host
async def test_monitor_of_a_living_process_gives_its_exit_once() -> None:
    pid = await actors.spawn(echo)
    ref = await actors.monitor(pid)
    await actors.terminate(pid, "enough")
    event = await next_exit()
    assert (event.kind, event.pid, event.ref, event.reason) == (actors.EXIT, pid, ref, "terminated")
    assert await no_event()


@on_every_host
async def test_monitor_of_what_is_gone_or_never_was_gives_noproc() -> None:
    dead = (await exit_of(value)).pid
    for dest in (dead, STRANGER, PID(dead.node, dead.host, "999999"), "nobody"):
        ref = await actors.monitor(dest)
        event = await next_exit()
        assert (event.ref, event.reason) == (ref, "noproc")
        assert event.result.error is not None
        assert event.result.error.kind == actors.NOT_FOUND
    assert await no_event()


@on_every_host
async def test_monitors_of_one_target_are_independent() -> None:
    pid = await actors.spawn(forever)
    refs = [await actors.monitor(pid) for _ in range(5)]
    assert len(set(refs)) == 5
    await actors.unmonitor(refs[2])
    await actors.terminate(pid)
    assert {(await next_exit()).ref for _ in range(4)} == {*refs} - {refs[2]}
    assert await no_event()


@on_every_host
async def test_monitor_by_name_watches_whoever_has_it_now() -> None:
    async def named() -> None:
        await actors.names.register("named")
        await actors.inbox().receive()
        await actors.names.unregister("named")
        await forever()

    first = await actors.spawn(named)
    await settle()
    ref = await actors.monitor("named")
    await actors.send(first, "give up the name")
    await settle()
    second = await actors.spawn(named)
    await settle()
    await actors.terminate(second)
    assert await no_event()
    await actors.terminate(first)
    assert (await next_exit()).ref == ref


@on_every_host
async def test_spawn_monitored_gives_the_real_result_of_a_child_that_dies_at_once() -> None:
    for number in range(100):
        pid = await actors.spawn_monitored(value, number)
        event = await next_exit()
        assert (event.pid, event.reason, event.result.value) == (pid, "normal", number)


@on_every_host
async def test_exit_comes_after_every_message_of_the_dead() -> None:
    owner = actors.self_pid()

    async def child() -> None:
        for number in range(1000):
            await actors.send(owner, "number", number)

    await exit_of(child)
    numbers = [(await actors.inbox().receive()).payload for _ in range(1000)]
    assert numbers == list(range(1000))
    assert (await actors.select(actors.inbox(), default=True)).channel is None


@on_every_host
async def test_no_exit_comes_after_unmonitor() -> None:
    pid = await actors.spawn(forever)
    ref = await actors.monitor(pid)
    await actors.unmonitor(ref)
    await actors.terminate(pid)
    assert await no_event()


@on_every_host
async def test_unmonitor_takes_back_an_exit_that_is_queued() -> None:
    kept = await actors.spawn_monitored(value)
    pid = await actors.spawn(value)
    ref = await actors.monitor(pid)
    await settle()
    await actors.unmonitor(ref)
    assert (await next_exit()).pid == kept
    assert await no_event()


@on_every_host
async def test_unmonitor_of_a_pid_ends_all_monitors_on_it() -> None:
    pid, other = await actors.spawn(forever), await actors.spawn(forever)
    for _ in range(3):
        await actors.monitor(pid)
    await actors.monitor(other)
    await actors.terminate(pid)
    await settle()
    await actors.unmonitor(pid)
    assert await no_event()
    await actors.terminate(other)
    assert (await next_exit()).pid == other


@on_every_host
async def test_unmonitor_of_what_is_not_monitored_is_fine() -> None:
    pid = await actors.spawn(forever)
    await actors.unmonitor(pid)
    await actors.unmonitor("nobody")
    await actors.unmonitor(MonitorRef(pid, 999))
    ref = await actors.monitor(pid)
    await actors.unmonitor(ref)
    await actors.unmonitor(ref)


@on_every_host
async def test_monitor_set_while_the_target_dies_still_fires_once() -> None:
    """The target is monitored at every step of its end."""

    async def dies(steps: int) -> None:
        for _ in range(steps):
            await actors.sleep("0s")

    async def lingers() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                for _ in range(3):
                    await actors.sleep("0s")

    for steps in range(10):
        pid = await actors.spawn(dies, steps)
        for _ in range(5):
            await actors.sleep("0s")
        ref = await actors.monitor(pid)
        event = await next_exit()
        assert event.ref == ref
        assert event.reason in ("normal", "noproc")
        assert await no_event()
    for steps in range(5):
        pid = await actors.spawn(lingers)
        await settle()
        await actors.terminate(pid)
        for _ in range(steps):
            await actors.sleep("0s")
        ref = await actors.monitor(pid)
        event = await next_exit()
        assert event.ref == ref
        assert event.reason in ("terminated", "noproc")
        assert await no_event()


@on_every_host
async def test_a_thousand_watchers_of_one_process_all_get_its_exit() -> None:
    owner = actors.self_pid()

    async def watcher(target: PID) -> None:
        await actors.monitor(target)
        event = await next_exit()
        await actors.send(owner, event.reason)

    target = await actors.spawn(forever)
    for _ in range(1000):
        await actors.spawn(watcher, target)
    await settle()
    await actors.terminate(target)
    assert [(await actors.inbox().receive()).topic for _ in range(1000)] == ["terminated"] * 1000


@on_every_host
async def test_process_that_monitors_itself_gets_nothing() -> None:
    async def child() -> None:
        await actors.monitor(actors.self_pid())

    assert (await exit_of(child)).reason == "normal"


@on_every_host
async def test_dead_watcher_leaves_no_trace_at_its_target() -> None:
    target = await actors.spawn(forever)

    async def watcher() -> None:
        await actors.monitor(target)
        await actors.link(target)

    await exit_of(watcher)
    description = await actors.describe(target)
    assert (description.watchers, description.links) == (0, ())


# Links


@on_every_host
async def test_abnormal_end_of_a_linked_process_ends_the_other() -> None:
    for end in ("error", "terminated"):
        first = await actors.spawn(forever)
        second = await actors.spawn_monitored(waits_for_links, first)
        await settle()
        if end == "terminated":
            await actors.terminate(first)
        else:
            kernel_of(me()).table[first.id].end("error", actors.Error("on purpose", kind=actors.CONFLICT))
        event = await next_exit()
        assert (event.pid, event.reason) == (second, "link_down")
        assert event.result.error is not None
        assert str(first) in event.result.error.message


@on_every_host
async def test_link_is_symmetric() -> None:
    first = await actors.spawn_monitored(forever)
    second = await actors.spawn(waits_for_links, first)
    await settle()
    assert (await actors.describe(first)).links == (second,)
    await actors.terminate(second)
    event = await next_exit()
    assert (event.pid, event.reason) == (first, "link_down")


@on_every_host
async def test_normal_end_removes_the_link_and_nothing_else() -> None:
    async def short() -> None:
        await actors.inbox().receive()

    first = await actors.spawn(short)
    second = await actors.spawn(waits_for_links, first)
    await settle()
    await actors.send(first, "end")
    await settle()
    assert (await actors.describe(second)).links == ()
    assert (await actors.describe(second)).status == "running"


@on_every_host
async def test_error_of_the_first_cause_is_kept_along_a_chain() -> None:
    async def fails() -> None:
        await actors.inbox().receive()
        raise actors.Error("the first cause", kind=actors.RATE_LIMITED)

    first = last = await actors.spawn(fails)
    for _ in range(5):
        last = await actors.spawn(waits_for_links, last)
    await settle()
    await actors.monitor(last)
    await actors.send(first, "fail")
    event = await next_exit()
    error = event.result.error
    assert event.reason == "link_down"
    assert error is not None
    assert error.kind == actors.RATE_LIMITED
    assert isinstance(error.__cause__, actors.Error)
    assert error.__cause__.message == "the first cause"


@on_every_host
@pytest.mark.parametrize("reason", ["shutdown", "cancelled", "terminated"])
async def test_every_end_but_a_normal_one_is_abnormal_for_links(reason: str) -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn_linked(forever)
    await settle()
    if reason == "terminated":
        await actors.terminate(pid)
    else:
        await actors.cancel(pid, reason=reason)
    event = await actors.events().receive()
    assert isinstance(event, LinkDown)
    assert (event.pid, event.reason) == (pid, reason)


@on_every_host
async def test_process_that_traps_links_gets_link_down_and_lives() -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn_linked(crash)
    event = await actors.events().receive()
    assert isinstance(event, LinkDown)
    assert (event.kind, event.pid, event.reason) == (actors.LINK_DOWN, pid, "error")
    assert event.result.error is not None
    assert "on purpose" in event.result.error.message
    assert (await actors.describe(actors.self_pid())).links == ()


@on_every_host
async def test_normal_end_of_a_link_is_not_told_to_a_process_that_traps_links() -> None:
    actors.set_options(trap_links=True)
    await actors.spawn_linked(value)
    assert await no_event()


@on_every_host
async def test_trap_links_is_read_when_the_signal_is_delivered() -> None:
    log: list[str] = []

    async def child(target: PID, before: bool) -> None:
        actors.set_options(trap_links=before)
        await actors.link(target)
        actors.set_options(trap_links=not before)
        event = await actors.events().receive()
        log.append(event.kind)

    for before, reason in ((True, "link_down"), (False, "normal")):
        target = await actors.spawn(forever)
        await actors.spawn_monitored(child, target, before)
        await settle()
        await actors.terminate(target)
        assert (await next_exit()).reason == reason
    assert log == [actors.LINK_DOWN]


@on_every_host
async def test_linking_twice_makes_one_link_and_one_unlink_removes_it() -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn(forever)
    await actors.link(pid)
    await actors.link(pid)
    assert (await actors.describe(actors.self_pid())).links == (pid,)
    await actors.unlink(pid)
    await actors.terminate(pid)
    assert await no_event()


@on_every_host
async def test_link_to_itself_does_nothing() -> None:
    await actors.link(actors.self_pid())
    assert (await actors.describe(actors.self_pid())).links == ()


@on_every_host
async def test_linking_to_a_dead_pid_acts_as_a_link_signal_with_noproc() -> None:
    dead = (await exit_of(value)).pid

    async def child(dest: Any) -> None:
        await actors.link(dest)
        raise AssertionError("went on")

    for dest in (dead, STRANGER, "nobody"):
        event = await exit_of(child, dest)
        assert event.reason == "link_down"
        assert event.result.error is not None
        assert "noproc" in event.result.error.message
    actors.set_options(trap_links=True)
    await actors.link(dead)
    down = await actors.events().receive()
    assert isinstance(down, LinkDown)
    assert (down.pid, down.reason) == (dead, "noproc")


@on_every_host
async def test_spawn_linked_ties_a_child_that_dies_at_once() -> None:
    async def parent() -> None:
        await actors.spawn_linked(crash)
        await forever()

    assert (await exit_of(parent)).reason == "link_down"


@on_every_host
async def test_unlink_takes_back_a_link_down_that_is_queued() -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn_linked(crash)
    await settle()
    await actors.unlink(pid)
    assert await no_event()


@on_every_host
async def test_link_made_again_after_an_unlink_works() -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn(forever)
    for _ in range(3):
        await actors.link(pid)
        await actors.unlink(pid)
    await actors.link(pid)
    await actors.terminate(pid)
    assert (await actors.events().receive()).kind == actors.LINK_DOWN
    assert await no_event()


@on_every_host
async def test_unlink_by_either_side_removes_the_link_on_both() -> None:
    async def unlinks(owner: PID) -> None:
        await actors.unlink(owner)
        await actors.send(owner, "unlinked")
        await forever()

    pid = await actors.spawn_linked(unlinks, actors.self_pid())
    await actors.inbox().receive()
    assert (await actors.describe(actors.self_pid())).links == ()
    await actors.terminate(pid)
    await settle()


@on_every_host
async def test_link_made_while_the_target_dies_still_takes_effect() -> None:
    async def lingers() -> None:
        try:
            await forever()
        finally:
            with actors.shield():
                for _ in range(5):
                    await actors.sleep("0s")

    actors.set_options(trap_links=True)
    for steps in range(8):
        pid = await actors.spawn(lingers)
        await settle()
        await actors.terminate(pid)
        for _ in range(steps):
            await actors.sleep("0s")
        await actors.link(pid)
        event = await actors.events().receive()
        assert isinstance(event, LinkDown)
        assert event.reason in ("terminated", "noproc")
        assert await no_event()


@on_every_host
async def test_two_linked_processes_that_die_at_once_do_not_wait_for_each_other() -> None:
    first = await actors.spawn_monitored(forever)
    second = await actors.spawn_monitored(waits_for_links, first)
    await settle()
    await actors.terminate(first)
    await actors.terminate(second)
    assert {(await next_exit()).reason for _ in range(2)} <= {"terminated", "link_down"}


@on_every_host
async def test_chain_of_1000_links_falls_as_a_whole() -> None:
    first = last = await actors.spawn(forever)
    for _ in range(999):
        last = await actors.spawn(waits_for_links, last)
    await settle()
    await actors.monitor(last)
    await actors.terminate(first)
    assert (await next_exit()).reason == "link_down"
    assert kernel_of(me()).statistics().exits["link_down"] == 999


@on_every_host
async def test_ring_of_1000_links_falls_as_a_whole() -> None:
    first = last = await actors.spawn(forever)
    for _ in range(998):
        last = await actors.spawn(waits_for_links, last)
    await actors.spawn(waits_for_links, last, first)
    await settle()
    await actors.monitor(last)
    await actors.terminate(first)
    await next_exit()
    await settle()
    assert kernel_of(me()).statistics().exits["link_down"] == 999


@on_every_host
async def test_star_of_1000_links_falls_with_its_hub() -> None:
    hub = await actors.spawn(forever)
    for _ in range(1000):
        await actors.spawn(waits_for_links, hub)
    await settle()
    await actors.terminate(hub)
    await settle()
    assert kernel_of(me()).statistics().exits["link_down"] == 1000


@on_every_host
async def test_hub_that_traps_links_outlives_1000_spokes() -> None:
    owner = actors.self_pid()
    spokes = [await actors.spawn(forever) for _ in range(1000)]
    hub = await actors.spawn(traps_links, owner, *spokes)
    await actors.inbox().receive()
    for spoke in spokes:
        await actors.terminate(spoke)
    downs = [(await actors.inbox().receive()).payload.pid for _ in range(1000)]
    assert sorted(downs) == sorted(spokes)
    assert (await actors.describe(hub)).status == "running"


@on_every_host
async def test_monitors_are_told_of_a_death_before_links() -> None:
    actors.set_options(trap_links=True)
    pid = await actors.spawn_linked_monitored(crash)
    events = [await actors.events().receive() for _ in range(2)]
    assert [type(event) for event in events] == [Exit, LinkDown]
    assert all(event.pid == pid for event in events)


@on_every_host
async def test_link_down_of_a_process_that_is_ending_already_changes_nothing() -> None:
    async def child(peer: PID) -> str:
        await actors.link(peer)
        with actors.shield():
            await actors.sleep("1s")
        return "value"

    peer = await actors.spawn(forever)
    pid = await actors.spawn_monitored(child, peer)
    await settle()
    await actors.terminate(pid, "first")
    await actors.terminate(peer)
    event = await next_exit()
    assert event.reason == "terminated"
    assert event.result.error is not None
    assert event.result.error.message == "terminated: first"


# Options


@on_every_host
async def test_set_options_returns_the_options_as_they_were() -> None:
    assert actors.set_options(trap_links=True).trap_links is False
    assert actors.set_options().trap_links is True
    assert actors.get_options().trap_links is True


@on_every_host
async def test_options_are_of_one_process_and_not_inherited() -> None:
    async def child() -> bool:
        return actors.get_options().trap_links

    actors.set_options(trap_links=True)
    assert await actors.execute(child) is False


@on_every_host
async def test_unmonitor_by_name_ends_the_monitors_of_who_has_the_name() -> None:
    async def named() -> None:
        await actors.names.register("named")
        await forever()

    pid = await actors.spawn(named)
    other = await actors.spawn(forever)
    await settle()
    await actors.monitor(pid)
    await actors.monitor("named")
    ref = await actors.monitor(other)
    await actors.unmonitor("named")
    await actors.terminate(pid)
    await actors.terminate(other)
    assert (await next_exit()).ref == ref
    await settle()
    assert (await actors.select(actors.events(), default=True)).channel is None
