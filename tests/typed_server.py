"""What type checkers have to know of `call`: read by mypy with the tests, and by pyright in test_server_types.py."""

from typing import assert_type

from actors import PID
from supervision import Server, TaskSupervisorHandle, call, cast, handle_call, handle_cast


class Counter(Server):
    """A server with handlers of each kind."""

    def init(self, first: int = 0) -> None:
        self.n = first

    @handle_call
    def increment(self, by: int = 1) -> int:
        self.n += by
        return self.n

    @handle_call
    async def name(self, prefix: str, number: int) -> str:
        return f"{prefix}{number}"

    @handle_cast
    def reset(self, to: int) -> None:
        self.n = to


async def double(number: int) -> int:
    return 2 * number


async def types(pid: PID, tasks: TaskSupervisorHandle) -> None:
    assert_type(await call(pid, Counter.increment), int)
    assert_type(await call(pid, Counter.increment, 2), int)
    assert_type(await call(pid, Counter.increment, by=2), int)
    assert_type(await call(pid, Counter.increment, 2, timeout="5s"), int)
    assert_type(await call(pid, Counter.name, "a", 1), str)
    assert_type(await call(pid, Counter.name, "a", number=1), str)
    assert_type(await call(pid, Counter.name, "a", 1, timeout="5s"), str)
    assert_type(await cast(pid, Counter.reset, 0), bool)
    task = await tasks.start_task(double, 1)
    assert_type(await task.result(), int)
    async for value in tasks.map(double, [1, 2]):
        assert_type(value, int)
    await call(pid, Counter.increment, "two")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    await call(pid, Counter.name, "a")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await cast(pid, Counter.reset)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
