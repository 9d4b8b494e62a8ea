"""The pytest plugin: fixtures for live nodes and simulated runs. Installed with `everproc`, it does nothing unasked.

An async test that uses `node` is run by this plugin, in trio, with a clock that jumps when all wait. That needs no
pytest-trio, and where pytest-trio is there it leaves such tests alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """The seed of simulated runs."""
    group = parser.getgroup("everproc", "Everproc: concurrency tests")
    group.addoption(
        "--everproc-seed",
        type=int,
        default=0,
        metavar="N",
        help="the seed from which the `simulation` fixture takes schedules (default: 0)",
    )


@pytest.fixture
def simulation(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`actors.testing.simulate`, with the seed of `--everproc-seed` unless the test gives one."""
    from actors.testing._simulate import simulate  # only for those who use it

    seed: int = request.config.option.everproc_seed
    return partial(_simulate_from, simulate, seed)


def _simulate_from(
    simulate: Callable[..., Any], seed: int, main: object, *args: object, **settings: Any
) -> Any:
    if settings.get("schedule") is None:
        settings.setdefault("seed", seed)
    return simulate(main, *args, **settings)


@pytest.fixture
def node(request: pytest.FixtureRequest) -> object:
    """An open `actors.Node` for an async test, with a clock that jumps to the next deadline when all wait.

    The test is run by this plugin; it can use any trio call, and no fixture that only pytest-trio can set up.
    """
    if not inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        raise pytest.UsageError(f"{request.node.nodeid} uses the fixture `node`: make it an async function")
    return _OPENED_LATER


_OPENED_LATER = object()
"""In the place of the node until the test runs."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the tests that use `node` from pytest-trio, which marks every async test in its trio mode."""
    for item in items:
        if _is_ours(item):
            item.own_markers = [mark for mark in item.own_markers if mark.name != "trio"]


def _is_ours(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and inspect.iscoroutinefunction(item.obj)
        and "node" in inspect.signature(item.obj).parameters
        and _definition_is_ours(item)
    )


def _definition_is_ours(item: pytest.Function) -> bool:
    """Whether the fixture is this plugin's, and not one of that name that the tests define themselves."""
    manager: Any = getattr(item.session, "_fixturemanager")  # noqa: B009 - pytest has no public way to ask
    definitions = manager.getfixturedefs("node", item)
    return bool(definitions) and definitions[-1].func.__module__ == __name__


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses `node`."""
    if pyfuncitem.funcargs.get("node") is not _OPENED_LATER:
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    import trio
    import trio.testing

    from actors import Node

    test: Callable[..., Awaitable[None]] = pyfuncitem.obj

    async def run() -> None:
        async with Node("test") as node:
            await test(**{**arguments, "node": node})

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    return True
