"""The embedded server: the real `temporal` program, started and stopped."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import mmap
import os
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from actors import CONFLICT, INVALID, UNAVAILABLE, Error
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import connect
from temporal_bridge._client.temporal_client import TemporalClient
from temporal_bridge.devserver import server as _embedded
from temporal_bridge.devserver.directory import lock_directory
from temporal_bridge.devserver.program import find_temporal
from temporal_bridge.devserver.server import DYNAMIC_CONFIG, EmbeddedServer

ROOT = Path(__file__).parent.parent
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, or a signal of Linux only")


async def client_of(portal: Portal, server: EmbeddedServer, namespace: str = "default") -> Client:
    return await portal.call(connect, TemporalClient(server.address, namespace=namespace))


def is_alive(pid: int | None) -> bool:
    assert pid is not None
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def programs_in(directory: Path) -> list[int]:
    """The processes whose command line speaks of `directory`."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes() and int(path.parent.name) != os.getpid():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return [pid for pid in found if is_alive(pid)]


def start(*command: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, **options)


@contextmanager
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> Generator[Path, None, None]:
    """A `temporal` on PATH that is `script` instead."""
    path = tmp_path / "bin" / "temporal"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
        yield path


# A server.


def test_a_client_can_work_with_the_server_at_its_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with EmbeddedServer(tmp_path, database=False) as server, Portal() as portal:
            client = await client_of(portal, server)
            handle = await portal.call(
                partial(client.start_workflow, "some-type", id="some-id", task_queue="nobody-listens")
            )
            assert handle.id == "some-id"

    trio.run(main)


def test_workflows_survive_a_restart_of_the_server(tmp_path: Path) -> None:
    async def main() -> None:
        async with Portal() as portal:
            async with EmbeddedServer(tmp_path) as server:
                client = await client_of(portal, server)
                await portal.call(
                    partial(client.start_workflow, "some-type", id="some-id", task_queue="nobody")
                )
            async with EmbeddedServer(tmp_path) as server:
                client = await client_of(portal, server)
                described = await portal.call(client.get_workflow_handle("some-id").describe)
                assert described.workflow_type == "some-type"

    trio.run(main)


def test_a_server_in_memory_leaves_no_file_and_no_process() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server:
            assert server.log_path.exists()
            assert [path.name for path in server.directory.iterdir()] == ["temporal.log"]
            pid = server.pid
        assert not server.directory.exists()
        assert not is_alive(pid)

    trio.run(main)


@on_linux
def test_after_the_block_there_is_no_process_no_socket_and_no_lock(tmp_path: Path) -> None:
    async def main() -> None:
        async with EmbeddedServer(tmp_path, ui=True) as server:
            assert listens(server.address)
            assert len(programs_in(tmp_path)) == 1
            assert (tmp_path / "temporal.lock").exists()
        assert programs_in(tmp_path) == []
        assert not listens(server.address)
        assert not (tmp_path / "temporal.lock").exists()

    trio.run(main)


def test_without_a_directory_the_database_is_in_dot_everproc_which_git_ignores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        async with EmbeddedServer() as server:
            assert server.directory == tmp_path / ".everproc"

    trio.run(main)
    assert {path.name for path in (tmp_path / ".everproc").iterdir()} == {
        ".gitignore", "temporal.db", "temporal.log"
    }  # fmt: skip
    assert (tmp_path / ".everproc" / ".gitignore").read_text() == "*\n"


def test_the_log_of_the_run_before_is_kept_once(tmp_path: Path) -> None:
    (tmp_path / "temporal.log").write_text("from before")

    async def main() -> None:
        async with EmbeddedServer(tmp_path, database=False) as server:
            assert (tmp_path / "temporal.log.old").read_text() == "from before"
            assert "from before" not in server.log_path.read_text()

    trio.run(main)


def test_the_ui_is_served_when_asked_for() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False, ui=True) as server:
            url = server.ui_address
            assert url is not None
            assert await trio.to_thread.run_sync(lambda: urllib.request.urlopen(url).status) == 200
        async with EmbeddedServer(database=False) as server:
            assert server.ui_address is None

    trio.run(main)


def test_a_namespace_that_is_missing_is_made_also_in_a_database_that_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        for namespace in ("first", "second", "first"):
            async with EmbeddedServer(tmp_path, namespace=namespace) as server, Portal() as portal:
                client = await client_of(portal, server, namespace)
                assert client.namespace == namespace

    trio.run(main)


