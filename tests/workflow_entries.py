"""Durable processes that the tests from the inside spawn. The worker imports them again in its sandbox."""

from __future__ import annotations

from typing import Any

import temporalio.workflow

import actors
from actors import PID, Channel, Error, Exit, LinkDown, Namespace, select
from temporal_bridge import workflow

wf = Namespace("wf")
WORKER = "wf:worker"


async def next_exit() -> Exit:
    async for event in actors.events():
        if isinstance(event, Exit):
            return event
    raise AssertionError


@wf.process(worker=WORKER)
async def echo() -> str:
    """Sends each message back, answers each call, until `stop`."""
    async for message in actors.inbox():
        if message.topic == "stop":
            return "stopped"
        if message.reply_to is not None:
            await actors.reply(message, message.payload)
        elif message.sender is not None:
            await actors.send(message.sender, message.topic, message.payload)
    raise AssertionError


@wf.process(worker=WORKER)
async def collect(count: int) -> list[Any]:
    """As many messages as it is told, as they came."""
    found: list[Any] = []
    while len(found) < count:
        message = await actors.inbox().receive()
        found.append([message.topic, message.payload, message.sender])
    return found


@wf.process(worker=WORKER)
async def collect_numbers(count: int) -> list[Any]:
    numbers = actors.listen("n")
    return [await numbers.receive() for _ in range(count)]


@wf.process(worker=WORKER)
async def exchange(target: PID, count: int) -> list[Any]:
    """Sends numbers, all at once, and gives what came back."""
    replies = actors.listen("n")
    for number in range(count):
        assert await actors.send(target, "n", number)
    return [await replies.receive() for _ in range(count)]


@wf.process(worker=WORKER)
async def send_and_wait(target: PID, count: int) -> None:
    """Sends all at once in tasks of its own, and ends when each has been handed over."""
    for number in range(count):
        actors.start_soon(actors.send, target, "n", number)
    await actors.sleep("1ms")


@wf.process(worker=WORKER)
async def send_to(target: PID) -> bool:
    return await actors.send(target, "hello", 1)


@wf.process(worker=WORKER)
async def send_to_self() -> list[Any]:
    actors.start_soon(actors.send, actors.self_pid(), "a", 1)
    message = await actors.inbox().receive()
    sent = await actors.send(actors.self_pid(), "b", 2)
    again = await actors.listen("b").receive()
    return [message.payload, message.sender == actors.self_pid(), sent, again]


@wf.process(worker=WORKER)
async def call_it(target: PID, payload: Any, timeout: str = "20s") -> Any:
    try:
        return await actors.call(target, "ask", payload, timeout=timeout)
    except Error as error:
        return [error.kind, error.details.get("reason")]


@wf.process(worker=WORKER)
async def call_many(target: PID, count: int, at_once: int) -> list[Any]:
    """Calls, so many at once; the answers by number."""
    answers: list[Any] = [None] * count
    numbers = iter(range(count))
    done = actors.Channel[None](at_once)

    async def ask() -> None:
        for number in numbers:
            answers[number] = await actors.call(target, "number", number, timeout="20s")
        await done.send(None)

    for _ in range(at_once):
        actors.start_soon(ask)
    for _ in range(at_once):
        await done.receive()
    return answers


@wf.process(worker=WORKER)
async def call_then_receive(target: PID, count: int) -> list[Any]:
    """Calls, and sees what is in the inbox when the answer is there."""
    found: list[Any] = []
    for number in range(count):
        answer = await actors.call(target, "number", number, timeout="20s")
        picked = await actors.select(actors.inbox(), default=True)
        found.append([answer, None if picked.value is None else picked.value.payload])
    return found


@wf.process(worker=WORKER)
async def silent() -> None:
    """Takes calls and does not answer; ends when told."""
    await actors.listen("stop").receive()


@wf.process(worker=WORKER)
async def call_by_hand(target: PID) -> Any:
    """W26 as the seed has it: a request, and select over the reply and a timeout."""
    replies = actors.listen("reply")
    await actors.send(target, "reply", "question")
    picked = await select(replies, actors.after("10s"))
    first = picked.value
    picked = await select(replies, actors.after("50ms"))
    return [first, picked.channel is replies]


@wf.process(worker=WORKER)
async def two_topics() -> list[Any]:
    """W23: a select over topics, until `done`."""
    adds, takes, done = actors.listen("add"), actors.listen("take"), actors.listen("done")
    found: list[Any] = []
    while True:
        picked = await select(adds, takes, done)
        if picked.channel is done:
            return found
        found.append(["add" if picked.channel is adds else "take", picked.value])


