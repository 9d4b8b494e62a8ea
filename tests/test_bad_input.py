"""Whatever wrong is given to whatever is public: an error that names the argument, shows it, and says what is expected.

`CASES` has at least one row for each argument of each public function and method, and a test that finds a missing one.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import trio

import actors
from actors import PID, Channel, Node, funcs, groups, names
from tests.hosts import echo, forever

app = actors.Namespace("test_bad_input")


@app.process
async def a_process() -> None:
    pass


@app.function
async def a_function() -> None:
    pass


class Odd:
    """A value that is nothing in particular."""

    def __repr__(self) -> str:
        return "<odd>"


class Rude:
    """A value that cannot even be shown, compared or counted."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    def __bool__(self) -> bool:
        raise RuntimeError("no bool")

    def __len__(self) -> int:
        raise RuntimeError("no len")


ODD: Any = Odd()
RUDE: Any = Rude()
STRANGE: dict[str, Any] = {
    "odd": ODD,
    "rude": RUDE,
    "bytes": b"bytes",
    "list": [],
    "dict": {},
    "float": 3.5,
    "nan": float("nan"),
    "class": object,
}


class Given:
    """What the calls of the table are made with."""

    node: Node
    pid: PID


given = Given()

# For each argument: how it is given, and values that it cannot have besides the strange ones.
Call = Callable[[Any], Any]
CASES: dict[str, tuple[Call, tuple[Any, ...]]] = {}
NOT_CHECKED = {
    # Any value will do.
    "actors.call(*payload)", "actors.send(*payload)", "actors.reply(*payload)", "groups.broadcast(*payload)",
    "Node.call(*payload)", "Node.send(*payload)", "Spawner.with_message(*payload)", "Channel.send(value)",
    "Channel.sending(value)", "context.get(default)", "funcs.heartbeat(*details)",
    "Executor.with_context(**values)", "Spawner.with_context(**values)", "actors.invalid(value)",
    # Whatever can be called, as a class can; the others are refused: see test_node.
    "actors.set_options(state)",
    # Arguments of the user's own function: the call of that function says what is wrong.
    "actors.spawn(*args)", "actors.spawn_linked(*args)", "actors.spawn_monitored(*args)",
    "actors.spawn_linked_monitored(*args)", "actors.execute(*args)", "actors.upgrade(*args)", "actors.run(*args)",
    "actors.start_soon(*args)", "actors.in_trio(*args)", "funcs.call(*args)", "funcs.start(*args)",
    "Executor.call(*args)", "Executor.start(*args)", "Spawner.spawn(*args)", "Spawner.spawn_linked(*args)",
    "Spawner.spawn_monitored(*args)", "Spawner.spawn_linked_monitored(*args)", "Spawner.execute(*args)",
    "Node.spawn(*args)", "Node.execute(*args)",
    # Filled in by the runtime.
    "Spawner(messages)", "Spawner(kernel)", "Spawner(detached)",
    # The name of an argument, for the message about it.
    "actors.seconds(name)", "actors.option_seconds(name)", "actors.process_entry(name)",
    "actors.function_entry(name)", "actors.invalid(name)", "actors.invalid(expected)",
    "actors.process_function(target)", "actors.process_function(name)",
    "actors.not_one_of(mark)", "actors.not_one_of(name)", "actors.not_one_of(value)", "actors.not_one_of(known)",
    # Between hosts, which agree on what they say there.
    "actors.register_sandbox(in_sandbox)", "actors.kernel_of(process)",
    "actors.is_async(function)",
    "actors.plain_result(function)", "actors.plain_result(value)",
    "actors.at_home(package)",
    "actors.at_home(found)",
    "actors.check_entry_id(value)",
    "actors.check_entry_id(name)",
    "actors.portable_name(cls)",
    "actors.portable_class(name)",
}  # fmt: skip


def case(key: str, call: Call, *values: Any) -> None:
    CASES[key] = (call, values)


