"""The simulated run: what it decides, what it reports, and that the same decisions give the same run."""

import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actors
from actors.testing import (
    Decisions,
    Faults,
    SimulationFailed,
    eventually,
    explore,
    faults,
    invariant,
    reproduce,
    schedules,
    simulate,
)

SHOP = actors.Namespace("simulated_shop")


async def echo() -> None:
    async for message in actors.inbox():
        await actors.reply(message, message.payload)


async def increment(counter: dict[str, int]) -> None:
    """A race: others may run between the look and the write."""
    seen = counter["n"]
    await actors.sleep("0s")
    counter["n"] = seen + 1


async def two_increments() -> int:
    counter = {"n": 0}
    for _ in range(2):
        await actors.spawn_monitored(increment, counter)
    for _ in range(2):
        await actors.events().receive()
    assert counter["n"] == 2
    return counter["n"]


def failing_seed(main: Callable[..., Awaitable[Any]], most: int, **settings: Any) -> int:
    """The first seed under which `main` fails."""
    for seed in range(most):
        if simulate(main, seed=seed, **settings).failure is not None:
            return seed
    raise AssertionError(f"not found in {most} schedules")


def test_a_run_gives_what_its_first_process_returns() -> None:
    async def main(number: int) -> int:
        return number + 1

    outcome = simulate(main, 2)
    assert (outcome.result, outcome.error, outcome.failure) == (3, None, None)
    assert outcome.check() == 3


def test_virtual_time_goes_on_when_nobody_can_run() -> None:
    async def main() -> float:
        before = actors.now()
        await actors.sleep("24h")
        return (actors.now() - before).total_seconds()

    outcome = simulate(main)
    assert outcome.result == outcome.time == 86400


def test_the_same_seed_gives_the_same_trace() -> None:
    first, second = simulate(two_increments, seed=5), simulate(two_increments, seed=5)
    assert first.trace == second.trace
    assert first.decisions == second.decisions


def test_the_same_seed_gives_the_same_trace_in_processes_with_other_hash_seeds() -> None:
    program = (
        "from actors.testing import simulate; from tests.test_simulation import two_increments\n"
        "print('\\n'.join(line for seed in range(20) for line in simulate(two_increments, seed=seed).trace))"
    )
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed, "PATH": ""},
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
    assert traces.pop().count(b"ends: ") >= 40


@pytest.mark.parametrize("search", ["random", "pct", "delay"])
def test_each_search_finds_the_lost_update(search: str) -> None:
    assert failing_seed(two_increments, 50, search=search) < 50


@given(st.integers(0, 200))
def test_decisions_repeat_a_run_to_the_letter(seed: int) -> None:
    outcome = simulate(two_increments, seed=seed)
    again = simulate(two_increments, schedule=str(outcome.decisions))
    assert (again.trace, again.decisions) == (outcome.trace, outcome.decisions)


def test_an_explored_failure_is_shrunk_and_can_be_pasted() -> None:
    with pytest.raises(SimulationFailed) as caught:
        explore()(two_increments)()
    text = str(caught.value)
    assert "AssertionError" in text
    assert "#2" in text
    pasted = text[text.index("@reproduce(") + len("@reproduce('") : text.rindex("'")]
    assert len(pasted.split()) <= 4
    with pytest.raises(SimulationFailed):
        reproduce(pasted)(two_increments)()
    with pytest.raises(SimulationFailed):
        reproduce(pasted)(explore()(two_increments))()


def test_explore_goes_with_given() -> None:
    seen: list[int] = []

    @explore(max_examples=20)
    @given(number=st.integers(0, 9))
    async def check(number: int) -> None:
        pid = await actors.spawn_linked(echo)
        assert await actors.call(pid, "x", number) == number
        seen.append(number)

    check()
    assert len(seen) >= 10
    assert len(set(seen)) > 3


@given(schedule=schedules("pct"), limits=faults())
def test_schedules_and_faults_are_strategies(schedule: Any, limits: Faults) -> None:
    async def main() -> int:
        return 1

    assert simulate(main, schedule=schedule, faults=limits).check() == 1


# Failures that need no claim


