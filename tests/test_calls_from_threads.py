"""A call from a wrong thread is refused before it changes anything (semantics 41)."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
import trio
import actors

host = sys.argv[1]

async def waits(channel):
    try:
        await channel.receive()
    except actors.ChannelClosed:
        pass

async def probe():
    await actors.sleep("1ms")

def close(channel):
    try:
        channel.close()
    except Exception:
        pass

async def main():
    channel = actors.Channel()
    pid = await actors.spawner(on=host).spawn(waits, channel)
    await actors.sleep("20ms")
    await actors.in_trio(trio.to_thread.run_sync, close, channel)
    await actors.sleep("20ms")
    await actors.spawner(on=host).execute(probe)
    await actors.terminate(pid)
    print("alive", flush=True)

async def program():
    async with actors.Node(shutdown_timeout="1s") as node:
        await node.execute(main)
    print("left")

trio.run(program)
"""


@pytest.mark.parametrize("host", ["trio", "green"])
def test_a_close_that_is_refused_in_a_thread_leaves_the_node_in_order(host: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, host], timeout=20, capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["alive", "left"], ran.stderr[-500:]
