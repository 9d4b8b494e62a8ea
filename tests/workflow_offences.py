"""Durable processes that do what does not replay; see W40."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import random
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path
from time import time as clock
from typing import Any

import trio

import actors
from actors import Namespace

offences = Namespace("offences")
WORKER = "wf:worker"

OFFENCES = [
    # The process, what its error names, and the way out that the error says.
    ("wall_clock", "time.time", "actors.now"),
    ("date_of_today", "datetime", "actors.now"),
    ("blocking_sleep", "time.sleep", "actors.sleep"),
    ("dice", "random.random", "actors.random_bytes"),
    ("system_randomness", "os.urandom", "actors.random_bytes"),
    ("own_uuid", "uuid.uuid4", "actors.uuid4"),
    ("opens_a_file", "open", "actors.funcs.call"),
    ("opens_a_socket", "socket", "actors.funcs.call"),
    ("runs_a_program", "subprocess", "actors.funcs.call"),
    ("starts_a_thread", "threading", "actors.start_soon"),
    ("reads_the_environment", "os.environ", "actors.funcs.call"),
    ("reads_a_path", "pathlib.Path.read_text", "actors.funcs.call"),
    ("waits_for_a_lock", "threading", "actors.start_soon"),
    ("helped", "time.time", "actors.now"),
    ("asyncio_sleep", "asyncio.sleep", "actors.sleep"),
    ("asyncio_gather", "asyncio", "actors.start_soon"),
    ("asyncio_thread", "asyncio", "actors.start_soon"),
    ("trio_sleep", "trio.sleep", "actors.sleep"),
    ("trio_nursery", "trio", "actors.start_soon"),
    ("foreign_awaitable", "Foreign", "actors"),
]


@offences.process(worker=WORKER)
async def wall_clock() -> float:
    return time.time()


@offences.process(worker=WORKER)
async def date_of_today() -> Any:
    return dt.datetime.now()  # noqa: DTZ005


@offences.process(worker=WORKER)
async def blocking_sleep() -> None:
    time.sleep(0.01)  # noqa: ASYNC251


@offences.process(worker=WORKER)
async def dice() -> float:
    return random.random()


@offences.process(worker=WORKER)
async def system_randomness() -> bytes:
    return os.urandom(3)


@offences.process(worker=WORKER)
async def own_uuid() -> uuid.UUID:
    return uuid.uuid4()


@offences.process(worker=WORKER)
async def opens_a_file() -> str:
    with open("/etc/hostname") as file:  # noqa: ASYNC230, PTH123
        return file.read()


@offences.process(worker=WORKER)
async def opens_a_socket() -> None:
    socket.create_connection(("localhost", 1))


@offences.process(worker=WORKER)
async def runs_a_program() -> None:
    subprocess.run(["true"], check=True)  # noqa: ASYNC221


@offences.process(worker=WORKER)
async def starts_a_thread() -> None:
    threading.Thread(target=print).start()


@offences.process(worker=WORKER)
async def reads_the_environment() -> str | None:
    return os.environ.get("HOME")


@offences.process(worker=WORKER)
async def reads_a_path() -> str:
    return Path("/etc/hostname").read_text()  # noqa: ASYNC240


@offences.process(worker=WORKER)
async def waits_for_a_lock() -> None:
    threading.Lock().acquire()


def helper() -> float:
    return clock()


@offences.process(worker=WORKER)
async def helped() -> float:
    return helper()


@offences.process(worker=WORKER, on_crash="suspend")
async def precious() -> None:
    await actors.listen("go").receive()
    raise_unless_mended()


mended = False


def raise_unless_mended() -> None:
    if not mended:
        raise ValueError("a bug")


@offences.process(worker=WORKER, on_crash="suspend")
async def precious_but_it_refuses() -> None:
    raise actors.Error("on purpose", kind="CONFLICT")


@offences.function(worker=WORKER)
async def may_do_anything() -> float:
    return time.time()


@offences.process(worker=WORKER)
async def calls_a_function() -> bool:
    found: float = await actors.funcs.call(may_do_anything)
    return found > 0


@offences.process(worker=WORKER)
async def asyncio_sleep() -> None:
    await asyncio.sleep(0.01)


@offences.process(worker=WORKER)
async def asyncio_gather() -> None:
    await asyncio.gather(asyncio.sleep(0.01), asyncio.sleep(0.01))


@offences.process(worker=WORKER)
async def asyncio_thread() -> None:
    await asyncio.to_thread(print)


@offences.process(worker=WORKER)
async def trio_sleep() -> None:
    await trio.sleep(0.01)


@offences.process(worker=WORKER)
async def trio_nursery() -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep, 1)


class Foreign:
    def __await__(self) -> Any:
        yield self


@offences.process(worker=WORKER)
async def foreign_awaitable() -> None:
    await Foreign()


count = 0


@offences.process(worker=WORKER)
async def counts_globally() -> int:
    global count
    count += 1
    return count


@offences.process(worker=WORKER)
async def allowed() -> int:
    random.Random(3).random()
    return 1