def attributes_in(portal: Portal, client: Client) -> Any:
    from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest

    request = ListSearchAttributesRequest(namespace=client.namespace)
    return portal.call(partial(client.operator_service.list_search_attributes, request))


def test_search_attributes_are_there_when_the_server_is() -> None:
    async def main() -> None:
        attributes = {"Customer": "Keyword", "Amount": "Double"}
        async with (
            EmbeddedServer(database=False, namespace="orders", search_attributes=attributes) as server,
            Portal() as portal,
        ):
            found = await attributes_in(portal, await client_of(portal, server, "orders"))
            assert set(found.custom_attributes) == {"Customer", "Amount"}

    trio.run(main)


def test_search_attributes_are_added_to_a_database_that_is_there_but_never_changed(tmp_path: Path) -> None:
    async def main() -> None:
        async with EmbeddedServer(tmp_path, search_attributes={"Customer": "Keyword"}):
            pass
        both = {"Customer": "Keyword", "Amount": "Double"}
        async with EmbeddedServer(tmp_path, search_attributes=both) as server, Portal() as portal:
            found = await attributes_in(portal, await client_of(portal, server))
            assert set(found.custom_attributes) == {"Customer", "Amount"}
        with pytest.raises(Error, match="Customer already exists and has different type Keyword") as caught:
            await EmbeddedServer(tmp_path, search_attributes={"Customer": "Int"}).__aenter__()
        assert caught.value.kind == CONFLICT

    trio.run(main)
    assert programs_in(tmp_path) == []


@on_linux
def test_the_server_runs_with_the_settings_that_make_it_fast_and_knows_each_of_them() -> None:
    arguments: list[bytes] = []

    def look(pid: int | None) -> None:
        arguments.extend(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))

    async def main() -> None:
        async with EmbeddedServer(database=False) as server:
            look(server.pid)

    trio.run(main)
    settings = {f"--dynamic-config-value={key}={value}".encode() for key, value in DYNAMIC_CONFIG.items()}
    assert settings <= set(arguments)
    # The server passes over a key that it does not know, without a word. So look for the names in the program itself.
    with (
        Path(trio.run(find_temporal)).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text,
    ):
        names = [key.split(".")[1].lower().encode() for key in DYNAMIC_CONFIG]
        content = text[:].lower()
        assert [name for name in names if name not in content] == []


def test_settings_of_the_temporal_command_do_not_reach_the_embedded_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "elsewhere.invalid:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "elsewhere")
    monkeypatch.setenv("TEMPORAL_TLS", "true")

    async def main() -> None:
        async with EmbeddedServer(tmp_path, search_attributes={"Customer": "Keyword"}) as server:
            assert listens(server.address)

    trio.run(main)


def test_the_server_is_in_a_session_of_its_own_so_a_ctrl_c_in_the_terminal_does_not_reach_it() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server:
            assert server.pid is not None
            assert os.getsid(server.pid) == server.pid

    trio.run(main)


# Several servers.


def test_several_servers_run_side_by_side(tmp_path: Path) -> None:
    async def main() -> None:
        addresses: set[str] = set()

        async def one(directory: Path) -> None:
            async with EmbeddedServer(directory, database=directory.name != "2") as server:
                assert listens(server.address)
                addresses.add(server.address)

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(one, tmp_path / str(number))
        assert len(addresses) == 4

    trio.run(main)


def test_a_second_server_on_one_directory_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with EmbeddedServer(tmp_path) as server:
            with pytest.raises(Error) as caught:
                await EmbeddedServer(tmp_path).__aenter__()
            assert caught.value.kind == CONFLICT
            assert f"directory={str(tmp_path)!r} is in use" in str(caught.value)
            assert f"pid={os.getpid()} server_pid={server.pid} address={server.address!r}" in str(
                caught.value
            )
            assert "choose another directory" in str(caught.value)
            assert listens(server.address)
        async with EmbeddedServer(tmp_path):
            pass

    trio.run(main)


def test_a_lock_file_that_nobody_holds_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "temporal.lock").write_text("left over, and not even JSON")

    async def main() -> None:
        async with EmbeddedServer(tmp_path):
            pass

    trio.run(main)