NO_DURATION: tuple[Any, ...] = (5, -1, True, "", "5", "soon", "-5s", "5s ", timedelta(seconds=-1), 10**400)
NO_NAME: tuple[Any, ...] = ("", 1, None)
NO_TOPIC: tuple[Any, ...] = ("", "@", "@call", 1, None)
NO_TARGET: tuple[Any, ...] = ("", "unknown", "test_bad_input:unknown", 1, int, len, lambda: None, a_function)
NO_HOST: tuple[Any, ...] = ("", 1, "nowhere")
NO_DEST_AND_NOBODY: tuple[Any, ...] = (
    "",
    1,
    ("n", "trio", "1"),
)  # None is the sender of a stranger's message
NO_DEST: tuple[Any, ...] = (*NO_DEST_AND_NOBODY, None)
NO_SCOPE: tuple[Any, ...] = ("", "galaxy", 1, None)
NO_OPTIONS: tuple[Any, ...] = (1, "mailbox.max", [("mailbox.max", 1)], {1: 2})
NO_FLAG: tuple[Any, ...] = (1, 0, "yes", None)
NO_FUNCTION: tuple[Any, ...] = (1, "", "unknown", "test_bad_input:unknown", None, "test_bad_input:a_process")


def verb_of(owner: Callable[[], Any], verb: str, *before: Callable[[], Any], as_: str | None = None) -> Call:
    """A call of a verb, which gets the value after the arguments before it, or by keyword."""

    def call(value: Any) -> Any:
        arguments = [argument() for argument in before]
        function = getattr(owner(), verb)
        return function(*arguments, value) if as_ is None else function(*arguments, **{as_: value})

    return call


def a_node() -> Node:
    return given.node


def a_pid() -> PID:
    return given.pid


OWNERS: dict[str, Callable[[], Any]] = {
    "actors": lambda: actors,
    "Spawner": lambda: actors.spawner(),
    "Node": a_node,
}
for owner, verbs in (
    ("actors", ("spawn", "spawn_linked", "spawn_monitored", "spawn_linked_monitored", "execute")),
    ("Spawner", ("spawn", "spawn_linked", "spawn_monitored", "spawn_linked_monitored", "execute")),
    ("Node", ("spawn", "execute")),
):
    for verb in verbs:
        case(f"{owner}.{verb}(target)", verb_of(OWNERS[owner], verb), *NO_TARGET, None)
        case(f"{owner}.{verb}(on)", verb_of(OWNERS[owner], verb, lambda: forever, as_="on"), *NO_HOST)
for owner in ("actors", "Node"):
    find = OWNERS[owner]
    for verb in ("terminate", "cancel"):
        case(f"{owner}.{verb}(dest)", verb_of(find, verb), *NO_DEST)
        case(f"{owner}.{verb}(reason)", verb_of(find, verb, a_pid, as_="reason"), 1, None)
    case(f"{owner}.cancel(deadline)", verb_of(find, "cancel", a_pid, as_="deadline"), *NO_DURATION)

case("actors.spawner(name)", lambda name: actors.spawner(name=name), "", 1)
case("actors.spawner(on)", lambda on: actors.spawner(on=on), "", 1)
case("actors.spawner(context)", lambda context: actors.spawner(context=context), 1, "text", {1: 2}, {"": 1})
case("actors.spawner(options)", lambda options: actors.spawner(options=options), *NO_OPTIONS)
case("Spawner(name)", lambda name: actors.Spawner(name=name), "", 1)
case("Spawner(host)", lambda host: actors.Spawner(host=host), "", 1)
case("Spawner(context)", lambda context: actors.Spawner(context=context), 1, "text", {1: 2})
case("Spawner(options)", lambda options: actors.Spawner(options=options), *NO_OPTIONS)
case("Spawner.with_name(name)", lambda name: actors.spawner().with_name(name), *NO_NAME)
case("Spawner.with_message(topic)", lambda topic: actors.spawner().with_message(topic), *NO_TOPIC)
case(
    "Spawner.with_options(options)", lambda options: actors.spawner().with_options(options), *NO_OPTIONS, None
)
case("Spawner.on(host)", lambda host: actors.spawner().on(host), "", 1, None)
case("actors.upgrade(target)", lambda target: actors.upgrade(target), *NO_TARGET)

