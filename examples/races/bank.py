"""A bank whose accounts are processes. The race: a transfer reads a balance, and writes it later."""

import actors


async def account(balance: int) -> None:
    """Knows its balance; `deposit` (which may be negative) is refused with False if too little is there."""
    async for message in actors.inbox():
        match message.topic:
            case "balance":
                await actors.reply(message, balance)
            case "set":
                balance = message.payload
                await actors.reply(message)
            case "deposit":
                enough = balance + message.payload >= 0
                if enough:
                    balance += message.payload
                await actors.reply(message, enough)


async def transfer_with_a_race(source: actors.PID, target: actors.PID, amount: int) -> None:
    """Two transfers that meet both read the old balance, and the later one writes over the earlier."""
    there = await actors.call(source, "balance")
    here = await actors.call(target, "balance")
    if there >= amount:
        await actors.call(source, "set", there - amount)
        await actors.call(target, "set", here + amount)


async def transfer(source: actors.PID, target: actors.PID, amount: int) -> None:
    """Each account decides by itself, in one message."""
    if await actors.call(source, "deposit", -amount):
        await actors.call(target, "deposit", amount)
