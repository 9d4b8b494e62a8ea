"""An error about a manifest shows what was written, and never a secret that was filled in."""

import sys
from pathlib import Path

import pytest

from actors.manifest import ManifestError, load

MANIFEST = """
[entries.temporal]
kind = "temporal.client"
address = "localhost:7233"

[entries.worker]
kind = "temporal.worker"
task_queue = "orders"
client = "${env:SECRET_KEY}"
"""


@pytest.mark.parametrize("secret", ["hunter2-s3cr3t", "app:hunter2-s3cr3t"])
def test_the_client_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("SECRET_KEY", secret)
    monkeypatch.setattr(sys, "path", [*sys.path])  # which `load` adds to
    (tmp_path / "everproc.toml").write_text(MANIFEST)
    with pytest.raises(ManifestError) as caught:
        load(tmp_path / "everproc.toml")
    shown = f"{caught.value} {caught.value.details}"
    assert "hunter2" not in shown
    assert "entries.worker.client" in shown
    assert "${env:SECRET_KEY}" in shown
    assert "temporal.client" in shown  # what it has to be
