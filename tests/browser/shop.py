"""A shop whose processes are looked at: supervisors, servers, workers, and durable orders."""

from __future__ import annotations

from typing import Any

import trio

import actors
from actors import Namespace
from supervision import ChildSpec, Server, Supervisor, handle_call, start

shop = Namespace("shop")
WORKER = "shop:worker"


class Cart(Server):
    def init(self) -> None:
        self.customer = "<b>Ada</b>"
        self.items = {"tea": 2, "cups": 6}
        self.paid = False

    @handle_call
    def add(self, item: str) -> dict[str, Any]:
        self.items[item] = self.items.get(item, 0) + 1
        return self.items


async def worker() -> None:
    async for message in actors.inbox():
        if message.topic == "crash":
            raise ValueError("out of <i>tea</i>")


async def waits() -> None:
    await trio.sleep_forever()


async def bell(names: list[str]) -> None:
    """Keeps some workers busy."""
    while True:
        for name in names:
            await actors.sleep("40ms")
            await actors.send(name, "ring")


@shop.process(worker=WORKER)
async def order() -> None:
    await actors.inbox().receive()


@shop.process(worker=WORKER)
async def delivery(parcels: int) -> None:
    for number in range(parcels):
        await actors.spawner(name=f"parcel-{number}").spawn(order)
    await actors.inbox().receive()


async def desk() -> None:
    for number in range(3):
        await actors.spawner(name=f"order-{number}").spawn_monitored(order, on=WORKER)
    await actors.spawner(name="delivery").spawn_linked(delivery, 2, on=WORKER)
    await waits()


async def open_shop(workers: int) -> None:
    packers = [
        ChildSpec(f"packer-{number}", worker, name=f"packer-{number}", on="green")
        for number in range(workers)
    ]
    shelves = [ChildSpec(f"shelf-{number}", waits, name=f"shelf-{number}") for number in range(3)]
    await start(
        Supervisor(
            [
                ChildSpec("cart", Cart, name="cart", on="green"),
                ChildSpec("store", Supervisor(shelves, strategy="rest_for_one"), name="store"),
                ChildSpec("packing", Supervisor(packers, max_restarts=1000), name="packing"),
            ]
        ),
        name="shop",
    )
    await actors.spawner(name="bell").spawn(bell, ["packer-0", "packer-1", "packer-2"])
    await waits()
