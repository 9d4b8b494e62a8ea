"""Registered names of processes: `await actors.names.register("counter")`, then `actors.send("counter", ...)`.

A name belongs to one live process and is free again before anyone learns of its death (semantics 4, 32). With
`scope="cluster"` all programs with a bridge to one namespace share it, and so do durable processes:

    await actors.names.register("counter", scope="cluster")
    pid = await actors.names.lookup("counter", scope="cluster")  # anywhere

A string as a destination is a name of the node; those of the cluster are looked up like this.
"""

from __future__ import annotations

from actors._kernel.cluster_client import in_cluster
from actors._kernel.kernel import kernel_of
from actors._kernel.names import check_name, taken
from actors._kernel.process import take_reduction
from actors._values.errors import NOT_FOUND, Error, shown
from actors._values.pid import PID

__all__ = ["lookup", "register", "unregister"]


async def register(name: str, scope: str = "node") -> None:
    """Give the running process a name. A process may have several; the same name again is fine.

    Raises:
        Error: kind ALREADY_EXISTS with the holder's PID in `details["pid"]`, or INVALID for what is no name. For the
            cluster also UNAVAILABLE, when it is out of reach (it may have the name then: register again), and
            RATE_LIMITED, when there are too many.
    """
    check_name(name)
    cluster = in_cluster(scope)
    process = await take_reduction()
    if not cluster:
        kernel_of(process).names.register(name, process)
        return
    holder = await kernel_of(process).connected_cluster().gain(process, "register", name)
    if holder != process.pid:
        raise taken(name, holder)


async def lookup(name: str, scope: str = "node") -> PID:
    """The PID that has the name.

    Raises:
        Error: kind NOT_FOUND, when nobody has it; UNAVAILABLE, when the cluster is out of reach.
    """
    check_name(name)
    cluster = in_cluster(scope)
    process = await take_reduction()
    if cluster:
        pid: PID | None = await kernel_of(process).connected_cluster().ask(process, "lookup", name)
    else:
        pid = kernel_of(process).names.get(name)
    if pid is None:
        where = "in the cluster" if cluster else "on this node"
        raise Error(f"name={shown(name)} is not registered {where}", kind=NOT_FOUND, details={"name": name})
    return pid


async def unregister(name: str, scope: str = "node") -> bool:
    """Free a name, whoever has it; False when nobody has.

    Raises:
        Error: kind UNAVAILABLE, when the cluster is out of reach.
    """
    check_name(name)
    cluster = in_cluster(scope)
    process = await take_reduction()
    if not cluster:
        return kernel_of(process).names.unregister(name)
    freed: bool = await kernel_of(process).connected_cluster().ask(process, "unregister", name)
    return freed
