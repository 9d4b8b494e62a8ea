"""Where the control sockets of running nodes are, and who may use them: only the user whose nodes they are.

A node's socket is a file `NAME.INCARNATION.sock` with permissions 0600, in a directory with permissions 0700. It has
that name only once it listens, so a socket that refuses a connection belongs to a node that has died.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import sys
import tempfile
import urllib.parse
from pathlib import Path
from typing import Final

import attrs

from actors._values.errors import INVALID, PERMISSION_DENIED, UNAVAILABLE, Error

_SUFFIX: Final = ".sock"
_CUT: Final = "~"
"""At the end of a name that is too long for a path."""

_LONGEST: Final = 103
"""Bytes of a socket's path that every system takes: macOS has 104 with the closing zero, Linux 108."""


@attrs.frozen
class ControlSocket:
    """The control socket of a running node."""

    node: str
    path: Path

    def is_of(self, name: str) -> bool:
        """Whether it is that of a node, named with its incarnation or without."""
        own, _, incarnation = self.node.rpartition(".")
        if own.endswith(_CUT) and name.startswith(own.removesuffix(_CUT)):
            return "." not in name or name.endswith(incarnation)
        return name in (self.node, own)


def directory() -> Path:
    """The directory of the sockets of this user's nodes, made if it is missing.

    Raises:
        Error: PERMISSION_DENIED, when it is not ours alone; UNAVAILABLE, where there are no Unix sockets.
    """
    if sys.platform == "win32":
        raise Error("a control socket needs Unix sockets, which are not there on Windows", kind=UNAVAILABLE)
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        path = Path(runtime, "everproc")
    else:
        path = Path(tempfile.gettempdir(), f"everproc-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
            if stat.S_IMODE(found.st_mode) != 0o700:
                path.chmod(0o700)
            return path
    except OSError as error:
        raise Error(
            f"the directory of control sockets, path={str(path)!r}, cannot be made: {error.strerror};"
            " set XDG_RUNTIME_DIR to a directory of your own",
            kind=PERMISSION_DENIED,
        ) from error
    raise Error(
        f"path={str(path)!r} cannot hold control sockets: expected a directory that belongs to user {os.geteuid()};"
        " remove it, or set XDG_RUNTIME_DIR to a directory of your own",
        kind=PERMISSION_DENIED,
    )


def running() -> list[ControlSocket]:
    """The control sockets of all nodes that run, by name; those of nodes that have died are removed."""
    found: list[ControlSocket] = []
    for path in sorted(directory().glob(f"*{_SUFFIX}")):
        if _answers(path):
            found.append(ControlSocket(urllib.parse.unquote(path.name.removesuffix(_SUFFIX)), path))
        else:
            path.unlink(missing_ok=True)
    return found


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # it listens, and is busy
    return True


def listen(node: str) -> tuple[socket.socket, ControlSocket]:
    """Open the control socket of a node; the file is the caller's to remove.

    Raises:
        Error: INVALID, when the directory's name is too long for a socket's; as `directory`; UNAVAILABLE, when the
            socket cannot be made.
    """
    running()  # which removes those of nodes that have died
    path = _path(directory(), node)
    draft = path.with_suffix(".new")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(draft))
        draft.chmod(0o600)
        listener.listen()
        listener.setblocking(False)
        draft.rename(path)
    except OSError as error:
        listener.close()
        draft.unlink(missing_ok=True)
        raise Error(
            f"the control socket path={str(path)!r} cannot be made: {error.strerror}", kind=UNAVAILABLE
        ) from error
    return listener, ControlSocket(node, path)


def _path(parent: Path, node: str) -> Path:
    """Where the socket of a node is. A name that is too long is cut; the incarnation tells nodes apart all the same."""
    name, _, incarnation = urllib.parse.quote(node, safe="").rpartition(".")
    room = _LONGEST - len(os.fsencode(parent)) - len(f"/.{incarnation}{_SUFFIX}")
    if len(name) > room:
        name = re.sub("%.?$", "", name[: room - len(_CUT)]) + _CUT
    if room <= len(_CUT):
        raise Error(
            f"path={str(parent)!r} is too long for the directory of control sockets: set XDG_RUNTIME_DIR to a shorter"
            " one",
            kind=INVALID,
        )
    return parent / f"{name}.{incarnation}{_SUFFIX}"


def is_own_user(connection: socket.socket) -> bool:
    """Whether the peer of a connection is the user that this program runs as.

    The permissions of the file say so everywhere; Linux says it of the connection itself.
    """
    if sys.platform != "linux":
        return True
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return bool(uid == os.geteuid())