case("actors.send(dest)", lambda dest: actors.send(dest, "topic"), *NO_DEST_AND_NOBODY)
case("actors.send(topic)", lambda topic: actors.send(given.pid, topic), *NO_TOPIC)
case("actors.call(dest)", lambda dest: actors.call(dest, "topic"), *NO_DEST)
case("actors.call(topic)", lambda topic: actors.call(given.pid, topic), *NO_TOPIC)
case("actors.call(timeout)", lambda value: actors.call(given.pid, "topic", timeout=value), *NO_DURATION, None)
case("actors.reply(message)", lambda message: actors.reply(message), 1, None, "text", ("topic", 1))
case("actors.listen(topic)", lambda topic: actors.listen(topic), *NO_TOPIC)
case("actors.listen(messages)", lambda messages: actors.listen("never", messages), *NO_FLAG)
case("actors.unlisten(channel)", lambda channel: actors.unlisten(channel), "topic", 1, None, Channel[int]())
for verb in ("monitor", "link", "unlink", "describe"):
    case(f"actors.{verb}(dest)", verb_of(OWNERS["actors"], verb), *NO_DEST)
case("actors.unmonitor(ref_or_dest)", lambda ref: actors.unmonitor(ref), *NO_DEST)
case("actors.register(cls)", lambda cls: actors.register(cls), int, None, "Point", Odd)
case("actors.set_options(label)", lambda label: actors.set_options(label=label), 1, b"label")
case("actors.set_options(trap_links)", lambda flag: actors.set_options(trap_links=flag), 1, 0, "yes")
case("actors.start_soon(function)", lambda function: actors.start_soon(function), 1, None, "id", len, Odd)
case("actors.in_trio(function)", lambda function: actors.in_trio(function), 1, None, "id", len, Odd)
case("actors.sleep(duration)", lambda duration: actors.sleep(duration), *NO_DURATION, None)
case("actors.after(duration)", lambda duration: actors.after(duration), *NO_DURATION, None)
case("actors.every(interval)", lambda interval: actors.every(interval), *NO_DURATION, None, "0s")
case("Ticker.reset(duration)", lambda duration: actors.every("1h").reset(duration), *NO_DURATION, "0s")
case("actors.random_bytes(count)", lambda count: actors.random_bytes(count), -1, "1", True, None, 1.0)
case("actors.select(*cases)", lambda value: actors.select(value), 1, None, "channel", [Channel[int]()])
case("actors.select(default)", lambda default: actors.select(Channel[int](), default=default), *NO_FLAG)
case("Channel(capacity)", lambda capacity: Channel[int](capacity), -1, 1.0, "1", True, None)

case("context.get(key)", lambda key: actors.context.get(key), "unknown", 1, None)
for verb in ("register", "lookup", "unregister"):
    case(f"names.{verb}(name)", verb_of(lambda: names, verb), *NO_NAME)
    case(f"names.{verb}(scope)", verb_of(lambda: names, verb, lambda: "name"), *NO_SCOPE)
for verb in ("join", "leave", "members", "monitor"):
    case(f"groups.{verb}(group)", verb_of(lambda: groups, verb), *NO_NAME)
    case(f"groups.{verb}(scope)", verb_of(lambda: groups, verb, lambda: "group"), *NO_SCOPE)
case("groups.broadcast(group)", lambda group: groups.broadcast(group, "topic"), *NO_NAME)
case("groups.broadcast(topic)", lambda topic: groups.broadcast("group", topic), *NO_TOPIC)
case("groups.broadcast(scope)", lambda scope: groups.broadcast("group", "topic", scope=scope), *NO_SCOPE)

case("funcs.call(function)", lambda function: funcs.call(function), *NO_FUNCTION)
case("funcs.start(function)", lambda function: funcs.start(function), *NO_FUNCTION)
case("Executor.call(function)", lambda function: funcs.Executor().call(function), *NO_FUNCTION)
case("Executor.start(function)", lambda function: funcs.Executor().start(function), *NO_FUNCTION)
NO_CALL_OPTIONS: tuple[Any, ...] = (1, "activity.id", {"id": "x"}, {"activity.id": ""}, {1: 2})
case("Executor(options)", lambda options: funcs.Executor(options), *NO_CALL_OPTIONS, None)
case("Executor(context)", lambda context: funcs.Executor({}, context), 1, "text", {1: 2}, None)
case("Executor.with_options(options)", lambda given: funcs.Executor().with_options(given), *NO_CALL_OPTIONS)

