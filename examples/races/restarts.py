"""A supervised worker with a name. The race: it is asked by the PID that was looked up before it was restarted."""

import actors
from supervision import ChildSpec, Supervisor, start


async def counter() -> None:
    """Counts how often it was asked since its start."""
    await actors.names.register("counter")
    asked = 0
    async for message in actors.inbox():
        asked += 1
        await actors.reply(message, asked)


async def supervised_counter() -> None:
    """Keep a counter running."""
    await start(Supervisor([ChildSpec("counter", counter)], max_restarts=10))


async def ask_with_a_race(times: int) -> int:
    """The PID of a process ends with it: after a restart nobody is there."""
    pid = await actors.names.lookup("counter")
    answers = 0
    for _ in range(times):
        answers = await actors.call(pid, "ask")
    return answers


async def ask(times: int) -> int:
    """A name is looked up at each call; between a death and the restart it is free for a moment, so try again."""
    answers = 0
    for _ in range(times):
        while True:
            try:
                answers = await actors.call("counter", "ask")
                break
            except actors.Error as error:
                if error.kind not in (actors.NOT_FOUND, actors.UNAVAILABLE):
                    raise
                await actors.sleep("10ms")
    return answers
