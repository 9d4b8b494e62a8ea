"""The task supervisor, as Elixir's with `async_nolink`; on every local host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_type

import pytest

import actors
from actors import PID, Error, Result
from supervision import Task, TaskSupervisor, TaskSupervisorHandle, start
from tests.hosts import on_every_host
from tests.supervised import end_of, reason_of


async def double(number: int) -> int:
    return 2 * number


async def fail(number: int) -> int:
    raise ValueError(f"no {number}")


async def wait(length: str) -> str:
    await actors.sleep(length)
    return length


@on_every_host
async def test_task_gives_the_result_of_its_function_any_number_of_times() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(double, 21)
    assert_type(task, Task[int])
    assert_type(await task.result(), int)
    assert [await task.result() for _ in range(3)] == [42] * 3
    assert task.done
    await tasks.stop()


@on_every_host
async def test_failed_task_raises_its_error_to_who_asks_and_harms_nobody() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(fail, 1)
    with pytest.raises(Error, match="ValueError: no 1"):
        await task.result()
    assert await (await tasks.start_task(double, 1)).result() == 2
    await tasks.stop()


@on_every_host
async def test_task_that_ended_long_ago_still_has_its_result() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(double, 4)
    await actors.sleep("10s")
    assert await tasks.children() == []
    assert await task.result() == 8
    await tasks.stop()


@on_every_host
async def test_all_who_wait_for_a_task_get_its_result() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(wait, "1s")
    got: list[str] = []

    async def ask() -> None:
        got.append(await task.result())

    for _ in range(3):
        actors.start_soon(ask)
    await actors.sleep("2s")
    assert got == ["1s"] * 3
    await tasks.stop()


@on_every_host
async def test_end_of_a_task_is_no_event_and_no_message_of_its_starter() -> None:
    tasks = await start(TaskSupervisor())
    await (await tasks.start_task(double, 1)).result()
    with pytest.raises(Error):
        await (await tasks.start_task(fail, 1)).result()
    picked = await actors.select(actors.events(), actors.inbox(), default=True)
    assert picked.channel is None
    await tasks.stop()


@on_every_host
async def test_cancelled_task_stops_and_says_so() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(wait, "1d")
    task.cancel()
    assert (await reason_of(task.result()))[0] == actors.CANCELED
    task.cancel()
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_result_that_takes_too_long_is_a_timeout_and_the_task_goes_on() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(wait, "2s")
    assert (await reason_of(task.result("1s")))[0] == actors.TIMEOUT
    assert await task.result("2s") == "2s"
    await tasks.stop()


@on_every_host
async def test_many_results_come_in_the_order_of_the_tasks() -> None:
    tasks = await start(TaskSupervisor())
    started = [await tasks.start_task(wait, length) for length in ("3s", "1s", "2s")]
    assert await tasks.await_many(started) == ["3s", "1s", "2s"]
    late = [await tasks.start_task(wait, length) for length in ("3s", "4s")]
    assert (await reason_of(tasks.await_many(late, timeout="3500ms")))[0] == actors.TIMEOUT
    await tasks.stop()


@on_every_host
async def test_task_outlives_its_starter() -> None:
    tasks = await start(TaskSupervisor())
    done: list[str] = []

    async def slow() -> None:
        await actors.sleep("10s")
        done.append("slow")

    async def starter() -> None:
        await tasks.start_task(slow)

    await actors.execute(starter)
    await actors.sleep("11s")
    assert done == ["slow"]
    await tasks.stop()


@on_every_host
async def test_stopped_supervisor_stops_its_tasks() -> None:
    tasks = await start(TaskSupervisor(shutdown="brutal_kill"))
    task = await tasks.start_task(wait, "1d")
    assert await tasks.children() == [task.pid]
    await tasks.stop()
    assert (await reason_of(task.result()))[0] == actors.CANCELED


@on_every_host
async def test_max_children_refuses_one_more_task() -> None:
    tasks = await start(TaskSupervisor(max_children=1))
    task = await tasks.start_task(wait, "1s")
    assert (await reason_of(tasks.start_task(double, 1)))[1] == "max_children"
    await task.result()
    await tasks.start_task(double, 1)
    await tasks.stop()


@on_every_host
async def test_task_may_use_its_inbox_at_once() -> None:
    async def first() -> str:
        message = await actors.inbox().receive()
        return message.topic

    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(first)
    await actors.send(task.pid, "hello")
    assert await task.result() == "hello"
    await tasks.stop()


# map


async def collect(tasks: TaskSupervisorHandle, lengths: list[str], **settings: bool | int) -> list[str]:
    return [length async for length in tasks.map(wait, lengths, **settings)]  # type: ignore[call-overload]


@on_every_host
async def test_map_gives_results_in_the_order_of_the_items() -> None:
    tasks = await start(TaskSupervisor())
    assert await collect(tasks, ["3s", "1s", "2s"]) == ["3s", "1s", "2s"]
    assert [n async for n in tasks.map(double, range(100))] == [2 * n for n in range(100)]
    assert await collect(tasks, []) == []
    await tasks.stop()


@on_every_host
async def test_unordered_map_gives_results_as_they_come() -> None:
    tasks = await start(TaskSupervisor())
    assert await collect(tasks, ["3s", "1s", "2s"], ordered=False) == ["1s", "2s", "3s"]
    await tasks.stop()


@pytest.mark.parametrize("ordered", [True, False])
@on_every_host
async def test_map_runs_no_more_tasks_at_a_time_than_it_may(ordered: bool) -> None:
    running: set[int] = set()
    most = 0

    async def work(number: int) -> int:
        nonlocal most
        running.add(number)
        most = max(most, len(running))
        await actors.sleep(f"{number % 3 + 1}s")
        running.remove(number)
        return number

    tasks = await start(TaskSupervisor())
    got = [n async for n in tasks.map(work, range(20), max_concurrency=4, ordered=ordered)]
    assert most == 4
    assert sorted(got) == list(range(20))
    assert ordered is (got == sorted(got)) or not ordered
    await tasks.stop()


@on_every_host
async def test_map_takes_items_only_as_tasks_become_free() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10**9):
            taken.append(number)
            yield number

    tasks = await start(TaskSupervisor())
    async with tasks.map(double, items(), max_concurrency=3) as results:
        async for _ in results:
            break
    assert len(taken) <= 7
    await tasks.stop()


@on_every_host
async def test_error_of_a_task_ends_the_map_and_cancels_the_others() -> None:
    async def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        await actors.sleep("1d")
        return number

    tasks = await start(TaskSupervisor())
    with pytest.raises(Error, match="ValueError: one"):
        _ = [n async for n in tasks.map(work, [0, 1, 2], ordered=False)]
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_map_can_give_errors_among_the_results() -> None:
    async def work(number: int) -> int:
        return 6 // number

    tasks = await start(TaskSupervisor())
    results = [result async for result in tasks.map(work, [1, 0, 2], return_errors=True)]
    assert_type(results, list[Result])
    assert [result.value for result in results] == [6, None, 3]
    assert "ZeroDivisionError" in str(results[1].error)
    await tasks.stop()


@on_every_host
async def test_left_map_cancels_its_tasks_when_its_block_is_left() -> None:
    tasks = await start(TaskSupervisor())
    async with tasks.map(wait, ["1s", "1d", "1d"]) as results:
        async for result in results:
            assert result == "1s"
            break
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_loop_over_a_map_that_is_left_early_cancels_its_tasks() -> None:
    tasks = await start(TaskSupervisor())
    async for result in tasks.map(wait, ["1s", "1d", "1d"]):
        assert result == "1s"
        break
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_tasks_of_a_map_are_cancelled_with_the_process_that_leaves_its_block() -> None:
    tasks = await start(TaskSupervisor())

    async def owner() -> None:
        async with tasks.map(wait, ["1d", "1d"]) as results:
            async for _ in results:
                pass

    pid = await actors.spawn(owner)
    await actors.sleep("1s")
    assert len(await tasks.children()) == 2
    await actors.terminate(pid)
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_item_that_cannot_be_taken_ends_the_map_and_cancels_its_tasks() -> None:
    def items() -> Iterator[str]:
        yield "1d"
        raise KeyError("no more")

    tasks = await start(TaskSupervisor())
    with pytest.raises(KeyError):
        _ = [n async for n in tasks.map(wait, items())]
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@on_every_host
async def test_map_that_may_start_no_more_tasks_ends_with_that_error_and_cancels_those_it_has() -> None:
    tasks = await start(TaskSupervisor(max_children=1))
    with pytest.raises(Error) as failure:
        _ = [n async for n in tasks.map(wait, ["1d", "1d"])]
    assert failure.value.details["reason"] == "max_children"
    await actors.sleep("1s")
    assert await tasks.children() == []
    await tasks.stop()


@pytest.mark.parametrize("ordered", [True, False])
@on_every_host
async def test_task_of_a_map_that_takes_too_long_is_ended_with_a_timeout(ordered: bool) -> None:
    tasks = await start(TaskSupervisor())
    results = tasks.map(wait, ["1s", "1d", "2s"], ordered=ordered, timeout="5s", return_errors=True)
    outcomes = [result.error.kind if result.error else result.value async for result in results]
    assert outcomes == (["1s", actors.TIMEOUT, "2s"] if ordered else ["1s", "2s", actors.TIMEOUT])
    assert await tasks.children() == []
    with pytest.raises(Error) as failure:
        _ = [n async for n in tasks.map(wait, ["1d", "1d"], timeout="5s")]
    assert failure.value.kind == actors.TIMEOUT
    await tasks.stop()


@actors.Namespace("tasks").process
async def entered(number: int) -> int:
    return 2 * number


@on_every_host
async def test_declared_process_that_ends_at_once_gives_its_result() -> None:
    tasks = await start(TaskSupervisor())
    task = await tasks.start_task(entered, 2)
    assert await task.result() == 4
    assert [n async for n in tasks.map(entered, range(3), timeout="1s")] == [0, 2, 4]
    task = await tasks.start_task("tasks:entered", 3)
    assert await task.result() == 6
    await tasks.stop()


@on_every_host
async def test_bad_arguments_are_refused() -> None:
    tasks = await start(TaskSupervisor())
    with pytest.raises(Error):
        tasks.map(double, [], max_concurrency=0)
    with pytest.raises(Error):
        tasks.map(double, 5)  # type: ignore[call-overload]
    with pytest.raises(Error):
        tasks.map(double, [], timeout=5)  # type: ignore[call-overload]
    assert (await reason_of(tasks.start_task(print)))[0] == actors.INVALID  # type: ignore[call-arg, arg-type]
    assert (await reason_of(tasks.start_task("nowhere:nothing")))[0] == actors.NOT_FOUND
    await tasks.stop()


@on_every_host
async def test_task_supervisor_ends_with_its_parent() -> None:
    pids: list[PID] = []

    async def parent() -> None:
        tasks = await start(TaskSupervisor())
        pids.append((await tasks.start_task(wait, "1d")).pid)

    await actors.execute(parent)
    assert (await end_of(pids[0])).reason in ("shutdown", "noproc")