case("Namespace(name)", lambda name: actors.Namespace(name), *NO_NAME, "a:b", "1a", "a b")
case("Namespace.process(function)", lambda function: app.process(function), 1, "id", len, Odd, lambda: None)
case("Namespace.process(worker)", lambda worker: app.process(worker=worker), "", "worker", 1, "a:b:c")
case("Namespace.process(name)", lambda name: app.process(name=name), "", 1)
case("Namespace.process(activity)", lambda flag: app.process(activity=flag), *NO_FLAG)
case("Namespace.process(on_crash)", lambda word: app.process(on_crash=word), "", "explode", 1, None)
case("Namespace.function(function)", lambda function: app.function(function), 1, "id")
case("Namespace.function(worker)", lambda worker: app.function(worker=worker), "", "worker", 1)
case("Namespace.function(name)", lambda name: app.function(name=name), "", "a b", "a:b", 1)
case("Namespace.function(local)", lambda flag: app.function(local=flag), *NO_FLAG)

case("PID(node)", lambda node: PID(node, "trio", "1"), *NO_NAME, "a@b", "a|b", "{a}")
case("PID(host)", lambda host: PID("n", host, "1"), *NO_NAME, "a@b", "a|b", "{a}")
case("PID(id)", lambda one: PID("n", "trio", one), *NO_NAME)
case("PID.parse(text)", lambda text: PID.parse(text), *NO_NAME, "n@trio|1", given)
case("Error(message)", lambda message: actors.Error(message), 1, None)
case("Error(kind)", lambda kind: actors.Error("text", kind=kind), "", "BAD", 1, None, "invalid")
case("Error(retryable)", lambda flag: actors.Error("text", retryable=flag), 1, 0, "yes")
case("Error(details)", lambda details: actors.Error("text", details=details), 1, "text", [("a", 1)])
case("Error.wrap(cause)", lambda cause: actors.Error.wrap(cause, "text"), 1, None, "text", ValueError)
case("Error.wrap(message)", lambda message: actors.Error.wrap(ValueError(), message), 1, None)
case("Error.of(exception)", lambda exception: actors.Error.of(exception), 1, None, "text", ValueError)

case("Namespace.add(entry)", lambda entry: actors.Namespace("bad").add(entry), None, "app:order", len)
case("Node(name)", lambda name: Node(name), *NO_NAME, "a@b", "a|b", "{a}")
case("Node(shutdown_timeout)", lambda value: Node(shutdown_timeout=value), *NO_DURATION, None)
case("Node(control)", lambda value: Node(control=value), None, 1, "yes")
case("Node.spawner(name)", lambda name: given.node.spawner(name=name), "", 1)
case("Node.spawner(on)", lambda on: given.node.spawner(on=on), "", 1)
case("Node.spawner(context)", lambda context: given.node.spawner(context=context), 1, "text", {1: 2})
case("Node.spawner(options)", lambda options: given.node.spawner(options=options), *NO_OPTIONS)
case("Node.send(dest)", lambda dest: given.node.send(dest, "topic"), *NO_DEST_AND_NOBODY)
case("Node.send(topic)", lambda topic: given.node.send(given.pid, topic), *NO_TOPIC)
case("Node.call(dest)", lambda dest: given.node.call(dest, "topic"), *NO_DEST)
case("Node.call(topic)", lambda topic: given.node.call(given.pid, topic), *NO_TOPIC)
case("Node.call(timeout)", lambda value: given.node.call(given.pid, "topic", timeout=value), *NO_DURATION)
case("Node.describe(dest)", lambda dest: given.node.describe(dest), *NO_DEST)
case("Node.state(dest)", lambda dest: given.node.state(dest), *NO_DEST)
case("Node.record(dest)", lambda dest: given.node.record(dest), *NO_DEST)
case("Node.record(messages)", lambda count: given.node.record(given.pid, count), -1, 1.5, "1", True)
case("Node.whereis(name)", lambda name: given.node.whereis(name), *NO_NAME)
case("actors.run(main)", lambda main: run_outside(main), *NO_TARGET, None)
case("actors.run(name)", lambda name: run_outside(a_process, name=name), *NO_NAME, "a@b")