@wf.process(worker=WORKER)
async def whole_messages(count: int) -> list[Any]:
    messages = actors.listen("job", messages=True)
    return [[(m := await messages.receive()).topic, m.payload, m.sender] for _ in range(count)]


@wf.process(worker=WORKER)
async def handlers() -> dict[str, int]:
    """W25: a task for each topic; each message gets its own answer, which may find nobody."""
    counts = {"ack": 0, "nak": 0, "lost": 0}
    finished = Channel[None](capacity=2)

    async def handle(topic: str, answer: str) -> None:
        async for message in actors.listen(topic, messages=True):
            if message.payload == "last":
                break
            assert message.sender is not None
            taken = await actors.send(message.sender, answer, message.payload)
            counts[answer if taken else "lost"] += 1
        await finished.send(None)

    actors.start_soon(handle, "good", "ack")
    actors.start_soon(handle, "bad", "nak")
    await finished.receive()
    await finished.receive()
    return counts


@wf.process(worker=WORKER)
async def worker_pool(jobs: int) -> list[int]:
    """W37: workers that share a channel; results in the order of the jobs."""
    todo, done = Channel[int](), Channel[tuple[int, int]]()

    async def work() -> None:
        async for job in todo:
            await actors.sleep("1ms")
            await done.send((job, job * job))

    async def feed() -> None:
        for job in range(jobs):
            await todo.send(job)
        todo.close()

    for _ in range(4):
        actors.start_soon(work)
    actors.start_soon(feed)
    results = dict([await done.receive() for _ in range(jobs)])
    return [results[job] for job in range(jobs)]


@wf.process(worker=WORKER)
async def returns(value: Any) -> Any:
    return value


@wf.process(worker=WORKER)
async def fails(kind: str, message: str, retryable: bool | None = None) -> None:
    raise Error(message, kind=kind, retryable=retryable, details={"n": 1})


@wf.process(worker=WORKER)
async def crashes() -> None:
    raise ValueError("a bug")


@wf.process(worker=WORKER)
async def exits_hard(kind: str) -> None:
    raise {"system": SystemExit(3), "keyboard": KeyboardInterrupt(), "base": BaseException("odd")}[kind]


@wf.process(worker=WORKER)
async def waits() -> Any:
    return await actors.listen("finish").receive()


@wf.process(worker=WORKER)
async def parent_of(target: str, *args: Any) -> Any:
    """W28: a plain spawn; the child's exit comes to events()."""
    pid = await actors.spawn(target, *args)
    event = await next_exit()
    error = event.result.error
    return [
        event.pid == pid,
        event.reason,
        event.result.value,
        None if error is None else [error.kind, error.retryable, error.message, dict(error.details)],
    ]


@wf.process(worker=WORKER)
async def executes(target: str, *args: Any) -> Any:
    try:
        return await workflow.execute(target, *args)
    except Error as error:
        return [error.kind, error.message]


@wf.process(worker=WORKER)
async def spawns(target: str, name: str | None, options: dict[str, Any], *args: Any) -> Any:
    """Spawns by name and options, and gives the PID, or the error."""
    try:
        return await actors.spawner(name=name, options=options).with_message("hi", 1).spawn(target, *args)
    except Error as error:
        return [error.kind, error.details.get("pid"), error.message]


@wf.process(worker=WORKER)
async def monitors(target: PID, times: int = 1, unmonitor: bool = False) -> Any:
    refs = [await actors.monitor(target) for _ in range(times)]
    if unmonitor:
        await actors.unmonitor(refs.pop())
    await actors.send(target, "monitored", actors.self_pid())
    found = []
    for _ in refs:
        event = await next_exit()
        assert event.ref in refs
        error = event.result.error
        found.append([event.pid, event.reason, event.result.value, None if error is None else error.kind])
    actors.listen("late")
    picked = await select(actors.events(), actors.after("200ms"))
    return [*found, picked.channel is not actors.events()]


@wf.process(worker=WORKER)
async def links(target: PID, trap: bool, unlink: bool = False) -> Any:
    actors.set_options(trap_links=trap)
    await actors.link(target)
    if unlink:
        await actors.unlink(target)
    await actors.send(target, "linked", actors.self_pid())
    picked = await select(actors.events(), actors.listen("finish"))
    if isinstance(picked.value, LinkDown):
        return [picked.value.pid, picked.value.reason, picked.value.result.error]
    return picked.value


