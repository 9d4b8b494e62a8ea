"""The control socket of a node: who may use it, what it answers, and that nothing that comes in harms the node."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import actors
from actors import Error, Node
from actors._inspection.control_server import LONGEST
from actors._inspection.control_socket import directory, is_own_user, running
from tests.control import answer, ask, connected, socket_of

app = actors.Namespace("control")


@app.process
async def counter(first: int) -> int:
    total = first
    while True:
        message = await actors.inbox().receive()
        match message.topic:
            case "add":
                total += message.payload
            case "get":
                await actors.reply(message, total)
            case "stop":
                return total
            case _:
                raise Error(f"nobody asked for {message.topic}", kind="INVALID")


@pytest.fixture(autouse=True)
def runtime(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))
    yield short_path
    assert list((short_path / "everproc").glob("*")) == []


async def test_node_opens_no_socket_unless_it_is_asked_to(runtime: Path) -> None:
    async with Node("quiet"):
        assert running() == []


async def test_socket_and_its_directory_are_for_their_user_alone() -> None:
    async with Node("mine", control=True) as node:
        path = socket_of(node)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert [found.node for found in running()] == [node.name]


async def test_directory_that_others_could_enter_is_closed_to_them(runtime: Path) -> None:
    (runtime / "everproc").mkdir()
    (runtime / "everproc").chmod(0o777)
    async with Node("mine", control=True) as node:
        assert stat.S_IMODE(socket_of(node).parent.stat().st_mode) == 0o700


def test_directory_that_is_a_link_is_refused(runtime: Path) -> None:
    (runtime / "elsewhere").mkdir()
    (runtime / "everproc").symlink_to(runtime / "elsewhere")
    with pytest.raises(Error, match="cannot hold control sockets: expected a directory that belongs to user"):
        directory()
    (runtime / "everproc").unlink()
    (runtime / "everproc").mkdir()


@pytest.mark.parametrize("base", [None, "/nowhere/at/all"])
def test_without_a_runtime_directory_sockets_are_in_a_directory_of_the_user(
    base: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if base is None:
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert directory() == tmp_path / f"everproc-{os.getuid()}"


async def test_name_that_is_no_file_name_is_found_again() -> None:
    async with Node("a/b c", control=True) as node:
        assert (await ask(node, "node"))["name"] == node.name


async def test_name_too_long_for_a_socket_is_cut_in_its_path() -> None:
    async with Node("n" * 200, control=True), Node("n/" * 200, control=True) as node:
        for found in running():
            assert len(str(found.path)) <= 103
        (mine,) = [found for found in running() if found.is_of(node.name)]
        assert mine.is_of("n/" * 200)
        assert not mine.is_of("m")
        async with await trio.open_unix_socket(str(mine.path)) as stream:
            await stream.send_all(b'{"verb": "node"}\n')
            assert (await answer(stream))["result"]["name"] == node.name


async def test_directory_too_long_for_sockets_is_refused_before_anything_starts(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runtime / ("d" * 100)).mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime / ("d" * 100)))
    with pytest.raises(Error, match="is too long for the directory of control sockets: set XDG_RUNTIME_DIR"):
        async with Node("n", control=True):
            pass


async def test_control_that_is_no_flag_is_refused() -> None:
    with pytest.raises(Error, match="control='yes' is not valid: expected True or False"):
        Node("n", control="yes")  # type: ignore[arg-type]


async def test_socket_is_gone_when_the_block_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Node("failing", control=True):
            raise ZeroDivisionError


def test_socket_of_a_node_that_was_killed_is_removed_by_the_next_who_looks(runtime: Path) -> None:
    program = """
