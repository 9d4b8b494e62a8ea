"""Durable processes and functions that the tests from the outside spawn and call."""

from __future__ import annotations

import threading
from typing import Any

import trio

import actors
from actors import PID, Error, Exit, LinkDown, Namespace
from temporal_bridge import workflow

app = Namespace("out")
other = Namespace("elsewhere")

calls: list[Any] = []
"""What the functions note, in the program itself: they run outside the sandbox."""


# Processes


@app.process(worker="out:worker")
async def hello(name: str = "world") -> dict[str, str]:
    return {"hello": name}


@app.process(worker="out:worker", name="CustomOrderType")
async def renamed() -> str:
    return workflow.info().workflow_type


@app.process(worker="out:worker")
async def fail(kind: str, message: str, retryable: bool | None = None, details: Any = None) -> None:
    try:
        raise Error("the root", kind="RATE_LIMITED", details={"root": 1})
    except Error as root:
        raise Error(message, kind=kind, retryable=retryable, details=details) from root


@app.process(worker="out:worker")
async def crash() -> None:
    raise ValueError("a bug")


@app.process(worker="out:worker")
async def unserialisable() -> object:
    return object()


@app.process(worker="out:worker")
async def fail_until(attempt: int) -> int:
    found = workflow.info().attempt
    if found < attempt:
        raise Error("not yet", kind="UNAVAILABLE")
    return found


@app.process(worker="out:worker")
async def fail_as(kind: str) -> int:
    if workflow.info().attempt < 3:
        raise Error("no", kind=kind)
    return workflow.info().attempt


@app.process(worker="out:worker")
async def wait_for_finish(*_: Any) -> Any:
    return await actors.listen("finish").receive()


