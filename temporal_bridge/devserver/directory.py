"""The directory of an embedded server: made for it, and locked, so that two servers never share a database."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import trio

from actors import CONFLICT, INVALID, Error

if sys.platform != "win32":
    import fcntl


def make_directory(path: Path) -> Path:
    """A directory for a server's files, made if it is missing.

    Raises:
        Error: kind INVALID, when it cannot be.
    """
    path = path.absolute()
    try:
        if not path.exists():
            path.mkdir(parents=True)
            (path / ".gitignore").write_text("*\n")  # nobody wants it in a repository
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise Error(
            f"directory={str(path)!r} cannot hold the embedded server's files: {error.strerror}; "
            "expected a directory that can be made and written to",
            kind=INVALID,
        ) from error
    return path


class Lock:
    """The right to use a directory, held through an open file.

    The server inherits the file. So the lock is free when both of us are gone, and a server that outlived its parent
    still keeps others from its database.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def write(self, **holder: object) -> None:
        """Say who holds it, for the error of the next one."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, json.dumps({"pid": os.getpid(), **holder}).encode(), 0)

    def release(self) -> None:
        """Let others have it."""
        self.path.unlink(missing_ok=True)
        os.close(self.fd)


async def lock_directory(directory: Path, patience: float) -> Lock:
    """Take the lock; a server whose parent was killed is about to end, so it is waited for, `patience` seconds.

    Raises:
        Error: kind CONFLICT, when another program has it.
    """
    path = directory / "temporal.lock"
    deadline = time.monotonic() + patience
    while (lock := _try_lock(path)) is None:
        holder = _holder(path)
        pid = holder.get("pid")
        if time.monotonic() > deadline or (isinstance(pid, int) and _is_alive(pid)):
            raise Error(
                f"directory={str(directory)!r} is in use by the embedded server of another program, pid={pid} "
                f"server_pid={holder.get('server_pid')} address={holder.get('address')!r}: connect to that address, "
                "end that program, or choose another directory",
                kind=CONFLICT,
                details=holder,
            )
        await trio.sleep(0.02)
    lock.write()
    return lock


def _try_lock(path: Path) -> Lock | None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if sys.platform != "win32":  # there, two servers on one database are not prevented
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the file between our two lines: then our lock is on no name at all.
        if path.stat().st_ino == os.fstat(fd).st_ino:
            return Lock(path, fd)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def _holder(path: Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", holder) if isinstance(holder, dict) else {}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
