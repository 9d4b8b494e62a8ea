"""A node with an observer in a thread of its own, and Chromium."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import trio
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from actors import Node
from actors.observer import observer
from temporal_bridge import EmbeddedServer, TemporalBridge, TemporalClient, Worker
from tests.browser.shop import WORKER, desk, open_shop, shop
from tests.eventually import eventually

T = TypeVar("T")

# As root, in a container, without a network: what it needs, and nothing that it would like to.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@attrs.frozen
class Observed:
    """A node that is observed."""

    node: Node
    url: str
    token: trio.lowlevel.TrioToken

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run a function in the node's trio loop."""
        return trio.from_thread.run(function, *args, trio_token=self.token)


async def _rings(node: Node) -> bool:
    return node.whereis("bell") is not None


Opens = Callable[..., Observed]


@pytest.fixture
def opens() -> Generator[Opens, None, None]:
    """Opens shops: `opens(workers=8, durable=False, allow_actions=False)`."""
    closes: list[Callable[[], None]] = []

    def open_one(workers: int = 8, durable: bool = False, allow_actions: bool = False) -> Observed:
        ready = threading.Event()
        found: list[Observed] = []
        stop: list[trio.Event] = []

        async def run() -> None:
            try:
                async with Node("shop") as node:
                    if not durable:
                        await serve(node, None)
                        return
                    async with EmbeddedServer(database=False) as server:
                        here = Worker(WORKER, task_queue="shop", entries=[shop])
                        async with TemporalBridge(node, TemporalClient(server.address), here):
                            await node.spawner(name="desk").spawn(desk)
                            await serve(node, "http://localhost:8233")
            finally:
                ready.set()

        async def serve(node: Node, temporal_ui: str | None) -> None:
            async with observer(node, allow_actions=allow_actions, temporal_ui=temporal_ui) as url:
                await node.spawner(name="main").spawn(open_shop, workers)
                await eventually(lambda: _rings(node))
                stop.append(trio.Event())
                found.append(Observed(node, url, trio.lowlevel.current_trio_token()))
                ready.set()
                await stop[0].wait()

        thread = threading.Thread(target=trio.run, args=(run,), name="node")
        thread.start()

        def close() -> None:
            if stop:
                found[0].token.run_sync_soon(stop[0].set)
            thread.join()

        closes.append(close)
        assert ready.wait(60)
        return found[0]

    yield open_one
    for close in closes:
        close()


@pytest.fixture(scope="session")
def browser() -> Generator[Browser, None, None]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path is not None, "these tests need Chromium: on Debian, apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, opens: Opens) -> Generator[Page, None, None]:
    """A window, in which any error of the page fails the test. It is closed before what it shows."""
    del opens  # asked for so that it is there before the window, and after it
    wrong: list[str] = []
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def note(message: ConsoleMessage) -> None:
        # A process that has ended is not found any more: that is no error of the page.
        if message.type == "error" and "a status of 404" not in message.text:
            wrong.append(message.text)

    page.on("console", note)
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def picture(page: Page) -> Callable[..., None]:
    """Keeps what the window shows for the documentation: in the folder `PICTURES`, if that is set."""
    folder = os.environ.get("PICTURES")

    def keep(name: str, after: int = 0) -> None:
        if folder:
            page.wait_for_timeout(after)  # milliseconds in which there comes to be something to see
            page.screenshot(path=Path(folder) / f"observer-{name}.png")

    return keep
