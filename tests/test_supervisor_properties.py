"""What holds of every supervision tree, and of every sequence of restarts."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from supervision import Backoff, Supervisor, start
from supervision._restart import Restart, Strategy, group
from supervision._restart_intensity import RestartIntensity
from tests.hosts import HOSTS
from tests.supervised import Stage, end, reason_of


@given(
    st.integers(0, 5),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 5), max_size=30),
)
def test_restart_intensity_is_otps_rule(limit: int, within: float, gaps: list[float]) -> None:
    intensity = RestartIntensity(limit, within)
    restarts: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        recent = [time for time in restarts if not time < now - within]  # as `supervisor.erl` says it
        assert intensity.allows(now) is (len(recent) < limit)
        if len(recent) >= limit:
            break
        restarts = [now, *recent]


@given(st.floats(0, 1), st.floats(1, 10), st.integers(0, 1000), st.floats(0, 1))
def test_every_backoff_is_within_its_bounds(
    jitter: float, factor: float, attempt: int, chance: float
) -> None:
    backoff = Backoff(initial="1s", max="1m", factor=factor, jitter=jitter)
    full = Backoff(initial="1s", max="1m", factor=factor).delay(attempt, 0)
    assert 1 <= full <= 60
    assert full * (1 - jitter) - 1e-9 <= backoff.delay(attempt, chance) <= full


@given(st.lists(st.integers(), min_size=1, unique=True), st.data())
def test_groups_grow_from_one_strategy_to_the_next(ids: list[int], data: st.DataObject) -> None:
    failed = data.draw(st.sampled_from(ids))
    one, rest, all_ = (
        group(strategy, ids, failed) for strategy in ("one_for_one", "rest_for_one", "one_for_all")
    )
    assert one == [failed]
    assert rest[0] == failed
    assert all_[-len(rest) :] == rest
    assert all_ == ids


# A tree against a model of it


@attrs.define
class ModelChild:
    """A child of the model: whether it runs, and how often it was started."""

    restart: Restart
    runs: bool = True
    starts: int = 1


class Model:
    """What a supervisor does, without a process: which children there are, and which of them run."""

    def __init__(self, strategy: Strategy, restarts: dict[str, Restart]) -> None:
        self.strategy = strategy
        self.children = {name: ModelChild(restart) for name, restart in restarts.items()}

    def end(self, name: str, how: str) -> None:
        child = self.children[name]
        child.runs = False
        clean = how in ("return", "shutdown")
        if child.restart == "temporary":
            del self.children[name]
        elif child.restart == "permanent" or not clean:
            names = list(self.children)
            position = names.index(name)
            affected = {"one_for_one": [name], "one_for_all": names, "rest_for_one": names[position:]}
            for other in affected[self.strategy]:
                if self.children[other].restart == "temporary":
                    del self.children[other]
                else:
                    self.children[other].runs = True
                    self.children[other].starts += 1

    def terminate(self, name: str) -> None:
        self.children[name].runs = False
        if self.children[name].restart == "temporary":
            del self.children[name]

    def shown(self) -> list[tuple[str, str]]:
        return [(name, "running" if child.runs else "stopped") for name, child in self.children.items()]


NAMES = "abcde"
RESTARTS: tuple[Restart, ...] = ("permanent", "transient", "temporary")
STEPS = st.tuples(
    st.sampled_from(["return", "crash", "shutdown", "kill", "start", "terminate", "restart", "delete"]),
    st.sampled_from(NAMES),
    st.sampled_from(RESTARTS),
)


@given(
    st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(RESTARTS)),
    st.lists(STEPS, max_size=12),
    st.sampled_from(sorted(HOSTS)),
)
def test_tree_is_what_the_model_says_after_every_step(
    strategy: Strategy, restarts: dict[str, Restart], steps: list[tuple[str, str, Restart]], host: str
) -> None:
    async def test() -> None:
        stage = Stage()
        specs = [stage.spec(name, restart=restart) for name, restart in restarts.items()]
        sup = await start(Supervisor(specs, strategy=strategy, max_restarts=1000))
        model = Model(strategy, restarts)
        for verb, name, restart in steps:
            known = model.children.get(name)
            if verb == "start":
                if known is None:
                    await sup.start_child(stage.spec(name, restart=restart))
                    model.children[name] = ModelChild(restart)
                else:
                    expected = "already_started" if known.runs else "already_present"
                    assert (await reason_of(sup.start_child(stage.spec(name))))[1] == expected
            elif known is None:
                if verb in ("terminate", "restart", "delete"):
                    assert (await reason_of(_do(sup, verb, name)))[1] == "not_found"
            elif verb == "terminate":
                await sup.terminate_child(name)
                model.terminate(name)
            elif verb in ("restart", "delete"):
                if known.runs:
                    assert (await reason_of(_do(sup, verb, name)))[1] == "running"
                else:
                    await _do(sup, verb, name)
                    if verb == "delete":
                        del model.children[name]
                    else:
                        known.runs = True
                        known.starts += 1
            elif known.runs:
                pids = {child.id: child.pid for child in await sup.which_children()}
                await end(pids[name], verb)
                model.end(name, verb)
            seen = list(reversed(await sup.which_children()))
            assert [(child.id, child.status) for child in seen] == model.shown()
            assert (await sup.count_children()).active == sum(child.runs for child in model.children.values())
        order = [child.id for child in reversed(await sup.which_children()) if child.status == "running"]
        starts = [line.removeprefix("start ") for line in stage.told() if line.startswith("start")]
        for name, child in model.children.items():
            assert starts.count(name) >= child.starts
        await sup.stop()
        assert stage.told() == [f"stop {name}" for name in reversed(order)]

    HOSTS[host].run(test)


async def _do(sup: Any, verb: str, name: str) -> None:
    await {"terminate": sup.terminate_child, "restart": sup.restart_child, "delete": sup.delete_child}[verb](
        name
    )
