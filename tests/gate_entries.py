"""Durable processes that are sent what nobody should send, and that send what does not fit."""

from __future__ import annotations

from typing import Any

import trio

import actors
from actors import Error, Namespace
from temporal_bridge import workflow

app = Namespace("gate")


@app.process(worker="gate:worker")
async def answers() -> str:
    """Answers calls of `ask` with what it is given, until `stop`."""
    async for message in actors.inbox():
        if message.topic == "stop":
            return "stopped"
        if message.topic == "ask":
            await actors.reply(message, message.payload)
    raise AssertionError


@app.process(worker="gate:worker")
async def notes(fields: list[list[Any]], wait: bool) -> list[str]:
    """Sets memo fields of the given sizes, one after the other: what each led to."""
    told: list[str] = []
    for key, size in fields:
        try:
            workflow.attrs(memo={key: "x" * size})
            told.append("done")
        except Error as error:
            told.append(error.kind)
        if wait:
            await actors.sleep("1ms")
    return told


@app.function(worker="gate:worker", local=True)
async def page(size: int) -> str:
    """A local result of a size."""
    return "x" * size


@app.function(worker="gate:worker", local=True)
async def double(number: int) -> int:
    """For options of local calls."""
    return 2 * number


@app.function(worker="gate:worker")
async def slow(number: int = 1) -> int:
    """Takes a moment."""
    await trio.sleep(0.5)
    return number


@app.process(worker="gate:worker")
async def reads(pages: int, size: int) -> int:
    """Calls local functions at once: how much they gave together."""
    asked = [actors.funcs.start("gate:page", size) for _ in range(pages)]
    return sum([len(await future.result()) for future in asked])


@app.process(worker="gate:worker")
async def shares_an_id() -> list[str]:
    """Calls under an id that is in use, and again when it is free."""
    executor = actors.funcs.Executor().with_options({"activity.id": "dup"})
    first = executor.start("gate:slow", 1)
    try:
        executor.start("gate:slow", 2)
        told = ["taken"]
    except Error as error:
        told = [error.kind, error.message]
    await first.result()
    return [*told, str(await executor.call("gate:slow", 3))]


@app.process(worker="gate:worker")
async def crowds(calls: int) -> int:
    """Calls many functions at once."""
    asked = [actors.funcs.start("gate:slow", number) for number in range(calls)]
    return len([await future.result() for future in asked])


@app.process(worker="gate:worker")
async def calls_local(option: str, value: object) -> list[object]:
    """Calls a local function with an option."""
    try:
        return [await actors.funcs.Executor().with_options({option: value}).call("gate:double", 1)]
    except Error as error:
        return [error.kind, error.message]


@app.process(worker="gate:worker")
async def fails(kind: str, text: int, details: int, causes: int) -> None:
    """Ends with an error as large as asked for."""
    await actors.sleep("1ms")
    error = Error("x" * text, kind=kind, details={"rows": "x" * details})
    last: BaseException = error
    for number in range(causes):
        last.__cause__ = Error(f"cause {number}")
        last = last.__cause__
    raise error


@app.process(worker="gate:worker")
async def crashes(text: int) -> None:
    """Ends with an exception of another kind."""
    await actors.sleep("1ms")
    raise ValueError("x" * text)


@app.function(worker="gate:worker")
async def takes(text: str) -> int:
    """How long a text is."""
    return len(text)


@app.process(worker="gate:worker")
async def returns(size: int) -> str:
    """A result of a size."""
    return "x" * size


@app.process(worker="gate:worker")
async def tries(what: str, size: int) -> str:
    """Does one thing that has a limit, as large as asked for: "done", or the kind of the error."""
    few = min(size, 10_000_000)
    name, text = "n" * few, "x" * few
    call = actors.funcs.Executor()
    try:
        match what:
            case "memo":
                workflow.attrs(memo={"note": text})
            case "memo key":
                workflow.attrs(memo={name: 1})
            case "search attribute":
                workflow.attrs(search={"customer_id": text})
            case "activity id":
                await call.with_options({"activity.id": name}).call("gate:takes", "x")
            case "argument":
                await call.call("gate:takes", text)
            case "context":
                await actors.spawner(context={"note": text}).spawn(answers)
            case "workflow id":
                await actors.spawner(name=name).spawn(answers)
            case "child memo":
                await actors.spawner(options={"temporal.workflow.memo": {"note": text}}).spawn(answers)
            case "message":
                await actors.send(actors.self_pid(), "item", text)
                await actors.spawner().with_message("item", text).spawn(answers)
            case "topic":
                pid = await actors.spawn(answers)
                await actors.send(pid, name, 1)
            case "change id":
                workflow.version(name, 1, 1)
            case "timer":
                await actors.select(actors.after(f"{size}d"), actors.after("10ms"))
            case _:
                raise AssertionError(what)
    except Error as error:
        return error.kind
    await actors.sleep("1ms")
    return "done"


@app.function(worker="gate:worker")
async def breaks() -> None:
    """Fails with a bug."""
    raise ValueError("a bug")


@app.function(worker="gate:worker", local=True)
async def slow_here(number: int = 1) -> int:
    """Takes a moment in the worker of its caller."""
    await trio.sleep(0.5)
    return number


@app.process(worker="gate:worker")
async def calls_function(function: str, options: dict[str, Any]) -> str:
    """Calls a function with options: "done", or the kind of the error."""
    try:
        await actors.funcs.Executor().with_options(options).call(function)
    except Error as error:
        return error.kind
    return "done"


@app.function(worker="gate:worker")
async def sleeps() -> None:
    """Until it is stopped."""
    await trio.sleep_forever()
