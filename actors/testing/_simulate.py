"""One simulated run, and what it came to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from actors._channels.channel import Queue
from actors._kernel.process import running_process
from actors._values.callables import check_async
from actors._values.durations import Duration, seconds
from actors._values.errors import CONFLICT, Error, invalid
from actors.testing._decisions import Decisions, Recorder, Source, seeded
from actors.testing._failures import Failure
from actors.testing._faults import NO_FAULTS, Faults
from actors.testing._search import policy
from actors.testing._shrink import shortest
from actors.testing._simulator import SimulatedScheduler, Simulator
from actors.testing._trace import Entry, Trace, story

MAX_STEPS = 100_000


@attrs.frozen
class Schedule:
    """Where a run takes its decisions from: a search with a source of choices, or decisions to repeat."""

    search: str = "random"
    source: Source | None = None
    decisions: Decisions | None = None
    label: str = ""

    def __repr__(self) -> str:
        return self.label or f"Schedule({self.search!r})"


class SimulationFailed(AssertionError):
    """A run has failed. Its text is the story of `outcome`, made shorter if that was asked for."""

    def __init__(self, outcome: Outcome, shorten: bool = False) -> None:
        AssertionError.__init__(self, outcome)
        self._outcome = outcome
        self._shorten = shorten

    @property
    def outcome(self) -> Outcome:
        """The failed run. The search for a short one, some hundred runs, is made when somebody asks."""
        if self._shorten:
            self._shorten = False
            self._outcome = self._outcome.shortest()
        return self._outcome

    def __str__(self) -> str:
        return self.outcome.story()


@attrs.frozen
class Outcome:
    """What a simulated run came to.

    `result` is what the first process returned and `error` what it raised; `failure` is why the run fails, if it does:
    an error of the first process, an invariant, deadlock, livelock, a lost process, a crash that nobody watched.
    """

    result: Any
    error: Error | None
    failure: Failure | None
    decisions: Decisions
    steps: int
    time: float
    _trace: Trace = attrs.field(repr=False, alias="trace")
    _again: Callable[[Decisions], Outcome] = attrs.field(repr=False, eq=False, alias="again")

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The trace as data."""
        return tuple(self._trace.entries)

    @property
    def trace(self) -> tuple[str, ...]:
        """What happened, a line each; the same to the byte for the same decisions."""
        return self._trace.lines()

    def story(self) -> str:
        """The run for a person to read, with the violated claim and the way to repeat it."""
        if self.failure is None:
            return story(self._trace.entries)
        return (
            f"{self.failure}\n\nWhat happened (step, virtual time, who, what):\n{story(self._trace.entries)}\n\n"
            f"To repeat it, put this above the test:\n    @reproduce({str(self.decisions)!r})"
        )

    def check(self) -> Any:
        """The result of a run that did not fail.

        Raises:
            SimulationFailed: with the story, when it did.
        """
        if self.failure is not None:
            raise SimulationFailed(self) from self.error
        return self.result

    def shortest(self) -> Outcome:
        """A run that fails in the same way after fewer exceptions from first come, first served."""
        return self if self.failure is None else shortest(self, self._again)


