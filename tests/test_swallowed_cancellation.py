"""A process that swallows its cancellation in a loop keeps nobody from running (semantics 40)."""

import subprocess
import sys

import pytest

import actors


@pytest.mark.parametrize("await_what", ["receive", "sleep", "select", "call"])
@pytest.mark.parametrize("host", ["trio", "green"])
def test_others_run_while_a_terminated_process_swallows_its_end(host: str, await_what: str) -> None:
    attempts = 0
    most = 20_000

    async def stubborn(other: actors.PID) -> None:
        nonlocal attempts
        while attempts < most:
            try:
                match await_what:
                    case "receive":
                        await actors.inbox().receive()
                    case "sleep":
                        await actors.sleep("1h")
                    case "select":
                        await actors.select(actors.inbox(), actors.Channel())
                    case "call":
                        await actors.call(other, "nothing", timeout="1h")
            except:  # noqa: E722
                attempts += 1

    async def silent() -> None:
        await actors.Channel().receive()

    async def main() -> int:
        nonlocal attempts
        other = await actors.spawn(silent)
        pid = await actors.spawner(on=host).spawn(stubborn, other)
        await actors.sleep("20ms")
        await actors.terminate(pid)
        await actors.sleep("1ms")
        seen, attempts = attempts, most
        return seen

    assert actors.run(main) < most


SIMULATED = """
import actors
from actors.testing import simulate

async def stubborn():
    while True:
        try:
            await actors.inbox().receive()
        except BaseException:
            pass

async def main():
    pid = await actors.spawn(stubborn)
    await actors.sleep("1s")
    await actors.terminate(pid)
    await actors.sleep("1s")

outcome = simulate(main)
print(outcome.failure is not None)
"""


def test_a_simulation_reports_a_process_that_swallows_its_end() -> None:
    """docs/testing.md: `livelock` is steps without end, `lost` a process that is there after it was terminated."""
    ran = subprocess.run(
        [sys.executable, "-c", SIMULATED], timeout=30, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "True"
