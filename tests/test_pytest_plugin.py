"""The pytest plugin, as somebody else's tests use it: in a pytest run of its own, with and without pytest-trio."""

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import actors
import pytest
from temporal_bridge import TemporalBridge, Worker

app = actors.Namespace("plugin")


async def echo():
    async for message in actors.inbox():
        await actors.reply(message, message.payload)


@app.process(worker="plugin:worker")
async def sleeper(duration):
    before = actors.now()
    await actors.sleep(duration)
    return (actors.now() - before).total_seconds()


@pytest.mark.parametrize("number", [1, 2])
async def test_a_live_node(node, number):
    pid = await node.spawn(echo)
    assert await node.call(pid, "x", number) == number


async def test_its_clock_jumps(node):
    async def sleeper():
        await actors.sleep("24h")
        return "slept"

    assert await node.execute(sleeper) == "slept"


def test_a_simulation(simulation):
    async def main():
        return await actors.call(await actors.spawn(echo), "x", 1)

    assert simulation(main).check() == 1


async def program(client, task_queue, duration):
    async with actors.Node("plugin") as node:
        worker = Worker("plugin:worker", task_queue=task_queue, entries=[app], sandbox=False)
        async with TemporalBridge(node, client, worker):
            return await node.execute("plugin:sleeper", duration)


def test_a_real_server(temporal, task_queue):
    import trio

    assert trio.run(program, temporal, task_queue, "10ms") < 10


def test_a_server_that_skips_time(time_skipping, task_queue):
    import trio

    assert trio.run(program, time_skipping, task_queue, "24h") >= 86400
"""


def pytest_in(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A pytest run of the tests in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(path)],
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "others", [["-p", "no:trio"], ["-o", "trio_mode=true"]], ids=["alone", "pytest-trio"]
)
def test_the_fixtures_serve_tests_of_others(tmp_path: Path, others: list[str]) -> None:
    (tmp_path / "test_plugin_user.py").write_text(TESTS)
    ended = pytest_in(tmp_path, "--everproc-seed=3", *others)
    assert "6 passed" in ended.stdout, ended.stdout + ended.stderr


def test_a_plain_test_that_asks_for_a_node_is_told_to_be_async(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("def test_plain(node):\n    pass\n")
    ended = pytest_in(tmp_path)
    assert "make it an async function" in ended.stdout


def test_a_pytest_run_that_does_not_use_the_plugin_does_not_import_temporalio(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text(
        "import sys\n\ndef test_plain():\n"
        "    assert 'temporal_bridge._pytest_plugin' in sys.modules\n    assert 'temporalio' not in sys.modules\n"
    )
    ended = pytest_in(tmp_path)
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