def simulate(
    main: Callable[..., Awaitable[Any]],
    *args: Any,
    seed: int | None = None,
    faults: Faults | None = None,
    search: str = "random",
    schedule: Schedule | str | None = None,
    nodes: tuple[str, ...] = (),
    functions: Mapping[str, Callable[..., Any]] | None = None,
    max_steps: int = MAX_STEPS,
) -> Outcome:
    """Run `main` and all that it spawns on a virtual clock, under a schedule; returns when all has ended.

        outcome = simulate(transfer_money, seed=7, faults=Faults(kill=1))
        outcome.check()

    The processes are the real ones, and may await nothing but `actors`. All hosts are the simulation; `on="b"` with
    `nodes=("b",)` spawns on another simulated node. Time goes on when nobody can run.

    Args:
        main: the first process.
        args: its arguments.
        seed: chooses the schedule and the faults; 0 unless a schedule is given.
        faults: what may go wrong; by default nothing.
        search: how schedules are chosen: "random", "pct" (probabilistic concurrency testing) or "delay" (bounded).
        schedule: a `Schedule`, or the text of decisions to repeat.
        nodes: names of other nodes.
        functions: by entry id, stand-ins for functions that `funcs.call` would call.
        max_steps: after how many steps a run is a livelock; half as many without time going on are one too.

    Raises:
        Error: kind INVALID, when an argument is not of that form. A run that fails does not raise: see `Outcome`.
    """
    check_async(main, "main")
    if isinstance(schedule, str):
        schedule = Schedule(decisions=Decisions.parse(schedule))
    if schedule is None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise invalid("seed", seed, "a whole number")
        schedule = Schedule(search, seeded(seed or 0))
    elif not isinstance(schedule, Schedule):
        raise invalid("schedule", schedule, "a Schedule, or the text of decisions to repeat")
    limits = NO_FAULTS if faults is None else faults
    if not isinstance(limits, Faults):
        raise invalid("faults", faults, "a Faults")
    if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
        raise invalid("max_steps", max_steps, "a whole number of 1 or more")

    def run(schedule: Schedule) -> Outcome:
        given = schedule.decisions
        if given is not None:
            choices, plan = None, given.faults
        else:
            source = schedule.source if schedule.source is not None else seeded(0)
            plan = limits.plan(source)
            choices = policy(schedule.search, source)
        recorder = Recorder(given)
        simulator = Simulator(recorder, choices, plan, limits, tuple(nodes), functions or {}, max_steps)
        simulator.run(main, args)
        return _outcome(simulator, lambda decisions: run(Schedule(decisions=decisions)))

    return run(schedule)


def _outcome(simulator: Simulator, again: Callable[[Decisions], Outcome]) -> Outcome:
    event, failure = simulator.exit, simulator.failure
    error = None if event is None else event.result.error
    if failure is None and error is not None:
        failure = Failure("error", f"the first process ended with {error!r}{_origin(error)}")
    return Outcome(
        result=None if event is None else event.result.value,
        error=error,
        failure=failure,
        decisions=simulator.recorder.decisions(),
        steps=simulator.trace.step,
        time=simulator.scheduler.clock,
        trace=simulator.trace,
        again=again,
    )


def _origin(error: Error) -> str:
    """Where an assertion or another exception of the program was raised."""
    cause = error.__cause__
    traceback = None if cause is None else cause.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return ""
    return f", raised at {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


def invariant(holds: Callable[[], object]) -> None:
    """Have a claim checked after each step of the simulated run: it fails when `holds` raises or returns False.

    Called by a process of the run, mostly the first one. `holds` only looks, and does not await.
    """
    if not callable(holds):
        raise invalid("holds", holds, "a function that looks whether the claim holds")
    _simulation().simulator.invariants.append(holds)


async def eventually(holds: Callable[[], object], within: Duration = "5s") -> None:
    """Wait until a claim holds, and fail if it does not within some virtual time.

    Raises:
        AssertionError: when the time is over.
    """
    scheduler = _simulation()
    limit = seconds(within, "within")
    waiting: Queue[bool] = Queue()
    done = False

    def look() -> None:
        nonlocal done
        if not done and holds():
            done = True
            waiting.put(True)

    def late() -> None:
        nonlocal done
        if not done:
            done = True
            waiting.put(False)

    timer = scheduler.call_later(limit, late)
    scheduler.simulator.invariants.append(look)
    try:
        look()
        if not await waiting.receive():
            raise AssertionError(
                f"{getattr(holds, '__name__', holds)} did not hold within {limit:g} s of virtual time"
            )
    finally:
        timer.cancel()
        scheduler.simulator.invariants.remove(look)


def _simulation() -> SimulatedScheduler:
    scheduler = running_process().scheduler
    if not isinstance(scheduler, SimulatedScheduler):
        raise Error("this works only in a simulated run: see actors.testing.simulate", kind=CONFLICT)
    return scheduler
