"""The bridge and its connection: a server that dies, comes back, or was never there; converters and codecs."""

from __future__ import annotations

import math
import os
import signal
import socket
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from cryptography.fernet import Fernet
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

import actors
from actors import CONFLICT, NOT_FOUND, PID, TIMEOUT, UNAVAILABLE, Error, Node
from temporal_bridge import EmbeddedServer, TemporalBridge, TemporalClient, Worker
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client import server_liveness as _outages
from temporal_bridge._client.connection import connect
from temporal_bridge._client.server_liveness import ServerMonitor
from temporal_bridge._nodes.failure_detector import ALIVE
from temporal_bridge.devserver.program import find_temporal
from temporal_bridge.devserver.server import DYNAMIC_CONFIG
from tests.bridging import Requests, next_exit, outside
from tests.call_entries import WORKER as CALLS_WORKER
from tests.call_entries import adder, calls, hoarder
from tests.eventually import eventually
from tests.other_program import other_program
from tests.outside_entries import app, collect, echo_calls, hello, run_function, sleeper, wait_for_finish
from tests.workflow_entries import WORKER, monitors, wf


class Server:
    """A server of the test's own, on one port, which can be killed and started again with its database."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._process: trio.Process | None = None

    async def start(self) -> None:
        command = [
            await find_temporal(),
            *("server", "start-dev", "--ip", "127.0.0.1", "--port", str(self.port), "--headless"),
            *("--db-filename", str(self._directory / "temporal.db"), "--log-level", "never"),
            *(f"--dynamic-config-value={key}={value}" for key, value in DYNAMIC_CONFIG.items()),
        ]
        null = os.open(os.devnull, os.O_RDWR)
        self._process = await trio.lowlevel.open_process(command, stdin=null, stdout=null, stderr=null)
        os.close(null)

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def own_server(directory: Path) -> AsyncGenerator[Server]:
    server = Server(directory)
    await server.start()
    try:
        yield server
    finally:
        with trio.CancelScope(shield=True):
            await server.kill()


async def answering(server: Server) -> None:
    """Wait until a bridge can be opened."""
    while True:
        try:
            async with Node("prober") as node, TemporalBridge(node, TemporalClient(server.address)):
                return
        except Error as error:
            if error.kind not in (UNAVAILABLE, NOT_FOUND):
                raise


async def test_killed_and_restarted_server_loses_no_process_message_watch_or_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def body(server: Server) -> list[Any]:
        waiting = await actors.spawn_monitored(wait_for_finish)
        collecting = await actors.spawn_monitored(collect, 4)
        for number in range(2):
            await actors.send(collecting, "before", number)
        await server.kill()
        restarted = trio.Event()
        sent: list[bool] = []

        async def send() -> None:
            for number in range(2):
                while True:
                    try:
                        sent.append(await actors.send(collecting, "after", number))
                        break
                    except Error as error:  # the sender is told, and may try again
                        if error.kind != UNAVAILABLE:
                            raise
            restarted.set()

        requests.counts.clear()
        actors.start_soon(send)
        await requests.made("signal_workflow_execution", 1)
        await server.start()
        await restarted.wait()
        assert await actors.send(waiting, "finish", "survived")
        ends = {}
        for _ in range(2):
            event = await next_exit()
            ends[event.pid] = event
        fresh = await actors.execute(hello, "again")
        function = await actors.execute(run_function, "out:echo", [1])
        topics = [[topic, payload] for topic, payload, _ in ends[collecting].result.value]
        return [ends[waiting].result.value, topics, sent, fresh, function]

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, app) as here:
            found = await here.node.execute(body, server, on="trio")
    assert found == [
        "survived",
        [["before", 0], ["before", 1], ["after", 0], ["after", 1]],
        [True, True],
        {"hello": "again"},
        [1],
    ]


async def test_message_waits_for_a_server_that_is_away_for_longer_than_temporal_asks_and_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def body(server: Server) -> tuple[list[bool], Any]:
        pid = await actors.spawn_monitored(collect, 3)
        sent = [await actors.send(pid, "n", 0)]
        await server.kill()

        async def send() -> None:
            sent.extend([await actors.send(pid, "n", number) for number in (1, 2)])

        requests.counts.clear()
        actors.start_soon(send)
        # The second of them is the one that Temporal's client repeats for ten seconds.
        await requests.made("signal_workflow_execution", 3)
        await server.start()
        return sent, (await next_exit()).result.value

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, app, patience=60) as here:
            sent, messages = await here.node.execute(body, server, on="trio")
    assert sent == [True] * 3
    assert [payload for _, payload, _ in messages] == [0, 1, 2]


async def test_call_waits_for_a_server_that_is_away_for_longer_than_temporal_asks_and_comes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def body(server: Server) -> tuple[list[Any], Any, Any]:
        adding, hoarding = await actors.spawn_monitored(adder), await actors.spawn(hoarder)
        answered = actors.Channel[Any](5)

        async def call(pid: PID, topic: str, payload: Any) -> None:
            await answered.send(await actors.call(pid, topic, payload, timeout="60s"))

        async def has_come() -> bool:
            return ((await actors.describe(hoarding)).handled or 0) > 0

        actors.start_soon(call, hoarding, "ask", "taken before")
        await eventually(has_come)
        await server.kill()
        requests.counts.clear()
        for _ in range(4):
            actors.start_soon(call, adding, "add", 1)
        # Each asks once, then once by Temporal's client, which repeats it for ten seconds; the first has asked once.
        # The last of the four is not an update, but a watch and a message.
        await requests.made("update_workflow_execution", 1 + 2 + 3 * (2 + 2))
        await requests.made("describe_workflow_execution", 2)
        await server.start()
        added = sorted([await answered.receive() for _ in range(4)])
        again = await actors.call(adding, "add", 1, timeout="60s")
        await actors.send(hoarding, "answer")
        return added, again, await answered.receive()

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, calls, worker=CALLS_WORKER, patience=60) as here:
            found = await here.node.execute(body, server, on="trio")
    assert found == ([1, 2, 3, 4], 5, "taken before")


async def test_absence_of_the_server_is_noticed_at_once_however_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def away(outages: ServerMonitor) -> bool:
        return outages.since == math.inf

    async def back(outages: ServerMonitor) -> bool:
        return outages.since < math.inf

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with Portal() as portal, trio.open_nursery() as nursery:
            client = await portal.call(connect, TemporalClient(server.address))
            outages = ServerMonitor(client, portal, "nobody-else")
            nursery.start_soon(outages.run)
            for _ in range(2):
                began = outages.since
                await requests.made("poll_activity_task_queue", 1)
                requests.counts.clear()
                assert outages.since == began
                await server.kill()
                await server.start()
                await eventually(partial(away, outages))
                await eventually(partial(back, outages))
                assert began < outages.since
            nursery.cancel_scope.cancel()


async def test_live_node_is_not_gone_when_the_server_was_away_for_longer_than_a_node_may_be_silent(
    tmp_path: Path,
) -> None:
    async def body(server: Server, pid: PID) -> tuple[int, bool]:
        await actors.monitor(pid)
        await actors.call(pid, "ask", 0, timeout="20s")  # whether its answer has come, it may still be told
        await server.kill()
        await actors.sleep(ALIVE + timedelta(seconds=1))
        await server.start()
        await actors.in_trio(answering, server)
        answer = await actors.call(pid, "ask", 1, timeout="30s")
        return answer, (await actors.select(actors.events(), default=True)).channel is None

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with (
            other_program(server.address) as other,
            outside(server.address, wf, worker=WORKER) as here,
        ):
            durable = await here.node.spawn(monitors, other.pids[0])

            async def holds() -> bool:
                types = [
                    event.activity_task_scheduled_event_attributes.activity_type.name
                    for event in await here.history(durable)
                ]
                return "@lease" in types

            await eventually(holds)
            assert await here.node.execute(body, server, other.pids[0], on="trio") == (1, True)
            await here.node.send(other.pids[0], "fail")
            found = await here.portal.call(here.handle(durable).result)
            assert found == [[other.pids[0], "error", None, "CONFLICT"], True]


async def test_server_that_is_not_there_is_said_at_once_and_leaves_nothing_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Node("alone") as node:
        with pytest.raises(Error, match=f"127.0.0.1:{port}") as raised:
            async with TemporalBridge(node, TemporalClient(f"127.0.0.1:{port}", connect_timeout="2s")):
                raise AssertionError
        assert raised.value.kind == UNAVAILABLE
        assert not node.kernel.wiring.routes
        assert not node.kernel.wiring.spawners


async def test_namespace_that_is_not_there_is_said_at_once(temporal_address: str) -> None:
    async with Node("alone") as node:
        with pytest.raises(Error, match="'nowhere'") as raised:
            async with TemporalBridge(node, TemporalClient(temporal_address, namespace="nowhere")):
                raise AssertionError
        assert raised.value.kind == NOT_FOUND


async def test_node_has_one_bridge_and_can_have_another_after_it(temporal_address: str) -> None:
    worker = Worker("out:worker", task_queue="one-bridge", entries=[app])
    async with Node("twice") as node:
        async with TemporalBridge(node, TemporalClient(temporal_address), worker) as first:
            with pytest.raises(Error, match="has a bridge already") as raised:
                async with TemporalBridge(node, TemporalClient(temporal_address)):
                    raise AssertionError
            assert raised.value.kind == CONFLICT
            assert await node.execute(hello) == {"hello": "world"}
            with pytest.raises(Error, match="entered once"):
                await first.__aenter__()
        async with TemporalBridge(node, TemporalClient(temporal_address), worker):
            assert await node.execute(hello) == {"hello": "world"}
        with pytest.raises(Error, match="'out:worker' is not there"):
            await node.spawn(hello)


async def test_error_of_the_block_is_raised_as_it_is(temporal_address: str) -> None:
    async with Node("alone") as node:
        with pytest.raises(ZeroDivisionError):
            async with TemporalBridge(node, TemporalClient(temporal_address)):
                raise ZeroDivisionError


async def test_bridge_without_an_address_starts_a_server_whose_processes_survive_it(tmp_path: Path) -> None:
    client = TemporalClient(data_dir=tmp_path)
    worker = Worker("out:worker", task_queue="survivors", entries=[app])
    with trio.fail_after(60):
        async with Node("first") as node, TemporalBridge(node, client, worker) as bridge:
            assert isinstance(bridge.server, EmbeddedServer)
            pid = await node.spawn(wait_for_finish)
        async with Node("second") as node, TemporalBridge(node, client, worker):

            async def body() -> Any:
                await actors.monitor(pid)
                await actors.send(pid, "finish", "still here")
                return (await next_exit()).result.value

            assert await node.execute(body, on="trio") == "still here"


# Payloads


class Encrypting(PayloadCodec):
    """As `docs/` shows it: each payload as a whole, with a key that the server never sees."""

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)
        self.encoded = 0

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        self.encoded += len(payloads)
        return [
            Payload(
                metadata={"encoding": b"binary/encrypted"},
                data=self._fernet.encrypt(each.SerializeToString()),
            )
            for each in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(self._fernet.decrypt(each.data))
            if each.metadata.get("encoding") == b"binary/encrypted"
            else each
            for each in payloads
        ]


def written(events: Iterable[Any]) -> bytes:
    return b"".join(event.SerializeToString() for event in events)


async def test_codec_encrypts_arguments_messages_results_and_context(temporal_address: str) -> None:
    secret = "a-secret-nobody-sees"
    client = TemporalClient(temporal_address, codec=Encrypting(Fernet.generate_key()))
    async with outside(temporal_address, app, client=client) as here:
        spawner = here.node.spawner(context={"user_id": secret})
        pid = await spawner.spawn(run_function, "out:echo", [secret])
        assert await here.node.execute(run_function, "out:echo", [secret]) == [secret]
        other = await spawner.with_message("finish", secret).spawn(wait_for_finish)
        called = await here.node.spawn(echo_calls)
        assert await here.node.call(called, "x", secret) == secret
        await here.node.terminate(called)
        failing = here.node.spawner(name=here.new_id())
        with pytest.raises(Error, match=secret) as raised:
            await failing.execute("out:fail", "INVALID", secret, None, {"a": secret})
        assert raised.value.details == {"a": secret}
        assert failing.name is not None
        for each in (pid, other, called, PID("default", "temporal", failing.name)):
            assert secret.encode() not in written(await here.history(each))


class ByPlace(PayloadCodec, WithSerializationContext):
    """Notes what each payload is part of that has a word in it."""

    def __init__(self, word: bytes, parts: list[str], context: SerializationContext | None = None) -> None:
        self._word = word
        self._parts = parts
        self._context = context

    def with_context(self, context: SerializationContext) -> ByPlace:
        return ByPlace(self._word, self._parts, context)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        found = sum(self._word in each.data for each in payloads)
        self._parts += [type(self._context).__name__] * found
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_codec_is_told_what_each_payload_is_part_of_if_it_wants_to_know(temporal_address: str) -> None:
    parts: list[str] = []
    client = TemporalClient(temporal_address, codec=ByPlace(b"a-word", parts))
    async with outside(temporal_address, app, client=client) as here:
        assert await here.node.execute(run_function, "out:echo", ["a-word"]) == ["a-word"]
    process, function = WorkflowSerializationContext.__name__, ActivitySerializationContext.__name__
    assert parts == [process, function, function, process]  # arguments and results


async def test_json_converter_writes_what_people_can_read(temporal_address: str) -> None:
    client = TemporalClient(temporal_address, converter="json")
    async with outside(temporal_address, app, client=client) as here:
        pid = await here.node.spawner().with_message("a", {"readable": [1, 2.5, None]}).spawn(collect, 2)
        await here.node.send(pid, "b", (1, {2}))
        found = await here.portal.call(here.handle(pid).result)
        assert found == [["a", {"readable": [1, 2.5, None]}, None], ["b", (1, {2}), None]]
        events = await here.history(pid)
        signals = [
            event.workflow_execution_signaled_event_attributes
            for event in events
            if event.HasField("workflow_execution_signaled_event_attributes")
        ]
        (payload,) = signals[0].input.payloads
        assert payload.metadata["encoding"] == b"json/plain"
        assert payload.data == b'{"readable":[1,2.5,null]}'
        assert {each.metadata["encoding"] for each in signals[1].input.payloads} == {
            b"json/plain",
            b"binary/msgpack",
        }


async def test_unreachable_server_is_an_error_for_who_sends_and_not_for_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_outages, "PATIENCE", 0.0)
    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, app) as here:
            pid = await here.node.spawn(sleeper)
            await server.kill()
            with pytest.raises(Error) as raised:
                await here.node.send(pid, "x")
            assert raised.value.kind == UNAVAILABLE
            local = await here.node.execute(local_hello, on="trio")
            assert local == "local"
            await server.start()


async def test_health_tells_of_the_server_and_the_workers_also_through_an_outage(tmp_path: Path) -> None:
    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, app) as here:
            while not (found := await here.bridge.health()).ok:  # noqa: ASYNC110  its workers tell nobody
                await trio.sleep(0.05)
            assert (found.address, found.namespace) == (server.address, "default")
            assert (found.workers, found.error) == ({"out:worker": True}, None)
            assert found.server_version
            await server.kill()
            for timeout in ("2s", "10ms"):
                found = await here.bridge.health(timeout)
                assert not found.ok
                assert found.error is not None
                assert found.error.kind in (UNAVAILABLE, TIMEOUT)
                assert found.workers == {"out:worker": True}
            await server.start()
            while not (await here.bridge.health()).ok:  # noqa: ASYNC110  only the server can tell
                await trio.sleep(0.05)
            assert await here.node.execute(hello) == {"hello": "world"}
        with pytest.raises(Error, match="the bridge is not open") as raised:
            await here.bridge.health()
        assert raised.value.kind == CONFLICT


async def local_hello() -> str:
    return "local"


async def test_death_of_a_local_process_reaches_its_linked_durable_one_after_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = Requests(monkeypatch)

    async def linked(durable: PID, owner: PID) -> None:
        await actors.link(durable)
        await actors.send(owner, "linked")
        await actors.listen("die").receive()
        raise Error("local failure", kind="CONFLICT")

    async def body(server: Server) -> Any:
        durable = await actors.spawn_monitored(sleeper)
        local = await actors.spawn(linked, durable, actors.self_pid(), on="trio")
        await actors.listen("linked").receive()
        await server.kill()
        await actors.monitor(local)
        requests.counts.clear()
        await actors.send(local, "die")
        assert (await next_exit()).pid == local
        await requests.made("signal_workflow_execution", 1)
        await server.start()
        event = await next_exit()
        assert event.pid == durable
        return event.reason

    async with own_server(tmp_path) as server:
        with trio.fail_after(20):
            await answering(server)
        async with outside(server.address, app) as here:
            assert await here.node.execute(body, server, on="trio") == "link_down"


class Broken(PayloadCodec):
    """Fails when it is told to."""

    def __init__(self) -> None:
        self.encoding = self.decoding = True

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if not self.encoding:
            raise ValueError("the key store is away")
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if not self.decoding:
            raise ValueError("the key store is away")
        return list(payloads)


class RefusingExits(PayloadCodec):
    """Refuses what tells of an end, the first two times."""

    refused = 0

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if self.refused < 2 and any(b"@exit" in each.data for each in payloads):
            self.refused += 1
            raise ValueError("the key store is away")
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_exit_for_a_watcher_elsewhere_is_sent_until_it_is_accepted(temporal_address: str) -> None:
    async def ends() -> None:
        await actors.listen("watching").receive()

    codec = RefusingExits()
    with trio.fail_after(40):
        async with (
            other_program(temporal_address) as other,
            Node("here") as node,
            TemporalBridge(node, TemporalClient(temporal_address, codec=codec)),
        ):
            pid = await node.spawn(ends)
            assert await node.call(other.pids[0], "watch", pid, timeout="30s") == "normal"
    assert codec.refused == 2


async def test_codec_that_fails_fails_the_call_and_not_the_bridge(temporal_address: str) -> None:
    codec = Broken()
    async with outside(temporal_address, app, client=TemporalClient(temporal_address, codec=codec)) as here:
        pid = await here.node.spawn(wait_for_finish)
        codec.encoding = False
        for attempt in (lambda: here.node.spawn(hello, "x"), lambda: here.node.send(pid, "finish", 1)):
            with pytest.raises(Error, match="ValueError: the key store is away"):
                await attempt()
        codec.encoding = True

        async def body() -> Any:
            await actors.monitor(pid)
            await here.portal.call(lambda: here.handle(pid).signal("finish", {"a": 1}))
            await here.portal.call(here.handle(pid).result)
            codec.decoding = False
            try:
                await actors.monitor(pid)
                return [(await next_exit()).result.error for _ in range(2)]
            finally:
                codec.decoding = True

        errors = await here.node.execute(body, on="trio")
        assert "the key store is away" in str(errors[-1])
        assert await here.node.execute(hello) == {"hello": "world"}
