"""Which nodes are taken for dead, with a server that tells what the test wants: a slow one, above all."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest
import trio
import trio.testing
from temporalio.client import ActivityFailureError
from temporalio.exceptions import TimeoutError, TimeoutType

from temporal_bridge._client.server_liveness import ServerMonitor
from temporal_bridge._nodes.failure_detector import FailureDetector

ME, OTHER = "me.1", "other.1"


class Server:
    """Brings what is asked of a node after a delay, to those that are alive; it has never been away."""

    since = -math.inf

    def __init__(self, delay: Callable[[], float], alive: set[str]) -> None:
        self._delay = delay
        self._alive = alive

    async def execute(
        self,
        name: str,
        args: list[Any],
        node: str,
        *,
        schedule_to_start_timeout: timedelta,
        **settings: Any,
    ) -> None:
        within = schedule_to_start_timeout.total_seconds()
        if node in self._alive and (delay := self._delay()) < within:
            await trio.sleep(delay)
            return
        await trio.sleep(within)
        raise left()


def left() -> ActivityFailureError:
    """What the server reports of a question that a node has not taken up."""
    failure = ActivityFailureError(
        cause=TimeoutError("", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=())
    )
    failure.__cause__ = failure.cause
    return failure


async def is_dead(server: Server) -> bool:
    async with trio.open_nursery() as nursery:
        peers = FailureDetector(ME, nursery, server.execute, lambda node: None, cast("ServerMonitor", server))
        found = await peers.is_dead(OTHER, seen=0.0)
        nursery.cancel_scope.cancel()
    return found


async def test_node_that_leaves_a_question_which_the_server_has_brought_is_dead(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await is_dead(Server(lambda: 0.01, alive={ME}))
    assert not await is_dead(Server(lambda: 0.01, alive={ME, OTHER}))


@pytest.mark.parametrize("delay", [2.5, 5.0, 60.0])
async def test_node_is_not_dead_because_the_server_is_slow(
    delay: float, autojump_clock: trio.testing.MockClock
) -> None:
    began = trio.current_time()
    server = Server(lambda: delay if trio.current_time() < began + 300 else 0.01, alive={ME, OTHER})
    assert not await is_dead(server)


async def test_node_is_not_dead_because_single_questions_get_stuck_in_the_server(
    autojump_clock: trio.testing.MockClock,
) -> None:
    # Of each two, which are asked at a time, that to ourselves is brought, and that to the other node is stuck; twice.
    delays = iter([0.01, 60.0, 0.01, 60.0])
    assert not await is_dead(Server(lambda: next(delays, 0.01), alive={ME, OTHER}))


async def test_node_that_answers_in_the_moment_in_which_other_questions_are_given_up_is_not_dead(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Torn(Server):
        """With the third question the server tells of all: the first was answered, the others were left."""

        def __init__(self) -> None:
            super().__init__(lambda: 0.0, alive={ME})
            self._asked = 0
            self._told = trio.Event()

        async def execute(self, name: str, args: list[Any], node: str, **settings: Any) -> None:
            if node == ME:
                return
            self._asked += 1
            number = self._asked
            if number == 3:
                self._told.set()
            await self._told.wait()
            if number in (2, 3):
                raise left()

    for _ in range(50):  # trio wakes what is due at one time in any order
        assert not await is_dead(Torn())


async def test_node_that_died_while_the_server_was_slow_is_dead_when_it_is_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    began = trio.current_time()
    assert await is_dead(Server(lambda: 60.0 if trio.current_time() < began + 300 else 0.01, alive={ME}))
    assert trio.current_time() >= began + 300
