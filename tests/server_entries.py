"""Durable servers. The worker imports them again in its sandbox."""

from __future__ import annotations

from typing import Any

import attrs

import actors
from actors import Message, Namespace, register
from supervision import (
    Called,
    Ignore,
    Refused,
    Sent,
    Server,
    ServerTimer,
    State,
    StateEvent,
    StateMachine,
    TimedOut,
    call,
    cast,
    handle_call,
    handle_cast,
    handle_info,
)

servers = Namespace("servers")
WORKER = "servers:worker"


@register
@attrs.frozen
class Entry:
    """A value of the user's own in the state."""

    number: int


@servers.process(worker=WORKER)
class Counter(Server):
    def init(self, first: int = 0) -> None:
        self.n = first
        self.log: list[Entry] = []
        self.waiting: list[Message] = []
        self.timer: ServerTimer | None = None
        self.ticks = 0
        self.upgrades = 0

    def handle_upgrade(self) -> None:
        self.upgrades += 1

    @handle_call
    def increment(self, by: int = 1) -> int:
        self.n += by
        return self.n

    @handle_call
    async def slowly(self, by: int) -> int:
        await actors.sleep("20ms")
        self.n += by
        return self.n

    @handle_cast
    def add(self, number: int) -> None:
        self.n += number
        self.log = [*self.log[-2:], Entry(number)]

    @handle_call
    def last(self) -> list[Entry]:
        return self.log

    @handle_call
    def odd(self) -> Any:
        return object()

    @handle_call
    def refuse(self) -> None:
        raise Refused("not today", kind=actors.PERMISSION_DENIED)

    @handle_call
    def crash(self) -> None:
        raise ValueError("asked to crash")

    @handle_call
    def wait(self) -> None:
        self.waiting.append(self.defer())

    @handle_call
    async def release(self) -> int:
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            await self.reply(message, self.n)
        return len(waiting)

    @handle_call
    def tick_every(self, length: str) -> None:
        self.timer = self.send_every(length, "tick", 1)

    @handle_call
    def tick_once(self, length: str) -> None:
        self.timer = self.send_after(length, "tick", 100)

    @handle_call
    def stop_ticking(self) -> bool:
        assert self.timer is not None
        return self.timer.cancel()

    @handle_info("tick")
    def on_tick(self, payload: int) -> None:
        self.ticks += payload

    @handle_call
    def upgraded(self) -> int:
        return self.upgrades

    @handle_call
    def key_of_it(self) -> Any:
        return self.key

    @handle_call
    def hold_a_lock(self) -> None:
        self.lock = object()


@servers.process(worker=WORKER)
class Picky(Server):
    def init(self, how: str) -> None:
        if how == "ignore":
            raise Ignore
        if how == "fail":
            raise actors.Error("no disk", kind=actors.UNAVAILABLE)
        if how == "odd":
            self.lock = object()
        if how == "stop":
            self.stop()


@servers.process(worker=WORKER)
class Door(StateMachine):
    def init(self, code: str) -> State:
        self.code = code
        self.seen: list[str] = []
        return self.locked

    async def locked(self, event: StateEvent) -> State | None:
        match event:
            case Called("unlock", (code,)):
                await self.reply(event, code == self.code)
                if code == self.code:
                    self.set_state_timeout("300ms")
                    return self.open
            case Called("look"):
                await self.reply(event, [self.state, self.seen])
            case Sent("push"):
                self.postpone()
            case _:
                pass
        return None

    async def open(self, event: StateEvent) -> State | None:
        match event:
            case Sent("push"):
                self.seen.append("pushed")
            case Called("look"):
                await self.reply(event, [self.state, self.seen])
            case TimedOut():
                return self.locked
            case _:
                pass
        return None


@servers.process(worker=WORKER)
async def calls_a_server(pid: actors.PID, count: int) -> list[int]:
    found = []
    for _ in range(count):
        await cast(pid, Counter.add, 1)
        found.append(await call(pid, Counter.increment, 1))
    return found


@servers.process(worker=WORKER)
async def asks_by_key(key: str, count: int) -> list[int]:
    return [await call(Counter.at(key), Counter.increment, 1, timeout="20s") for _ in range(count)]
