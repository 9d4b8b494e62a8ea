"""A bridge that is cancelled, or refused, while it opens leaves nothing and does not hang."""

import pytest
import trio

import actors
from actors import Error, Namespace, Node
from temporal_bridge import TemporalBridge, TemporalClient, Worker


async def test_cancel_at_every_moment_of_a_bridge_ends_it(temporal_address: str) -> None:
    async def open_and_leave(moment: float) -> None:
        with trio.move_on_after(moment):
            async with Node("cancelled") as node:
                worker = Worker("cancelled:worker", task_queue="cancelled", entries=[Namespace("cancelled")])
                async with TemporalBridge(node, TemporalClient(temporal_address), worker):
                    await trio.lowlevel.checkpoint()  # right after the workers were started

    with trio.fail_after(60):
        for moment in (0, 0.001, 0.01, 0.03, 0.06, 0.1, 5):
            await open_and_leave(moment)


async def test_cancel_right_at_the_start_of_the_workers_ends_the_bridge(temporal_address: str) -> None:
    with trio.fail_after(30), trio.CancelScope() as scope:
        async with Node("cancelled") as node:
            worker = Worker("cancelled:worker", task_queue="cancelled", entries=[Namespace("cancelled")])
            async with TemporalBridge(node, TemporalClient(temporal_address), worker):
                scope.cancel()  # before their tasks have run for the first time
    assert scope.cancelled_caught or scope.cancel_called


async def test_bridge_whose_worker_conflicts_with_another_is_refused_and_does_not_hang(
    temporal_address: str,
) -> None:
    first = Worker("conflict:worker", task_queue="one", run=False)
    second = Worker("conflict:worker", task_queue="two", entries=[Namespace("conflict")])
    with trio.fail_after(30):
        async with Node("a") as a, Node("b") as b, TemporalBridge(a, TemporalClient(temporal_address), first):
            with pytest.raises(Error, match="conflict:worker") as caught:
                async with TemporalBridge(b, TemporalClient(temporal_address), second):
                    raise AssertionError("it was opened")
    assert caught.value.kind == actors.CONFLICT
