"""Names (semantics 4 and 32)."""

from __future__ import annotations

import pytest

import actors
from actors import PID
from tests.hosts import crash, echo, exit_of, forever, next_exit, on_every_host, settle


async def registers(*names: str) -> None:
    for name in names:
        await actors.names.register(name)
    await actors.inbox().receive()


@on_every_host
async def test_registered_name_is_found_and_works_as_a_destination() -> None:
    async def server() -> None:
        await actors.names.register("server")
        await echo()

    pid = await actors.spawn(server)
    await settle()
    assert await actors.names.lookup("server") == pid
    assert await actors.call("server", "question", 1) == 1


@on_every_host
async def test_lookup_of_a_name_that_nobody_has_raises() -> None:
    with pytest.raises(actors.Error, match="name='nobody'") as caught:
        await actors.names.lookup("nobody")
    assert caught.value.kind == actors.NOT_FOUND


@on_every_host
async def test_registering_a_taken_name_raises_with_its_holder() -> None:
    pid = await actors.spawn(registers, "taken")
    await settle()
    with pytest.raises(actors.Error, match="name='taken'") as caught:
        await actors.names.register("taken")
    assert caught.value.kind == actors.ALREADY_EXISTS
    assert caught.value.details["pid"] == str(pid)
    assert PID.parse(caught.value.details["pid"]) == pid
    assert await actors.names.lookup("taken") == pid


@on_every_host
async def test_registering_the_same_name_again_is_fine() -> None:
    await actors.names.register("mine")
    await actors.names.register("mine")
    assert await actors.names.lookup("mine") == actors.self_pid()


@on_every_host
async def test_process_may_have_several_names_and_loses_all_of_them() -> None:
    pid = await actors.spawn(registers, "one", "two")
    await settle()
    assert await actors.names.lookup("one") == await actors.names.lookup("two") == pid
    await actors.monitor(pid)
    await actors.send(pid, "end")
    await next_exit()
    for name in ("one", "two"):
        await actors.names.register(name)


@on_every_host
async def test_unregistered_name_is_free() -> None:
    pid = await actors.spawn(registers, "given up")
    await settle()
    assert await actors.names.unregister("given up") is True
    assert await actors.names.unregister("given up") is False
    await actors.names.register("given up")
    await actors.monitor(pid)
    await actors.send(pid, "end")
    await next_exit()
    assert await actors.names.lookup("given up") == actors.self_pid()


@on_every_host
async def test_name_in_a_destination_is_resolved_at_the_call() -> None:
    async def serve(name: str, answer: str) -> None:
        await actors.names.register(name)
        async for message in actors.inbox():
            await actors.reply(message, answer)

    first = await actors.spawn(serve, "moving", "first")
    await settle()
    assert await actors.call("moving", "who") == "first"
    await actors.terminate(first)
    await settle()
    await actors.spawn(serve, "moving", "second")
    await settle()
    assert await actors.call("moving", "who") == "second"


@on_every_host
async def test_process_being_ended_keeps_its_name_until_it_has_ended() -> None:
    async def lingers() -> None:
        await actors.names.register("lingering")
        try:
            await forever()
        finally:
            with actors.shield():
                await actors.sleep("1s")

    pid = await actors.spawn_monitored(lingers)
    await settle()
    await actors.terminate(pid)
    with pytest.raises(actors.Error, match="belongs to"):
        await actors.names.register("lingering")
    await next_exit()
    await actors.names.register("lingering")


@on_every_host
async def test_spawn_under_a_name_registers_it_before_the_process_runs() -> None:
    pid = await actors.spawner(name="named").spawn(forever)
    assert await actors.names.lookup("named") == pid


@on_every_host
async def test_spawn_under_a_name_that_is_taken_gives_its_holder_the_messages() -> None:
    counter = actors.spawner(name="one of them").with_message("add", 1)
    owner = actors.self_pid()

    async def adds() -> None:
        async for message in actors.inbox():
            await actors.send(owner, "added", actors.self_pid(), message.payload)

    first = await counter.spawn(adds)
    second = await counter.spawn(crash)
    assert first == second
    assert [(await actors.inbox().receive()).payload for _ in range(2)] == [(first, 1)] * 2


@on_every_host
async def test_name_of_a_dead_process_can_be_spawned_again() -> None:
    named = actors.spawner(name="again")
    pids = set()
    for _ in range(5):
        pids.add(await named.spawn_monitored(crash))
        await next_exit()
    assert len(pids) == 5


@on_every_host
async def test_failed_child_frees_its_name_at_once() -> None:
    async def fails(name: str) -> None:
        await actors.names.register(name)
        raise ValueError

    for _ in range(20):
        await exit_of(fails, "free again")
        await actors.names.register("free again")
        await actors.names.unregister("free again")
