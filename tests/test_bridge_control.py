"""Durable processes, as the control socket of a node shows them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

import actors
from actors import Node
from tests.bridging import outside
from tests.control import ask
from tests.outside_entries import app


async def test_processes_show_the_durable_ones_of_the_workers_here_under_who_watches_them(
    temporal_address: str, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_path))

    async def watching(ids: list[str]) -> None:
        for name in ids:
            await actors.spawner(name=name).spawn_monitored("out:sleeper", on="out:worker")
        await trio.sleep_forever()

    async with (
        Node("control", control=True) as node,
        outside(temporal_address, app, node=node) as out,
    ):
        ids = [out.new_id("it's"), out.new_id('a "quoted" one')]
        keeper = await node.spawn(watching, ids)
        foreign = await out.portal.call(
            partial(out.client.start_workflow, "sleeper", id=out.new_id(), task_queue=out.new_id("nobody"))
        )
        seen: dict[str, Any] = {}
        # The server lists with a little delay, and one that is being spawned is not watched yet.
        while set(seen) != set(ids) or not all(each["parent"] for each in seen.values()):
            found = await ask(node, "processes")
            assert found["errors"] == []
            seen = {
                actors.PID.parse(each["pid"]).id: each
                for each in found["processes"]
                if each["host"] == "temporal"
            }
        assert foreign.id not in seen
        for each in seen.values():
            assert (each["entry"], each["status"], each["parent"]) == ("out:sleeper", "running", str(keeper))
            assert each["age"] >= 0
            assert each["details"]["task_queue"] == out.task_queue
        described = await ask(node, "describe", pid=f"default@temporal|{ids[0]}")
        assert described["details"]["history_length"] > 0
        assert described["age"] > 0, (
            "by the clock of the server, not by its own, which stands still while it waits"
        )
        for name in ids:
            await ask(node, "terminate", pid=f"{{default@temporal|{name}}}")
        await out.portal.call(foreign.terminate)
