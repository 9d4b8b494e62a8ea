"""Details of the kernel that the properties and the suites by topic pass by."""

from __future__ import annotations

import re

import pytest

import actors
from actors import PID, Channel, ChannelClosed, Message, Picked, Reason, gone, select
from actors._mailbox import Mailbox
from tests.searching_scheduler import Alone, SearchingKernel, SearchingScheduler

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
