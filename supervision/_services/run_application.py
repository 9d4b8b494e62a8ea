"""Running an application as a program, until a signal or its own end. The one module here that needs trio."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator

import trio

import actors
from actors import PID, Channel, Error, Exit
from supervision._children.requests import FOREVER
from supervision._children.start import spawn, until_ready
from supervision._services.application import Application


def run_application(application: Application, name: str = "main") -> None:
    """Run a node with an application, until SIGINT or SIGTERM stops it in order, or it ends by itself.

        run_application(Application([Service("web", serve)]))

    A second signal does not wait for the services: what still runs after 5 s is terminated. A third ends the program.

    Raises:
        Error: why the application could not start, or ended.
    """
    actors.run(_main, application, name=name)


async def _main(application: Application) -> None:
    actors.set_options(trap_links=True)
    signals = Channel[int]()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        actors.start_soon(_pass_on, received, signals)
        target, args = application.__supervision_body__(())
        pid = await spawn(actors.spawner(), target, args, monitored=True)
        actors.start_soon(_ask, pid)
        asked = False
        while True:
            picked = await actors.select(signals, actors.events())
            if isinstance(picked.value, Exit) and picked.value.pid == pid:
                if not asked:
                    picked.value.result.unwrap()
                return
            if picked.channel is signals or isinstance(picked.value, actors.Cancel):
                if asked:
                    return
                asked = True
                await actors.cancel(pid, reason="shutdown")


async def _pass_on(received: AsyncIterator[int], signals: Channel[int]) -> None:
    async for number in received:
        await signals.send(number)


async def _ask(pid: PID) -> None:
    """Ask when it is ready, for it waits for that question; its exit says whether it could not start."""
    with contextlib.suppress(Error):
        await until_ready(pid, FOREVER)
