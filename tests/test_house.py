"""The packaging, and the rules of the house that no linter checks."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("actors", "supervision", "temporal_bridge")
REQUIREMENTS = [Requirement(line) for line in importlib.metadata.requires("everproc") or []]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built from this checkout."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (path,) = target.glob("everproc-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_wheel_contains_the_three_packages_and_nothing_else(wheel: set[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_tells_type_checkers_to_read_the_package(wheel: set[str], package: str) -> None:
    assert {f"{package}/__init__.py", f"{package}/py.typed"} <= wheel


def test_wheel_contains_every_module(wheel: set[str]) -> None:
    modules = {
        path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")
    }
    assert modules - wheel == set()


def test_wheel_brings_the_license(wheel: set[str]) -> None:
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_dependency_has_a_lower_bound_no_upper_bound_and_no_address(requirement: Requirement) -> None:
    assert requirement.url is None
    if requirement.name != "everproc":  # an extra that includes another one
        assert [bound.operator for bound in requirement.specifier] == [">="]


def test_plain_install_needs_only_what_processes_run_on_and_what_the_command_is_made_of() -> None:
    needed = {requirement.name for requirement in REQUIREMENTS if requirement.marker is None}
    assert needed == {"trio", "attrs", "msgpack", "temporalio", "click", "rich"}


def test_library_imports_nothing_of_the_command() -> None:
    program = "import sys, actors, supervision, temporal_bridge; print({'click', 'rich'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def modules_after(program: str) -> set[str]:
    """What a fresh interpreter has loaded."""
    program += "; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


BUILT_IN = {"datetime", "_datetime", "uuid", "_uuid", "secrets"}

# What one looks with, calls functions with, and shares names in a cluster with.
LATER = {
    "actors._kernel.process_info",
    "actors._kernel.functions",
    "actors._cluster.registry",
    "actors.funcs",
    "actors.telemetry",
}


def test_import_of_actors_loads_little_beside_trio_and_attrs() -> None:
    """Its time is P18 of the benchmarks; what it loads does not depend on the machine."""
    loaded = modules_after("import actors")
    others = {name for name in loaded if name.partition(".")[0] != "actors"}
    assert others - modules_after("import trio, attrs") <= BUILT_IN
    packages = {"actors.cli", "actors.manifest", "actors.observer", "actors.testing"}
    optional = {
        "actors._inspection.control_server",
        "actors._runtime.functions_in_trio",
        "actors.metrics",
        "actors.spans",
    }
    assert loaded & (LATER | packages | optional) == set()


def test_what_actors_loads_later_is_there_when_it_is_named() -> None:
    loaded = modules_after("import actors; [getattr(actors, name) for name in actors.__all__]")
    assert loaded >= LATER


def test_all_of_actors_is_loaded_before_a_sandbox_needs_it() -> None:
    """A sandbox passes through what is loaded outside, and would load the rest again for each workflow."""
    loaded = modules_after(
        "from temporal_bridge._worker.sandbox import workflow_runner; workflow_runner(True)"
    )
    assert loaded >= LATER


def test_every_check_covers_the_three_packages() -> None:
    tool = PYPROJECT["tool"]
    assert tool["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)
    assert tool["pyright"]["include"] == list(PACKAGES)
    assert tool["importlinter"]["root_packages"] == list(PACKAGES)


def test_every_news_fragment_is_named_for_its_kind() -> None:
    fragments = {path.name for path in (ROOT / "newsfragments").iterdir()} - {".gitignore"}
    expected = re.compile(r"[a-z0-9][a-z0-9-]*\.(feature|bugfix|breaking|doc)\.md")
    assert [name for name in sorted(fragments) if not expected.fullmatch(name)] == []


def test_news_fragments_make_a_changelog() -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.0"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    assert "## 1.0" in made.stdout
    assert (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").count("<!-- releases -->\n") == 1
