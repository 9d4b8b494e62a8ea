"""Arguments that do not fit a signature are an error at the spawn (semantics 1)."""

from typing import Any

import pytest
import trio

import actors


async def no_argument() -> None:
    await actors.sleep("1h")


async def two_arguments(first: int, second: int) -> None:
    await actors.sleep("1h")


WRONG: list[tuple[Any, tuple[Any, ...], tuple[str, ...]]] = [
    (no_argument, (1,), ("no_argument", "()")),
    (two_arguments, (1,), ("two_arguments", "first", "second")),
    (two_arguments, (1, 2, 3), ("two_arguments", "first", "second")),
]


def check(error: actors.Error, named: tuple[str, ...]) -> None:
    assert error.kind == actors.INVALID
    assert all(name in error.message for name in named), error.message


@pytest.mark.parametrize(("function", "arguments", "named"), WRONG)
@pytest.mark.parametrize("host", ["trio", "green"])
def test_a_spawn_in_a_process(
    host: str, function: Any, arguments: tuple[Any, ...], named: tuple[str, ...]
) -> None:
    async def main() -> int:
        actors.set_options(trap_links=True)
        verbs: list[Any] = [actors.spawn, actors.spawn_linked, actors.spawn_monitored, actors.execute]
        for verb in verbs:
            with pytest.raises(actors.Error) as caught:
                await verb(function, *arguments)
            check(caught.value, named)
        with pytest.raises(actors.Error) as caught:
            await actors.spawner(on=host, name="wrong").spawn(function, *arguments)
        check(caught.value, named)
        with pytest.raises(actors.Error) as caught:
            await actors.names.lookup("wrong")
        assert caught.value.kind == actors.NOT_FOUND
        await actors.sleep("10ms")
        return 1

    assert actors.run(main) == 1


@pytest.mark.parametrize(("function", "arguments", "named"), WRONG)
def test_a_spawn_by_the_node(function: Any, arguments: tuple[Any, ...], named: tuple[str, ...]) -> None:
    async def program() -> None:
        async with actors.Node() as node:
            with pytest.raises(actors.Error) as caught:
                await node.spawn(function, *arguments)
            check(caught.value, named)
            assert list(node.processes()) == []

    trio.run(program)


async def with_defaults(first: int, second: int = 2, *more: int) -> tuple[int, ...]:
    return (first, second, *more)


def test_defaults_and_the_rest_are_taken() -> None:
    async def main() -> list[tuple[int, ...]]:
        return [await actors.execute(with_defaults, *arguments) for arguments in ((1,), (1, 3), (1, 3, 4, 5))]

    assert actors.run(main) == [(1, 2), (1, 3), (1, 3, 4, 5)]
