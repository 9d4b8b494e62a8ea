"""Messages between programs: a durable process in a worker's OS process, a local one here, a real server between."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

import actors
from temporal_bridge import TemporalBridge, TemporalClient
from tests.delivery_worker import counts, echoes, tells_many, worker

ROOT = Path(__file__).parent.parent


class WorkerProgram:
    def __init__(self, address: str, namespace: str = "default") -> None:
        self.address, self.namespace = address, namespace
        self.start()

    def start(self) -> None:
        program = "import sys, trio; from tests.delivery_worker import serve; trio.run(serve, *sys.argv[1:])"
        command = [sys.executable, "-c", program, self.address, self.namespace]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@asynccontextmanager
async def programs(
    address: str, namespace: str = "default"
) -> AsyncGenerator[tuple[actors.Node, WorkerProgram], None]:
    """This program with a node, and a worker program."""
    async with (
        actors.Node("here") as node,
        TemporalBridge(node, TemporalClient(address), worker(run=False)),
    ):
        program = WorkerProgram(address, namespace)
        try:
            yield node, program
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(program.close)


async def receive_numbers(many: int) -> list[int]:
    numbers = actors.listen("number")
    return [await numbers.receive() for _ in range(many)]


async def test_messages_to_another_program_come_once_in_order_and_with_their_sender(
    temporal_address: str,
) -> None:
    async def listener() -> list[actors.Message]:
        sender = await actors.spawn(counts, actors.self_pid(), 10, "0ms")
        inbox = actors.inbox()
        messages = [await inbox.receive() for _ in range(10)]
        assert {message.sender for message in messages} == {sender}
        return messages

    async with programs(temporal_address) as (node, _):
        messages = await node.execute(listener)
    assert [message.payload for message in messages] == list(range(10))


async def test_messages_go_to_another_program_and_back(temporal_address: str) -> None:
    async def pinger() -> None:
        echo = await actors.spawn(echoes)
        answers = actors.listen("echo")
        for number in range(10):
            await actors.send(echo, "ping", number)
            assert await answers.receive() == number
        await actors.terminate(echo)

    async with programs(temporal_address) as (node, _):
        await node.execute(pinger)


async def test_messages_sent_at_once_travel_together(temporal_address: str) -> None:
    async def listener() -> tuple[list[int], int]:
        pid = await actors.spawn_monitored(tells_many, actors.self_pid(), 500)
        numbers = actors.listen("number")
        got = [await numbers.receive() for _ in range(500)]
        await actors.events().receive()
        return got, (await actors.describe(pid)).details["history_length"]

    async with programs(temporal_address) as (node, _):
        numbers, events = await node.execute(listener)
    assert sorted(numbers) == list(range(500))
    assert events < 50


async def test_a_message_to_a_process_that_is_gone_is_not_taken(temporal_address: str) -> None:
    async def nobody() -> None: ...

    async def asks() -> list[bool]:
        gone = await actors.spawn(nobody)
        await actors.execute(nobody)
        answers: list[bool] = await actors.execute(counts, gone, 2, "0ms")
        return answers

    async with programs(temporal_address) as (node, _):
        assert await node.execute(asks) == [False, False]


async def test_a_message_to_a_program_that_is_gone_is_not_taken_and_its_sender_goes_on(
    temporal_address: str,
) -> None:
    async with programs(temporal_address) as (node, _):
        gone = actors.PID("somewhere.00000000", "trio", "1")
        with trio.fail_after(60):
            assert await node.execute(counts, gone, 1, "0ms") == [False]


async def test_messages_of_a_worker_that_is_killed_come_once_and_in_order_nevertheless(
    temporal_address: str,
) -> None:
    async with programs(temporal_address) as (node, program):

        async def listener() -> list[int]:
            await actors.spawn_monitored(counts, actors.self_pid(), 60, "20ms")
            numbers, events = actors.listen("number"), actors.events()
            got: list[int] = []
            while True:
                picked = await actors.select(numbers, events)
                if picked.channel is events:
                    assert picked.value.result.value == [True] * 60
                    return got
                got.append(picked.value)
                if len(got) == 20:
                    program.kill()
                    program.start()

        with trio.fail_after(90):
            assert await node.execute(listener) == list(range(60))