def test_a_deadlock_fails_the_run_and_tells_who_waits_where() -> None:
    async def waiter() -> None:
        await actors.inbox().receive()

    async def main() -> None:
        await actors.spawn(waiter)
        await actors.inbox().receive()

    failure = simulate(main).failure
    assert failure is not None
    assert failure.kind == "deadlock"
    assert "#1" in failure.message
    assert "#2" in failure.message
    assert "test_simulation.py" in failure.message
    assert "waiter" in failure.message


def test_a_livelock_fails_the_run() -> None:
    async def main() -> None:
        while True:
            await actors.sleep("0s")

    failure = simulate(main, max_steps=1000).failure
    assert failure is not None
    assert failure.kind == "livelock"


def test_a_process_that_does_not_end_is_lost() -> None:
    async def stubborn() -> None:
        with actors.shield():
            await actors.inbox().receive()

    async def main() -> None:
        await actors.spawn(stubborn)
        await actors.sleep("1s")

    failure = simulate(main).failure
    assert failure is not None
    assert failure.kind == "lost"
    assert "stubborn" in failure.message


def test_a_crash_that_nobody_watches_fails_the_run_and_one_that_is_watched_does_not() -> None:
    async def crash() -> None:
        raise ValueError("broken")

    async def unwatched() -> None:
        await actors.spawn(crash)
        await actors.sleep("1s")

    async def watched() -> str:
        await actors.spawn_monitored(crash)
        event = await actors.events().receive()
        assert isinstance(event, actors.Exit)
        return event.reason

    failure = simulate(unwatched).failure
    assert failure is not None
    assert failure.kind == "crash"
    assert "broken" in failure.message
    assert simulate(watched).check() == "error"


def test_what_is_left_when_the_first_process_ends_is_cancelled_and_may_clean_up() -> None:
    cleaned: list[str] = []

    async def tidy() -> None:
        try:
            await actors.inbox().receive()
        finally:
            with actors.shield():
                await actors.sleep("1s")
            cleaned.append("tidy")

    async def main() -> None:
        await actors.spawn(tidy)
        await actors.sleep("1s")

    simulate(main).check()
    assert cleaned == ["tidy"]


# Claims


def test_an_invariant_is_checked_after_each_step() -> None:
    async def main() -> None:
        state = {"n": 0}

        def is_even() -> bool:
            return state["n"] % 2 == 0

        invariant(is_even)
        state["n"] = 1
        await actors.sleep("0s")
        state["n"] = 2

    failure = simulate(main).failure
    assert failure is not None
    assert failure.kind == "invariant"
    assert "is_even" in failure.message


def test_eventually_waits_in_virtual_time() -> None:
    async def later(box: list[int]) -> None:
        await actors.sleep("4s")
        box.append(1)

    async def main(within: str) -> None:
        box: list[int] = []
        await actors.spawn_linked(later, box)
        await eventually(lambda: bool(box), within=within)

    assert simulate(main, "5s").failure is None
    failure = simulate(main, "3s").failure
    assert failure is not None
    assert "did not hold within 3 s" in failure.message


# Faults


def test_a_killed_process_ends_as_if_terminated_and_the_first_one_is_spared() -> None:
    async def worker() -> None:
        await actors.inbox().receive()

    async def main() -> str:
        await actors.spawn_monitored(worker)
        for _ in range(2000):
            await actors.sleep("0s")
        picked = await actors.select(actors.events(), default=True)
        return "alive" if picked.value is None else str(picked.value.reason)

    outcomes = [simulate(main, seed=seed, faults=Faults(kill=1)) for seed in range(30)]
    killed = [outcome.check() == "terminated" for outcome in outcomes]
    assert killed == [bool(outcome.decisions.faults) for outcome in outcomes]
    assert sum(killed) > 10


def test_a_dropped_node_takes_its_processes_and_their_watchers_get_noconnection() -> None:
    async def main() -> tuple[str, ...]:
        actors.set_options(trap_links=True)
        pid = await actors.spawn_linked_monitored(echo, on="b")
        for _ in range(2000):
            await actors.sleep("0s")
        events = [await actors.events().receive(), await actors.events().receive()]
        assert not await actors.send(pid, "x")
        again = await actors.spawn_linked(echo, on="b")
        assert await actors.call(again, "x", 1) == 1
        assert again != pid
        return tuple(sorted(event.kind + " " + event.reason for event in events))

    outcome = simulate(main, schedule="drop@50:0", nodes=("b",))
    assert outcome.check() == ("EXIT noconnection", "LINK_DOWN noconnection")


