"""The partition supervisor: one child several times over, and a key that says which of them is meant (Elixir's)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable
from typing import Any

import attrs

import actors
from actors import NOT_FOUND, PID, Dest, Duration, Error, Target, invalid
from supervision._children.child_spec import Child, ChildSpec, Counts, Type, whole_number
from supervision._children.restart import Strategy
from supervision._supervisors.handle import Handle
from supervision._supervisors.supervisor import Supervisor, SupervisorHandle, supervise


@attrs.frozen
class PartitionSupervisorHandle(Handle):
    """A partition supervisor that runs. Finding the partition of a key asks nobody, so it is no bottleneck."""

    name: str
    """What the names of the partitions begin with."""
    own_names: bool
    """Whether they are this supervisor's alone: then they end with its PID."""
    partitions: int
    """How many there are."""

    def partition(self, key: Hashable) -> str:
        """The name that the partition of a key is registered under: a destination, also after its restarts.

        The same key is always the same partition, in every program. A whole number is taken as it is, modulo the number
        of partitions; of anything else its `repr` counts.

        Raises:
            Error: for a handle made by `at` from a name: kind NOT_FOUND when nobody has it.
        """
        hashed = abs(key) if isinstance(key, int) else zlib.crc32(repr(key).encode())
        number = hashed % self.partitions
        return partition_name(self.name, number, self._pid() if self.own_names else None)

    def _pid(self) -> PID:
        if isinstance(self.dest, PID):
            return self.dest
        found = actors.running_process().kernel.find(self.dest)
        if isinstance(found, PID):
            raise Error(f"no process has the name {self.dest!r}", kind=NOT_FOUND, details={"name": self.dest})
        return found.pid

    async def pid_for(self, key: Hashable) -> PID:
        """The PID of the partition of a key, until it is restarted.

        Raises:
            Error: kind NOT_FOUND, while it does not run.
        """
        return await actors.names.lookup(self.partition(key))

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
            is registered under; without a name also the PID of the supervisor, so that several can run.
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
        self.supervisor(None)  # checks the rest

    def at(self, dest: Dest) -> PartitionSupervisorHandle:
        """The handle of one that runs already, and was made from these settings."""
        return PartitionSupervisorHandle(dest, self._prefix, self.child.name is None, self.partitions)

    def __supervision_body__(self, args: tuple[Any, ...]) -> tuple[Target, tuple[Any, ...]]:
        """As `Behaviour`."""
        if args:
            raise invalid("args", args, "no arguments for a supervisor")
        return supervise_partitions, (self, actors.self_pid())

    def __supervision_type__(self) -> Type:
        """As `Behaviour`."""
        return "supervisor"

    def supervisor(self, pid: PID | None) -> Supervisor:
        """The supervisor that it is, when it runs as `pid`."""
        children = [self._child(number, pid) for number in range(self.partitions)]
        return Supervisor(children, self.strategy, self.max_restarts, self.within)

    def _child(self, number: int, pid: PID | None) -> ChildSpec:
        args = self.child.args
        if self.with_arguments is not None:
            args = self.with_arguments(args, number)
        name = partition_name(self._prefix, number, None if self.child.name is not None else pid)
        return attrs.evolve(self.child, id=number, args=args, name=name)

    @property
    def _prefix(self) -> str:
        return str(self.child.id) if self.child.name is None else self.child.name


def partition_name(prefix: str, number: int, pid: PID | None) -> str:
    """What a partition is registered under."""
    return f"{prefix}.{number}" if pid is None else f"{prefix}.{number} of {pid}"


async def supervise_partitions(partitions: PartitionSupervisor, parent: PID) -> None:
    """The process of a `PartitionSupervisor`."""
    await supervise(partitions.supervisor(actors.self_pid()), parent)
