"""A program with a node of its own, for tests that need a second one: `python -m tests.other_program ADDRESS`.

It prints the PID of a local process that echoes, and then waits to be killed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from subprocess import DEVNULL, PIPE

import attrs
import trio

import actors
from actors import PID, Node
from temporal_bridge import TemporalBridge, TemporalClient


async def local_echo() -> None:
    """Sends messages back, answers calls; fails, takes a name of the cluster, or watches another, when told to."""
    async for message in actors.inbox():
        if message.topic == "watch":
            await actors.monitor(message.payload)
            await actors.send(message.payload, "watching")
            event = await actors.events().receive()
            assert isinstance(event, actors.Exit)
            await actors.reply(message, event.reason)
            continue
        if message.topic == "call at once":
            to, count = message.payload
            await actors.reply(message, await _call_at_once(to, count))
            continue
        if message.topic == "register":
            await actors.names.register(message.payload, scope="cluster")
        if message.topic == "fail":
            raise actors.Error("as told", kind="CONFLICT")
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.sender is not None:
            await actors.send(message.sender, message.topic, message.payload)


async def _call_at_once(to: PID, count: int) -> list[int]:
    """Call a process as often as told, all calls at one time: the answers, in order."""
    answers: list[int] = []

    async def ask(number: int) -> None:
        answers.append(await actors.call(to, "ask", number, timeout="30s"))

    async def callers() -> None:
        for number in range(count):
            actors.start_soon(ask, number)
        while len(answers) < count:
            await actors.sleep("10ms")

    await actors.execute(callers)
    return sorted(answers)


async def _main(address: str) -> None:
    async with Node("other") as node, TemporalBridge(node, TemporalClient(address)):
        pids = [await node.spawn(local_echo) for _ in range(2)]
        sys.stdout.write(" ".join(map(str, pids)) + "\n")
        sys.stdout.flush()
        await trio.sleep_forever()


@attrs.frozen
class OtherProgram:
    """The program, seen from the test."""

    process: trio.Process
    pids: list[PID]

    def stop(self) -> None:
        """SIGSTOP: it takes nothing in until `go_on`."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """SIGKILL: it says goodbye to nobody."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def other_program(address: str) -> AsyncGenerator[OtherProgram, None]:
    """The program, while the block lasts."""
    command = [sys.executable, "-m", "tests.other_program", address]
    process = await trio.lowlevel.open_process(command, stdout=PIPE, stderr=DEVNULL)
    try:
        assert process.stdout is not None
        text = b""
        while not text.endswith(b"\n"):
            received = await process.stdout.receive_some()
            assert received, "the other program has ended"
            text += received
        yield OtherProgram(process, [PID.parse(pid) for pid in text.decode().split()])
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


if __name__ == "__main__":
    trio.run(_main, sys.argv[1])