def test_messages_between_nodes_overtake_each_other_but_never_those_of_the_same_sender() -> None:
    async def sender(to: actors.PID, name: str) -> None:
        for number in range(3):
            await actors.send(to, "x", (name, number))

    async def main() -> tuple[Any, ...]:
        me = actors.self_pid()
        for name in "ab":
            await actors.spawn_linked(sender, me, name, on=name)
        came = [(await actors.inbox().receive()).payload for _ in range(6)]
        for name in "ab":
            assert [number for sent, number in came if sent == name] == [0, 1, 2]
        return tuple(came)

    orders = {simulate(main, seed=seed, nodes=("a", "b")).check() for seed in range(60)}
    assert len(orders) > 5


def test_calls_of_functions_fail_and_are_slow_and_are_retried_as_their_policy_says() -> None:
    @SHOP.function
    def price() -> int:
        return 7

    async def once() -> object:
        try:
            return await actors.funcs.call(price)
        except actors.Error as error:
            return error.kind

    async def retried() -> object:
        executor = actors.funcs.Executor().with_options({"activity.retry_policy": {"maximum_attempts": 3}})
        return await executor.call(price)

    assert simulate(once).check() == 7
    outcomes = [simulate(once, seed=seed, faults=Faults(fail=1, slow=1)) for seed in range(60)]
    assert {outcome.check() for outcome in outcomes} == {7, "UNAVAILABLE"}
    assert {outcome.time for outcome in outcomes} == {0, 60}
    assert {simulate(retried, seed=seed, faults=Faults(fail=2)).check() for seed in range(60)} == {7}


def test_a_function_has_a_stand_in_by_its_id() -> None:
    @SHOP.function(name="stock")
    def stock() -> int:
        raise AssertionError("the real one")

    async def main() -> object:
        return await actors.funcs.call("simulated_shop:stock")

    assert simulate(main, functions={"simulated_shop:stock": lambda: 3}).check() == 3


def test_the_wall_clock_jumps_and_timers_do_not() -> None:
    async def main() -> float:
        before = actors.now()
        for _ in range(2000):
            await actors.sleep("0s")
        return (actors.now() - before).total_seconds()

    outcome = simulate(main, schedule="jump@50:0")
    assert outcome.check() == 3600
    assert outcome.time == 0


# Bad input


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: simulate(3), "main=3 is not valid"),  # type: ignore[arg-type]
        (lambda: simulate(echo, seed="x"), "seed='x' is not valid"),  # type: ignore[arg-type]
        (lambda: simulate(echo, search="best"), "search='best' is not valid"),
        (lambda: simulate(echo, faults=3), "faults=3 is not valid"),  # type: ignore[arg-type]
        (lambda: simulate(echo, schedule=3), "schedule=3 is not valid"),  # type: ignore[arg-type]
        (lambda: simulate(echo, schedule="1:x"), "decisions='1:x' is not valid"),
        (lambda: simulate(echo, max_steps=0), "max_steps=0 is not valid"),
        (lambda: simulate(echo, functions={"a:b": 3}), "functions['a:b']=3 is not valid"),  # type: ignore[dict-item]
        (lambda: Faults(kill=-1), "kill=-1 is not valid"),
        (lambda: Faults(slow_by="soon"), "slow_by='soon' is not valid"),
        (lambda: Faults(killable=3), "killable=3 is not valid"),  # type: ignore[arg-type]
        (lambda: explore(max_examples=0), "max_examples=0 is not valid"),
        (lambda: explore(search="worst"), "search='worst' is not valid"),
        (lambda: explore()(lambda: None), "test="),
        (lambda: reproduce("kill@:1"), "decisions='kill@:1' is not valid"),
        (lambda: Decisions.parse(3), "decisions='3' is not valid"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_refused_by_name(call: Callable[[], object], text: str) -> None:
    with pytest.raises(actors.Error) as caught:
        call()
    assert text in str(caught.value)
    assert caught.value.kind == actors.INVALID


def test_claims_outside_a_simulated_run_are_refused() -> None:
    async def main() -> None:
        invariant(lambda: True)

    with pytest.raises(actors.Error, match=r"works only in a simulated run"):
        actors.run(main)