@wf.process(worker=WORKER)
async def ends(verb: str, target: PID, deadline: str | None = None) -> bool:
    if verb == "terminate":
        return await actors.terminate(target, "no longer needed")
    return await actors.cancel(target, deadline, "please")


@wf.process(worker=WORKER)
async def polite() -> Any:
    event = await actors.events().receive()
    assert isinstance(event, actors.Cancel)
    left = None if event.deadline is None else (event.deadline - actors.now()).total_seconds()
    return [event.pid, event.reason, left is not None and 0 < left <= 60]


@wf.process(worker=WORKER)
async def stubborn() -> None:
    actors.events()
    await actors.sleep("1h")


@wf.process(worker=WORKER)
async def cleans_up(observer: PID) -> None:
    try:
        await actors.sleep("1h")
    finally:
        with actors.shield():
            await actors.sleep("1ms")
            await actors.send(observer, "cleaned", 1)


@wf.process(worker=WORKER)
async def cleans_up_aloud(observer: PID) -> None:
    """Logs as it cleans up, by the logger of Temporal's, which knows when nobody should hear it."""
    try:
        await actors.listen("never").receive()
    finally:
        temporalio.workflow.logger.warning("cleaning up")
        try:
            actors.start_soon(actors.sleep, "1ms")
            with actors.shield():
                await actors.send(observer, "cleaned", 1)
        finally:
            actors.now()
            temporalio.workflow.logger.warning("cleaned up")


@wf.process(worker=WORKER)
async def ends_itself(verb: str) -> None:
    if verb == "terminate":
        await actors.terminate(actors.self_pid(), "done")
    else:
        await actors.cancel(actors.self_pid())
        await actors.sleep("1h")


@wf.process(worker=WORKER)
async def looks_at_its_history() -> list[int]:
    before = [workflow.history_length(), workflow.history_size()]
    await actors.sleep("1ms")
    return [*before, workflow.history_length(), workflow.history_size()]


@wf.process(worker=WORKER)
async def sleeps(length: str) -> list[Any]:
    before = actors.now()
    await actors.sleep(length)
    return [before, actors.now()]


@wf.process(worker=WORKER)
async def ticks(count: int) -> list[Any]:
    ticker = actors.every("20ms")
    found = [await ticker.receive() for _ in range(count)]
    ticker.stop()
    return found


@wf.process(worker=WORKER)
async def values() -> list[Any]:
    """W39: whatever has to be the same on replay, before and after waiting."""

    async def draw() -> list[Any]:
        return [actors.uuid4(), actors.random_bytes(8), actors.now()]

    first = await draw()
    await actors.listen("go").receive()
    return [first, await draw()]


@wf.process(worker=WORKER)
async def unlinks_its_child() -> list[Any]:
    pid = await actors.spawn_linked_monitored(waits)
    await actors.unlink(pid)
    await actors.send(pid, "finish", 3)
    event = await next_exit()
    return [event.reason, event.result.value]


# Long life


@wf.process(worker=WORKER)
async def takes_turns(rounds: int, found: list[Any]) -> list[Any]:
    """Takes a message, and continues as new, as often as it is told; then all that has come."""
    numbers = actors.listen("n")
    found = [*found, await numbers.receive()]
    if rounds:
        await actors.upgrade(takes_turns, rounds - 1, found)
    return found


@wf.process(worker=WORKER)
async def takes_all(every: int, count: int, seen: int = 0, last: dict[str, int] | None = None) -> Any:
    """Checks that the numbers of each sender come in order, each once; upgrades after `every` messages."""
    last = dict(last or {})
    taken = 0
    async for message in actors.inbox():
        number, sender = message.payload
        assert number == last.get(sender, 0) + 1, f"{sender} sent {number} after {last.get(sender, 0)}"
        last[sender] = number
        seen += 1
        taken += 1
        if seen == count:
            break
        if taken == every:
            await actors.upgrade(takes_all, every, count, seen, last)
    return [seen, last]


