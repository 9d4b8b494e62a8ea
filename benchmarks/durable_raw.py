"""What durable processes are compared with: Temporal's own SDK, as its manual has it.

Imports nothing that Temporal's sandbox could not import again.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

ADDRESS = "EVERPROC_BENCHMARK_SERVER"
"""The variable with the address of the server that all samples of a figure share."""


@workflow.defn
class Counting:
    """Ends when it has had so many signals."""

    def __init__(self) -> None:
        self.had = 0

    @workflow.run
    async def run(self, count: int) -> int:
        await workflow.wait_condition(lambda: self.had >= count)
        return self.had

    @workflow.signal
    def number(self, value: int) -> None:
        self.had += 1


@workflow.defn
class Same:
    """Returns its argument."""

    @workflow.run
    async def run(self, value: int) -> int:
        return value


@workflow.defn
class Adding:
    """Adds numbers, until it is ended."""

    def __init__(self) -> None:
        self.sum = 0

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    def add(self, number: int) -> int:
        self.sum += number
        return self.sum


@activity.defn
async def echo(value: int) -> int:
    """Returns its argument."""
    return value


@workflow.defn
class Asking:
    """Runs a local activity again and again."""

    @workflow.run
    async def run(self, count: int) -> int:
        for number in range(count):
            await workflow.execute_local_activity(echo, number, start_to_close_timeout=timedelta(seconds=10))
        return workflow.info().get_current_history_length()


def measured(measure: Callable[[Client, str], Awaitable[float]]) -> float:
    """Seconds that `measure` tells of, given a client and the task queue of a worker."""

    async def main() -> float:
        client = await Client.connect(os.environ[ADDRESS])
        queue = f"raw-{uuid.uuid4()}"
        async with Worker(
            client, task_queue=queue, workflows=[Counting, Same, Asking, Adding], activities=[echo]
        ):
            return await measure(client, queue)

    try:
        return asyncio.run(main())
    finally:
        time.sleep(0.2)  # the threads of the SDK must be done before the interpreter is


def signals(count: int, at_once: int, received: bool = True) -> float:
    """Seconds for so many signals to be accepted, and received by one workflow; so many are under way at a time."""

    async def measure(client: Client, queue: str) -> float:
        handle = await client.start_workflow(Counting.run, count, id=str(uuid.uuid4()), task_queue=queue)
        numbers = iter(range(count))

        async def send() -> None:
            for number in numbers:
                await handle.signal(Counting.number, number)

        start = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(at_once)))
        if received:
            await handle.result()
        return time.perf_counter() - start

    return measured(measure)


def executions(count: int, at_once: int) -> float:
    """Seconds for so many workflows to be started and their results to be had."""

    async def measure(client: Client, queue: str) -> float:
        numbers = iter(range(count))

        async def execute() -> None:
            for number in numbers:
                await client.execute_workflow(Same.run, number, id=str(uuid.uuid4()), task_queue=queue)

        start = time.perf_counter()
        await asyncio.gather(*(execute() for _ in range(at_once)))
        return time.perf_counter() - start

    return measured(measure)


def local_activities(count: int) -> float:
    """Seconds for so many local activities of one workflow, one after the other."""

    async def measure(client: Client, queue: str) -> float:
        start = time.perf_counter()
        await client.execute_workflow(Asking.run, count, id=str(uuid.uuid4()), task_queue=queue)
        return time.perf_counter() - start

    return measured(measure)


def updates(count: int) -> float:
    """Seconds for so many updates of one workflow, one after the other."""

    async def measure(client: Client, queue: str) -> float:
        handle = await client.start_workflow(Adding.run, id=str(uuid.uuid4()), task_queue=queue)
        start = time.perf_counter()
        for number in range(count):
            await handle.execute_update(Adding.add, number)
        return time.perf_counter() - start

    return measured(measure)
