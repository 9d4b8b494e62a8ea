"""A timer that nobody refers to any more costs nothing (semantics 43)."""

from __future__ import annotations

import pytest

import actors


@pytest.mark.parametrize("host", ["trio", "green"])
def test_timers_that_nobody_can_receive_from_any_more_do_not_pile_up(host: str) -> None:
    async def loop() -> int:
        me = actors.self_pid()
        for number in range(1000):
            await actors.send(me, "job", number)
            picked = await actors.select(actors.inbox(), actors.after("1h"))
            assert picked.value.payload == number
        return len(actors.running_process().owned or ())

    async def main() -> int:
        left: int = await actors.execute(loop, on=host)
        return left

    assert actors.run(main) < 100
