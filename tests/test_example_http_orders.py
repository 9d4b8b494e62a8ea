"""Orders over HTTP, over a real socket."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, cast

import h11
import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from hypercorn.typing import ASGIFramework

from examples.http_orders.order import app
from examples.http_orders.web import application
from tests.bridging import Outside, outside


class Shop:
    """The web server of a test."""

    def __init__(self, here: Outside, address: tuple[str, int]) -> None:
        self.here = here
        self._address = address

    async def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        """One request on a connection of its own: the status and the JSON of the answer."""
        connection = h11.Connection(h11.CLIENT)
        stream = await trio.open_tcp_stream(*self._address)
        async with stream:
            given = [("Host", "test"), ("Connection", "close"), ("Content-Length", str(len(body or b"")))]
            given += [(name.replace("_", "-"), value) for name, value in headers.items()]
            await stream.send_all(
                connection.send(h11.Request(method=method, target=path, headers=given)) or b""
            )
            if body:
                await stream.send_all(connection.send(h11.Data(data=body)) or b"")
            await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
            status, received = 0, b""
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await stream.receive_some())
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    received += event.data
                elif isinstance(event, h11.EndOfMessage):
                    return status, json.loads(received) if received[:1] in (b"{", b"[") else received

    async def post(self, path: str, order: object = None, **headers: str) -> tuple[int, Any]:
        return await self.request("POST", path, json.dumps(order).encode(), **headers)


@asynccontextmanager
async def shop(temporal_address: str) -> AsyncGenerator[Shop]:
    async with outside(temporal_address, app, worker="http_orders:worker") as here:
        config = Config()
        config.bind = ["127.0.0.1:0"]
        config.errorlog = config.accesslog = None
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            web = cast("ASGIFramework", application(here.node, "default"))

            async def run(*, task_status: Any) -> None:
                await serve(web, config, shutdown_trigger=stop.wait, task_status=task_status)

            (url,) = await nursery.start(run)
            host, port = url.removeprefix("http://").split(":")
            yield Shop(here, (host, int(port)))
            stop.set()


async def test_w21_order_is_accepted_once_shown_paid_and_gone(temporal_address: str) -> None:
    async with shop(temporal_address) as web:
        name = str(uuid.uuid4())
        assert await web.post("/orders", {"id": name}, X_Request_ID="r-1") == (
            202,
            {"workflow_id": f"order-{name}", "status": "started"},
        )
        status, answer = await web.post("/orders", {"id": name})
        assert (status, answer["kind"]) == (409, "ALREADY_EXISTS")
        assert "is running already" in answer["error"]
        assert await web.request("GET", f"/orders/{name}") == (
            200,
            {"id": name, "status": "waiting for payment", "request_id": "r-1"},
        )
        assert (await web.post(f"/orders/{name}/pay"))[0] == 202
        found = await web.here.portal.call(web.here.client.get_workflow_handle(f"order-{name}").result)
        assert found["status"] == "paid"
        assert (await web.post(f"/orders/{name}/pay"))[0] == 404
        assert await web.request("GET", f"/orders/{name}") == (200, {"id": name, "status": "completed"})
        status, answer = await web.post("/orders", {"id": name})
        assert status == 409
        assert "was used before" in answer["error"]


async def test_w21_unknown_order_is_404_and_a_bad_one_422(temporal_address: str) -> None:
    async with shop(temporal_address) as web:
        status, answer = await web.request("GET", "/orders/nobody")
        assert (status, answer["kind"]) == (404, "NOT_FOUND")
        for body in (b"", b"{", b"[]", b"null", b'{"id": 7}', b'{"id": ""}', b"\xff"):
            status, answer = await web.request("POST", "/orders", body)
            assert (status, answer["kind"]) == (422, "INVALID"), body
        status, answer = await web.post("/orders", {"id": "x" * 2000})
        assert (status, answer["kind"]) == (422, "INVALID")


async def test_w21_fifty_requests_for_one_order_start_it_once(temporal_address: str) -> None:
    async with shop(temporal_address) as web:
        name = str(uuid.uuid4())
        statuses: list[int] = []

        async def post() -> None:
            statuses.append((await web.post("/orders", {"id": name}))[0])

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(post)
        assert sorted(statuses) == [202] + [409] * 49
        await web.post(f"/orders/{name}/pay")
