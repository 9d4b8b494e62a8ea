"""What holds of every supervision tree, and of every sequence of restarts."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

import actors
from supervision import Backoff, ChildSpec, Supervisor, start
from supervision._children.restart import AutoShutdown, Restart, Strategy, group
from supervision._children.restart_intensity import RestartIntensity
from tests.hosts import HOSTS, settle
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
    """A child of the model."""

    restart: Restart
    significant: bool
    runs: bool = False


class Model:
    """What a supervisor does, without a process, and what its workers write down meanwhile."""

    def __init__(
        self, strategy: Strategy, limit: int, auto_shutdown: AutoShutdown, moods: dict[str, str]
    ) -> None:
        self.strategy = strategy
        self.limit = limit
        self.auto_shutdown = auto_shutdown
        self.moods = moods
        self.children: dict[str, ModelChild] = {}
        self.alive = True
        self.journal: list[str] = []

    def start(self, name: str) -> bool:
        """Whether it could be started; an ignored start could, too."""
        child, mood = self.children[name], self.moods.get(name, "good")
        if mood == "broken":
            self.journal.append(f"broken {name}")
            return False
        child.runs = mood == "good"
        if child.runs:
            self.journal.append(f"start {name}")
        elif child.restart == "temporary":
            del self.children[name]
        return True

    def stop(self, name: str) -> None:
        child = self.children[name]
        if child.runs:
            self.journal.append(f"stop {name}")
        child.runs = False

    def stop_all(self) -> None:
        for name in reversed(self.children):
            self.stop(name)
        self.alive = False

    def terminate(self, name: str) -> None:
        self.stop(name)
        if self.children[name].restart == "temporary":
            del self.children[name]

    def end(self, name: str, how: str) -> None:
        child = self.children[name]
        self.stop(name)
        if child.restart == "permanent" or (
            child.restart == "transient" and how not in ("return", "shutdown")
        ):
            self.restart(name)
            return
        if child.restart == "temporary":
            del self.children[name]
        if child.significant and (
            self.auto_shutdown == "any_significant"
            or not any(other.runs for other in self.children.values() if other.significant)
        ):
            self.stop_all()

    def restart(self, name: str) -> None:
        """Try until all run, each time from the child that could not be started, or until it was too often."""
        failed: str | None = name
        while failed is not None:
            if not self.limit:
                self.stop_all()
                return
            self.limit -= 1
            failed = self.revive(failed)

    def revive(self, name: str) -> str | None:
        names = list(self.children)
        groups = {"one_for_one": [name], "one_for_all": names, "rest_for_one": names[names.index(name) :]}
        for other in reversed(groups[self.strategy]):
            if other != name:
                self.terminate(other)
        for other in groups[self.strategy]:
            if other in self.children and not self.start(other):
                return other
        return None

    def shown(self) -> list[tuple[str, str]]:
        return [(name, "running" if child.runs else "stopped") for name, child in self.children.items()]


NAMES = "abcde"
KINDS = st.sampled_from(
    [
        ("permanent", False),
        ("transient", False),
        ("transient", True),
        ("temporary", False),
        ("temporary", True),
    ]
)
ENDS = ["return", "crash", "shutdown", "kill"]
STEPS = st.tuples(
    st.sampled_from([*ENDS, "start", "terminate", "restart", "delete", "good", "broken", "ignoring"]),
    st.sampled_from(NAMES),
    KINDS,
)
AUTO_SHUTDOWNS: list[AutoShutdown] = ["never", "any_significant", "all_significant"]


@given(
    st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"]),
    st.sampled_from(AUTO_SHUTDOWNS),
    st.integers(0, 8),
    st.dictionaries(st.sampled_from(NAMES), KINDS),
    st.lists(STEPS, max_size=12),
    st.sampled_from(sorted(HOSTS)),
)
def test_tree_is_what_the_model_says_after_every_step(
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    limit: int,
    kinds: dict[str, tuple[Restart, bool]],
    steps: list[tuple[str, str, tuple[Restart, bool]]],
    host: str,
) -> None:
    async def test() -> None:
        actors.set_options(trap_links=True)
        stage = Stage()
        model = Model(strategy, limit, auto_shutdown, {})

        def spec(name: str, kind: tuple[Restart, bool]) -> ChildSpec:
            restart, significant = kind
            significant = significant and auto_shutdown != "never"
            model.children.setdefault(name, ModelChild(restart, significant))
            return stage.spec(name, restart=restart, significant=significant)

        specs = [spec(name, kind) for name, kind in kinds.items()]
        sup = await start(Supervisor(specs, strategy, limit, "1h", auto_shutdown))
        for name in kinds:
            model.start(name)
        for verb, name, kind in steps:
            known = model.children.get(name)
            if verb in ("good", "broken", "ignoring"):
                model.moods[name] = verb
                stage.broken = {name for name, mood in model.moods.items() if mood == "broken"}
                stage.ignoring = {name for name, mood in model.moods.items() if mood == "ignoring"}
            elif verb == "start":
                if known is not None:
                    expected = "already_started" if known.runs else "already_present"
                    assert (await reason_of(sup.start_child(stage.spec(name))))[1] == expected
                else:
                    child = spec(name, kind)
                    if model.start(name):
                        pid = await sup.start_child(child)
                        assert (pid is None) is (model.moods.get(name) == "ignoring")
                    else:
                        assert (await reason_of(sup.start_child(child)))[1] == "failed_to_start_child"
                        del model.children[name]
            elif known is None:
                if verb in ("terminate", "restart", "delete"):
                    assert (await reason_of(_do(sup, verb, name)))[1] == "not_found"
            elif verb == "terminate":
                await sup.terminate_child(name)
                model.terminate(name)
            elif verb in ("restart", "delete"):
                if known.runs:
                    assert (await reason_of(_do(sup, verb, name)))[1] == "running"
                elif verb == "delete":
                    await _do(sup, verb, name)
                    del model.children[name]
                elif model.start(name):
                    await _do(sup, verb, name)
                else:
                    assert (await reason_of(_do(sup, verb, name)))[1] == "failed_to_start_child"
            elif known.runs:
                pids = {child.id: child.pid for child in await sup.which_children()}
                await end(pids[name], verb)
                model.end(name, verb)
                await settle()
            assert stage.told() == model.journal
            model.journal.clear()
            if not model.alive:
                assert (await reason_of(sup.which_children()))[1] == "noproc"
                return
            seen = list(reversed(await sup.which_children()))
            assert [(child.id, child.status) for child in seen] == model.shown()
            assert (await sup.count_children()).active == sum(child.runs for child in model.children.values())
        await sup.stop()
        model.stop_all()
        assert stage.told() == model.journal

    HOSTS[host].run(test)


async def _do(sup: Any, verb: str, name: str) -> None:
    await {"terminate": sup.terminate_child, "restart": sup.restart_child, "delete": sup.delete_child}[verb](
        name
    )
