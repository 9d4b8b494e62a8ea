"""What the manifests of the tests name: processes, functions and services."""

from __future__ import annotations

import time

import actors
from supervision import Server, handle_call

shop = actors.Namespace("shop")


@shop.process(worker="shop:worker")
async def declared(order: int) -> int:
    return order


async def order(number: int) -> str:
    await actors.sleep("1ms")
    return await actors.funcs.call("app:charge", number)  # type: ignore[no-any-return]


async def careless(number: int) -> float:
    return time.time()


async def local(number: int) -> int:
    return number + 1


def charge(number: int) -> str:
    return f"paid {number}"


class Counter(Server):
    def init(self, first: int = 0) -> None:
        self.number = first

    @handle_call
    def increment(self, by: int) -> int:
        self.number += by
        return self.number


async def serve() -> None:
    events = actors.events()
    await events.receive()


async def fails() -> None:
    raise actors.Error("the port is taken", kind="CONFLICT")


TABLE = {"not": "a function"}
