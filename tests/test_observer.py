"""What the observer answers, and to whom; the page itself is tried in a browser by `make browser`."""

from __future__ import annotations

import http.client
import json
import logging
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import attrs
import pytest
import trio
import trio.testing

import actors
from actors import PID, Error, Node
from actors.observer import observer
from supervision import ChildSpec, Server, Supervisor, handle_call, start, start_server
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from tests.bridging import outside
from tests.eventually import eventually
from tests.traced_entries import WORKER, till, traced


@attrs.frozen
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


@attrs.frozen
class Page:
    """A browser that does not keep to the rules."""

    url: str

    @property
    def token(self) -> str:
        return parse_qs(urlsplit(self.url).query)["token"][0]

    @property
    def address(self) -> str:
        return urlsplit(self.url).netloc

    async def ask(self, path: str, *, method: str = "GET", body: Any = None, **headers: str) -> Answer:
        def run() -> Answer:
            connection = http.client.HTTPConnection(self.address, timeout=10)
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, body=data, headers=named)
            answer = connection.getresponse()
            found = Answer(answer.status, dict(answer.getheaders()), answer.read())
            connection.close()
            return found

        return await trio.to_thread.run_sync(run)

    async def get(self, path: str) -> Answer:
        return await self.ask(path, x_everproc_token=self.token)

    async def post(self, path: str, body: Any) -> Answer:
        return await self.ask(path, method="POST", body=body, x_everproc_token=self.token)

    async def process(self, pid: PID) -> Any:
        answer = await self.get(f"/process?pid={quote(str(pid))}")
        assert answer.status == 200, answer.body
        return answer.value