@wf.process(worker=WORKER)
async def keeps_everything(child: PID, other: PID, stage: int = 0) -> Any:
    """Monitors and links, in two ways, before an upgrade; what it has after it."""
    if stage == 0:
        actors.set_options(trap_links=True)
        actors.events()
        await actors.names.register("me")
        await actors.monitor(child)
        await actors.link(other)
        actors.listen("topic")
        for _ in range(2):
            await actors.groups.join("twice")
        await actors.groups.join("once")
        await actors.upgrade(keeps_everything, child, other, 1)
    await actors.send(child, "linked", actors.self_pid())
    await actors.send(other, "linked", actors.self_pid())
    found: list[Any] = []
    for _ in range(2):
        event = await actors.events().receive()
        found.append([event.kind, event.pid, event.reason])
    inbox = await select(actors.inbox(), default=True)
    return {
        "events": sorted(found),
        "name": await actors.names.lookup("me") == actors.self_pid(),
        "groups": [
            (await actors.groups.members(group)).count(actors.self_pid())
            for group in ("twice", "once", "none")
        ],
        "context": actors.context.all(),
        "topic": await actors.listen("topic").receive(),
        "inbox": inbox.channel is None,
        "pid": actors.self_pid(),
        "suggested": workflow.should_upgrade(),
    }


@wf.process(worker=WORKER)
async def answers_later(unread: bool, question: actors.Message | None = None) -> None:
    """Is called by the old code, and answers by the new: a question that nobody has read, or one that was read."""
    if question is None and not unread:
        question = await actors.listen("ask", messages=True).receive()
        await actors.upgrade(answers_later, False, question)
    if question is None:
        await actors.listen("go").receive()
        await actors.upgrade(answers_now)
    assert question is not None
    await actors.reply(question, [question.payload, workflow.info().run_id])


@wf.process(worker=WORKER)
async def answers_now() -> None:
    question = await actors.listen("ask", messages=True).receive()
    await actors.reply(question, [question.payload, workflow.info().run_id])


@wf.process(worker=WORKER)
async def turns_while_watched(target: PID, turns: int) -> Any:
    """Monitors and links once, upgrades many times, and tells what came when the target has ended."""
    if turns == 20:
        actors.set_options(trap_links=True)
        actors.events()
        await actors.monitor(target)
        await actors.link(target)
    if turns:
        await actors.upgrade(turns_while_watched, target, turns - 1)
    await actors.send(target, "ready", actors.self_pid())
    found = [(await actors.events().receive()).kind for _ in range(2)]
    picked = await select(actors.events(), actors.after("300ms"))
    return [sorted(found), picked.channel is not actors.events()]


@wf.process(worker=WORKER)
async def leaves_a_ticker(stage: int = 0) -> Any:
    """The new code, in the old history because of the child, has no timer of the old one."""
    if stage == 0:
        await actors.spawn(waits)
        actors.every("5ms")
        actors.after("1h")
        await actors.upgrade(leaves_a_ticker, 1)
    await actors.sleep("200ms")
    return workflow.history_length()


@wf.process(worker=WORKER)
async def keeps_attributes(stage: int = 0) -> Any:
    if stage == 0:
        workflow.attrs(search={"customer_id": "c-1"}, memo={"stage": "first"})
        await actors.upgrade(keeps_attributes, 1)
    await actors.listen("finish").receive()


@wf.process(worker=WORKER)
async def tries_attributes(*each: dict[str, Any]) -> list[str]:
    """What it is told of each set of search attributes; the history has something between them."""
    told: list[str] = []
    for search in each:
        try:
            workflow.attrs(search=search)
        except Error as error:
            told.append(f"{error.kind} {error.message}")
        else:
            told.append("set")
        await actors.sleep("10ms")
    return told


@wf.process(worker=WORKER)
async def counts_cancels(upgrade: bool, found: list[Any]) -> Any:
    """Takes requests to stop as events, and upgrades after each if told to; gives all when the third has come."""
    event = await actors.events().receive()
    assert isinstance(event, actors.Cancel)
    found = [*found, [event.reason, event.pid, event.deadline is not None]]
    if len(found) == 3:
        picked = await select(actors.events(), actors.after("300ms"))
        return [found, picked.channel is not actors.events()]
    await actors.send(actors.self_pid(), "told", len(found))
    if upgrade:
        await actors.upgrade(counts_cancels, upgrade, found)
    return await counts_cancels(upgrade, found)


@wf.process(worker=WORKER)
async def upgrades_with_child(options: dict[str, Any], stage: int = 0, child: PID | None = None) -> Any:
    if child is None:
        child = await actors.spawner(options=options).spawn(waits)
        await actors.upgrade(upgrades_with_child, options, 1, child)
    assert child is not None
    await actors.sleep("50ms")
    await actors.send(child, "finish", "alive")
    event = await next_exit()
    return [event.pid == child, event.reason, event.result.value]


