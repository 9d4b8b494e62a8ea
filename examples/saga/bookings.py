"""The functions of the saga: what a flight company, a hotel and a car rental would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import actors
from examples.saga.trip import STEPS, app

booked: dict[str, str] = {}
"""What is booked now: the step, by reference."""

log: list[str] = []
"""All that was done, in order."""


def _booking(step: str) -> None:
    """Declare the functions that book and cancel one step."""

    async def book(order: dict[str, Any]) -> str:
        log.append(f"book {step}")
        if order.get("fails_at") == step:
            raise actors.Error(f"no {step} left", kind=actors.CONFLICT)
        reference = f"{step}-{order['id']}"
        booked[reference] = step
        return reference

    async def cancel(reference: str) -> None:
        log.append(f"cancel {step}")
        booked.pop(reference, None)  # once more is fine: it may be a retry

    _declare(book, f"book_{step}")
    _declare(cancel, f"cancel_{step}")


def _declare(function: Callable[..., Any], name: str) -> None:
    function.__qualname__ = function.__name__ = name
    app.function(worker="saga:worker")(function)


for _step in STEPS:
    _booking(_step)
