"""Details of the kernel that the properties and the suites by topic pass by."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

import actors
from actors import (
    PID,
    Channel,
    ChannelClosed,
    Exit,
    Host,
    Message,
    MonitorRef,
    Picked,
    Queue,
    Reason,
    ReplyTo,
    Result,
    SpawnRequest,
    exit_callback,
    gone,
    process_entry,
    select,
)
from actors._channels.mailbox import Mailbox
from tests.searching_scheduler import Alone, SearchingKernel, SearchingScheduler


def finish(kernel: SearchingKernel) -> None:
    """Run until no timer is left."""
    kernel.search.run_all()
    while kernel.search.timers:
        kernel.search.advance()
        kernel.search.run_all()


def unread(events: Any) -> int:
    """How many events wait."""
    return 0 if events is None else len(events.remove(lambda _: True))


# Processes


async def unwinds_with(error: Exception) -> None:
    try:
        await actors.sleep("1h")
    finally:
        raise error


def test_error_of_the_function_counts_more_than_what_its_tasks_raise_while_they_unwind() -> None:
    kernel = SearchingKernel()

    async def main() -> None:
        actors.start_soon(unwinds_with, ValueError("of the task"))
        await actors.sleep("1s")
        raise ValueError("of the function")

    pid = kernel.put(main)
    kernel.search.run_all()
    kernel.search.advance()
    kernel.search.run_all()
    event = kernel.exit_of(pid)
    assert event.reason == "error"
    assert "of the function" in str(event.result.error)


def test_error_of_a_task_that_unwinds_after_the_function_returned_ends_the_process_with_it() -> None:
    kernel = SearchingKernel()

    async def main() -> None:
        actors.start_soon(unwinds_with, ValueError("of the task"))
        await actors.sleep("1s")

    pid = kernel.put(main)
    kernel.search.run_all()
    kernel.search.advance()
    kernel.search.run_all()
    assert "of the task" in str(kernel.exit_of(pid).result.error)


def test_error_raised_while_unwinding_for_an_upgrade_ends_the_process_instead() -> None:
    kernel = SearchingKernel()

    async def main() -> None:
        try:
            await actors.upgrade(main)
        finally:
            raise ValueError("no clean end")

    pid = kernel.put(main)
    kernel.search.run_all()
    event = kernel.exit_of(pid)
    assert event.reason == "error"
    assert "no clean end" in str(event.result.error)


def test_cancel_while_tasks_unwind_for_an_upgrade_is_the_reason_of_the_end() -> None:
    kernel = SearchingKernel()
    gate: Channel[None] = Channel()

    async def lingers() -> None:
        with actors.shield():
            async for _ in gate:
                pass

    async def main() -> None:
        actors.start_soon(lingers)
        await actors.sleep("0s")
        await actors.upgrade(main)

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.at_once(kernel.cancel(None, pid, "enough", None))
    gate.close()
    kernel.search.run_all()
    event = kernel.exit_of(pid)
    assert (event.reason, str(event.result.error)) == ("cancelled", "cancelled: enough")


def test_deadline_of_a_cancel_outlasts_an_upgrade() -> None:
    kernel = SearchingKernel()

    async def old() -> None:
        await actors.events().receive()
        await actors.upgrade(new)

    async def new() -> None:
        await actors.inbox().receive()

    pid = kernel.put(old)
    kernel.search.run_all()
    kernel.at_once(kernel.cancel(None, pid, "", 5.0))
    kernel.search.run_all()
    kernel.search.advance()
    kernel.search.run_all()
    assert (kernel.search.clock, kernel.exit_of(pid).reason) == (5.0, "terminated")
    assert not kernel.search.timers


@pytest.mark.parametrize("ended_by", ["its function", "a terminate"])
def test_task_that_is_started_while_its_process_unwinds_does_not_run(ended_by: str) -> None:
    kernel = SearchingKernel()
    ran: list[str] = []

    async def too_late() -> None:
        ran.append("it ran")
        await actors.inbox().receive()

    async def starts_another() -> None:
        try:
            await actors.sleep("1h")
        finally:
            actors.start_soon(too_late)

    async def main() -> None:
        if ended_by == "a terminate":
            await starts_another()
        actors.start_soon(starts_another)
        await actors.sleep("1s")

    pid = kernel.put(main)
    kernel.search.run_all()
    if ended_by == "a terminate":
        kernel.at_once(kernel.terminate(None, pid, ""))
    finish(kernel)
    assert kernel.exit_of(pid).reason == ("terminated" if ended_by == "a terminate" else "normal")
    assert not ran


# Channels


def test_select_that_sends_and_receives_on_a_channel_takes_its_first_case_when_that_closes() -> None:
    scheduler = SearchingScheduler()
    channel: Channel[int] = Channel()
    task = scheduler.run(select, channel.sending(1), channel)
    scheduler.run_all()
    channel.close()
    scheduler.run_all()
    assert isinstance(task.owner, Alone)
    assert task.owner.outcome is not None
    assert isinstance(task.owner.outcome[1], ChannelClosed)


def test_select_whose_later_case_closes_is_told_so_and_leaves_the_other_channels() -> None:
    scheduler = SearchingScheduler()
    other: Channel[int] = Channel(1)
    channel: Channel[int] = Channel()
    task = scheduler.run(select, other, channel, channel.sending(1))
    scheduler.run_all()
    channel.close()
    scheduler.run_all()
    assert isinstance(task.owner, Alone)
    assert task.owner.outcome == ("value", Picked(channel, None, False))
    other.give(1)
    assert other.take() == 1


@pytest.mark.parametrize("capacity", [-1, 1.5, True, None, "1"])
def test_capacity_of_a_channel_is_a_whole_number_of_0_or_more(capacity: object) -> None:
    with pytest.raises(actors.Error, match=r"^capacity=.*expected a whole number of 0 or more") as raised:
        Channel(capacity)  # type: ignore[arg-type]
    assert raised.value.kind == actors.INVALID


@pytest.mark.parametrize("cases", [(), (1,), (Channel(), "x")])
def test_select_without_a_channel_is_refused(cases: tuple[Any, ...]) -> None:
    scheduler = SearchingScheduler()
    task = scheduler.run(select, *cases)
    scheduler.run_all()
    assert isinstance(task.owner, Alone)
    assert task.owner.outcome is not None
    assert isinstance(task.owner.outcome[1], actors.Error)
    assert task.owner.outcome[1].kind == actors.INVALID


def test_refill_replaces_what_lay_in_a_queue() -> None:
    queue: Queue[int] = Queue()
    queue.put(1)
    queue.replace_all([2, 3])
    assert [queue.take() for _ in range(queue.unread)] == [2, 3]


# Mailboxes


def test_unlisten_keeps_the_order_of_messages_that_came_before_the_first_listen() -> None:
    mailbox = Mailbox()
    for payload, topic in enumerate("abab"):
        mailbox.deliver(Message(topic, payload))
    mailbox.unlisten(mailbox.listen("b", False))
    assert [mailbox.inbox.take().payload for _ in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("again", [False, True])
def test_messages_for_a_listener_that_its_user_closed_go_to_the_inbox(again: bool) -> None:
    mailbox = Mailbox()
    listener = mailbox.listen("a", False)
    mailbox.deliver(Message("a", 1))
    listener.close()
    mailbox.deliver(Message("a", 2))
    assert (listener.unread, mailbox.inbox.unread) == (1, 1)
    if again:
        anew = mailbox.listen("a", False)
        assert [message.payload for message in anew.remove(lambda _: True)] == [1, 2]
    else:
        mailbox.unlisten(listener)
        assert [mailbox.inbox.take().payload for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("messages", [None, "yes", 1])
def test_listen_takes_true_or_false_for_messages(messages: object) -> None:
    with pytest.raises(actors.Error, match=r"^messages=.*expected True") as raised:
        Mailbox().listen("a", messages)  # type: ignore[arg-type]
    assert raised.value.kind == actors.INVALID


def test_unlisten_says_what_it_expects_instead_of_a_channel() -> None:
    with pytest.raises(actors.Error, match=r"^channel='a'.*expected a channel") as raised:
        Mailbox().unlisten("a")  # type: ignore[arg-type]
    assert raised.value.kind == actors.INVALID


# Names


@pytest.mark.parametrize("name", ["", None, 7, PID("n.1", "search", "1")])
def test_name_is_a_non_empty_string(name: Any) -> None:
    kernel = SearchingKernel()

    async def main() -> None:
        for verb in (actors.names.register, actors.names.lookup, actors.names.unregister):
            with pytest.raises(actors.Error, match=r"^name=.*expected a non-empty string") as raised:
                await verb(name)
            assert raised.value.kind == actors.INVALID

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "normal", kernel.exit_of(pid)


# Relations


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        ("noproc", "NOT_FOUND", "does not exist"),
        ("noconnection", "UNAVAILABLE", "the node of process .* is gone"),
    ],
)
def test_result_of_a_process_nothing_is_known_about_says_why(reason: Reason, kind: str, text: str) -> None:
    pid = PID("n.1", "search", "7")
    error = gone(pid, reason).error
    assert error is not None
    assert (error.kind, error.details) == (kind, {"pid": str(pid)})
    assert re.search(text, error.message)


def test_death_along_a_chain_of_links_names_the_neighbour_and_keeps_the_first_cause() -> None:
    kernel = SearchingKernel()

    async def last() -> None:
        await actors.sleep("1s")
        raise actors.Error("first cause", kind=actors.RATE_LIMITED, retryable=False)

    async def middle() -> None:
        pids.append(await actors.spawn_linked(last))
        await actors.sleep("1h")

    async def first() -> None:
        pids.append(await actors.spawn_linked(middle))
        await actors.sleep("1h")

    pids: list[PID] = []
    pid = kernel.put(first)
    kernel.search.run_all()
    kernel.search.advance()
    kernel.search.run_all()
    error = kernel.exit_of(pid).result.error
    assert error is not None
    assert error.message == f"linked process {pids[0]} ended: link_down"
    assert error.details == {"pid": str(pids[0]), "reason": "link_down"}
    assert (error.kind, error.retryable) == (actors.RATE_LIMITED, False)
    assert str(error.__cause__) == "first cause"


def test_unlink_drops_the_link_down_that_is_queued() -> None:
    kernel = SearchingKernel()

    async def peer() -> None:
        await actors.sleep("1s")
        raise ValueError("crash")

    async def main() -> int:
        actors.set_options(trap_links=True)
        pid, other = await actors.spawn_linked(peer), await actors.spawn_linked(peer)
        await actors.sleep("2s")
        await actors.unlink(pid)
        event = await actors.events().receive()
        assert isinstance(event, actors.LinkDown)
        assert event.pid == other
        return unread(actors.running_process().events)

    pid = kernel.put(main)
    finish(kernel)
    assert kernel.exit_of(pid).result == Result(0)


def test_signals_from_elsewhere_that_come_too_late_change_nothing() -> None:
    kernel = SearchingKernel()
    stranger = PID("elsewhere.1", "search", "1")
    sinks: list[Callable[[Exit], None]] = []

    async def main() -> None:
        sinks.append(exit_callback(actors.running_process()))
        await actors.inbox().receive()

    pid = kernel.put(main)
    kernel.search.run_all()
    kernel.signal_link_down(pid, stranger, "error", gone(stranger))  # it was never linked
    kernel.search.run_all()
    assert not kernel.exits
    assert kernel.at_once(kernel.terminate(None, pid, ""))
    kernel.search.run_all()
    kernel.signal_link_down(pid, stranger, "error", gone(stranger))
    sinks[0](Exit(stranger, MonitorRef(pid, 1), "error", gone(stranger)))
    assert kernel.exit_of(pid).reason == "terminated"


def test_link_that_is_there_is_not_made_again_elsewhere() -> None:
    kernel = SearchingKernel()
    far = Mock(spec=Host, link=AsyncMock(), unlink=AsyncMock())
    kernel.wiring.routes["far"] = far
    stranger = PID("elsewhere.1", "far", "1")

    async def main() -> None:
        for _ in range(2):
            await actors.link(stranger)
        for _ in range(2):
            await actors.unlink(stranger)

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "normal"
    far.link.assert_called_once_with(stranger, pid, False)
    far.unlink.assert_called_once_with(stranger, pid)


@pytest.mark.parametrize("verb", ["link", "monitor"])
def test_relation_that_could_not_be_made_elsewhere_is_not_there(verb: str) -> None:
    kernel = SearchingKernel()
    refused = AsyncMock(side_effect=actors.Error("no way there", kind=actors.UNAVAILABLE))
    kernel.wiring.routes["far"] = Mock(spec=Host, link=refused, watch=refused)

    async def main() -> None:
        process = actors.running_process()
        with pytest.raises(actors.Error, match="no way there"):
            await getattr(actors, verb)(PID("elsewhere.1", "far", "1"))
        assert not any((process.links, process.monitors))

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "normal", kernel.exit_of(pid)


# Turns


def test_process_that_is_ended_gets_the_value_on_its_way_and_no_more() -> None:
    kernel = SearchingKernel()
    seen: list[int] = []
    channel: Channel[int] = Channel(5)

    async def main() -> None:
        while True:
            seen.append(await channel.receive())

    pid = kernel.put(main)
    kernel.search.run_all()
    for number in range(3):
        channel.give(number)
    kernel.at_once(kernel.terminate(None, pid, ""))
    kernel.search.run_all()
    assert seen == [0]
    assert channel.take() == 1


# Calls


async def answer_once() -> None:
    message = await actors.inbox().receive()
    await actors.reply(message, message.sender, message.reply_to)


async def die_of_it() -> None:
    await actors.inbox().receive()
    raise ValueError("too hard a question")


def test_call_leaves_no_timer_and_no_watcher_behind() -> None:
    kernel = SearchingKernel()
    server = kernel.put(answer_once)

    async def main() -> Any:
        sender, reply_to = await actors.call(server, "question")
        assert not kernel.search.timers
        return sender, reply_to.pid

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).result == Result((pid, pid))


def test_call_from_outside_any_process_is_answered_to_the_node() -> None:
    kernel = SearchingKernel()
    server = kernel.put(answer_once)
    task = kernel.search.run(kernel.calls.make, kernel.search, None, server, "question", None, 5.0)
    kernel.search.run_all()
    assert isinstance(task.owner, Alone)
    assert task.owner.outcome is not None
    kind, (sender, reply_to) = task.owner.outcome
    assert (kind, sender, reply_to.pid) == ("value", None, kernel.pid)


def test_call_of_a_process_that_dies_of_it_has_that_as_its_cause() -> None:
    kernel = SearchingKernel()
    server = kernel.put(die_of_it)

    async def main() -> None:
        with pytest.raises(actors.Error, match=r"ended \(error\) before it replied") as raised:
            await actors.call(server, "question")
        assert raised.value.kind == actors.UNAVAILABLE
        assert raised.value.details == {"pid": str(server), "reason": "error", "topic": "question"}
        assert "too hard a question" in str(raised.value.__cause__)
        with pytest.raises(actors.Error, match="does not exist") as raised:
            await actors.call(server, "question")
        assert raised.value.kind == actors.NOT_FOUND
        assert raised.value.details["reason"] == "noproc"

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "normal", kernel.exit_of(pid)


# Other hosts


def far_host() -> Mock:
    """A host elsewhere that says yes to everything."""
    yes = {name: AsyncMock(return_value=True) for name in ("send", "reply", "terminate", "cancel")}
    done = {name: AsyncMock(return_value=None) for name in ("watch", "link", "unlink")}
    return Mock(spec=Host, **yes, **done, describe=AsyncMock())


def test_every_verb_about_a_process_elsewhere_reaches_the_host_of_its_pid() -> None:
    kernel = SearchingKernel()
    far = kernel.wiring.routes["far"] = far_host()
    there = PID("elsewhere.1", "far", "1")
    refs: list[MonitorRef] = []

    async def main() -> None:
        assert await actors.send(there, "topic", 1)
        assert await actors.cancel(there, "5s", "please")
        assert await actors.terminate(there, "now")
        assert (await actors.describe(there)) is far.describe.return_value
        await actors.link(there)
        await actors.unlink(there)
        refs.append(await actors.monitor(there))
        await actors.unmonitor(there)
        refs.append(await actors.monitor(there))
        await actors.link(there)
        asked = Message("question", None, there, ReplyTo(there, 9))
        assert await actors.reply(asked, "answer")
        raise ValueError("crash")

    pid = kernel.put(main)
    kernel.search.run_all()
    assert kernel.exit_of(pid).reason == "error"
    assert "crash" in str(kernel.exit_of(pid).result.error)
    far.send.assert_called_once_with(there, Message("topic", 1, pid))
    far.cancel.assert_called_once_with(there, pid, "please", 5.0)
    far.terminate.assert_called_once_with(there, pid, "now")
    far.describe.assert_called_once_with(there)
    far.unlink.assert_called_once_with(there, pid)
    far.reply.assert_called_once_with(there, 9, "answer")
    assert [call.args[:2] for call in far.watch.call_args_list] == [(there, ref) for ref in refs]
    # The second monitor and the second link end with the process.
    assert [call.args for call in far.unwatch.call_args_list] == [(there, ref) for ref in refs]
    far.link_down.assert_called_once_with(there, pid, "error", kernel.exit_of(pid).result)


def test_route_goes_by_the_host_and_asks_elsewhere_only_about_nodes_that_are_not_here() -> None:
    kernel = SearchingKernel()
    kernel.wiring.local_nodes = {"n.1": kernel, "m.1": kernel}
    far, remote_host = far_host(), far_host()
    assert kernel.route(PID("other.1", "search", "1")) is None
    kernel.wiring.routes["far"] = far
    kernel.wiring.remote_host = remote_host
    assert kernel.route(PID("other.1", "far", "1")) is far
    assert kernel.route(PID("n.1", "far", "1")) is far
    assert kernel.route(PID("other.1", "search", "1")) is remote_host
    for node in ("n.1", "m.1"):
        assert kernel.route(PID(node, "search", "1")) is None
    kernel.wiring.local_nodes = {}
    assert kernel.route(PID("n.1", "search", "1")) is None


def test_reply_to_a_caller_of_a_node_that_nobody_knows_is_false() -> None:
    kernel = SearchingKernel()
    there = PID("other.1", "search", "1")
    assert kernel.at_once(kernel.reply(ReplyTo(there, 1), None)) is False
    kernel.wiring.remote_host = far_host()
    assert kernel.at_once(kernel.reply(ReplyTo(there, 1), None)) is True


def test_spawn_on_another_host_gives_the_pid_that_the_host_gives() -> None:
    kernel = SearchingKernel()
    there = PID("elsewhere.1", "far", "1")
    kernel.wiring.spawners["far"] = AsyncMock(return_value=there)
    request = SpawnRequest(process_entry(answer_once), ())
    assert kernel.at_once(kernel.spawn(request, "far")) is there
    for on in ("", 7):
        with pytest.raises(actors.Error, match=r"^on=.*expected the name of a host") as raised:
            kernel.at_once(kernel.spawn(request, on))  # type: ignore[arg-type]
        assert raised.value.kind == actors.INVALID
    with pytest.raises(actors.Error, match=r"^host='nowhere' is not there: expected one of far, search"):
        kernel.at_once(kernel.spawn(request, "nowhere"))


@pytest.mark.parametrize("watched", [False, True])
def test_crash_that_nobody_watches_is_an_error_in_the_log(
    watched: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "everproc")
    kernel = SearchingKernel()
    pid = kernel.at_once(kernel.spawn(SpawnRequest(process_entry(die_of_it), ()), None))
    if watched:
        kernel.at_once(kernel.watch(pid, MonitorRef(kernel.pid, 1), kernel.exits.append))
    kernel.at_once(kernel.send(pid, Message("question")))
    kernel.search.run_all()
    (record,) = caplog.records
    assert record.levelname == ("DEBUG" if watched else "ERROR")
    assert "too hard a question" in record.getMessage()


def test_link_that_a_process_elsewhere_makes_is_a_link_and_noproc_for_one_that_is_gone() -> None:
    kernel = SearchingKernel()
    far = kernel.wiring.routes["far"] = far_host()
    there = PID("elsewhere.1", "far", "1")

    async def main() -> None:
        await actors.inbox().receive()
        raise ValueError("crash")

    unlinked, linked = kernel.put(main), kernel.put(main)
    for pid in (unlinked, linked):
        kernel.receive_link(pid, there)
    kernel.receive_unlink(unlinked, there)
    for pid in (unlinked, linked):
        kernel.at_once(kernel.send(pid, Message("topic")))
    kernel.search.run_all()
    far.link_down.assert_called_once_with(there, linked, "error", kernel.exit_of(linked).result)
    kernel.receive_unlink(linked, there)  # too late, and fine
    kernel.receive_link(linked, there)
    target, by, reason, result = far.link_down.call_args.args
    assert (target, by, reason) == (there, linked, "noproc")
    assert result.error.kind == actors.NOT_FOUND


def test_kernel_says_when_a_process_has_ended() -> None:
    kernel = SearchingKernel()
    told: list[tuple[actors.PID, int]] = []
    kernel.instruments.on_exit = lambda process: told.append((process.pid, len(kernel.table)))
    for _ in range(2):
        kernel.put(answer_once)
    pids = [process.pid for process in kernel.table.values()]
    for pid in pids:
        kernel.at_once(kernel.terminate(None, pid, ""))
    kernel.search.run_all()
    assert sorted(pid for pid, _ in told) == pids
    assert [left for _, left in told] == [1, 0]