import trio, actors
async def main():
    async with actors.Node("doomed", control=True):
        print("open", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        assert len(running()) == 1
        child.send_signal(signal.SIGKILL)
    assert len(list((runtime / "everproc").iterdir())) == 1
    assert running() == []
    assert list((runtime / "everproc").iterdir()) == []


def test_peer_of_another_user_is_told_from_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert is_own_user(here)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert not is_own_user(here)


async def test_verbs_reach_processes_by_name_by_number_and_by_pid() -> None:
    async with Node("verbs", control=True) as node:
        spawned = await ask(node, "spawn", target="control:counter", args=[5], name="counter")
        pid = spawned["pid"]
        number = actors.PID.parse(pid).id
        for dest in ("counter", number, pid, pid.strip("{}")):
            assert await ask(node, "send", pid=dest, topic="add", payload=[1]) == {"pid": pid, "taken": True}
        assert await ask(node, "call", pid="counter", topic="get") == {"pid": pid, "answer": 9}
        (seen,) = (await ask(node, "processes"))["processes"]
        assert (seen["pid"], seen["entry"], seen["names"], seen["host"]) == (
            pid,
            "control:counter",
            ["counter"],
            "trio",
        )
        described = await ask(node, "describe", pid="counter")
        assert (described["handled"], described["status"]) == (5, "running")
        assert await ask(node, "cancel", pid="counter", deadline="5s") == {"pid": pid, "asked": True}
        while (await ask(node, "node"))["statistics"]["processes"]:
            pass
        assert await ask(node, "terminate", pid=pid) == {"pid": pid, "terminated": False}
        assert (await ask(node, "node"))["statistics"]["exits"] == {"cancelled": 1}


async def test_execute_answers_with_the_value() -> None:
    async with Node("verbs", control=True) as node:

        async def stop() -> None:
            while not await ask(node, "send", pid="2", topic="stop") or not node.statistics().exits:
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            await ask(node, "spawn", target="control:counter", args=[1])
            nursery.start_soon(stop)
            assert await ask(node, "spawn", target="control:counter", args=[7], execute=True) == {"value": 7}


BAD_REQUESTS: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"hello", "INVALID", "the request is not JSON"),
    "no text": (b"\xff\xfe\x00", "INVALID", "the request is not JSON"),
    "nested without end": (b"[" * 100_000, "INVALID", "the request is not JSON"),
    "no object": (b"[1]", "INVALID", "request=[1] is not valid: expected an object such as"),
    "no verb": (b"{}", "INVALID", "verb=None is not valid: expected one of node, processes"),
    "verb of no text": (b'{"verb": [1]}', "INVALID", "verb=[1] is not valid"),
    "unknown verb": (b'{"verb": "eval"}', "INVALID", "verb='eval' is not valid"),
    "no pid": (b'{"verb": "describe"}', "INVALID", "pid=None is not valid: expected a PID"),
    "bad pid": (b'{"verb": "describe", "pid": "{a@b"}', "NOT_FOUND", "pid='{a@b' is not here"),
    "worse pid": (b'{"verb": "describe", "pid": "{@|}"}', "INVALID", "is not valid"),
    "unknown name": (b'{"verb": "describe", "pid": "conter"}', "NOT_FOUND", "did you mean 'counter'?"),
    "dead pid": (b'{"verb": "describe", "pid": "{a.b@trio|7}"}', "NOT_FOUND", "{a.b@trio|7}"),
    "reserved topic": (b'{"verb": "send", "pid": "counter", "topic": "@x"}', "INVALID", "'@x'"),
    "topic of no text": (b'{"verb": "send", "pid": "counter", "topic": 7}', "INVALID", "topic=7"),
    "payload of no list": (
        b'{"verb": "send", "pid": "counter", "topic": "x", "payload": 7}',
        "INVALID",
        "payload=7 is not valid: expected a list",
    ),
    "bare timeout": (
        b'{"verb": "call", "pid": "counter", "topic": "get", "timeout": 5}',
        "INVALID",
        'for 5 seconds write "5s"',
    ),
    "unknown entry": (b'{"verb": "spawn", "target": "no:such"}', "NOT_FOUND", "entry='no:such' is not known"),
    "target of no text": (b'{"verb": "spawn", "target": 3}', "INVALID", "target=3"),
    "unknown host": (
        b'{"verb": "spawn", "target": "control:counter", "args": [5], "on": "moon"}',
        "NOT_FOUND",
        "host='moon' is not there",
    ),
    "bad context": (b'{"verb": "spawn", "target": "control:counter", "context": 1}', "INVALID", "context"),
    "bad options": (b'{"verb": "spawn", "target": "control:counter", "options": [1]}', "INVALID", "options"),
    "bad reason": (b'{"verb": "cancel", "pid": "counter", "reason": 1}', "INVALID", "reason=1"),
    "bad count": (b'{"verb": "log", "lines": "x"}', "INVALID", "lines='x' is not valid"),
    "bad limit": (b'{"verb": "processes", "elsewhere": -1}', "INVALID", "elsewhere=-1"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_bad_request_is_answered_with_what_was_expected_and_the_next_one_works(name: str) -> None:
    request, kind, text = BAD_REQUESTS[name]
    async with Node("bad", control=True) as node:
        await ask(node, "spawn", target="control:counter", args=[1], name="counter")
        async with connected(node) as stream:
            await stream.send_all(request + b"\n")
            error = (await answer(stream))["error"]
            assert error["kind"] == kind
            assert text in error["message"]
            await stream.send_all(b'{"verb": "call", "pid": "counter", "topic": "get"}\n')
            assert (await answer(stream))["result"]["answer"] == 1


async def test_line_without_end_is_refused_and_the_connection_closed() -> None:
    async with Node("bad", control=True) as node, connected(node) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * (LONGEST * 2))
        assert "too long" in (await answer(stream))["error"]["message"]
        assert (await ask(node, "node"))["name"] == node.name


