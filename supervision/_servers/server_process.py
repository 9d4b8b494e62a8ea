"""The process function of a server: its start, in memory or durable, and then what it serves (OTP's `init_it`)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import actors
from actors import Message, StateCarrier
from supervision._children.requests import TOPIC
from supervision._children.start import answer_starter, fail_to_start
from supervision._servers.callbacks import ServerCallbacks
from supervision._servers.server_loop import Stopped, awaited
from supervision._servers.server_state import CarriedState, get_state


def process_of(server: type[ServerCallbacks]) -> Callable[..., Awaitable[None]]:
    """The process function of a server, under the name of its class: by that, workers find it."""

    async def run(*args: Any) -> None:
        life = actors.kernel_of(actors.running_process()).wiring.state_carrier
        if life is None:
            await serve(server, args)
        else:
            await serve_for_long(server, args, life)

    # What `init` takes: by that, the arguments of a start are checked.
    parameters = list(inspect.signature(server.init).parameters.values())[1:]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__module__, run.__name__, run.__qualname__ = server.__module__, server.__name__, server.__qualname__
    return run


async def serve(server: type[ServerCallbacks], args: tuple[Any, ...]) -> None:
    """The process of a `Server` in memory."""
    process = actors.running_process()
    # Whoever starts it by `start_server`, or as a child, is linked to it and asks. Nobody else waits for an answer.
    starter = process.parent if process.links is not None and process.parent in process.links else None
    requests = actors.listen(TOPIC, messages=True)
    serving = server().__supervision_serving__()
    actors.set_options(label=server.__qualname__.rpartition(".")[2], state=serving.state)
    try:
        first = await awaited(serving.server.init(*args))
        serving.check_stop()
    except Stopped as stopped:
        await fail_to_start(requests, starter, stopped.at_start())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the starter's
        await fail_to_start(requests, starter, error)
    early: list[Message] = []
    if starter is not None:
        if actors.get_options().trap_links:
            await actors.monitor(starter)  # who traps links hears of its parent's normal end, too (OTP)
            serving.parent = starter
        early = await answer_starter(requests)
    actors.unlisten(requests)  # from here on, requests of the system are handled in their order of arrival
    for message in early:
        serving.keep(message)
    await serving.run(lambda: serving.begin(first))


async def serve_for_long(server: type[ServerCallbacks], args: tuple[Any, ...], life: StateCarrier) -> None:
    """The process of a durable `Server`. Its starter asks when it likes: how it ended can be found out later, too."""
    serving = server().__supervision_serving__()
    serving.life = life
    life.show_state(lambda: get_state(serving.server))
    if len(args) == 1 and isinstance(args[0], CarriedState):
        carried = args[0]
        await serving.run(lambda: serving.go_on(carried))
        return
    try:
        first = await awaited(serving.server.init(*args))
        serving.check_stop()
    except Stopped as stopped:
        raise stopped.at_start() from None
    serving.check_carried()
    await serving.run(lambda: serving.begin(first))
