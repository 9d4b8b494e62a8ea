"""A Ctrl-C ends a program of busy processes, each time (semantics 39)."""

import random
import signal
import subprocess
import sys
import time

import pytest
import trio

import actors


async def short() -> None: ...


def test_a_spawn_that_is_interrupted_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupt(BaseException): ...

    async def program() -> tuple[int, object]:
        async with actors.Node(shutdown_timeout="1s") as node:
            scheduler = node.kernel.wiring.schedulers["trio"]

            def interrupted(*_: object) -> object:
                raise Interrupt

            with monkeypatch.context() as patch:
                patch.setattr(scheduler, "start", interrupted)
                with pytest.raises(Interrupt):
                    await node.spawner(name="worker").spawn(short)
            left, holder = len(list(node.processes())), node.whereis("worker")
            for process in list(node.kernel.table.values()):  # so that this test ends
                node.kernel.finalize(process, "terminated", actors.Result())
            return left, holder

    assert trio.run(program) == (0, None)


BUSY = """
import sys
import actors

async def short(): ...

async def client():
    while True:
        await actors.execute(short)

async def main():
    for _ in range(30):
        await actors.spawner(on=sys.argv[1]).spawn_linked(client)
    print("ready", flush=True)
    await actors.sleep("1h")

try:
    actors.run(main)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("host", ["trio", "green"])
def test_one_ctrl_c_ends_a_busy_program(host: str) -> None:
    codes: list[object] = []
    for _ in range(12):
        program = subprocess.Popen(
            [sys.executable, "-c", BUSY, host], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert program.stdout is not None
        program.stdout.readline()
        time.sleep(0.1 + random.random() / 10)
        program.send_signal(signal.SIGINT)
        try:
            codes.append(program.wait(15))
        except subprocess.TimeoutExpired:
            codes.append("hangs")
            program.kill()
            program.wait()
        program.stdout.close()
        if codes[-1] != 130:
            break
    assert set(codes) == {130}, codes
