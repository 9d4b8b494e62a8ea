"""What a host offers to processes that outlive the runs of its machinery: durable ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class StateCarrier(Protocol):
    """For behaviours that carry their state from run to run by themselves, by `upgrade` to their own code.

    `Kernel.state_carrier` is None where a process keeps its memory for as long as it lives.
    """

    def should_upgrade(self) -> bool:
        """Whether so much has happened in this run that the process should go on in a new one, and can."""
        ...

    def check_carried(self, what: str, value: Any) -> None:
        """Refuse what could not be carried into the next run.

        Raises:
            Error: kind INVALID, naming `what` it is.
        """
        ...

    def show_state(self, view: Callable[[], Any]) -> None:
        """Have whoever asks from outside be shown what `view` gives, without a message to the process."""
        ...
