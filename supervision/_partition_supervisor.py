"""The partition supervisor: one child several times over, and a key that says which of them is meant (Elixir's)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable
from typing import Any

import attrs

from actors import Dest, Duration, Target, invalid
from supervision._child_spec import Child, ChildSpec, Counts, Type, whole_number
from supervision._handle import Handle
from supervision._restart import Strategy
from supervision._supervisor import Supervisor, SupervisorHandle


@attrs.frozen
class PartitionSupervisorHandle(Handle):
    """A partition supervisor that runs. Finding the partition of a key asks nobody, so it is no bottleneck."""

    names: tuple[str, ...]

    @property
    def partitions(self) -> int:
        """How many there are."""
        return len(self.names)

    def partition(self, key: Hashable) -> str:
        """The name that the partition of a key is registered under: a destination, also after its restarts.

        The same key is always the same partition, in every program. A whole number is taken as it is, modulo the number
        of partitions; of anything else its `repr` counts.
        """
        if isinstance(key, int):
            return self.names[abs(key) % len(self.names)]
        return self.names[zlib.crc32(repr(key).encode()) % len(self.names)]

    async def which_children(self) -> list[Child]:
        """The partitions; their ids are their numbers."""
        return await SupervisorHandle(self.dest).which_children()

    async def count_children(self) -> Counts:
        """How many there are."""
        return await SupervisorHandle(self.dest).count_children()


@attrs.frozen
class PartitionSupervisor:
    """Runs one child several times, so that its work is shared.

        counters = await start(PartitionSupervisor(ChildSpec("counter", Counter), partitions=8))
        await cast(counters.partition("user-17"), Counter.increment, 1)

    Args:
        child: the spec of each partition. Its name, or its id where it has none, with a dot and the number is what each
            is registered under.
        partitions: how many.
        with_arguments: called with the args of the spec and the number of the partition; gives the args it starts with.
        strategy: as for `Supervisor`.
        max_restarts: as for `Supervisor`.
        within: as for `Supervisor`.

    Raises:
        Error: kind INVALID, when an argument is not of that form.
    """

    child: ChildSpec
    partitions: int
    with_arguments: Callable[[tuple[Any, ...], int], tuple[Any, ...]] | None = None
    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    within: Duration = "5s"

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.child, ChildSpec):
            raise invalid("child", self.child, "a ChildSpec")
        whole_number("partitions", self.partitions, 1)
        if self.with_arguments is not None and not callable(self.with_arguments):
            raise invalid("with_arguments", self.with_arguments, "a function of the args and a number")
        self._supervisor()

    def at(self, dest: Dest) -> PartitionSupervisorHandle:
        """The handle of one that runs already, and was made from these settings."""
        return PartitionSupervisorHandle(dest, tuple(self._name(number) for number in range(self.partitions)))

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        return self._supervisor().__supervision_body__(args)

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"

    def _supervisor(self) -> Supervisor:
        children = tuple(self._child(number) for number in range(self.partitions))
        return Supervisor(children, self.strategy, self.max_restarts, self.within)

    def _child(self, number: int) -> ChildSpec:
        args = (
            self.child.args if self.with_arguments is None else self.with_arguments(self.child.args, number)
        )
        return attrs.evolve(self.child, id=number, args=args, name=self._name(number))

    def _name(self, number: int) -> str:
        return f"{self.child.id if self.child.name is None else self.child.name}.{number}"
