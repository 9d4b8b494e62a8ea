"""The hosts that the behaviour suite runs on, and the decorator that runs a test on each of them.

A test is an async function that runs as the first process of its host. It awaits nothing but calls of `actors`, so the
same test holds for every host; one that needs more than processes says so, and runs where that is offered:

    @on_every_host
    async def test_inbox_yields_messages_in_order() -> None: ...

    @on_every_host(needs="functions")
    async def test_funcs_call_returns_the_value() -> None: ...

A host joins by an entry in `HOSTS`. What it owes: time that passes only while nothing can run (`settle` rests on it),
the exception of the test raised as it is, and that no process is left at the end.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, overload

import pytest

import actors
from actors import Exit, Kernel, Result, SpawnRequest, Wiring, process_entry, running_process
from tests.searching_scheduler import SearchingScheduler

Body = Callable[..., Awaitable[None]]


class HostUnderTest(Protocol):
    """Where the behaviour suite runs."""

    offers: frozenset[str]
    """What there is besides processes: "functions"."""

    def run(self, body: Callable[[], Awaitable[None]]) -> None:
        """Run `body` as a process, raise what it raised, and see that nothing is left."""


def _raise_error(result: Result) -> None:
    if result.error is not None:
        raise result.error.__cause__ or result.error


class NodeHost:
    """A node in trio, whose processes run on one of its hosts unless a spawn says another."""

    offers = frozenset({"functions"})

    def __init__(self, host: str) -> None:
        self._host = host

    def run(self, body: Callable[[], Awaitable[None]]) -> None:
        import trio
        import trio.testing

        async def main() -> Result:
            async with actors.Node("suite") as node:
                node.kernel.wiring.default_host = self._host
                try:
                    with trio.fail_after(
                        1e8
                    ):  # a test that waits for nothing fails at once: the clock jumps there
                        await node.execute(body)
                except actors.Error as error:
                    return Result(error=error)
            assert list(node.processes()) == []
            return Result()

        _raise_error(trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0)))


class PlainHost:
    """A kernel on the scheduler of these tests."""

    offers: frozenset[str] = frozenset()

    def run(self, body: Callable[[], Awaitable[None]]) -> None:
        scheduler = SearchingScheduler()
        kernel = Kernel("plain.0", Wiring("plain"))
        kernel.wiring.schedulers["plain"] = scheduler
        exits: list[Exit] = []

        async def first() -> None:
            await actors.spawn_monitored(body)
            exits.append(await next_exit())

        kernel.spawn_here(SpawnRequest(process_entry(first), ()), "plain", scheduler)
        scheduler.run_until(lambda: bool(exits))
        for process in list(kernel.table.values()):
            process.end("terminated", actors.Error("the test is over"))
        scheduler.run_until(lambda: not kernel.table)
        _raise_error(exits[0].result)


HOSTS: dict[str, HostUnderTest] = {
    "trio": NodeHost("trio"),
    "green": NodeHost("green"),
    "plain": PlainHost(),
}

IN_WORKFLOWS = "workflow"
"""The host that needs a server: see `workflow_suite.py`."""

PORTABLE: list[Body] = []
"""The tests that have run through `on_every_host` and need no fixture."""


@overload
def on_every_host(body: Body, /) -> Callable[..., None]: ...
@overload
def on_every_host(*, needs: str) -> Callable[[Body], Callable[..., None]]: ...
def on_every_host(
    body: Body | None = None, /, *, needs: str = ""
) -> Callable[..., None] | Callable[[Body], Callable[..., None]]:
    """Run an async test as a process, on each host that offers what it needs; see the module."""
    needed = {needs} - {""}

    def decorate(body: Body) -> Callable[..., None]:
        @functools.wraps(body)
        def test(host: str, request: pytest.FixtureRequest, **fixtures: Any) -> None:
            @functools.wraps(body)
            async def process() -> None:
                await body(**fixtures)

            found: HostUnderTest = HOSTS.get(host) or request.getfixturevalue("suite_in_workflows")
            found.run(process)

        signature = inspect.signature(body)
        own = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("host", "request")
        ]
        shown = signature.replace(parameters=[*own, *signature.parameters.values()])
        vars(test)["__signature__"] = shown  # what pytest goes by for the fixtures
        hosts = [name for name in HOSTS if needed <= HOSTS[name].offers]
        if not needed:
            hosts.append(IN_WORKFLOWS)
            if not signature.parameters:
                PORTABLE.append(body)
        marked: Callable[..., None] = pytest.mark.parametrize("host", hosts)(test)
        return marked

    return decorate if body is None else decorate(body)


# What the tests of all files use


async def settle() -> None:
    """Let the other processes run until each of them waits."""
    await actors.sleep("1ms")


async def next_exit() -> Exit:
    """The next event, which is an exit."""
    event = await actors.events().receive()
    assert isinstance(event, Exit), event
    return event


async def exit_of(target: actors.Target, *args: Any) -> Exit:
    """Run a process to its end."""
    await actors.spawn_monitored(target, *args)
    return await next_exit()


async def forever() -> None:
    """A process that waits for ever, and takes no message out of its inbox."""
    await actors.Channel[None]().receive()


async def echo() -> None:
    """A process that answers calls with their payload, and messages with themselves."""
    async for message in actors.inbox():
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.sender is not None:
            await actors.send(message.sender, message.topic, message.payload)


async def crash(message: str = "on purpose") -> None:
    """A process that fails."""
    raise ValueError(message)


def me() -> actors.Process:
    """The running process, as its kernel sees it."""
    return running_process()


def clock() -> float:
    """The time in seconds by which the host sleeps; it stands still while anything can run."""
    return me().scheduler.time()
