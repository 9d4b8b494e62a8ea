"""The partition supervisor, as Elixir's; on every local host."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Error
from supervision import ChildSpec, Counts, PartitionSupervisor, ready, start
from tests.hosts import on_every_host
from tests.supervised import end, reason_of


async def worker(*args: Any) -> None:
    ready()
    async for message in actors.inbox():
        if message.topic == "crash":
            raise Error("asked to crash")
        await actors.reply(message, args)


@on_every_host
async def test_same_key_is_always_the_same_partition() -> None:
    workers = await start(PartitionSupervisor(ChildSpec("w", worker, wait_ready=True), partitions=4))
    assert workers.partitions == 4
    assert await workers.count_children() == Counts(4, 4, 0, 4)
    names = [workers.partition(number) for number in range(4)]
    assert {workers.partition(f"user-{number}") for number in range(100)} == set(names)
    assert workers.partition("user-1") == workers.partition("user-1")
    assert [workers.partition(number) for number in (4, 5, -1)] == [names[0], names[1], names[1]]
    pids = {child.id: child.pid for child in await workers.which_children()}
    assert [await workers.pid_for(number) for number in range(4)] == [pids[number] for number in range(4)]
    await workers.stop()
    assert (await reason_of(workers.pid_for(0)))[0] == actors.NOT_FOUND


@on_every_host
async def test_partitions_of_two_supervisors_have_nothing_to_do_with_each_other() -> None:
    setting = PartitionSupervisor(ChildSpec("w", worker, wait_ready=True), partitions=2)
    first, second = await start(setting, name="first"), await start(setting)
    assert first.partition(0) != second.partition(0)
    assert setting.at("first").partition(0) == first.partition(0)
    await first.stop()
    with pytest.raises(Error, match="'first'"):
        setting.at("first").partition(0)
    assert await actors.call(second.partition(0), "args") == ()
    await second.stop()


@on_every_host
async def test_partitions_of_a_child_with_a_name_have_it_in_front() -> None:
    named = ChildSpec("w", worker, wait_ready=True, name="pool")
    workers = await start(PartitionSupervisor(named, partitions=2))
    assert [workers.partition(number) for number in (0, 1)] == ["pool.0", "pool.1"]
    await workers.stop()


@on_every_host
async def test_partition_is_reached_by_its_key_also_after_a_restart() -> None:
    def numbered(args: tuple[Any, ...], number: int) -> tuple[Any, ...]:
        return (*args, number)

    spec = ChildSpec("w", worker, args=("x",), wait_ready=True, name="pool")
    workers = await start(PartitionSupervisor(spec, partitions=3, with_arguments=numbered))
    assert await actors.call(workers.partition(2), "args") == ("x", 2)
    before = await actors.names.lookup(workers.partition(2))
    await end(before)
    assert (await workers.count_children()).active == 3
    assert await actors.call(workers.partition(2), "args") == ("x", 2)
    assert await actors.names.lookup("pool.2") != before
    await workers.stop()


@pytest.mark.parametrize("partitions", [0, -1, 1.5])
def test_bad_number_of_partitions_is_refused(partitions: Any) -> None:
    with pytest.raises(Error):
        PartitionSupervisor(ChildSpec("w", worker), partitions)
