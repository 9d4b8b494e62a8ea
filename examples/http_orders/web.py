"""The application: each request is a call of the node that the program runs."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from actors import (
    ALREADY_EXISTS,
    INVALID,
    NOT_FOUND,
    PERMISSION_DENIED,
    PID,
    RATE_LIMITED,
    TIMEOUT,
    UNAVAILABLE,
    Error,
    Node,
)
from examples.http_orders.order import order

STATUS = {
    INVALID: 422,
    NOT_FOUND: 404,
    ALREADY_EXISTS: 409,
    PERMISSION_DENIED: 403,
    RATE_LIMITED: 429,
    UNAVAILABLE: 503,
    TIMEOUT: 504,
}
"""The HTTP status for a kind of error; 500 for the others."""


def application(node: Node, namespace: str) -> Starlette:
    """The web application of an open node, whose bridge works in a namespace."""

    async def create(request: Request) -> JSONResponse:
        given = await _order(request)
        spawner = node.spawner(
            context={"request_id": request.headers.get("x-request-id")},
            options={
                "temporal.workflow.id": f"order-{given['id']}",
                "temporal.workflow.id_conflict_policy": "fail",
                "temporal.workflow.id_reuse_policy": "reject_duplicate",
            },
        )
        pid = await spawner.spawn(order, given)
        return JSONResponse({"workflow_id": pid.id, "status": "started"}, status_code=202)

    async def show(request: Request) -> JSONResponse:
        pid = _pid(request)
        found = await node.describe(pid)  # NOT_FOUND when there never was one
        if found.status != "running":
            return JSONResponse({"id": request.path_params["id"], "status": found.status})
        return JSONResponse(await node.call(pid, "status", timeout="10s"))

    async def pay(request: Request) -> JSONResponse:
        if not await node.send(_pid(request), "pay"):
            raise Error("there is no such open order", kind=NOT_FOUND)
        return JSONResponse({"status": "accepted"}, status_code=202)

    def _pid(request: Request) -> PID:
        return PID(namespace, "temporal", f"order-{request.path_params['id']}")

    return Starlette(
        routes=[
            Route("/orders", create, methods=["POST"]),
            Route("/orders/{id}", show),
            Route("/orders/{id}/pay", pay, methods=["POST"]),
        ],
        exception_handlers={Error: _refuse},
    )


async def _order(request: Request) -> dict[str, Any]:
    try:
        given = json.loads(await request.body())
    except ValueError as error:
        raise Error(f"the body is not JSON: {error}", kind=INVALID) from error
    if not isinstance(given, dict) or not isinstance(given.get("id"), str) or not given["id"]:
        raise Error('expected an order such as {"id": "7"}, its id a string that is not empty', kind=INVALID)
    return given


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Error)
    return JSONResponse({"error": error.message, "kind": error.kind}, status_code=STATUS.get(error.kind, 500))