case("actors.seconds(value)", lambda value: actors.seconds(value, "value"), *NO_DURATION, None)
case(
    "actors.option_seconds(value)",
    lambda value: actors.option_seconds(value, "value"),
    -1,
    "",
    "5",
    True,
    None,
)
case("actors.check_topic(topic)", lambda topic: actors.check_topic(topic), *NO_TOPIC)
case("actors.process_entry(target)", lambda target: actors.process_entry(target), *NO_TARGET, None)
case("actors.function_entry(target)", lambda target: actors.function_entry(target), "", "unknown", 1, None)


async def run_outside(main: Any, **options: Any) -> None:
    """`actors.run` in a thread of its own, where no trio runs yet."""
    await trio.to_thread.run_sync(lambda: actors.run(main, **options))


# The one strange value that is fine there: a number is milliseconds, an empty mapping is one, a class a function.
FINE = {
    "actors.option_seconds(value)": "float",
    **dict.fromkeys(
        ("Executor.with_options(options)", "Spawner.with_options(options)", "Error(details)"), "dict"
    ),
    **{f"{owner}({name})": "dict" for owner in ("Spawner", "Executor") for name in ("context", "options")},
    **{f"{owner}.spawner({name})": "dict" for owner in ("actors", "Node") for name in ("context", "options")},
    **{f"{owner}.{verb}(function)": "class" for owner in ("funcs", "Executor") for verb in ("call", "start")},
    "Namespace.function(function)": "class",
    "actors.function_entry(target)": "class",
}


def table() -> list[Any]:
    rows: list[Any] = []
    for key, (call, values) in CASES.items():
        strange = [value for label, value in STRANGE.items() if FINE.get(key) != label]
        rows.append(pytest.param(key, call, [*strange, *values], id=key))
    return rows


def shown(value: Any) -> str:
    """How an error shows a value."""
    return str(actors.invalid("x", value, "y")).removeprefix("x=").removesuffix(" is not valid: expected y")


async def error_of(call: Call, value: Any) -> Exception | None:
    try:
        result = call(value)
        if isinstance(result, Awaitable):
            await result
    except (actors.Error, TypeError) as error:
        return error
    return None


async def check(key: str, call: Call, values: list[Any]) -> None:
    for value in values:
        before = await state()
        about = f"{key} given {shown(value)}"
        error = await error_of(call, value)
        assert error is not None, f"{about} was taken"
        assert says_what_is_wrong(error, key, value), f"{about}: {error!r}"
        assert await state() == before, f"{about} changed something"


def says_what_is_wrong(error: Exception, key: str, value: Any) -> bool:
    """Whether an error names the argument and shows it, or an item of it, and says what is expected."""
    text = str(error)
    if not isinstance(error, actors.Error):
        return "argument" in text
    argument = key[key.index("(") + 1 : -1].lstrip("*")
    words = (argument, *SYNONYMS.get(argument, ()))
    named = any(f"{word}={shown(value)}" in text for word in words)
    item_named = isinstance(value, dict) and any(f"{key}=" in text or repr(key) in text for key in value)
    if error.kind == actors.NOT_FOUND:
        return named or item_named
    return error.kind == actors.INVALID and (named or item_named) and "expected" in text


# Other words for an argument, where another part of the same function checks it.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "target": ("entry", "function"),
    "main": ("target", "entry"),
    "function": ("entry", "target"),
    "on": ("host",),
    "host": ("on",),
}


async def state() -> Any:
    """What must not change."""
    bystander = await given.node.describe(given.pid)
    statistics = given.node.statistics()
    return (
        bystander.mailbox,
        bystander.status,
        bystander.links,
        bystander.watchers,
        statistics.processes,
        statistics.spawned,
        statistics.names,
        statistics.dead_letters,
        len(actors.running_process().monitors or ()),
        len(actors.running_process().links or ()),
        await groups.members("group"),
        actors.get_options(),
    )


@pytest.mark.parametrize(("key", "call", "values"), table())
def test_wrong_value_is_refused_with_its_name_and_changes_nothing(
    key: str, call: Call, values: list[Any]
) -> None:
    async def main() -> None:
        async with Node() as node:
            given.node = node
            given.pid = await node.spawn(echo)
            try:
                await node.execute(check, key, call, values)
            except actors.Error as error:
                raise error.__cause__ or error from None
            assert await node.call(given.pid, "question", 1) == 1

    trio.run(main)


# The table is complete


STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}


