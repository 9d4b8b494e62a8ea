"""What a supervisor decides, as functions of plain values."""

from __future__ import annotations

import pytest

import actors
from actors import Error, Reason
from supervision import Backoff
from supervision._children.restart import (
    AutoShutdown,
    Restart,
    Sequel,
    Strategy,
    group,
    is_reported,
    is_reported_when_stopped,
    restart_action,
    shuts_down,
)
from supervision._children.restart_intensity import RestartIntensity


@pytest.mark.parametrize(
    ("restart", "clean", "abnormal"),
    [
        ("permanent", "restart", "restart"),
        ("transient", "keep", "restart"),
        ("temporary", "remove", "remove"),
    ],
)
def test_sequel_of_an_end_follows_the_restart_type(restart: Restart, clean: Sequel, abnormal: Sequel) -> None:
    clean_ends: tuple[Reason, ...] = ("normal", "shutdown")
    abnormal_ends: tuple[Reason, ...] = (
        "error",
        "terminated",
        "cancelled",
        "link_down",
        "timed_out",
        "noproc",
    )
    assert {restart_action(restart, reason) for reason in clean_ends} == {clean}
    assert {restart_action(restart, reason) for reason in abnormal_ends} == {abnormal}


def test_clean_end_is_reported_of_permanent_children_only() -> None:
    assert is_reported("permanent", "normal")
    assert is_reported("permanent", "shutdown")
    assert not is_reported("transient", "normal")
    assert not is_reported("temporary", "shutdown")
    assert is_reported("temporary", "error")


def test_terminated_child_is_reported_unless_that_was_asked_for() -> None:
    assert is_reported_when_stopped(False, "terminated")
    assert not is_reported_when_stopped(True, "terminated")
    assert is_reported_when_stopped(True, "error")
    assert not is_reported_when_stopped(False, "shutdown")
    assert not is_reported_when_stopped(False, "normal")


@pytest.mark.parametrize(
    ("strategy", "members"), [("one_for_one", "b"), ("one_for_all", "abcd"), ("rest_for_one", "bcd")]
)
def test_group_of_a_strategy(strategy: Strategy, members: str) -> None:
    assert group(strategy, "abcd", "b") == list(members)


@pytest.mark.parametrize(
    ("auto_shutdown", "significant", "others_live", "stops"),
    [
        ("never", True, [], False),
        ("any_significant", False, [], False),
        ("any_significant", True, [True], True),
        ("all_significant", True, [True, False], False),
        ("all_significant", True, [False], True),
        ("all_significant", False, [], False),
    ],
)
def test_auto_shutdown(
    auto_shutdown: AutoShutdown, significant: bool, others_live: list[bool], stops: bool
) -> None:
    assert shuts_down(auto_shutdown, significant, others_live) is stops


def test_restart_that_is_exactly_as_old_as_the_window_still_counts() -> None:
    intensity = RestartIntensity(1, 5.0)
    assert intensity.allows(0.0)
    assert not intensity.allows(5.0)
    assert intensity.allows(5.001)


def test_backoff_grows_by_its_factor_up_to_its_longest() -> None:
    backoff = Backoff(initial="100ms", max="1s", factor=3)
    assert [round(backoff.delay(attempt, 0), 3) for attempt in range(4)] == [0.1, 0.3, 0.9, 1.0]


def test_backoff_of_very_many_attempts_is_its_longest() -> None:
    assert Backoff(max="30s").delay(1_000_000, 0) == 30


def test_backoff_resets_after_its_time() -> None:
    assert Backoff(reset_after="10s").resets(10)
    assert not Backoff(reset_after="10s").resets(9.9)


@pytest.mark.parametrize(
    "settings",
    [
        {"initial": "soon"},
        {"initial": "5s", "max": "1s"},
        {"factor": 0.5},
        {"factor": float("inf")},
        {"factor": True},
        {"jitter": 1.5},
        {"reset_after": 5},
    ],
    ids=str,
)
def test_bad_backoff_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(Error) as failure:
        Backoff(**settings)  # type: ignore[arg-type]
    assert failure.value.kind == actors.INVALID
