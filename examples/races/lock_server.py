"""A server that lends a lock. The race: a client dies while it holds the lock, and nobody ever gets it again."""

from collections import deque

import actors


async def lock_server_with_a_race() -> None:
    """Trusts its clients to give the lock back."""
    holder: actors.PID | None = None
    waiting: deque[actors.Message] = deque()
    async for message in actors.inbox():
        if message.topic == "acquire":
            waiting.append(message)
        elif message.topic == "release" and message.sender == holder:
            holder = None
        if holder is None and waiting:
            request = waiting.popleft()
            holder = request.sender
            await actors.reply(request)


async def lock_server() -> None:
    """Monitors whoever waits for the lock or holds it: death gives it back."""
    holder: actors.PID | None = None
    waiting: deque[actors.Message] = deque()
    inbox, events = actors.inbox(), actors.events()
    while True:
        picked = await actors.select(events, inbox)
        match picked.value:
            case actors.Cancel():
                return
            case actors.Exit(pid=pid):
                waiting = deque(request for request in waiting if request.sender != pid)
                if holder == pid:
                    holder = None
            case actors.Message(topic="acquire", sender=sender) as request if sender is not None:
                await actors.monitor(sender)
                waiting.append(request)
            case actors.Message(topic="release", sender=sender) if sender is not None and sender == holder:
                await actors.unmonitor(sender)
                holder = None
        if holder is None and waiting:
            request = waiting.popleft()
            holder = request.sender
            await actors.reply(request)


async def client(server: actors.PID, work: list[str], name: str) -> None:
    """Does its work while nobody else does."""
    await actors.call(server, "acquire", timeout="1h")
    work.append(f"{name} begins")
    await actors.sleep("1s")
    work.append(f"{name} ends")
    await actors.send(server, "release")