def parameters(label: str, function: Any, *, bound: bool = False) -> Iterator[str]:
    for number, parameter in enumerate(inspect.signature(function).parameters.values()):
        if bound and number == 0 and parameter.name in ("self", "cls"):
            continue
        stars = STARS.get(parameter.kind.name, "")
        yield f"{label}({stars}{parameter.name})"


# Classes whose objects the runtime makes, or a host author from values that are right already.
MADE_BY_THE_RUNTIME = {
    "Cancel", "DeadLetter", "Exit", "GroupChange", "LinkDown", "Message", "MonitorRef", "Options", "Picked", "Result",
    "Attempt", "CallOptions", "CurrentProcess", "Description", "Entry", "FunctionCall", "FunctionHost", "FunctionInfo",
    "Future", "GreenTask", "Host", "Kernel", "Outside", "Suspender", "Process", "Queue", "ReplyTo", "RetryPolicy",
    "Scheduler", "TaskOwner", "Wiring", "Instruments",
    "Sending", "SpawnRequest", "Timer", "Statistics", "Timers", "Trampoline", "Wait",
    "ChannelClosed", "Ticker", "Behaviour", "Capacity", "Cluster", "DeadLetters", "StateCarrier", "Registry",
}  # fmt: skip
FOR_HOSTS_ONLY = {
    "current_context",
    "exit_callback",
    "gone",
    "mailbox_full",
    "payload_of",
    "running_process",
    "foreign",
    "own_copy",
}
METHODS = (
    actors.Channel,
    actors.Error,
    actors.Namespace,
    actors.Node,
    actors.PID,
    actors.Spawner,
    actors.Ticker,
    funcs.Executor,
    funcs.Future,
)
# Not for users: for select and the kernel, for the host that runs a function, of `Exception`.
INNER = {
    "give", "take", "join", "leave", "wait_for", "unwrap", "can_receive", "can_send", "started", "settle",
    "with_traceback", "add_note",
    }  # fmt: skip


def public() -> Iterator[str]:
    """Each argument of each public function and method, as the keys of the table name it."""
    for name in actors.__all__:
        found = getattr(actors, name)
        if (inspect.isfunction(found) or inspect.ismethod(found)) and name not in FOR_HOSTS_ONLY:
            yield from parameters(f"actors.{name}", found)
    for module in (actors.context, funcs, groups, names):
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield from parameters(f"{module.__name__.removeprefix('actors.')}.{name}", found)
    for kind in METHODS:
        if kind.__name__ not in MADE_BY_THE_RUNTIME:
            yield from parameters(kind.__name__, kind)
        for name, method in vars(kind).items():
            function = getattr(method, "__func__", method)
            if inspect.isfunction(function) and not name.startswith("_") and name not in INNER:
                yield from parameters(f"{kind.__name__}.{name}", function, bound=True)


def test_table_has_a_row_for_every_argument_of_everything_public() -> None:
    asked = set(public())
    assert sorted(asked - CASES.keys() - NOT_CHECKED) == []
    assert sorted(NOT_CHECKED - asked) == []
    assert sorted(CASES.keys() - asked) == []


def test_every_exported_class_is_in_the_table_or_made_by_the_runtime() -> None:
    classes = {name for name in actors.__all__ if inspect.isclass(getattr(actors, name))}
    in_table = {kind.__name__ for kind in METHODS}
    assert sorted(classes - in_table - MADE_BY_THE_RUNTIME) == []


def test_unknown_and_missing_arguments_are_type_errors() -> None:
    wrong: list[Any] = [
        lambda: actors.spawner(nome="x"),  # type: ignore[call-arg]
        lambda: actors.set_options(True),  # type: ignore[call-arg]
        lambda: actors.listen(),  # type: ignore[call-overload]
        lambda: Channel(1, 2),  # type: ignore[call-arg]
        lambda: PID("n", "trio"),  # type: ignore[call-arg]
        lambda: Node(timeout="5s"),  # type: ignore[call-arg]
        lambda: actors.Error(),  # type: ignore[call-arg]
        lambda: actors.Error("x", "INVALID"),  # type: ignore[call-arg]
        lambda: app.process(local=True),  # type: ignore[call-overload]
    ]
    for call in wrong:
        with pytest.raises(TypeError):
            call()
