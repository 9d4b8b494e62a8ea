"""The command `everproc`, run as users run it, on real nodes and a real Temporal server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.cli._main import run
from tests.commands import COMMAND, Shell, environment, until

COMMANDS = [
    *(
        "new",
        "demo",
        "run",
        "check",
        "ps",
        "tree",
        "top",
        "describe",
        "logs",
        "send",
        "call",
        "spawn",
        "cancel",
    ),
    *("terminate", "completion", "server", "replay"),
]

ENTRIES = '''
"""Processes to look at and to act on."""
import actors

app = actors.Namespace("app")

@app.process
async def counter(first=0):
    await actors.names.register("counter")
    total = first
    async for message in actors.inbox():
        match message.topic:
            case "add":
                total += message.payload
            case "get":
                await actors.reply(message, total)
            case "context":
                await actors.reply(message, actors.context.all())

@app.process
async def double(number):
    return {"double": 2 * number}

@app.process
async def fails():
    raise actors.Error("the port is taken", kind=actors.CONFLICT)

async def main(number=1):
    await actors.spawn(counter, number)
    return await actors.execute(double, number)

async def for_ever():
    await actors.spawn(counter)
    await actors.events().receive()
    print("asked to stop", flush=True)

async def breaks():
    await actors.execute(fails)
'''


@pytest.fixture
def shell(tmp_path: Path, short_path: Path) -> Shell:
    (tmp_path / "entries.py").write_text(ENTRIES)
    return Shell(tmp_path, environment(short_path))


@pytest.fixture
def here(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """For commands that are run in this very program: it takes a second to start one."""
    monkeypatch.chdir(shell.directory)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "argv", ["everproc"])
    for name in ("XDG_RUNTIME_DIR", "COLUMNS"):
        monkeypatch.setenv(name, shell.environment[name])
    return shell


@pytest.fixture
def counting(shell: Shell) -> Iterator[Shell]:
    """A shell next to a node with a counter."""
    with shell.running("run", "entries:for_ever", "--name", "counting") as program:
        until(lambda: True if shell.run("describe", "counter").returncode == 0 else None)
        yield shell
        program.terminate()
        assert program.wait() == 0, shell.log()
    assert shell.sockets() == []


# Looking and acting


def test_processes_are_listed_described_and_shown_as_a_tree(counting: Shell) -> None:
    listed = counting.json("ps")
    assert [process["entry"] for process in listed["processes"]] == ["entries:for_ever", "app:counter"]
    lines = counting.run("ps").stdout.splitlines()
    assert lines[0].split() == ["PID", "PROCESS", "NAME", "STATUS", "MAILBOX", "HANDLED", "AGE"]
    assert lines[2].split()[1:5] == ["app:counter", "counter", "running", "0"]
    assert "└── entries:for_ever" in counting.run("tree").stdout
    nested = counting.json("tree")["tree"]
    assert [child["names"] for child in nested[0]["children"]] == [["counter"]]
    described = counting.json("describe", "counter")
    assert (described["parent"], described["status"]) == (nested[0]["pid"], "running")
    shown = counting.run("describe", "counter").stdout
    assert "entries.py" in shown
    assert "label" not in shown, "what is empty is left out"
    assert all(line == line.rstrip() for line in shown.splitlines())


def test_messages_are_sent_and_answered(counting: Shell) -> None:
    pid = counting.json("describe", "counter")["pid"]
    assert counting.run("send", "counter", "add", "5").stdout == f"sent to {pid}\n"
    assert counting.json("send", pid, "add", "-2")["taken"] is True
    assert counting.run("call", "counter", "get").stdout == "3\n"
    assert counting.json("call", pid.strip("{}"), "get", "--timeout", "2s") == {"pid": pid, "answer": 3}


def test_processes_are_spawned_cancelled_and_terminated(counting: Shell) -> None:
    value = counting.run("spawn", "app:double", "21", "--wait")
    assert json.loads(value.stdout) == {"double": 42}
    pid = counting.run("spawn", "app:double", "1", "--on", "green").stdout.strip()
    assert "@green|" in pid
    assert counting.json("terminate", "counter")["terminated"] is True
    assert counting.run("terminate", "counter").returncode == 1
    again = counting.json("spawn", "app:counter", "7", "--context", '{"user": "Ada"}')["pid"]
    until(lambda: True if counting.run("describe", "counter").returncode == 0 else None)
    assert counting.json("call", "counter", "context")["answer"] == {"user": "Ada"}
    assert counting.json("cancel", again, "--deadline", "5s", "--reason", "closing time")["asked"] is True
    gone = counting.run("cancel", again)
    assert (gone.returncode, gone.stderr) == (1, f"error: process {again} does not exist any more\n")


def test_top_shows_who_handles_most(counting: Shell) -> None:
    frames = counting.run("top", "--count", "2", "--interval", "50ms", "--json").stdout.splitlines()
    assert [len(json.loads(frame)["processes"]) for frame in frames] == [2, 2]
    assert "MSG/S" in counting.run("top", "--count", "1").stdout


def test_log_is_shown_and_followed(counting: Shell) -> None:
    assert counting.run("spawn", "app:fails").returncode == 0
    record = until(lambda: next(iter(counting.run("logs", "--json").stdout.splitlines()), None))
    assert "the port is taken" in json.loads(record)["message"]
    assert "ERROR" in counting.run("logs", "-n", "1").stdout
    with counting.running("logs", "--follow", "--lines", "0", "--json") as following:
        assert following.stdout is not None

        def failed_again() -> str | None:
            counting.run("spawn", "app:fails")
            return "yes"

        until(failed_again)
        os.set_blocking(following.stdout.fileno(), False)

        def line() -> str | None:
            counting.run("spawn", "app:fails")
            assert following.stdout is not None
            return following.stdout.readline() or None

        assert "the port is taken" in json.loads(until(line))["message"]


def test_error_of_a_node_is_told_with_its_kind_as_json(counting: Shell) -> None:
    done = counting.run("spawn", "app:nothing", "--json")
    error = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout, error["kind"]) == (1, "", "NOT_FOUND")
    assert "entry='app:nothing' is not known" in error["message"]


def test_several_nodes_ask_for_the_one_that_is_meant(counting: Shell) -> None:
    with counting.running("run", "entries:for_ever", "--name", "second") as program:
        until(lambda: True if counting.run("ps", "--node", "second").returncode == 0 else None)
        done = counting.run("ps")
        assert done.returncode == 2
        assert "several nodes run: say which with --node NAME, one of counting." in done.stderr
        assert counting.run("ps", "--node", "counting").returncode == 0
        second = Shell(counting.directory, {**counting.environment, "EVERPROC_NODE": "second"})
        assert second.json("ps")["node"]["name"].startswith("second.")
        absent = counting.run("ps", "--node", "third")
        assert (absent.returncode, "node='third' does not run" in absent.stderr) == (3, True)
        program.terminate()
        assert program.wait() == 0


def test_no_node_is_said_with_what_to_do(shell: Shell) -> None:
    done = shell.run("ps")
    assert done.returncode == 3
    assert "no node runs here: start one with `everproc run`" in done.stderr


def test_words_are_completed(counting: Shell) -> None:
    def completed(*words: str) -> list[str]:
        asking = {
            "_EVERPROC_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        done = Shell(counting.directory, {**counting.environment, **asking}).run()
        return [line.partition(",")[2] for line in done.stdout.splitlines()]

    assert completed("everproc", "de") == ["demo", "describe"]
    assert completed("everproc", "describe", "cou") == ["counter"]
    assert completed("everproc", "ps", "--no") == ["--node"]
    assert completed("everproc", "ps", "--node", "coun")[0].startswith("counting.")
    for name in ("bash", "zsh", "fish"):
        assert "_EVERPROC_COMPLETE" in counting.run("completion", name).stdout


# Running


def test_main_function_ends_the_program_with_its_value(shell: Shell) -> None:
    done = shell.run("run", "entries:main", "4")
    assert (done.returncode, done.stdout) == (0, "{'double': 8}\n")
    assert shell.json("run", "entries:main", "4", "--log-level", "error") == {"double": 8}
    assert shell.sockets() == []


def test_main_function_that_fails_fails_the_program(shell: Shell) -> None:
    done = shell.run("run", "entries:breaks")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "error: the port is taken")
    assert shell.sockets() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_program_in_order(shell: Shell, number: signal.Signals) -> None:
    with shell.running("run", "entries:for_ever") as program:
        until(lambda: True if shell.run("describe", "counter").returncode == 0 else None)
        program.send_signal(number)
        output, _ = program.communicate()
        assert (program.returncode, output) == (0, "asked to stop\n")
    assert shell.sockets() == []


def test_second_signal_does_not_wait(shell: Shell) -> None:
    (shell.directory / "stubborn.py").write_text(
        "import actors\n"
        "async def main():\n"
        "    await actors.names.register('stubborn')\n"
        "    async for event in actors.events():\n"
        "        print('not yet', flush=True)\n"
    )
    (shell.directory / "everproc.toml").write_text(
        '[node]\nshutdown_timeout = "1h"\n[entries.stubborn]\nkind = "service"\nsource = "stubborn:main"\n'
        '[entries.stubborn.lifecycle]\nstop_timeout = "infinity"\n'
    )
    with shell.running("run") as program:
        until(lambda: True if shell.run("describe", "stubborn").returncode == 0 else None)
        program.send_signal(signal.SIGINT)
        assert program.stdout is not None
        assert program.stdout.readline() == "not yet\n"
        program.send_signal(signal.SIGINT)
        program.wait()
    assert shell.sockets() == []


@pytest.mark.parametrize(
    ("command", "imported"),
    [
        ([str(COMMAND), "run"], "click"),
        ([sys.executable, "-m", "actors.cli", "server"], "rich"),
        ([sys.executable, "-m", "temporal_bridge.replay"], "temporalio"),
        ([sys.executable, "-m", "examples.orders"], "trio"),
        ([sys.executable, "-m", "benchmarks"], "attrs"),
    ],
    ids=["everproc", "-m actors.cli", "replay", "orders", "benchmarks"],
)
def test_ctrl_c_while_a_program_imports_ends_it_without_a_word(
    shell: Shell, command: list[str], imported: str
) -> None:
    (shell.directory / f"{imported}.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    )
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent.parent,
        env={**shell.environment, "PYTHONPATH": str(shell.directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_service_that_cannot_start_fails_the_program(shell: Shell) -> None:
    (shell.directory / "everproc.toml").write_text(
        '[entries.web]\nkind = "service"\nsource = "entries:fails"\n[entries.web.lifecycle]\nmax_restarts = 0\n'
    )
    done = shell.run("run")
    assert done.returncode == 1
    assert "the port is taken" in done.stderr
    assert shell.sockets() == []


def test_services_start_in_the_order_of_what_they_require(shell: Shell) -> None:
    (shell.directory / "services.py").write_text(
        "import actors\nfrom supervision import Server, ready\n"
        "async def service(name, after):\n"
        "    print(name, 'starts', flush=True)\n"
        "    await ready()\n"
        "    await actors.events().receive()\n"
        "    print(name, 'stops', flush=True)\n"
        "class Idle(Server):\n"
        "    pass\n"
    )
    entry = '[entries.{0}]\nkind = "service"\nsource = "services:service"\nargs = ["{0}", {1}]\nwait_ready = true\n'
    manifest = entry.format("web", 1) + '[entries.web.lifecycle]\nrequires = ["db"]\n'
    manifest += entry.format("db", 2) + "[entries.db.lifecycle]\nauto_start = false\n"
    manifest += entry.format("spare", 3) + "[entries.spare.lifecycle]\nauto_start = false\n"
    (shell.directory / "everproc.toml").write_text(manifest)
    with shell.running("run") as program:
        assert program.stdout is not None
        assert [program.stdout.readline() for _ in range(2)] == ["db starts\n", "web starts\n"]
        until(lambda: True if shell.run("ps").returncode == 0 else None)
        program.terminate()
        assert program.communicate()[0] == "web stops\ndb stops\n"
        assert program.returncode == 0


def test_program_runs_again_when_a_file_has_changed_and_stops_with_its_reloader(shell: Shell) -> None:
    source = shell.directory / "changing.py"
    text = (
        "import actors\nasync def main():\n    print({!r}, flush=True)\n    await actors.events().receive()\n"
    )
    source.write_text(text.format("first"))
    with shell.running("run", "changing:main", "--reload") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "first\n"
        source.write_text("this is no Python")
        until(lambda: True if "it runs again when a file has changed" in shell.log() else None)
        source.write_text(text.format("mended"))
        assert program.stdout.readline() == "mended\n"
        until(lambda: True if shell.run("ps").returncode == 0 else None)
        program.terminate()
        assert program.wait() == 0, shell.log()
    assert shell.sockets() == []


def test_child_of_a_reloader_that_is_killed_stops_too(shell: Shell) -> None:
    with shell.running("run", "entries:for_ever", "--reload") as program:
        until(lambda: True if shell.run("describe", "counter").returncode == 0 else None)
        program.kill()
    until(lambda: True if shell.run("ps").returncode == 3 else None)


# From nothing to a durable order


@pytest.fixture
def project(shell: Shell) -> Shell:
    made = shell.run("new", "my-shop")
    assert made.returncode == 0, made.stderr
    return Shell(shell.directory / "my-shop", shell.environment)


def test_new_project_is_right_tested_and_runs(project: Shell) -> None:
    checked = project.json("check")["findings"]
    assert [(finding["what"], finding["ok"]) for finding in checked] == [
        ("manifest", True),
        ("connection", True),
        ("determinism of app:order", True),
    ]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=project.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in tested.stdout, tested.stdout
    with project.running("run") as program:
        until(lambda: True if project.run("describe", "clerk").returncode == 0 else None)
        order = project.json("call", "clerk", "place", '"Ada"', "900")["answer"]
        assert order == "{default@temporal|order-ada}"
        assert "app:order" in until(lambda: _listed(project, order))["entry"]
        assert project.json("describe", order)["status"] == "running"
        shown = project.run("tree").stdout
        assert shown.index("my_shop.clerk:clerk") < shown.index("app:order")
        assert project.run("send", order, "approve").returncode == 0
        until(lambda: True if "order-ada: Ada has paid 900" in project.run("logs").stdout else None)
        program.send_signal(signal.SIGINT)
        assert program.wait() == 0, project.log()
    assert project.sockets() == []


def _listed(shell: Shell, pid: str) -> Any:
    found = [process for process in shell.json("ps")["processes"] if process["pid"] == pid]
    return found[0] if found and found[0]["parent"] is not None else None


def test_project_runs_on_a_server_that_the_command_line_names(project: Shell, temporal_address: str) -> None:
    assert project.json("check", "--address", temporal_address)["findings"][1]["message"].startswith(
        "connected to"
    )
    with project.running("run", "--address", temporal_address) as program:
        until(lambda: True if project.run("describe", "clerk").returncode == 0 else None)
        order = project.json("spawn", "app:order", '"Eve"', "1", "--name", "order-of-a-command")["pid"]
        assert project.run("terminate", order, "--reason", "a test").returncode == 0
        until(lambda: True if project.json("describe", order)["status"] == "terminated" else None)
        program.terminate()
        assert program.wait() == 0, project.log()
    assert not (project.directory / ".everproc").exists()


def test_check_tells_of_a_server_that_is_not_there_and_of_what_does_not_replay(project: Shell) -> None:
    orders = project.directory / "my_shop" / "orders.py"
    orders.write_text(
        orders.read_text().replace("approved = actors", "import time; time.time(); approved = actors")
    )
    done = project.run("check", "--address", "127.0.0.1:1", "--json")
    assert done.returncode == 1
    _, connection, determinism = json.loads(done.stdout)["findings"]
    assert (connection["ok"], "no connection to Temporal" in connection["message"]) == (False, True)
    assert determinism["ok"] is False
    assert "orders.py:20: time.time may not be used in a durable process" in determinism["message"]


def test_project_is_not_written_over_another(project: Shell) -> None:
    done = Shell(project.directory.parent, project.environment).run("new", "my-shop")
    assert done.returncode == 1
    assert "is there already, and not empty" in done.stderr


def test_demo_shows_an_order_that_outlives_its_program(shell: Shell) -> None:
    done = shell.run("demo")
    assert done.returncode == 0, done.stderr
    assert "now the program is killed" in done.stdout
    assert "the clerk says: order-ada: Ada has paid 900" in done.stdout
    assert shell.sockets() == []


def test_server_runs_until_it_is_stopped(shell: Shell) -> None:
    with shell.running("server", "--in-memory", "--json", "--search-attribute", "customer=Keyword") as server:
        assert server.stdout is not None
        facts = json.loads(server.stdout.readline())
        assert facts["ui"].startswith("http://127.0.0.1:")
        checked = shell.json("check", "entries", "--address", facts["address"])
        assert checked["findings"][1]["ok"]
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0


def test_server_listens_at_the_ports_that_are_said_and_says_which_is_taken(shell: Shell) -> None:
    with ExitStack() as stack:
        free = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(2)
        ]
        taken = shell.run("server", "--in-memory", "--port", str(free[0]))
        assert taken.returncode == 1
        assert f"port={free[0]} of 127.0.0.1 cannot be used: Address already in use" in taken.stderr
    ports = ["--port", str(free[0]), "--ui-port", str(free[1])]
    with shell.running("server", "--in-memory", "--json", *ports) as server:
        assert server.stdout is not None
        facts = json.loads(server.stdout.readline())
        assert facts["address"] == f"127.0.0.1:{free[0]}"
        assert facts["ui"] == f"http://127.0.0.1:{free[1]}"
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0


def test_replay_is_a_command_too(shell: Shell) -> None:
    histories = Path(__file__).parent / "histories"
    done = Shell(Path(__file__).parent.parent, shell.environment).run(
        "replay", "--import", "tests.workflow_entries", str(histories / "nothing.json"), "--json"
    )
    assert (done.returncode, "does not exist" in done.stderr) == (2, True)


# Wrong command lines

WRONG: list[tuple[list[str], int, str]] = [
    ([], 2, "Usage: everproc [OPTIONS] COMMAND [ARGS]... Erlang-style processes"),
    (["pss"], 2, "command='pss' is not known: did you mean 'ps'?"),
    (["xyzzy"], 2, "command='xyzzy' is not known: expected one of new, demo, run"),
    (["ps", "--nodes", "x"], 2, "No such option '--nodes'"),
    (["ps", "extra"], 2, "Got unexpected extra argument (extra)"),
    (["ps", "--durable", "-1"], 2, "-1 is not in the range x>=0"),
    (["tree", "--durable", "many"], 2, "'many' is not a valid integer range"),
    (
        ["top", "--interval", "5"],
        2,
        'duration=5.0 is not valid: expected a duration such as "250ms", "5s", "1h30m"; for 5 seconds write "5s"',
    ),
    (["top", "--count", "0"], 2, "0 is not in the range x>=1"),
    (["describe"], 2, "Missing argument 'PID'"),
    (["send", "counter"], 2, "Missing argument 'TOPIC'"),
    (["send", "counter", "@x"], 2, "topic='@x' is not valid: expected a topic that does not start with '@'"),
    (["send", "counter", "add", "five"], 2, "value='five' is not JSON: expected such as 5, true, null"),
    (["call", "counter", "get", "--timeout", "soon"], 2, "duration='soon' is not valid: expected a duration"),
    (["spawn"], 2, "Missing argument 'ENTRY'"),
    (["spawn", "app:x", "--context", "5"], 2, "value='5' is not an object: expected such as"),
    (["cancel", "counter", "--deadline", "9"], 2, 'for 9 seconds write "9s"'),
    (["terminate", "a", "b"], 2, "Got unexpected extra argument (b)"),
    (["logs", "--lines", "-1"], 2, "-1 is not in the range x>=0"),
    (["new"], 2, "Missing argument 'NAME'"),
    (["new", "My Shop"], 2, "name='My Shop' is not valid: expected lower-case letters"),
    (["new", "class"], 2, "name='class' is not valid: expected a name that is no word of Python"),
    (
        ["new", "shop", "--directory", "/dev/null/shop"],
        1,
        "directory='/dev/null/shop' cannot be written: Not a dir",
    ),
    (["run", "nothing.toml"], 2, "manifest='nothing.toml' does not exist: make one with `everproc new`"),
    (["run"], 2, "manifest='everproc.toml' does not exist"),
    (["run", "no-module:main"], 2, "target='no-module' is not valid: expected the name of a module"),
    (["run", "no_module"], 2, "target: there is no module 'no_module'; expected one below this directory"),
    (["run", "entriess:main"], 2, "there is no module 'entriess'; did you mean 'entries'?"),
    (
        ["run", "entries:mian"],
        2,
        "target='entries:mian' is not there: module entries has no 'mian'; did you mean 'main'?",
    ),
    (["run", "entries:app"], 2, "target='entries:app' is not valid: expected an async function"),
    (["run", "entries", "5"], 2, "args=[5]: only a main function takes arguments, MODULE:MAIN"),
    (
        ["run", "entries:main", "--name", "a@b"],
        2,
        "name='a@b' is not valid: expected a non-empty string without",
    ),
    (
        ["run", "entries:main", "--log-level", "loud"],
        2,
        "'loud' is not one of 'debug', 'info', 'warning', 'error'",
    ),
    (
        ["run", "entries:main", "--address", "http://x"],
        2,
        "address='http://x' is not valid: expected host:port, such as \"localhost:7233\"; leave it out for the",
    ),
    (["check", "nothing.toml"], 2, "manifest='nothing.toml' does not exist"),
    (
        ["server", "--search-attribute", "customer"],
        2,
        "search_attribute='customer' is not valid: expected NAME=TYPE",
    ),
    (
        ["server", "--in-memory", "--search-attribute", "a=b"],
        2,
        "search_attributes['a']='b' is not valid: expected one of",
    ),
    (["server", "--port", "0"], 2, "0 is not in the range 1<=x<=65535"),
    (["server", "--ui-port", "8233", "--no-ui"], 2, "--ui-port is for the web page: leave out --no-ui"),
    (["server", "--port", "7233", "--ui-port", "7233"], 2, "say another than --port"),
    (["replay"], 2, "give either files or directories of histories, or --address of a server"),
    (["replay", "--worker", "x", "."], 2, "worker='x' is not valid: expected ID=QUEUE"),
    (["completion", "tcsh"], 2, "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), WRONG, ids=[" ".join(line[0]) for line in WRONG])
def test_wrong_command_line_is_told_what_was_expected(
    here: Shell, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert run(arguments) == status
    assert message in " ".join(capsys.readouterr().err.split())


def test_manifest_that_is_wrong_is_told_by_its_lines(shell: Shell) -> None:
    (shell.directory / "everproc.toml").write_text('[entries.web]\nkind = "servce"\n')
    for command in ("run", "check"):
        done = shell.run(command)
        assert done.returncode == 2
        assert (
            "everproc.toml:2: entries.web.kind='servce' is not known: did you mean 'service'?" in done.stderr
        )
        told = json.loads(shell.run(command, "--json").stderr)["error"]["details"]["problems"]
        assert [(problem["line"], problem["key"]) for problem in told] == [(2, "entries.web.kind")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([command, "--help"]) == 0
    help_text = capsys.readouterr().out
    assert f"\n  everproc {command}" in help_text or f'"$(everproc {command}' in help_text
    assert "--json" in help_text


def test_help_lists_every_command(shell: Shell) -> None:
    listed = shell.run("--help").stdout.partition("Commands:")[2].split()
    assert set(COMMANDS) <= set(listed)
    assert shell.run("--version").stdout.startswith("everproc, version ")