@wf.process(worker=WORKER)
async def hoards(count: int, stage: int = 0) -> int:
    """Upgrades with more in its mailbox than a new run can be given at once."""
    if stage == 0:
        await actors.listen("go").receive()
        await actors.upgrade(hoards, count, 1)
    return sum([len((await actors.inbox().receive()).payload) for _ in range(count)])


@wf.process(worker=WORKER)
async def upgrades_badly(kind: str) -> None:
    if kind == "anonymous":

        async def anonymous() -> None:
            pass

        await actors.upgrade(anonymous)
    elif kind == "large":
        await actors.upgrade(returns, b"x" * 3_000_000)
    else:
        await actors.upgrade(returns, object())


@wf.process(worker=WORKER)
async def sends_large(target: PID) -> list[Any]:
    """Each of these is allowed, and all together are more than one answer to the server may hold."""
    try:
        await actors.send(target, "n", b"x" * 3_000_000)
    except Error as error:
        refused = [error.kind, error.message]
    else:
        refused = []
    done = Channel[bool]()

    async def send(number: int) -> None:
        await done.send(await actors.send(target, "n", b"x" * 1_500_000))

    for number in range(4):
        actors.start_soon(send, number)
    return [refused, [await done.receive() for _ in range(4)]]


@wf.function(worker=WORKER)
async def makes_bytes(size: int) -> bytes:
    return b"x" * size


@wf.function(worker=WORKER)
async def counts_bytes(data: bytes) -> int:
    return len(data)


@wf.process(worker=WORKER)
async def too_large(what: str) -> Any:
    """Lets one thing be larger than Temporal carries."""
    data = b"x" * 3_000_000
    if what == "result":
        return data
    if what == "argument of a child":
        return await actors.execute(returns, data)
    if what == "argument of a function":
        return await actors.funcs.call(counts_bytes, data)
    if what == "result of a function":
        return await actors.funcs.call(makes_bytes, 3_000_000)
    assert what == "reply"
    question = await actors.listen("ask", messages=True).receive()
    try:
        return await actors.reply(question, data)
    except Error:
        await actors.reply(question, "it is too large")
        raise


@wf.process(worker=WORKER)
async def upgrades_when_it_should(runs: int = 1) -> int:
    """Takes messages, and upgrades in time; how many runs it took."""
    async for message in actors.inbox():
        if message.topic == "stop":
            return runs
        if workflow.should_upgrade():
            await actors.upgrade(upgrades_when_it_should, runs + 1)
    return 0


@wf.process(worker=WORKER)
async def should_but_cannot_upgrade() -> list[bool]:
    """With a child that would end with it, and when that has ended."""
    child = await actors.spawn(waits)
    await actors.listen("go").receive()
    before = workflow.should_upgrade()
    await actors.send(child, "finish")
    await next_exit()
    return [before, workflow.should_upgrade()]


@wf.process(worker=WORKER)
async def takes_lengths(count: int) -> list[int]:
    numbers = actors.listen("n")
    return [len(await numbers.receive()) for _ in range(count)]


@wf.process(worker=WORKER)
async def uses_everything() -> Any:
    """Functions, local functions, versions, attributes."""
    workflow.attrs(memo={"stage": "first"})
    version = workflow.version("way", 1, 2)
    return [version, await actors.funcs.call(double, 4), await actors.funcs.call(double_locally, 5)]


@wf.function(worker=WORKER)
async def double(number: int) -> int:
    return number * 2


@wf.function(worker=WORKER, local=True)
async def double_locally(number: int) -> int:
    return number * 2


@wf.process(worker=WORKER)
async def stubborn_turns() -> None:
    """Upgrades for ever, and does not care for a cancel."""
    actors.events()
    await actors.sleep("30ms")
    await actors.upgrade(stubborn_turns)


@wf.process(worker=WORKER)
async def catches_everything() -> None:
    """Counts messages; no exception can stop it."""
    count = 0
    while True:
        try:
            message = await actors.inbox().receive()
            if message.reply_to is not None:
                await actors.reply(message, count)
                return
            count += 1
        except BaseException:  # noqa: BLE001 - that is the point
            continue


@wf.process(worker=WORKER)
async def answers_senders(count: int) -> list[bool]:
    inbox = actors.inbox()
    taken: list[bool] = []
    for _ in range(count):
        message = await inbox.receive()
        taken.append(await actors.send(message.sender, "ok", message.payload))
    return taken