HOLDER = """
import sys, trio
from temporal_bridge.devserver.server import EmbeddedServer

async def main():
    async with EmbeddedServer(sys.argv[1]) as server:
        print(server.pid, server.address, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


@on_linux
def test_when_our_process_is_killed_the_server_dies_too_and_the_directory_is_free_at_once(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        with start(sys.executable, "-c", HOLDER, tmp_path, stdout=subprocess.PIPE, cwd=ROOT) as parent:
            assert parent.stdout is not None
            line = await trio.to_thread.run_sync(parent.stdout.readline)
            pid, address = line.decode().split()
            with pytest.raises(Error, match=f"pid={parent.pid} server_pid={pid} address='{address}'"):
                await EmbeddedServer(tmp_path).__aenter__()
            parent.kill()
        async with EmbeddedServer(tmp_path) as server:
            assert not is_alive(int(pid))
            assert listens(server.address)

    trio.run(main)


@on_linux
def test_a_server_that_outlived_its_parent_still_keeps_others_from_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_embedded, "_STOP_PATIENCE", 0.05)

    async def main() -> None:
        lock = await lock_directory(tmp_path, 0.05)
        with start("sleep", "60", pass_fds=[lock.fd]) as orphan:
            gone = start("true")
            gone.wait()
            os.ftruncate(lock.fd, 0)
            os.pwrite(lock.fd, json.dumps({"pid": gone.pid, "server_pid": orphan.pid}).encode(), 0)
            os.close(lock.fd)
            with pytest.raises(Error, match=f"in use .* server_pid={orphan.pid}") as caught:
                await EmbeddedServer(tmp_path).__aenter__()
            assert caught.value.kind == CONFLICT
            orphan.kill()
        async with EmbeddedServer(tmp_path):
            pass

    trio.run(main)


# Cancellation, and servers that do not behave.


@on_linux
@pytest.mark.parametrize("seconds", [0, 0.005, 0.02, 0.1])
def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path, seconds: float) -> None:
    async def main() -> None:
        with trio.move_on_after(seconds) as scope:
            async with EmbeddedServer(tmp_path):
                await trio.sleep_forever()
        assert scope.cancelled_caught

    trio.run(main)
    assert programs_in(tmp_path) == []
    assert not (tmp_path / "temporal.lock").exists()


@on_linux
def test_a_cancelled_block_still_stops_the_server_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        with trio.CancelScope() as scope:
            async with EmbeddedServer(tmp_path):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught

    trio.run(main)
    assert programs_in(tmp_path) == []
    assert not (tmp_path / "temporal.lock").exists()


def test_an_exception_of_the_block_comes_out_as_it_is() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False):
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        trio.run(main)


def test_watch_tells_when_the_server_dies_by_itself() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server:
            errors: list[Error] = []

            async def watcher() -> None:
                try:
                    await server.watch()
                except Error as error:
                    errors.append(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watcher)
                nursery.start_soon(watcher)
                await trio.testing.wait_all_tasks_blocked()
                assert server.pid is not None
                os.kill(server.pid, 9)
            assert [error.kind for error in errors] == [UNAVAILABLE] * 2
            assert "ended by itself" in str(errors[0])
            assert "returncode=-9" in str(errors[0])
            assert str(server.log_path) in str(errors[0])

    trio.run(main)


def test_a_port_that_another_program_took_in_the_meantime_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = _embedded._ports
    offered: list[list[int]] = []

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:

            @contextmanager
            def ports_with_one_taken(*wanted: int | None) -> Generator[list[int], None, None]:
                with original(*wanted) as ports:
                    if not offered:
                        ports[0] = taken.getsockname()[1]
                    offered.append(ports)
                    yield ports

            monkeypatch.setattr(_embedded, "_ports", ports_with_one_taken)
            async with EmbeddedServer(tmp_path, database=False) as server:
                assert server.address == f"127.0.0.1:{offered[1][0]}"
        assert len(offered) == 2

    trio.run(main)


def test_a_program_that_fails_is_shown_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        with pytest.raises(Error) as caught:
            await EmbeddedServer(tmp_path).__aenter__()
        message = str(caught.value)
        assert caught.value.kind == UNAVAILABLE
        assert f"ended while starting: program={str(fake)!r} returncode=3" in message
        assert f"log_path={str(tmp_path / 'temporal.log')!r}" in message
        assert "Error: unknown flag" in message

    with program(monkeypatch, tmp_path, "echo Error: unknown flag >&2; exit 3") as fake:
        trio.run(main)
    assert not (tmp_path / "temporal.lock").exists()


@on_linux
def test_a_program_that_never_answers_is_ended_at_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with pytest.raises(Error, match=r"did not answer within 0\.05 s") as caught:
            await EmbeddedServer(tmp_path, start_timeout="50ms").__aenter__()
        assert caught.value.kind == UNAVAILABLE

    with program(monkeypatch, tmp_path, "exec sleep 60"):
        trio.run(main)
    assert programs_in(tmp_path) == []


@on_linux
def test_a_program_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def always(*_: object) -> bool:
        return True

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(_embedded, "_STOP_PATIENCE", 0.05)
    monkeypatch.setattr(_embedded, "_answers", always)
    script = tmp_path / "stubborn.py"
    script.write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "time.sleep(60)\n"
    )

    async def main() -> None:
        async with EmbeddedServer(tmp_path) as server:
            with trio.fail_after(20):
                while not (tmp_path / "ready").exists():  # noqa: ASYNC110  a stranger's file sends no event
                    await trio.sleep(0.01)
        assert not is_alive(server.pid)

    with program(monkeypatch, tmp_path, f"exec {sys.executable} {script}"):
        trio.run(main)
    assert "takes long to stop, and is killed" in caplog.text


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        with pytest.raises(Error, match=r"file/everproc' cannot hold .*: Not a directory") as caught:
            await EmbeddedServer(tmp_path / "file" / "everproc").__aenter__()
        assert caught.value.kind == INVALID

    trio.run(main)


def test_a_server_is_entered_once() -> None:
    async def main() -> None:
        server = EmbeddedServer(database=False)
        async with server:
            pass
        with pytest.raises(Error, match="entered once") as caught:
            await server.__aenter__()
        assert caught.value.kind == CONFLICT

    trio.run(main)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"directory": 3}, "directory=3"),
        ({"namespace": ""}, "namespace=''"),
        ({"namespace": None}, "namespace=None"),
        ({"port": 0}, "port=0"),
        ({"port": "7233"}, "port='7233'"),
        ({"ui": True, "ui_port": 65536}, "ui_port=65536"),
        ({"ui_port": 8233}, "ui_port=8233"),
        ({"port": 7233, "ui": True, "ui_port": 7233}, "ui_port=7233"),
        ({"search_attributes": {"Customer": "String"}}, r"search_attributes\['Customer'\]='String'"),
        ({"search_attributes": {"not a name": "Int"}}, "search_attributes='not a name'"),
        ({"start_timeout": 30}, "start_timeout=30"),
    ],
)
def test_a_bad_argument_is_named_at_construction(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(Error, match=named) as caught:
        EmbeddedServer(**arguments)
    assert caught.value.kind == INVALID


# The program.


def test_a_temporal_on_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with program(monkeypatch, tmp_path, "exit 0") as path:
        assert trio.run(find_temporal) == str(path)


def test_without_it_the_one_in_the_wheel_is_used_also_when_its_directory_is_not_on_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    found = Path(trio.run(find_temporal))
    assert found.name.startswith("temporal")
    assert os.access(found, os.X_OK)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No `temporal` on PATH, none in a wheel, and an empty cache for downloads."""

    def no_files(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.metadata, "files", no_files)
    return tmp_path / "everproc"