@app.process(worker="out:worker")
async def collect(count: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(count):
        message = await actors.inbox().receive()
        found.append([message.topic, message.payload, message.sender])
    return found


@app.process(worker="out:worker")
async def collect_and_fail_once(count: int) -> list[Any]:
    found = [(await actors.inbox().receive()).payload for _ in range(count)]
    if workflow.info().attempt == 1:
        raise Error("not yet", kind="UNAVAILABLE")
    return found


@app.process(worker="out:worker")
async def collect_until_stop(initial: int = 0) -> dict[str, Any]:
    found: list[Any] = []
    async for message in actors.inbox():
        if message.topic == "stop":
            break
        found.append(message.payload)
    return {"initial": initial, "found": found}


@app.process(worker="out:worker")
async def echo_calls() -> None:
    async for message in actors.inbox():
        if message.topic == "stop":
            return
        await actors.reply(message, message.payload)


@app.process(worker="out:worker")
async def own_info() -> workflow.Info:
    return workflow.info()


@app.process(worker="out:worker")
async def own_context() -> list[Any]:
    executor = actors.funcs.Executor().with_context(trace_id="t-1", tenant="other")
    return [
        actors.context.all(),
        await actors.funcs.call(read_context),
        await executor.call(read_context),
        await actors.execute(inner_context),
    ]


@app.process(worker="out:worker")
async def inner_context() -> dict[str, Any]:
    return actors.context.all()


@app.process(worker="out:worker")
async def set_attributes(search: Any, memo: Any) -> None:
    workflow.attrs(search=search, memo=memo)
    await actors.listen("finish").receive()


@app.process(worker="out:worker")
async def polite() -> list[Any]:
    async for event in actors.events():
        if isinstance(event, actors.Cancel):
            due = None if event.deadline is None else (event.deadline - actors.now()).total_seconds()
            return [event.reason, event.pid, due]
    return []


@app.process(worker="out:worker")
async def stubborn() -> None:
    async for _ in actors.events():
        pass


@app.process(worker="out:worker")
async def cleans_up(observer: PID) -> None:
    try:
        await actors.sleep("1h")
    finally:
        with actors.shield():
            await actors.send(observer, "cleaned")


@app.process(worker="out:worker")
async def again(rounds: int) -> int:
    if rounds:
        await actors.upgrade(again, rounds - 1)
    return 7


@app.process(worker="out:worker")
async def again_when_told(rounds: int) -> str:
    await actors.listen("next").receive()
    if rounds:
        await actors.upgrade(again_when_told, rounds - 1)
    return "done"


@app.process(worker="out:worker")
async def terminate_it(pid: PID) -> bool:
    return await actors.terminate(pid)


@app.process(worker="out:worker")
async def sleeper() -> None:
    await actors.sleep("1h")


@app.process(worker="out:worker")
async def parent_of_sleeper(name: str) -> list[Any]:
    """How its child has ended."""
    await actors.spawner(name=name).spawn(sleeper)
    event = await actors.events().receive()
    assert isinstance(event, actors.Exit)
    return [event.reason, str(event.result.error)]


@app.process(worker="out:worker")
async def link_to(pid: PID, trap: bool) -> Any:
    actors.set_options(trap_links=trap)
    await actors.link(pid)
    await actors.send(pid, "linked")
    async for event in actors.events():
        if isinstance(event, LinkDown):
            return [event.pid, event.reason]
    return None


@app.process(worker="out:worker")
async def monitor_it(pid: PID) -> Any:
    await actors.monitor(pid)
    await actors.send(pid, "monitored")
    async for event in actors.events():
        if isinstance(event, Exit):
            return [event.pid, event.reason, event.result.value, event.result.error]
    return None


@app.process(worker="out:worker")
async def child_with(options: dict[str, Any], name: str | None) -> Any:
    spawner = actors.spawner(name=name, options=options)
    pid = await spawner.spawn(wait_for_finish)
    await actors.listen("finish").receive()
    return pid


@app.process(worker="out:worker")
async def spawn_child(target: str, name: str | None, options: dict[str, Any], messages: list[Any]) -> Any:
    spawner = actors.spawner(name=name, options=options)
    for message in messages:
        spawner = spawner.with_message("item", message)
    try:
        return await spawner.spawn(target)
    except Error as error:
        return [error.kind, error.message, dict(error.details)]


@app.process(worker="out:worker")
async def spawn_then_wait(options: dict[str, Any], told: PID) -> None:
    pid = await actors.spawner(options=options).spawn(wait_for_finish)
    await actors.send(told, "child", pid)
    await actors.listen("finish").receive()


@app.process(worker="out:worker")
async def run_function(
    entry: str, args: list[Any], options: dict[str, Any] | None = None, context: dict[str, Any] | None = None
) -> Any:
    executor = actors.funcs.Executor(options=options or {}, context=context or {})
    return await executor.call(entry, *args)


@app.process(worker="out:worker")
async def catch_function(entry: str, args: list[Any], options: dict[str, Any] | None = None) -> Any:
    try:
        return await actors.funcs.Executor(options=options or {}).call(entry, *args)
    except Error as error:
        chain: list[str] = []
        cause = error.__cause__
        while cause is not None:
            chain.append(Error.of(cause).kind)
            cause = cause.__cause__
        return [error.kind, error.retryable, error.message, dict(error.details), chain]


@app.process(worker="out:worker")
async def cancel_function(entry: str, args: list[Any], options: dict[str, Any] | None = None) -> Any:
    """Start a function, cancel it when told, and give the error it ended with."""
    future = actors.funcs.Executor(options=options or {}).start(entry, *args)
    await actors.listen("cancel").receive()
    future.cancel()
    try:
        return await future.result()
    except Error as error:
        return [error.kind, error.message]


# Functions


@app.function(worker="out:worker")
async def echo(*values: Any) -> Any:
    return list(values)


@app.function(worker="out:worker")
async def read_context() -> dict[str, Any]:
    return actors.context.all()


@app.function(worker="out:worker")
async def about() -> actors.funcs.FunctionInfo:
    return actors.funcs.info()


@app.function(worker="out:worker", local=True)
async def about_local() -> actors.funcs.FunctionInfo:
    return actors.funcs.info()


@app.function(worker="out:worker")
def thread_name() -> str:
    return threading.current_thread().name


@app.function(worker="out:worker")
def context_in_thread() -> list[Any]:
    return [actors.context.get("user_id"), actors.funcs.info().attempt]


@app.function(worker="out:worker")
async def raises(kind: str, message: str, retryable: bool | None = None, details: Any = None) -> None:
    calls.append(("raises", kind, actors.funcs.info().attempt))
    try:
        raise KeyError("deep")
    except KeyError as deep:
        raise Error(message, kind=kind, retryable=retryable, details=details) from deep


@app.function(worker="out:worker")
async def wraps() -> None:
    raise Error.wrap(Error("declined", kind="CONFLICT", details={"code": 7}), "payment API failed")


@app.function(worker="out:worker")
async def breaks() -> None:
    raise ZeroDivisionError("a bug")


@app.function(worker="out:worker")
async def succeeds_at(attempt: int, kind: str = "UNAVAILABLE") -> int:
    found = actors.funcs.info().attempt
    if found < attempt:
        raise Error("not yet", kind=kind)
    return found


@app.function(worker="out:worker")
async def sleeps_for_ever(key: str = "") -> None:
    calls.append(("started", key))
    try:
        await trio.sleep_forever()
    finally:
        calls.append(("stopped", key))


@app.function(worker="out:worker")
def beats_in_a_thread(key: str = "") -> None:
    calls.append(("started", key))
    try:
        while True:
            actors.funcs.heartbeat()
            threading.Event().wait(0.01)
    except Error as error:
        calls.append(error)
        calls.append(("stopped", key))


@app.function(worker="out:worker")
def rings(count: int) -> int:
    """Returns when as many are here at once."""
    calls.append(count)
    while len(calls) < count:
        threading.Event().wait(0.01)
    return count


@app.process(worker="out:worker")
async def calls_at_once(entry: str, count: int) -> list[Any]:
    futures = [actors.funcs.start(entry, count) for _ in range(count)]
    return [await future.result() for future in futures]


@app.function(worker="out:worker")
async def resumes() -> list[Any]:
    """Heartbeats how far it came, fails once, and goes on from there."""
    done = actors.funcs.heartbeat_details()
    if not done:
        actors.funcs.heartbeat("step", 3, {"at": 1})
        raise Error("half way", kind="UNAVAILABLE")
    return [list(done), actors.funcs.info().attempt]


@app.function(worker="out:worker")
async def beats_badly() -> None:
    actors.funcs.heartbeat(object())


@app.function(worker="out:worker")
async def returns_badly() -> object:
    return object()


@app.function(worker="out:second")
async def where() -> str | None:
    return actors.funcs.info().task_queue


@app.function(worker="out:nowhere")
async def on_a_worker_that_is_not_known() -> None:
    return


@other.function(worker="out:worker")
async def not_served() -> None:
    return


@app.function(worker="foreign:worker")
async def foreign_double(value: int) -> int:
    """Stands for an activity of a foreign worker, which has this name there."""
    raise NotImplementedError


@app.function(worker="foreign:worker")
async def foreign_fail(kind: str) -> None:
    raise NotImplementedError


@app.function(worker="foreign:worker")
async def foreign_missing() -> None:
    raise NotImplementedError


@app.process(worker="foreign:worker", name="ForeignWorkflow")
async def foreign_process(order: dict[str, Any]) -> Any:
    raise NotImplementedError


@app.process(worker="out:worker")
async def execute_foreign(order: dict[str, Any]) -> Any:
    try:
        return await actors.execute(foreign_process, order)
    except Error as error:
        return [error.kind, error.retryable, error.message]


@app.process(worker="out:worker", activity=True)
async def long_task(owner: PID | None, steps: int) -> list[Any]:
    """Long work as a process: tells its owner who it is, then adds up what it is sent."""
    if owner is not None:
        await actors.send(owner, "ready", actors.self_pid())
    numbers = actors.listen("number")
    total = 0
    for _ in range(steps):
        total += await numbers.receive()
    return [total, actors.context.all(), actors.self_pid()]


@app.process(worker="out:worker", activity=True)
async def only_an_activity() -> None: ...


@app.process(worker="out:worker", activity=True)
async def long_polite(owner: PID) -> str:
    events = actors.events()  # first of all, so that it is asked to stop, and not cancelled at its next await
    await actors.send(owner, "ready", actors.self_pid())
    async for event in events:
        calls.append(event)
        if isinstance(event, actors.Cancel):
            return "stopped in order"
    return ""


@app.process(worker="out:worker")
async def use_long_task(steps: int) -> Any:
    future = actors.funcs.start(long_task, actors.self_pid(), steps)
    pid = await actors.listen("ready").receive()
    for number in range(steps):
        await actors.send(pid, "number", number)
    return await future.result()
