"""Tests of concurrent programs: the real processes on a virtual clock, under schedules that are searched.

    outcome = simulate(main, seed=7)              # one run; outcome.check() raises its story if it failed

    @explore(max_examples=500, faults=Faults(kill=1))
    async def test_no_money_is_lost(): ...        # a Hypothesis test over schedules

`docs/testing.md` is the tutorial. This part of `actors` needs the extra `testing`, and no event loop. Start reading at
`_simulator.py`, one run; `_search.py` says which runs are tried, `_explore.py` is Hypothesis.
"""

from actors.testing._decisions import Decisions
from actors.testing._explore import explore, faults, reproduce, schedules
from actors.testing._failures import Failure
from actors.testing._faults import Faults
from actors.testing._simulate import Outcome, Schedule, SimulationFailed, eventually, invariant, simulate

__all__ = [
    "Decisions",
    "Failure",
    "Faults",
    "Outcome",
    "Schedule",
    "SimulationFailed",
    "eventually",
    "explore",
    "faults",
    "invariant",
    "reproduce",
    "schedules",
    "simulate",
]
