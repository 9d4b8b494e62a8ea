"""The promises under thousands of schedules; and that a broken kernel is found out, within a stated number of them."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
import trio.testing

import actors
from actors._channels.channel import Channel, Queue
from actors._channels.mailbox import Mailbox
from actors._channels.receive_all import Events
from actors._kernel.kernel import Kernel
from actors._kernel.names import Names
from actors._values.messages import Message
from actors.testing import Faults, simulate
from examples.races import bank, lock_server, restarts
from tests import scenarios
from tests.scenarios import SCENARIOS

Scenario = Callable[[], Awaitable[None]]
SCHEDULES = 150
"""For each scenario and search."""


@pytest.mark.parametrize("search", ["random", "pct", "delay"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_promise_holds_under_every_schedule_tried(scenario: Scenario, search: str) -> None:
    for seed in range(SCHEDULES):
        simulate(scenario, seed=seed, search=search).check()


@pytest.mark.parametrize("host", ["trio", "green"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_promise_holds_on_the_live_hosts(scenario: Scenario, host: str) -> None:
    async def main() -> None:
        async with actors.Node("live") as node:
            await node.execute(scenario, on=host)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


# Planted bugs


def lose_a_wake_up(patch: pytest.MonkeyPatch) -> None:
    give = Channel.give

    def lose(self: Channel[Any], value: Any) -> None:
        """A value that is given while somebody waits stays in the buffer."""
        if not isinstance(self, Queue) and self._receivers is not None:
            receivers, self._receivers = self._receivers, None
            give(self, value)
            self._receivers = receivers
        else:
            give(self, value)

    patch.setattr(Channel, "give", lose)


def fire_a_monitor_twice(patch: pytest.MonkeyPatch) -> None:
    finalize = Kernel.finalize

    def twice(self: Kernel, process: actors.Process, *end: Any) -> None:
        sinks = list((process.watchers or {}).items())
        finalize(self, process, *end)
        for ref, sink in sinks:
            if ref.owner.id != "0" and len(sinks) == 3:
                owner = self.find(ref.owner)
                if isinstance(owner, actors.Process):
                    owner.note_monitor(ref, process.pid)
                    sink(actors.Exit(process.pid, ref, *end))

    patch.setattr(Kernel, "finalize", twice)


def keep_the_signal_of_a_removed_link(patch: pytest.MonkeyPatch) -> None:
    withdraw = Events.withdraw

    def keep(self: Events, key: Any) -> None:
        if not isinstance(self.peek(), actors.LinkDown):
            withdraw(self, key)

    patch.setattr(Events, "withdraw", keep)


def let_a_message_overtake(patch: pytest.MonkeyPatch) -> None:
    deliver = Mailbox.deliver

    def overtake(self: Mailbox, message: Message) -> Message | None:
        earlier = self.inbox.remove(lambda _: True) if self.inbox.unread == 2 else []
        dropped = deliver(self, message)
        for late in earlier:
            self.inbox.put(late)
        return dropped

    patch.setattr(Mailbox, "deliver", overtake)


def leave_a_name_with_the_dead(patch: pytest.MonkeyPatch) -> None:
    def keep(self: Names, process: actors.Process) -> None:
        """The name stays."""

    patch.setattr(Names, "forget", keep)


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.mark.parametrize(
    ("plant", "scenario", "within"),
    [
        (lose_a_wake_up, scenarios.no_wake_up_is_lost, 5),
        (fire_a_monitor_twice, scenarios.each_monitor_fires_once, 20),
        (keep_the_signal_of_a_removed_link, scenarios.after_unlink_a_link_has_no_effect, 20),
        (let_a_message_overtake, scenarios.messages_of_one_sender_never_overtake, 20),
        (leave_a_name_with_the_dead, scenarios.whoever_sees_an_exit_can_take_the_name, 5),
    ],
)
def test_a_planted_bug_is_found_within_so_many_schedules(
    plant: Callable[[pytest.MonkeyPatch], None], scenario: Scenario, within: int, patch: pytest.MonkeyPatch
) -> None:
    plant(patch)
    assert any(simulate(scenario, seed=seed).failure is not None for seed in range(within))


# The examples of docs/testing.md


async def two_transfers(transfer: Callable[..., Awaitable[None]]) -> None:
    source = await actors.spawn_linked(bank.account, 100)
    target = await actors.spawn_linked(bank.account, 0)
    for _ in range(2):
        await actors.spawn_monitored(transfer, source, target, 60)
    for _ in range(2):
        await actors.events().receive()
    balances = [await actors.call(account, "balance") for account in (source, target)]
    assert balances == [40, 60]


async def two_clients(server: Callable[..., Awaitable[None]]) -> None:
    work: list[str] = []
    pid = await actors.spawn_linked(server)
    for name in ("a", "b"):
        await actors.spawn_monitored(lock_server.client, pid, work, name)
    for _ in range(2):
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        assert event.reason in ("normal", "terminated"), event


async def three_questions(ask: Callable[[int], Awaitable[int]]) -> None:
    await restarts.supervised_counter()
    await actors.sleep("1s")
    assert await ask(3) >= 1


def only_clients(entry: str) -> bool:
    return entry.endswith(":client")


def only_the_counter(entry: str) -> bool:
    return entry.endswith(":counter")


RACES: list[tuple[Callable[..., Awaitable[None]], object, object, Faults]] = [
    (two_transfers, bank.transfer_with_a_race, bank.transfer, Faults()),
    (
        two_clients,
        lock_server.lock_server_with_a_race,
        lock_server.lock_server,
        Faults(kill=1, killable=only_clients),
    ),
    (three_questions, restarts.ask_with_a_race, restarts.ask, Faults(kill=1, killable=only_the_counter)),
]


@pytest.mark.parametrize(("program", "broken", "mended", "faults"), RACES)
def test_each_example_has_its_race_and_its_mend_has_none(
    program: Callable[..., Awaitable[None]], broken: object, mended: object, faults: Faults
) -> None:
    assert any(simulate(program, broken, seed=seed, faults=faults).failure for seed in range(100))
    for seed in range(300):
        simulate(program, mended, seed=seed, faults=faults).check()
