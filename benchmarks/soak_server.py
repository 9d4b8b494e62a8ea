"""A Temporal server for the soak, which is killed and started again with the same address and database."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from types import TracebackType

import trio

from actors import UNAVAILABLE, Error
from temporal_bridge.devserver.program import find_temporal
from temporal_bridge.devserver.server import DYNAMIC_CONFIG

SERVER_LOG = "server.log"

LONG_HISTORY = 200
"""After so many events the server suggests to continue as new."""


class SoakServer:
    """The server, while the block lasts."""

    def __init__(self, directory: Path) -> None:
        self._database = directory / "temporal.db"
        self._log = directory / SERVER_LOG
        self._process: trio.Process | None = None
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self.address = f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> SoakServer:
        self._program = await find_temporal()
        try:
            await self._start()
        except BaseException:
            await self._kill()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._kill()

    async def restart(self, away: float = 0.0) -> None:
        """SIGKILL it, and start another on its database, so many seconds later."""
        with trio.CancelScope(shield=True):
            await self._kill()
            await trio.sleep(away)
            await self._start()

    async def _start(self) -> None:
        command = [self._program, "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
        command += ["--port", str(self._port), "--db-filename", str(self._database), "--log-level", "warn"]
        command += [f"--dynamic-config-value={key}={value}" for key, value in DYNAMIC_CONFIG.items()]
        command += [f"--dynamic-config-value=limit.historyCount.suggestContinueAsNew={LONG_HISTORY}"]
        with self._log.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,  # as a `Program`
            )
        health = [self._program, "operator", "cluster", "health", "--address", self.address]
        for _ in range(100):
            answer = await trio.run_process(health, check=False, capture_stdout=True, capture_stderr=True)
            if not answer.returncode:
                return
            await trio.sleep(0.1)
        raise Error(f"no server started at {self.address}: see {self._log}", kind=UNAVAILABLE)

    async def _kill(self) -> None:
        if self._process is not None:
            with trio.CancelScope(shield=True):
                self._process.kill()
                await self._process.wait()
