"""Exploration: an async test as a Hypothesis test over schedules, and the repetition of one."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import hypothesis
from hypothesis import strategies as st
from hypothesis.control import current_build_context

from actors._values.callables import check_async
from actors._values.errors import invalid
from actors.testing._decisions import Decisions, seeded
from actors.testing._faults import Faults
from actors.testing._search import policy
from actors.testing._simulate import MAX_STEPS, Schedule, SimulationFailed, simulate

Test = Callable[..., Any]

_AGAIN = "__everproc_again__"
"""Where a test keeps the decisions to repeat."""


def schedules(search: str = "random") -> st.SearchStrategy[Schedule]:
    """A strategy for schedules. Each is one number: a failing one is shortened by `Outcome.shortest`.

    Args:
        search: "random", "pct" or "delay", as for `simulate`.
    """
    policy(search, seeded(0))

    def schedule(seed: int) -> Schedule:
        return Schedule(search, seeded(seed), label=f"seed {seed}")

    return st.integers(0, 2**32 - 1).map(schedule)


def faults(
    *, kill: int = 2, drop: int = 0, fail: int = 2, slow: int = 1, jump: int = 1
) -> st.SearchStrategy[Faults]:
    """A strategy for `Faults` with up to as many of each kind."""
    return st.builds(
        Faults,
        kill=st.integers(0, kill),
        drop=st.integers(0, drop),
        fail=st.integers(0, fail),
        slow=st.integers(0, slow),
        jump=st.integers(0, jump),
    )


def explore(
    *,
    max_examples: int = 100,
    faults: Faults | None = None,
    search: str = "random",
    nodes: tuple[str, ...] = (),
    functions: Mapping[str, Callable[..., Any]] | None = None,
    max_steps: int = MAX_STEPS,
    settings: hypothesis.settings | None = None,
) -> Callable[[Test], Callable[..., None]]:
    """Turn an async test into a Hypothesis test over schedules. Each example is a simulated run of it.

        @explore(max_examples=500, faults=Faults(kill=1))
        async def test_no_money_is_lost(): ...

    It goes above `@given`, whose arguments the test then gets. A failing schedule is shortened, and told as a story.

    Args:
        max_examples: how many schedules are tried.
        faults: what may go wrong in each.
        search: how schedules are chosen.
        nodes: as for `simulate`.
        functions: as for `simulate`.
        max_steps: as for `simulate`.
        settings: other settings of Hypothesis.
    """
    if not isinstance(max_examples, int) or isinstance(max_examples, bool) or max_examples < 1:
        raise invalid("max_examples", max_examples, "a whole number of 1 or more")
    strategy = schedules(search)

    def wrap(test: Test) -> Callable[..., None]:
        given = getattr(test, "hypothesis", None)
        body = test if given is None else cast(Test, given.inner_test)
        check_async(body, "test")

        def once(schedule: Schedule, arguments: Mapping[str, Any]) -> None:
            again: Decisions | None = getattr(explored, _AGAIN, None)

            @functools.wraps(body)
            async def main() -> Any:
                return await cast(Awaitable[Any], body(**arguments))

            outcome = simulate(
                main,
                schedule=schedule if again is None else Schedule(decisions=again),
                faults=faults,
                nodes=nodes,
                functions=functions,
                max_steps=max_steps,
            )
            if outcome.failure is not None:
                raise SimulationFailed(outcome, shorten=again is None) from outcome.error

        chosen = hypothesis.settings(settings, max_examples=max_examples, deadline=None)
        explored = chosen(
            _alone(body, once, strategy) if given is None else _given_too(test, body, once, strategy)
        )
        return explored

    return wrap


Once = Callable[[Schedule, Mapping[str, Any]], None]


def _alone(body: Test, once: Once, strategy: st.SearchStrategy[Schedule]) -> Test:
    """A test over schedules."""

    def alone(schedule: Schedule) -> None:
        once(schedule, {})

    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(alone, name, getattr(body, name))
    return hypothesis.given(schedule=strategy)(alone)


def _given_too(test: Test, body: Test, once: Once, strategy: st.SearchStrategy[Schedule]) -> Test:
    """A test over schedules and what `@given` gives.

    As Hypothesis asks of whoever runs async tests for it, the function that its test calls is replaced. The schedule is
    drawn in there, after the arguments.
    """

    @functools.wraps(body)
    def drawn(**arguments: Any) -> None:
        schedule = current_build_context().data.draw(strategy)
        once(schedule, arguments)

    cast(Any, test).hypothesis.inner_test = drawn
    return test


def reproduce(decisions: str) -> Callable[[Test], Callable[..., None]]:
    """Run an async test under the schedule that has failed: put it above the test, or above its `@explore`.

        @reproduce("12:1 kill@31:0")
        async def test_no_money_is_lost(): ...

    Raises:
        Error: kind INVALID, when the text is not what a failed run has printed.
    """
    parsed = Decisions.parse(decisions)

    def wrap(test: Test) -> Callable[..., None]:
        if hasattr(test, "hypothesis"):
            setattr(test, _AGAIN, parsed)
            return test
        check_async(test, "test")

        def run() -> None:
            simulate(test, schedule=Schedule(decisions=parsed)).check()

        for name in ("__name__", "__qualname__", "__module__", "__doc__"):
            setattr(run, name, getattr(test, name))
        return run

    return wrap
