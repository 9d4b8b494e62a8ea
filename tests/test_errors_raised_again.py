"""An error that several ask for is raised each time as if it were the first (kind 6 of the kernel's promises)."""

import weakref

import actors
from supervision import TaskSupervisor, start


def depth(error: BaseException) -> int:
    frames, traceback = 0, error.__traceback__
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    return frames


async def broken() -> None:
    raise ValueError("on purpose")


def test_traceback_of_a_task_does_not_grow_with_each_who_asks() -> None:
    async def main() -> list[int]:
        tasks = await start(TaskSupervisor())
        task = await tasks.start_task(broken)
        depths = []
        for _ in range(50):
            try:
                await task.result()
            except actors.Error as error:
                depths.append(depth(error))
        return depths

    depths = actors.run(main)
    assert max(depths) <= depths[0] + 3, depths[-1]


def test_traceback_of_a_function_does_not_grow_with_each_who_asks() -> None:
    async def main() -> list[int]:
        future = actors.funcs.start(broken)
        depths = []
        for _ in range(50):
            try:
                await future.result()
            except actors.Error as error:
                depths.append(depth(error))
        return depths

    depths = actors.run(main)
    assert max(depths) <= depths[0] + 3, depths[-1]


def test_watchers_of_one_end_do_not_see_each_others_frames() -> None:
    async def main() -> list[int]:
        depths: list[int] = []

        async def dies() -> None:
            await actors.sleep("10ms")
            raise actors.Error("shared", kind=actors.INTERNAL)

        async def watches(pid: actors.PID) -> None:
            await actors.monitor(pid)
            event = await actors.events().receive()
            assert isinstance(event, actors.Exit)
            try:
                event.result.unwrap()
            except actors.Error as error:
                depths.append(depth(error))

        pid = await actors.spawn(dies)
        for _ in range(20):
            await actors.spawn(watches, pid)
        await actors.sleep("100ms")
        return depths

    depths = actors.run(main)
    assert len(depths) == 20
    assert max(depths) <= min(depths) + 3, depths


def test_locals_of_one_who_asked_are_freed_while_the_task_is_kept() -> None:
    class Big: ...

    async def main() -> bool:
        tasks = await start(TaskSupervisor())
        task = await tasks.start_task(broken)

        async def asks() -> "weakref.ref[Big]":
            big = Big()
            try:
                await task.result()
            except actors.Error:
                pass
            return weakref.ref(big)

        held = await actors.execute(asks)
        await actors.sleep("10ms")
        assert task.done
        return held() is None

    assert actors.run(main)
