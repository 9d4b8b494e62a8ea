"""The partition supervisor, as Elixir's; on every local host."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from actors import Error
from supervision import ChildSpec, Counts, PartitionSupervisor, ready, start
from tests.hosts import on_every_host
from tests.supervised import end


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
    names = {workers.partition(f"user-{number}") for number in range(100)}
    assert names == {"w.0", "w.1", "w.2", "w.3"}
    assert workers.partition("user-1") == workers.partition("user-1")
    assert [workers.partition(number) for number in (0, 1, 5, -1)] == ["w.0", "w.1", "w.1", "w.1"]
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