class Stream:
    """The events of the page, as they come."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._text = b""
        self.rows: dict[str, Any] = {}
        self.node: dict[str, Any] = {}

    async def next(self) -> tuple[str, Any]:
        while (found := self._event()) is None:
            received = await self._stream.receive_some()
            assert received, "the stream has ended"
            self._text += received
        return found

    def _event(self) -> tuple[str, Any] | None:
        start, end = self._text.find(b"event: "), self._text.find(b"\n\n", self._text.find(b"event: "))
        if start < 0 or end < 0:
            return None
        name, data = self._text[start:end].split(b"\n")
        self._text = self._text[end:]
        return name.removeprefix(b"event: ").decode(), json.loads(data.removeprefix(b"data: "))

    async def until(self, done: Callable[[str, Any], bool]) -> Any:
        """Take events, and keep what they tell, until one of them, with all that came, does it."""
        with trio.fail_after(20):
            while True:
                name, data = await self.next()
                if name == "change":
                    self.node = data["node"]
                    for pid in data["gone"]:
                        del self.rows[pid]
                    self.rows.update({row["pid"]: row for row in data["rows"]})
                if done(name, data):
                    return data


@asynccontextmanager
async def events(page: Page) -> AsyncGenerator[Stream, None]:
    host, port = page.address.split(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        request = f"GET /events?token={page.token} HTTP/1.1\r\nHost: {page.address}\r\n\r\n"
        await stream.send_all(request.encode())
        yield Stream(stream)


async def idle() -> None:
    await actors.inbox().receive()
    await actors.listen("never").receive()


class Counter(Server):
    def init(self) -> None:
        self.n = 7

    @handle_call
    def get(self) -> int:
        return self.n


# Who is answered


@pytest.fixture
async def page() -> AsyncGenerator[Page, None]:
    async with Node("seen") as node, observer(node) as url:
        yield Page(url)


async def test_url_with_its_token_opens_the_page_which_loads_nothing_from_elsewhere(page: Page) -> None:
    answer = await page.ask(f"/?token={page.token}")
    assert answer.status == 200
    assert b"<title>Everproc observer</title>" in answer.body
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for file, kind in (("/observer.css", "text/css"), ("/observer.js", "text/javascript")):
        assert (await page.ask(file)).headers["content-type"] == f"{kind}; charset=utf-8"
    text = answer.body.decode().replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in text
    assert "https:" not in text
    assert " style=" not in text
    assert "onclick" not in text


async def test_page_listens_on_loopback_unless_told_otherwise(page: Page) -> None:
    assert page.address.startswith("127.0.0.1:")


@pytest.mark.parametrize("path", ["/", "/events", "/process?pid=x", "/record", "/nothing"])
@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
async def test_without_the_token_nothing_is_answered(page: Page, path: str, token: str | None) -> None:
    query = "" if token is None else f"{'&' if '?' in path else '?'}token={quote(token)}"
    answer = await page.ask(path + query)
    assert (answer.status, b"token is missing or wrong" in answer.body) == (403, True)


async def test_token_is_another_for_each_observer() -> None:
    async with Node("seen") as node, observer(node) as one, observer(node) as other:
        assert Page(one).token != Page(other).token
        assert len(Page(one).token) >= 32


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "::1]"]
)
async def test_name_that_was_made_to_mean_this_address_is_refused(page: Page, host: str) -> None:
    for path in (f"/?token={page.token}", "/observer.js"):
        assert (await page.ask(path, Host=host)).status == 403


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:80", "LOCALHOST"])
async def test_address_itself_and_localhost_are_answered(page: Page, host: str) -> None:
    assert (await page.ask(f"/?token={page.token}", Host=host)).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1"])
async def test_page_of_another_site_is_refused_even_with_the_token(page: Page, origin: str) -> None:
    for method in ("GET", "POST"):
        answer = await page.ask("/record", method=method, x_everproc_token=page.token, Origin=origin)
        assert (answer.status, "access-control-allow-origin" in answer.headers) == (403, False)


async def test_token_in_the_url_is_not_enough_to_act(page: Page) -> None:
    answer = await page.ask(f"/record?token={page.token}", method="POST", body={"pid": "{a.1@trio|1}"})
    assert answer.status == 403


async def test_every_answer_forbids_framing_scripts_of_others_and_caching(page: Page) -> None:
    for answer in (
        await page.ask("/"),
        await page.ask(f"/?token={page.token}"),
        await page.ask("/observer.js"),
    ):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


# What is seen


async def test_stream_tells_of_all_processes_and_then_of_those_that_change() -> None:
    async with Node("seen") as node, observer(node) as url:
        pid = await node.spawner(name="first").spawn(idle)
        async with events(Page(url)) as stream:
            assert await stream.next() == ("hello", {"actions": False})
            await stream.until(lambda name, _: name == "change")
            assert stream.rows[str(pid)]["names"] == ["first"]
            green = await node.spawn(idle, on="green")
            await node.send(green, "to be read")
            await node.send(green, "unread")
            told = await stream.until(lambda *_: stream.rows.get(str(green), {}).get("mailbox") == 1)
            assert str(pid) not in [row["pid"] for row in told["rows"]]
            await node.terminate(pid)
            told = await stream.until(lambda name, data: name == "change" and bool(data["gone"]))
            assert told["gone"] == [str(pid)]
            assert stream.node["exits"] == {"terminated": 1}


async def test_restart_is_seen_with_the_report_of_the_supervisor() -> None:
    async def fragile() -> None:
        await actors.inbox().receive()
        raise Error("<b>no luck</b>")

    async def supervised() -> None:
        await start(Supervisor([ChildSpec("fragile", fragile, name="fragile")]))
        await trio.sleep_forever()

    async with Node("seen") as node, observer(node) as url, events(Page(url)) as stream:
        supervisor = await node.spawn(supervised)
        await stream.until(lambda *_: any(row["names"] == ["fragile"] for row in stream.rows.values()))
        (before,) = [row for row in stream.rows.values() if row["names"] == ["fragile"]]
        assert stream.rows[before["parent"]]["label"] == "Supervisor one_for_one"
        assert stream.rows[before["parent"]]["parent"] == str(supervisor)
        await node.send("fragile", "now")
        report = await stream.until(lambda name, _: name == "log")
        assert report["report"] == "child_terminated"
        assert "<b>no luck</b>" in report["message"]
        await stream.until(lambda *_: before["pid"] not in stream.rows and stream.node["restarts"] == 1)
        (after,) = [row for row in stream.rows.values() if row["names"] == ["fragile"]]
        assert (after["parent"], after["pid"] != before["pid"]) == (before["parent"], True)


async def test_process_is_shown_with_its_state_where_it_waits_and_its_context() -> None:
    async def client() -> None:
        await start_server(Counter, name="counter")
        await trio.sleep_forever()

    async with Node("seen") as node, observer(node) as url:
        await node.spawner(context={"user": "<i>7</i>"}).spawn(client)
        await eventually(lambda: _is(node.whereis("counter") is not None))
        pid = node.whereis("counter")
        assert pid is not None
        found = await Page(url).process(pid)
    assert (found["label"], found["state"], found["context"]) == ("Counter", {"n": 7}, {"user": "<i>7</i>"})
    assert any("serve" in line for line in found["waits"][0])


async def _is(value: bool) -> bool:
    return value


async def test_state_that_cannot_be_shown_is_said_so() -> None:
    def broken() -> None:
        raise ValueError("a bug")

    async def body() -> None:
        actors.set_options(state=broken, label="broken")
        await trio.sleep_forever()

    async with Node("seen") as node, observer(node) as url:
        pid = await node.spawn(body)
        await trio.testing.wait_all_tasks_blocked()
        assert (await Page(url).process(pid))["state"] == "cannot be shown: ValueError('a bug')"


async def test_last_messages_are_kept_from_when_they_are_asked_for_and_no_longer_than_the_observer() -> None:
    async with Node("seen") as node:
        pid = await node.spawn(idle)
        async with observer(node) as url:
            page = Page(url)
            await node.send(pid, "before")
            assert (await page.process(pid))["recent"] is None
            assert (await page.post("/record", {"pid": str(pid)})).value == {"result": True}
            await node.send(pid, "work", {"text": "<script>alert(1)</script>"})
            (message,) = (await page.process(pid))["recent"]
            assert (message["topic"], message["payload"]) == ("work", {"text": "<script>alert(1)</script>"})
            for number in range(60):
                await node.send(pid, "work", number)
            kept = (await page.process(pid))["recent"]
            assert [message["payload"] for message in kept] == list(range(10, 60))
        assert (await node.describe(pid)).recent is None


async def test_durable_processes_are_in_the_same_tree_and_link_to_temporals_page(
    temporal_address: str,
) -> None:
    async def parent() -> None:
        await actors.spawner(name=f"till-{actors.uuid4()}").spawn_monitored(till)
        await trio.sleep_forever()

    async with (
        Node("seen") as node,
        outside(temporal_address, traced, worker=WORKER, node=node),
        observer(node, temporal_ui="http://localhost:8233/") as url,
    ):
        pid = await node.spawn(parent)

        def ours(*_: Any) -> bool:
            return any(row["parent"] == str(pid) for row in stream.rows.values())

        async with events(Page(url)) as stream:
            await stream.until(ours)
        (row,) = [row for row in stream.rows.values() if row["parent"] == str(pid)]
        assert (row["entry"], row["host"]) == ("traced:till", "temporal")
        durable = PID.parse(row["pid"])
        found = await Page(url).process(durable)
        assert found["web"].startswith(f"http://localhost:8233/namespaces/default/workflows/{durable.id}/")
        await node.send(durable, "close")


async def test_durable_process_of_an_embedded_server_links_to_its_page_by_itself(tmp_path: Path) -> None:
    worker = Worker(WORKER, task_queue="observed", entries=[traced])
    client = TemporalClient(data_dir=tmp_path, ui=True)
    async with (
        Node("seen") as node,
        observer(node) as url,
        TemporalBridge(node, client, worker) as bridge,
    ):
        pid = await node.spawn(till)
        found = await Page(url).process(pid)
        assert bridge.server is not None
        assert bridge.server.ui_address is not None
        assert found["web"].startswith(f"{bridge.server.ui_address}/namespaces/default/workflows/{pid.id}/")
        await node.send(pid, "close")


async def test_of_very_many_processes_the_oldest_are_shown_and_the_number_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.observer._rows.MOST", 10)
    async with Node("seen") as node, observer(node) as url:
        for _ in range(12):
            await node.spawn(idle, on="green")
        async with events(Page(url)) as stream:
            await stream.until(lambda name, _: name == "change")
        assert (len(stream.rows), stream.node["shown"], stream.node["processes"]) == (10, 10, 12)


async def test_nothing_is_left_when_the_block_ends() -> None:
    handlers = list(logging.getLogger().handlers)
    async with Node("seen") as node:
        async with observer(node) as url, events(Page(url)) as stream:
            await stream.until(lambda name, _: name == "change")
        assert logging.getLogger().handlers == handlers
        with pytest.raises(OSError):  # noqa: PT011 - refused
            await Page(url).ask("/")


@pytest.mark.parametrize("pid", ["", "nonsense", "{seen.0@trio|99}", "%00", "x" * 5000])
async def test_pid_of_nobody_is_a_clear_error(page: Page, pid: str) -> None:
    answer = await page.get(f"/process?pid={quote(pid)}")
    assert answer.status in (404, 422)
    assert answer.value["error"]["kind"] in ("NOT_FOUND", "INVALID")


# Acting


@pytest.mark.parametrize("path", ["/cancel", "/terminate", "/send"])
async def test_page_only_looks_unless_actions_are_allowed(path: str) -> None:
    async with Node("seen") as node, observer(node) as url:
        pid = await node.spawn(idle)
        answer = await Page(url).post(path, {"pid": str(pid), "topic": "x"})
        assert (answer.status, answer.value["error"]["kind"]) == (403, "PERMISSION_DENIED")
        assert (await node.describe(pid)).mailbox == 0


async def test_actions_that_are_allowed_act() -> None:
    async with Node("seen") as node, observer(node, allow_actions=True) as url:
        page, pid = Page(url), await node.spawn(trio.sleep_forever)
        assert (await page.post("/send", {"pid": str(pid), "topic": "work", "payload": [1]})).value["result"]
        assert (await node.describe(pid)).mailbox == 1
        assert (await page.post("/cancel", {"pid": str(pid)})).value == {"result": True}
        other = await node.spawn(trio.sleep_forever)
        assert (await page.post("/terminate", {"pid": str(other)})).value == {"result": True}
        assert (await page.post("/terminate", {"pid": str(other)})).value == {"result": False}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", {"pid": 1}, {}, {"pid": "x"}, b"[" * 100_000, b"\xff\xfe"]
)
async def test_bad_body_is_a_clear_error(body: Any) -> None:
    async with Node("seen") as node, observer(node, allow_actions=True) as url:
        answer = await Page(url).post("/terminate", body)
        assert (answer.status, answer.value["error"]["kind"]) == (422, "INVALID")


async def test_bad_topic_is_a_clear_error() -> None:
    async with Node("seen") as node, observer(node, allow_actions=True) as url:
        pid = await node.spawn(idle)
        answer = await Page(url).post("/send", {"pid": str(pid), "topic": "@system"})
        assert (answer.status, "topic='@system'" in answer.value["error"]["message"]) == (422, True)


async def test_acting_by_get_is_refused(page: Page) -> None:
    assert (await page.get("/terminate")).status == 405


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"host": ""}, "host=''"),
        ({"port": -1}, "port=-1"),
        ({"port": "80"}, "port='80'"),
        ({"allow_actions": "yes"}, "allow_actions='yes'"),
        ({"temporal_ui": "localhost"}, "temporal_ui='localhost'"),
        ({"host": "no.such.host.invalid"}, "host='no.such.host.invalid'"),
    ],
)
async def test_bad_argument_is_named(given: dict[str, Any], named: str) -> None:
    async with Node("seen") as node:
        with pytest.raises(Error, match=named):
            await observer(node, **given).__aenter__()


async def test_something_else_than_a_node_is_refused() -> None:
    with pytest.raises(Error, match="node='web'"):
        await observer("web").__aenter__()  # type: ignore[arg-type]


# By the command


async def test_command_run_serves_the_page_and_tells_its_url() -> None:
    command = [sys.executable, "-m", "actors.cli", "run", "tests.observed_program:main"]
    async with trio.open_nursery() as nursery:
        with trio.fail_after(60):
            process = await nursery.start(
                lambda task_status: trio.run_process(  # noqa: ASYNC105 - the nursery awaits it
                    [*command, "--observe", "--observe-actions"],
                    stderr=subprocess.PIPE,
                    check=False,
                    task_status=task_status,
                )
            )
            text = b""
            while (found := re.search(rb"observe it at (\S+)\n", text)) is None:
                text += await process.stderr.receive_some()
            page = Page(found[1].decode())
            async with events(page) as stream:
                assert await stream.next() == ("hello", {"actions": True})
                await stream.until(lambda *_: any(row["names"] == ["main"] for row in stream.rows.values()))
            (pid,) = (pid for pid, row in stream.rows.items() if row["names"] == ["main"])
            assert (await page.post("/send", {"pid": pid, "topic": "end"})).value == {"result": True}
    assert process.returncode == 0


def test_options_of_the_page_without_it_are_refused() -> None:
    command = [sys.executable, "-m", "actors.cli", "run", "tests.observed_program:main", "--observe-actions"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 2
    assert "--observe" in ran.stderr