async def test_requests_that_come_at_once_are_answered_in_order() -> None:
    async with Node("bad", control=True) as node, connected(node) as stream:
        await stream.send_all(b'{"verb": "node"}\nnonsense\n{"verb": "node"}\n')
        answers = [await answer(stream) for _ in range(3)]
        assert ["error" in found for found in answers] == [False, True, False]


async def test_peer_that_hangs_up_in_the_middle_leaves_the_node_well() -> None:
    async with Node("bad", control=True) as node:
        for request in (b'{"verb"', b'{"verb": "node"}\n' * 50, b'{"verb": "log", "follow": true}\n', b""):
            async with connected(node) as stream:
                await stream.send_all(request)
        assert (await ask(node, "node"))["name"] == node.name


async def test_payload_that_json_cannot_hold_is_shown() -> None:
    async with Node("plain", control=True) as node:

        async def answering() -> None:
            message = await actors.inbox().receive()
            await actors.reply(
                message, {actors.self_pid(): {1}, "e": Error("bad", kind="CONFLICT"), "o": print}
            )

        pid = await node.spawn(answering)
        found: Any = await ask(node, "call", pid=str(pid), topic="ask")
        assert found["answer"] == {
            str(pid): [1],
            "e": {"kind": "CONFLICT", "message": "bad", "details": {}},
            "o": repr(print),
        }


async def test_log_gives_the_last_records_and_then_each_new_one() -> None:
    log = logging.getLogger("everproc.test")
    async with Node("logs", control=True) as node:
        log.warning("first")
        log.warning("second %s", "of two", extra={"pid": actors.PID("n", "trio", "1")})
        records = await ask(node, "log", lines=1)
        assert [record["message"] for record in records] == ["second of two"]
        assert (records[0]["level"], records[0]["pid"]) == ("WARNING", "{n@trio|1}")
        async with connected(node) as stream:
            await stream.send_all(json.dumps({"verb": "log", "lines": 1, "follow": True}).encode() + b"\n")
            assert (await answer(stream))["item"]["message"] == "second of two"
            await trio.to_thread.run_sync(log.warning, "from a thread")
            assert (await answer(stream))["item"]["message"] == "from a thread"


async def test_node_of_another_program_in_this_directory_is_its_own() -> None:
    async with Node("one", control=True) as one, Node("two", control=True) as two:
        assert sorted(found.node for found in running()) == sorted((one.name, two.name))
        assert (await ask(two, "node"))["name"] == two.name
