"""Functions that a worker lends its workflows: what these may ask of the world outside their sandbox."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from temporalio import workflow
from temporalio.worker import Interceptor, WorkflowInboundInterceptor, WorkflowInterceptorClassInput


class ExternFunction(Interceptor):
    """Lends the workflows of a worker a function, which is called in the thread of a workflow."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._function = function

    def workflow_interceptor_class(
        self, input: WorkflowInterceptorClassInput
    ) -> type[WorkflowInboundInterceptor] | None:
        """As the SDK asks."""
        functions = cast("dict[str, Any]", input.unsafe_extern_functions)  # pyright: ignore[reportUnknownMemberType]
        functions[self._name] = self._function
        return None


def extern_function(name: str) -> Callable[..., Any] | None:
    """In a workflow: a function that its worker lends. A replay has none."""
    functions = cast("Mapping[str, Any]", workflow.extern_functions())  # pyright: ignore[reportUnknownMemberType]
    return functions.get(name)
