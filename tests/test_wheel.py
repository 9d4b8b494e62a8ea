"""The wheel in an empty environment: what a user installs, not the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROGRAM = """
from typing import assert_type

import actors
from supervision import Server, call, handle_call, start_server
from temporal_bridge import TemporalClient, Worker

app = actors.Namespace("app")


@app.process(worker="app:worker")
async def order(number: int) -> str:
    return f"order {number}"


class Counter(Server):
    def init(self, first: int = 0) -> None:
        self.n = first

    @handle_call
    def increment(self, by: int) -> int:
        self.n += by
        return self.n


async def main() -> None:
    pid = await start_server(Counter, 5, on="green")
    count = await call(pid, Counter.increment, 2)
    assert_type(count, int)
    assert_type(actors.listen("x", messages=True), actors.Channel[actors.Message])
    print(count, await actors.execute(order, 7, on="trio"))
    print(Worker("app:worker", task_queue="q", entries=[app], sandbox=False).id, TemporalClient("host:1").address)


actors.run(main)
"""


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source distribution."""
    target = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", target, cwd=ROOT)
    return target


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with nothing but the wheel and what it needs to be tested."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", environment, cwd=built)
    python = environment / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    pip: list[str | Path] = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    run(*pip, f"{wheel}[testing]", "pytest-timeout", "pytest-trio", cwd=built)
    return python


def test_program_runs_on_the_wheel(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    assert run(installed, "program.py", cwd=tmp_path) == "7 order 7\napp:worker host:1\n"
    where = "import actors, supervision, temporal_bridge as t; print(actors.__file__, supervision.__file__, t.__file__)"
    found = run(installed, "-c", where, cwd=tmp_path).split()
    assert all(Path(path).is_relative_to(installed.parent.parent) for path in found)


def test_types_come_with_the_wheel(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    checked = run(
        sys.executable, "-m", "mypy", "--strict", "--python-executable", installed, "program.py", cwd=tmp_path
    )
    assert "no issues found" in checked


def test_suite_of_processes_and_supervisors_holds_on_the_wheel(installed: Path, tmp_path: Path) -> None:
    for name in ("tests", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    chosen = [
        "tests/test_mailbox.py",
        "tests/test_relations.py",
        "tests/test_supervisor.py",
        "tests/test_server.py",
    ]
    said = run(installed, "-m", "pytest", "-q", "-k", "not workflow", *chosen, cwd=tmp_path)
    assert " passed" in said


def test_source_distribution_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again", cwd=unpacked)
    (again,) = (tmp_path / "again").glob("*.whl")
    (wheel,) = built.glob("*.whl")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()
