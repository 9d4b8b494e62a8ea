"""Calls of a server are checked by type, end to end."""

import subprocess
import sys
from pathlib import Path


def test_pyright_knows_what_a_call_returns_and_takes() -> None:
    path = Path(__file__).with_name("typed_server.py")
    command = [sys.executable, "-m", "pyright", "--warnings", str(path)]
    checked = subprocess.run(command, cwd=path.parent.parent, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
