"""What the browser asks for: the page, the events that keep it up to date, a process in full, and actions."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actors._inspection.json_view import error_to_json, process_to_json, to_jsonable
from actors._inspection.recent_log import RecentLog
from actors._runtime.node import Node
from actors._values.errors import INVALID, NOT_FOUND, PERMISSION_DENIED, Error, invalid
from actors._values.pid import PID
from actors.observer._rows import Rows
from actors.observer._stream import EventStream

_RECORDED: Final = 50
"""How many messages of a process are kept."""

_TYPES: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
_STATUS: Final = {INVALID: 422, NOT_FOUND: 404, PERMISSION_DENIED: 403}
PUBLIC: Final = ("/observer.css", "/observer.js")


class Application:
    """The observer of one node.

    Args:
        node: which.
        recent: the log that it tells of.
        allow_actions: whether processes may be ended and sent messages from the page.
        temporal_ui: the URL of Temporal's web UI, for links.
    """

    def __init__(self, node: Node, recent: RecentLog, allow_actions: bool, temporal_ui: str | None) -> None:
        self._node = node
        self._recent = recent
        self._allow_actions = allow_actions
        self._temporal_ui = temporal_ui
        self._rows = Rows(node)
        self._recorded: set[PID] = set()
        self.asgi = Starlette(
            routes=[
                Route("/", self._file("index.html")),
                *(Route(path, self._file(path[1:])) for path in PUBLIC),
                Route("/events", self._events),
                Route("/process", self._process),
                Route("/record", self._act(self._record), methods=["POST"]),
                Route("/cancel", self._act(self._cancel), methods=["POST"]),
                Route("/terminate", self._act(self._terminate), methods=["POST"]),
                Route("/send", self._act(self._send), methods=["POST"]),
            ],
            exception_handlers={Error: _refuse},
        )

    def close(self) -> None:
        """Record no messages any more."""
        for pid in self._recorded:
            if pid.id in self._node.kernel.table:
                self._node.record(pid, 0)

    def _file(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        content = (resources.files("actors.observer") / "page" / name).read_bytes()
        kind = _TYPES[name[name.rindex(".") :]]

        async def answer(request: Request) -> Response:
            return Response(content, media_type=f"{kind}; charset=utf-8")

        return answer

    # Looking

    async def _events(self, request: Request) -> Response:
        return EventStream(self._rows, self._recent, {"actions": self._allow_actions})

    async def _process(self, request: Request) -> Response:
        pid = _pid(request.query_params.get("pid"))
        description = await self._node.describe(pid)
        shown = process_to_json(description)
        if pid.id in self._node.kernel.table:
            try:
                shown["state"] = to_jsonable(self._node.state(pid))
            except Exception as error:  # noqa: BLE001 - of the process's own function
                shown["state"] = f"cannot be shown: {error!r}"
        elif self._temporal_ui is not None and pid.host not in self._node.kernel.wiring.schedulers:
            run = description.details.get("run_id", "")
            shown["web"] = f"{self._temporal_ui}/namespaces/{pid.node}/workflows/{pid.id}/{run}"
        elif "web" in description.details:
            shown["web"] = description.details["web"]
        return JSONResponse(shown)

    # Acting

    def _act(
        self, action: Callable[[PID, Mapping[str, Any]], Awaitable[Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                given = json.loads(await request.body())
            except (ValueError, RecursionError) as error:
                raise Error(f"the body is not JSON: {error}", kind=INVALID) from error
            if not isinstance(given, dict):
                raise invalid("body", given, 'an object with "pid"')
            asked = cast("dict[str, Any]", given)
            return JSONResponse({"result": await action(_pid(asked.get("pid")), asked)})

        return answer

    def _check_allowed(self) -> None:
        if not self._allow_actions:
            raise Error(
                "this observer only looks: open it with allow_actions=True to act", kind=PERMISSION_DENIED
            )

    async def _record(self, pid: PID, given: Mapping[str, Any]) -> bool:
        """Recording changes nothing that the process does, so it is allowed to those who look."""
        on = bool(given.get("on", True))
        self._node.record(pid, _RECORDED if on else 0)
        (self._recorded.add if on else self._recorded.discard)(pid)
        return on

    async def _cancel(self, pid: PID, given: Mapping[str, Any]) -> bool:
        self._check_allowed()
        return await self._node.cancel(pid, reason="from the observer")

    async def _terminate(self, pid: PID, given: Mapping[str, Any]) -> bool:
        self._check_allowed()
        return await self._node.terminate(pid, "from the observer")

    async def _send(self, pid: PID, given: Mapping[str, Any]) -> bool:
        self._check_allowed()
        payload = given.get("payload")
        return await self._node.send(pid, given.get("topic", ""), *([] if payload is None else [payload]))


def _pid(text: object) -> PID:
    if not isinstance(text, str):
        raise invalid("pid", text, "the text of a PID")
    return PID.parse(text)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, Error)
    return JSONResponse({"error": error_to_json(error)}, status_code=_STATUS.get(error.kind, 503))