def test_without_both_it_is_downloaded_once_as_the_sdk_does(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[str] = []

    class Started:
        async def shutdown(self) -> None:
            downloads.append("stopped")

    async def start_local(*, download_dest_dir: str, runtime: object) -> Started:
        del runtime
        downloads.append(download_dest_dir)
        (Path(download_dest_dir) / "temporal-sdk-python-1.35.0").touch(mode=0o755)
        (Path(download_dest_dir) / "temporal-sdk-python-1.36.0.downloading").touch()
        return Started()

    monkeypatch.setattr(WorkflowEnvironment, "start_local", start_local)
    expected = str(nowhere / "temporal-sdk-python-1.35.0")
    assert trio.run(find_temporal) == expected
    assert trio.run(find_temporal) == expected
    assert downloads == [str(nowhere), "stopped"]


@pytest.mark.usefixtures("nowhere")
def test_without_any_the_error_names_the_three_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def start_local(**_: object) -> None:
        raise RuntimeError("error sending request")

    monkeypatch.setattr(WorkflowEnvironment, "start_local", start_local)

    async def main() -> None:
        with pytest.raises(Error) as caught:
            async with EmbeddedServer(database=False):
                pass
        assert caught.value.kind == UNAVAILABLE
        for words in (
            "error sending request",
            "on PATH",
            'pip install "everproc[embedded]"',
            "TemporalClient(",
        ):
            assert words in str(caught.value)

    trio.run(main)
