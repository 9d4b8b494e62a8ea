"""Green processes with durable ones and with other nodes: what they do waits in trio, where they are not."""

from __future__ import annotations

import pytest

import actors
from actors import PID
from tests.bridging import Requests, next_exit, outside
from tests.workflow_entries import WORKER, echo, wf


async def test_green_process_spawns_calls_monitors_links_looks_at_and_ends_durable_ones(
    temporal_address: str,
) -> None:
    async def main() -> list[object]:
        pid = await actors.spawner().spawn_linked_monitored(echo, on=WORKER)
        actors.set_options(trap_links=True)
        found: list[object] = [await actors.call(pid, "ask", 1, timeout="20s")]
        found.append((await actors.describe(pid)).status)
        await actors.send(pid, "x", 2)
        found.append((await actors.inbox().receive()).payload)
        await actors.terminate(pid)
        events = [await actors.events().receive() for _ in range(2)]
        assert all(isinstance(event, actors.Exit | actors.LinkDown) for event in events)
        found += sorted(event.kind for event in events)
        second = await actors.spawn(echo, on=WORKER)
        await actors.monitor(second)
        await actors.link(second)
        await actors.unlink(second)
        await actors.cancel(second)
        found.append((await next_exit()).reason)
        found.append(await actors.send(second, "x"))
        return found

    async with outside(temporal_address, wf, worker=WORKER) as here:
        assert await here.node.execute(main, on="green") == [
            1,
            "running",
            2,
            actors.EXIT,
            actors.LINK_DOWN,
            "cancelled",
            False,
        ]


async def test_cancelled_green_process_gives_up_what_it_waits_for(
    temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def main(pid: PID) -> None:
        await actors.link(pid)
        await actors.execute(echo, on=WORKER)

    async with outside(temporal_address, wf, worker=WORKER) as here:
        durable = await here.node.spawn(echo)

        async def watches() -> str:
            pid = await actors.spawn_monitored(main, durable, on="green")
            await actors.in_trio(requests.made, "start_workflow_execution", 2)
            await actors.terminate(pid)
            return (await next_exit()).reason

        assert await here.node.execute(watches) == "terminated"
