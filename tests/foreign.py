"""A workflow and activities as any user of Temporal's own SDK writes them: they know nothing of Everproc."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from temporal_bridge._asyncio.portal import Portal


@workflow.defn(name="ForeignWorkflow")
class ForeignWorkflow:
    """Does what its argument says."""

    def __init__(self) -> None:
        self.signals: list[Any] = []

    @workflow.signal
    def note(self, value: Any) -> None:
        self.signals.append(value)

    @workflow.run
    async def run(self, order: dict[str, Any]) -> Any:
        match order["do"]:
            case "return":
                return order["value"]
            case "fail":
                raise ApplicationError("out of stock", {"sku": 7}, type="OutOfStock", non_retryable=True)
            case "wait":
                await workflow.wait_condition(lambda: bool(self.signals))
                return self.signals
            case "signal":
                await workflow.get_external_workflow_handle(order["id"]).signal("finish", order["value"])
                return None
            case "call":
                options = {
                    "task_queue": order["task_queue"],
                    "start_to_close_timeout": timedelta(seconds=5),
                    "retry_policy": RetryPolicy(
                        maximum_attempts=3, initial_interval=timedelta(milliseconds=10)
                    ),
                }
                try:
                    return await workflow.execute_activity(order["activity"], args=order["args"], **options)
                except ActivityError as error:
                    return _told(error.cause)
            case _:
                try:
                    return await workflow.execute_child_workflow(
                        order["child"], args=order["args"], task_queue=order["task_queue"]
                    )
                except ChildWorkflowError as error:
                    return _told(error.cause)


def _told(cause: BaseException | None) -> Any:
    assert isinstance(cause, ApplicationError)
    return [cause.type, cause.message, cause.non_retryable]


@activity.defn(name="out:foreign_double")
async def foreign_double(value: int) -> int:
    return value * 2


@activity.defn(name="out:foreign_fail")
async def foreign_fail(kind: str) -> None:
    raise ApplicationError("declined", {"code": 5}, type=kind)


@asynccontextmanager
async def foreign_worker(portal: Portal, client: Client, task_queue: str) -> AsyncGenerator[None, None]:
    """A worker of Temporal's own SDK on a task queue."""

    async def make() -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            workflows=[ForeignWorkflow],
            activities=[foreign_double, foreign_fail],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )

    worker = await portal.call(make)

    async def enter() -> None:
        await worker.__aenter__()

    async def leave() -> None:
        await worker.__aexit__(None, None, None)

    await portal.call(enter)
    try:
        yield
    finally:
        await portal.call(leave)
