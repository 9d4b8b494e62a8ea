"""A worker in an OS process of its own, and the durable processes it runs, for tests of deliveries between programs."""

import sys

import trio

import actors
from temporal_bridge import TemporalBridge, TemporalClient, Worker

delivery = actors.Namespace("delivery")


def worker(run: bool) -> Worker:
    return Worker("delivery:worker", task_queue="delivery-tests", entries=[delivery], run=run)


@delivery.process(worker="delivery:worker")
async def counts(to: actors.PID, numbers: int, pause: str) -> list[bool]:
    """Sends 0, 1, 2 ...; tells for each whether it was taken."""
    taken: list[bool] = []
    for number in range(numbers):
        taken.append(await actors.send(to, "number", number))
        await actors.sleep(pause)
    return taken


@delivery.process(worker="delivery:worker")
async def tells_many(to: actors.PID, numbers: int) -> None:
    """Sends from as many tasks at once."""

    async def tell(number: int) -> None:
        await actors.send(to, "number", number)
        await done.send(None)

    done = actors.Channel[None](capacity=numbers)
    for number in range(numbers):
        actors.start_soon(tell, number)
    for _ in range(numbers):
        await done.receive()


@delivery.process(worker="delivery:worker")
async def is_linked(to: actors.PID) -> None:
    """Links to another and tells it so."""
    await actors.link(to)
    await actors.send(to, "linked")
    await actors.sleep("1h")


@delivery.process(worker="delivery:worker")
async def echoes() -> None:
    """Sends each message back."""
    async for message in actors.inbox():
        assert message.sender is not None
        await actors.send(message.sender, "echo", message.payload)


async def serve(address: str, namespace: str) -> None:
    async with (
        actors.Node("delivery-worker") as node,
        TemporalBridge(node, TemporalClient(address, namespace=namespace), worker(run=True)),
    ):
        await trio.lowlevel.wait_readable(sys.stdin)
