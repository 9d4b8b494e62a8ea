"""Errors shorten what they repeat."""

import pytest

import actors

LONG = "a" * 100_000


def error_of(verb: object) -> actors.Error:
    caught: list[actors.Error] = []

    async def main() -> None:
        try:
            await verb()  # type: ignore[operator]
        except actors.Error as error:
            caught.append(error)

    actors.run(main)
    return caught[0]


@pytest.mark.parametrize(
    "name", [LONG, "\n" * 100_000, "\U0001f4a3" * 100_000], ids=["letters", "lines", "emoji"]
)
def test_a_lookup(name: str) -> None:
    error = error_of(lambda: actors.names.lookup(name))
    assert error.kind in (actors.NOT_FOUND, actors.INVALID)
    assert len(str(error)) < 1000
    assert len(repr(error)) < 1000


@pytest.mark.parametrize("entry", [f"app:{LONG}", LONG], ids=["an id", "no id"])
def test_a_spawn_by_id(entry: str) -> None:
    error = error_of(lambda: actors.spawn(entry))
    assert error.kind in (actors.NOT_FOUND, actors.INVALID)
    assert len(str(error)) < 1000
    assert "entry" in str(error)


def test_a_short_name_is_told_whole() -> None:
    assert "'chair'" in str(error_of(lambda: actors.names.lookup("chair")))
