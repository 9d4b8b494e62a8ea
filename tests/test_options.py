"""The options of durable spawns and of calls, and the arguments of workers: what is refused, and with what words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import temporalio.common
import temporalio.workflow
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from actors import INVALID, KINDS, Error, Namespace, Node, RetryPolicy, funcs
from temporal_bridge import TemporalBridge, TemporalClient, Worker
from temporal_bridge._wire.cron import fault_of
from temporal_bridge._wire.start_options import StartOptions, activity_retry_policy, search_attribute
from tests.bridging import outside
from tests.outside_entries import app, hello

FIELDS = (
    "initial_interval, backoff_coefficient, maximum_interval, maximum_attempts, non_retryable_error_types"
)
TEXT = "a non-empty string"
ID = "a non-empty string of at most 1000 bytes"
WEIGHT = "a number from 0.001 to 1000"
VERSION = '"auto_upgrade", or {"deployment_name": ..., "build_id": ...} of the workers to pin to'
URGENCY = "a whole number from 1, the most urgent, to 5"
FLAG = "True or False"
POSITIVE = "a duration of more than 0"
ABOVE_ZERO = "more than 0"
MILLISECONDS = "milliseconds, finite and not negative"
DURATION = 'a duration such as "250ms", "5s", "1h30m", or a timedelta'
OPTION_DURATION = 'a duration such as "250ms", "5s", "1h30m", or a timedelta, or a number of milliseconds'
POSSIBLE = "a duration that is not negative and at most 999999999 days"
CONFLICTS = 'one of "use_existing", "fail", "terminate_existing"'
REUSES = 'one of "allow_duplicate", "allow_duplicate_failed_only", "reject_duplicate"'
CLOSES = 'one of "terminate", "abandon", "request_cancel"'
CRON = 'a cron expression of five fields, such as "0 */6 * * *"'
MAPPING = "a mapping of names to values"
ATTRIBUTE = (
    "a bool, int of 64 bits, finite float, datetime, string, or a list of strings, of at most 2048 bytes"
)
SOME_FIELDS = f"a mapping with some of {FIELDS}"
ONE_FIELD = f"one of {FIELDS}"
COEFFICIENT = "a number of 1 or more"
ATTEMPTS = "a whole number of 0 (no limit) or more"
KIND_LIST = f"a list of error kinds, of {', '.join(KINDS)}"
KIND = f"error kinds, of {', '.join(KINDS)}"
LONGER = "at least the initial_interval"
ENTRY_ID = 'an entry id such as "app:worker"'
COUNT = "a whole number of 0 or more"
SOME = "a whole number of 1 or more"
SECONDS = 'a duration such as "250ms", "5s", "1h30m", or a timedelta; for 5 seconds write "5s"'

START: list[tuple[str, Any, str, str]] = [
    ("id", "", "id=''", ID),
    ("id", 7, "id=7", ID),
    ("id", None, "id=None", ID),
    ("id", "\ud800", "id='\\ud800'", ID),
    ("task_queue", "", "task_queue=''", ID),
    ("task_queue", b"q", "task_queue=b'q'", ID),
    ("execution_timeout", "5 minutes", "execution_timeout='5 minutes'", DURATION),
    ("execution_timeout", -1, "execution_timeout=-1", MILLISECONDS),
    ("execution_timeout", 0, "execution_timeout=0", POSITIVE),
    ("execution_timeout", "0s", "execution_timeout='0s'", POSITIVE),
    ("execution_timeout", True, "execution_timeout=True", OPTION_DURATION),
    ("execution_timeout", float("nan"), "execution_timeout=nan", MILLISECONDS),
    ("execution_timeout", float("inf"), "execution_timeout=inf", MILLISECONDS),
    ("execution_timeout", None, "execution_timeout=None", OPTION_DURATION),
    (
        "execution_timeout",
        timedelta(seconds=-1),
        "execution_timeout=datetime.timedelta(days=-1, seconds=86399)",
        POSSIBLE,
    ),
    ("run_timeout", "1y", "run_timeout='1y'", DURATION),
    ("run_timeout", [], "run_timeout=[]", OPTION_DURATION),
    ("task_timeout", "", "task_timeout=''", DURATION),
    ("task_timeout", "5", "task_timeout='5'", DURATION),
    ("start_delay", "soon", "start_delay='soon'", DURATION),
    ("start_delay", -5, "start_delay=-5", MILLISECONDS),
    (
        "id_conflict_policy",
        "useexisting",
        "id_conflict_policy='useexisting'",
        f'{CONFLICTS}; did you mean "use_existing"?',
    ),
    (
        "id_conflict_policy",
        "USE_EXISTING",
        "id_conflict_policy='USE_EXISTING'",
        f'{CONFLICTS}; did you mean "use_existing"?',
    ),
    ("id_conflict_policy", 1, "id_conflict_policy=1", CONFLICTS),
    ("id_reuse_policy", "never", "id_reuse_policy='never'", REUSES),
    ("id_reuse_policy", None, "id_reuse_policy=None", REUSES),
    ("execution_error_when_already_started", "yes", "execution_error_when_already_started='yes'", FLAG),
    ("execution_error_when_already_started", 1, "execution_error_when_already_started=1", FLAG),
    ("enable_eager_start", None, "enable_eager_start=None", FLAG),
    ("wait_for_cancellation", "true", "wait_for_cancellation='true'", FLAG),
    ("parent_close_policy", "kill", "parent_close_policy='kill'", CLOSES),
    ("parent_close_policy", True, "parent_close_policy=True", CLOSES),
    ("cron_schedule", "every day", "cron_schedule='every day'", f"{CRON}; it has 2 fields"),
    ("cron_schedule", "", "cron_schedule=''", CRON),
    ("cron_schedule", 5, "cron_schedule=5", CRON),
    ("cron_schedule", "* * * *", "cron_schedule='* * * *'", f"{CRON}; it has 4 fields"),
    ("cron_schedule", "0 0 31 4 *", "cron_schedule='0 0 31 4 *'", f"{CRON}; no month has that day"),
    (
        "cron_schedule",
        "TZ=Moon 0 0 * * *",
        "cron_schedule='TZ=Moon 0 0 * * *'",
        f"{CRON}; there is no time zone 'Moon'",
    ),
    ("memo", "text", "memo='text'", MAPPING),
    ("memo", {1: 2}, "memo key=1", TEXT),
    ("memo", {"": 1}, "memo key=''", TEXT),
    ("memo", [("a", 1)], "memo=[('a', 1)]", MAPPING),
    ("search_attributes", {"a": None}, "search_attributes['a']=None", ATTRIBUTE),
    ("search_attributes", {"a": {"b": 1}}, "search_attributes['a']={'b': 1}", ATTRIBUTE),
    ("search_attributes", {"a": [1, 2]}, "search_attributes['a']=[1, 2]", ATTRIBUTE),
    ("search_attributes", 5, "search_attributes=5", MAPPING),
    ("search_attributes", {2: "x"}, "search_attributes key=2", TEXT),
    ("search_attributes", {"a": b"x"}, "search_attributes['a']=b'x'", ATTRIBUTE),
    ("search_attributes", {"a": 2**63}, "search_attributes['a']=9223372036854775808", ATTRIBUTE),
    ("search_attributes", {"a": float("nan")}, "search_attributes['a']=nan", ATTRIBUTE),
    ("namespace", "", "namespace=''", ID),
    ("namespace", 3, "namespace=3", ID),
    ("fairness_key", "", "fairness_key=''", "a non-empty string of at most 64 bytes"),
    ("fairness_key", 5, "fairness_key=5", "a non-empty string of at most 64 bytes"),
    ("fairness_key", "k" * 65, f"fairness_key={'k' * 65!r}", "a non-empty string of at most 64 bytes"),
    ("fairness_weight", 0, "fairness_weight=0", WEIGHT),
    ("fairness_weight", 1001, "fairness_weight=1001", WEIGHT),
    ("fairness_weight", "2", "fairness_weight='2'", WEIGHT),
    ("fairness_weight", float("nan"), "fairness_weight=nan", WEIGHT),
    ("versioning_override", "pinned", "versioning_override='pinned'", VERSION),
    ("versioning_override", {"build_id": "b"}, "versioning_override={'build_id': 'b'}", VERSION),
    ("versioning_override", None, "versioning_override=None", VERSION),
    ("versioning_override", {"deployment_name": "d", "build_id": ""}, "versioning_override.build_id=''", ID),
    ("static_summary", 5, "static_summary=5", "a non-empty string of at most 400 bytes"),
    ("static_details", "", "static_details=''", "a non-empty string of at most 20000 bytes"),
    ("priority", 0, "priority=0", URGENCY),
    ("priority", 6, "priority=6", URGENCY),
    ("priority", "high", "priority='high'", URGENCY),
    ("priority", True, "priority=True", URGENCY),
    ("retry_policy", 3, "retry_policy=3", SOME_FIELDS),
    ("retry_policy", {"attempts": 3}, "retry_policy field='attempts'", ONE_FIELD),
    ("retry_policy", {"initial_interval": "x"}, "retry_policy.initial_interval='x'", DURATION),
    ("retry_policy", {"initial_interval": 0}, "retry_policy.initial_interval=0", ABOVE_ZERO),
    ("retry_policy", {"backoff_coefficient": 0.5}, "retry_policy.backoff_coefficient=0.5", COEFFICIENT),
    ("retry_policy", {"backoff_coefficient": "2"}, "retry_policy.backoff_coefficient='2'", COEFFICIENT),
    ("retry_policy", {"maximum_interval": -1}, "retry_policy.maximum_interval=-1", MILLISECONDS),
    ("retry_policy", {"maximum_attempts": -1}, "retry_policy.maximum_attempts=-1", ATTEMPTS),
    ("retry_policy", {"maximum_attempts": 1.5}, "retry_policy.maximum_attempts=1.5", ATTEMPTS),
    ("retry_policy", {"maximum_attempts": True}, "retry_policy.maximum_attempts=True", ATTEMPTS),
    (
        "retry_policy",
        {"non_retryable_error_types": "INVALID"},
        "retry_policy.non_retryable_error_types='INVALID'",
        KIND_LIST,
    ),
    (
        "retry_policy",
        {"non_retryable_error_types": ["WRONG"]},
        "retry_policy.non_retryable_error_types='WRONG'",
        KIND,
    ),
    (
        "retry_policy",
        {"initial_interval": 1000, "maximum_interval": 10},
        "retry_policy.maximum_interval=10",
        LONGER,
    ),
]

CALL: list[tuple[str, Any, str, str]] = [
    ("start_to_close_timeout", "5 s", "start_to_close_timeout='5 s'", DURATION),
    ("start_to_close_timeout", 0, "start_to_close_timeout=0", ABOVE_ZERO),
    ("schedule_to_close_timeout", -1, "schedule_to_close_timeout=-1", MILLISECONDS),
    ("schedule_to_start_timeout", None, "schedule_to_start_timeout=None", OPTION_DURATION),
    ("heartbeat_timeout", [1], "heartbeat_timeout=[1]", OPTION_DURATION),
    ("id", "", "id=''", ID),
    ("id", 5, "id=5", ID),
    ("task_queue", "", "task_queue=''", ID),
    ("wait_for_cancellation", "no", "wait_for_cancellation='no'", FLAG),
    ("disable_eager_execution", 0, "disable_eager_execution=0", FLAG),
    ("retry_policy", [], "retry_policy=[]", SOME_FIELDS),
    ("retry_policy", {"max": 1}, "retry_policy field='max'", ONE_FIELD),
]

WORKER: list[tuple[dict[str, Any], str, str]] = [
    ({"id": "worker", "task_queue": "q"}, "id='worker'", ENTRY_ID),
    ({"id": 5, "task_queue": "q"}, "id=5", ENTRY_ID),
    ({"id": "a:w", "task_queue": ""}, "task_queue=''", TEXT),
    ({"id": "a:w", "task_queue": None}, "task_queue=None", TEXT),
    ({"id": "a:w", "task_queue": "q", "run": "yes"}, "run='yes'", FLAG),
    ({"id": "a:w", "task_queue": "q", "sandbox": None}, "sandbox=None", FLAG),
    ({"id": "a:w", "task_queue": "q", "max_cached_workflows": -1}, "max_cached_workflows=-1", COUNT),
    ({"id": "a:w", "task_queue": "q", "max_concurrent_activities": 0}, "max_concurrent_activities=0", SOME),
    (
        {"id": "a:w", "task_queue": "q", "max_concurrent_activities": "5"},
        "max_concurrent_activities='5'",
        SOME,
    ),
    (
        {"id": "a:w", "task_queue": "q", "graceful_shutdown_timeout": 5},
        "graceful_shutdown_timeout=5",
        SECONDS,
    ),
]

OPTIONS = [
    *("id", "task_queue", "execution_timeout", "run_timeout", "task_timeout"),
    *("id_conflict_policy", "id_reuse_policy", "execution_error_when_already_started", "retry_policy"),
    *("cron_schedule", "memo", "search_attributes", "enable_eager_start", "start_delay"),
    *("parent_close_policy", "wait_for_cancellation", "namespace"),
    *(
        "priority",
        "fairness_key",
        "fairness_weight",
        "versioning_override",
        "static_summary",
        "static_details",
        "max_pending",
    ),
]


def refusal(function: Any, *args: Any, **settings: Any) -> str:
    """The text with which something is refused."""
    with pytest.raises(Error) as raised:
        function(*args, **settings)
    assert raised.value.kind == INVALID
    return raised.value.message


@pytest.mark.parametrize(("name", "value", "shown", "expected"), START, ids=lambda value: repr(value)[:30])
def test_w15_bad_start_option_is_refused_with_its_name_value_and_what_is_accepted(
    name: str, value: Any, shown: str, expected: str
) -> None:
    text = refusal(StartOptions.parse, {f"temporal.workflow.{name}": value})
    assert text == f"temporal.workflow.{shown} is not valid: expected {expected}"


@pytest.mark.parametrize(
    "name", ["temporal.workflow.ids", "workflow.id", "id", "mailbox.most", "activity.id", ""]
)
def test_w15_unknown_start_option_is_refused_with_all_that_are_known(name: str) -> None:
    own = [f"temporal.workflow.{option}" for option in OPTIONS]
    known = ", ".join([*own, "mailbox.max", "mailbox.overflow"])
    meant = {
        "temporal.workflow.ids": "; did you mean temporal.workflow.id?",
        "workflow.id": "; did you mean temporal.workflow.id?",
        "id": "; did you mean temporal.workflow.id?",
        "mailbox.most": "; did you mean mailbox.max?",
        "activity.task_queue": "; did you mean temporal.workflow.task_queue?",
    }
    expected = f"option={name!r} is not valid: expected one of {known}{meant.get(name, '')}"
    assert refusal(StartOptions.parse, {name: 1}) == expected


@pytest.mark.parametrize(("name", "value", "shown", "expected"), CALL, ids=lambda value: repr(value)[:30])
def test_a06_bad_call_option_is_refused_when_it_is_given(
    name: str, value: Any, shown: str, expected: str
) -> None:
    text = refusal(funcs.Executor().with_options, {f"activity.{name}": value})
    assert text == f"activity.{shown} is not valid: expected {expected}"


@pytest.mark.parametrize(("settings", "shown", "expected"), WORKER, ids=lambda value: repr(value)[:60])
def test_bad_worker_is_refused(settings: dict[str, Any], shown: str, expected: str) -> None:
    assert refusal(Worker, **settings) == f"{shown} is not valid: expected {expected}"


@pytest.mark.parametrize("entries", [5, "app", ["app"], Namespace("single"), [None]], ids=repr)
def test_worker_wants_a_list_of_namespaces(entries: Any) -> None:
    text = refusal(Worker, "a:w", task_queue="q", entries=entries)
    assert "expected a list of actors.Namespace objects, such as [app]" in text


def test_bridge_refuses_what_is_no_node_client_or_worker_and_workers_of_one_id() -> None:
    assert "node='node' is not valid: expected an actors.Node" in refusal(TemporalBridge, "node")
    node = Node("options")
    assert "client='x' is not valid: expected a TemporalClient" in refusal(TemporalBridge, node, "x")
    assert "workers='x' is not valid: expected Worker objects" in refusal(TemporalBridge, node, None, "x")
    twice = [Worker("a:w", task_queue="one"), Worker("a:w", task_queue="two")]
    text = refusal(TemporalBridge, node, TemporalClient(), *twice)
    assert text == "workers='a:w' is not valid: expected each id once"


def test_every_start_option_is_read() -> None:
    given = {
        "id": "order-1",
        "task_queue": "q",
        "execution_timeout": "24h",
        "run_timeout": 3_600_000,
        "task_timeout": timedelta(seconds=30),
        "id_conflict_policy": "fail",
        "id_reuse_policy": "reject_duplicate",
        "execution_error_when_already_started": True,
        "retry_policy": {"maximum_attempts": 3},
        "cron_schedule": "CRON_TZ=Europe/Lisbon 0 */6 * * *",
        "memo": {"a": [1]},
        "search_attributes": {"customer": "c"},
        "enable_eager_start": True,
        "start_delay": "1h30m",
        "parent_close_policy": "abandon",
        "wait_for_cancellation": True,
        "namespace": "default",
        "priority": 2,
        "fairness_key": "tenant-1",
        "fairness_weight": 3,
        "versioning_override": {"deployment_name": "orders", "build_id": "7"},
        "static_summary": "an order",
        "static_details": "of *Ada*",
        "max_pending": 500,
    }
    assert list(given) == OPTIONS
    found = StartOptions.parse({f"temporal.workflow.{name}": value for name, value in given.items()})
    assert (found.id, found.task_queue, found.namespace) == ("order-1", "q", "default")
    assert found.execution_timeout == timedelta(hours=24)
    assert found.run_timeout == timedelta(hours=1)
    assert found.task_timeout == timedelta(seconds=30)
    assert found.start_delay == timedelta(minutes=90)
    assert found.id_conflict_policy is WorkflowIDConflictPolicy.FAIL
    assert found.id_reuse_policy is WorkflowIDReusePolicy.REJECT_DUPLICATE
    assert found.retry_policy == temporalio.common.RetryPolicy(
        maximum_attempts=3, non_retryable_error_types=[]
    )
    assert found.cron_schedule == "CRON_TZ=Europe/Lisbon 0 */6 * * *"
    assert found.memo == {"a": [1]}
    assert found.parent_close_policy is temporalio.workflow.ParentClosePolicy.ABANDON
    assert found.enable_eager_start
    shared = found.for_temporal()
    assert shared["priority"] == temporalio.common.Priority(2, "tenant-1", 3.0)
    assert shared["versioning_override"] == temporalio.common.PinnedVersioningOverride(
        temporalio.common.WorkerDeploymentVersion("orders", "7")
    )
    assert (shared["static_summary"], shared["static_details"]) == ("an order", "of *Ada*")
    assert found.wait_for_cancellation
    assert found.fails_if_running


def test_search_attributes_have_the_types_of_their_values() -> None:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    for value, key in (
        (True, SearchAttributeKey.for_bool("a")),
        (3, SearchAttributeKey.for_int("a")),
        (1.5, SearchAttributeKey.for_float("a")),
        (when, SearchAttributeKey.for_datetime("a")),
        ("x", SearchAttributeKey.for_keyword("a")),
        (("x", "y"), SearchAttributeKey.for_keyword_list("a")),
    ):
        pair = search_attribute("a", value, "search")
        assert type(pair.key) is type(key)
        assert pair.value == (list(value) if isinstance(value, tuple) else value)
    assert search_attribute("a", datetime(2026, 1, 1), "search").value == when  # noqa: DTZ001  naive is UTC


def test_a14_calls_without_a_policy_are_retried_but_not_a_missing_function() -> None:
    found = activity_retry_policy(None)
    assert (found.maximum_attempts, found.initial_interval) == (0, timedelta(seconds=1))
    assert found.non_retryable_error_types == ["NotFoundError"]
    given = activity_retry_policy(RetryPolicy(non_retryable_error_types=("INVALID",)))
    assert given.non_retryable_error_types == ["INVALID", "NotFoundError"]


REFUSED_BY_THE_SERVER: list[dict[str, Any]] = [
    {"search_attributes": {"order_count": "not a number"}},
    {"search_attributes": {"nobody_registered_this": 1}},
    {"memo": {"large": "x" * 3_000_000}},
    {"cron_schedule": "0 0 * * *", "start_delay": "5s"},
]


CRONS = [
    *("0 */6 * * *", "* * * *", "* * * * * *", "99 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *"),
    *("* * * 13 *", "* * * * 7", "* * * * 6", "* * * * sun", "* * * * SUN-TUE", "* * * jan,FEB *"),
    *(
        "0 0 31 2 *",
        "0 0 29 2 *",
        "0 0 31 2 1",
        "0 0 31 4,6 *",
        "0 0 1-31 2 *",
        "* * */31 2 *",
        "*/0 * * * *",
    ),
    *(
        "*/70 * * * *",
        "5/10 * * * *",
        "5-1 * * * *",
        "1-5/2 * * * *",
        "? ? * * ?",
        "*/5/2 * * * *",
        "-1 * * * *",
    ),
    *("@daily", "@Daily", "@hourly ", "@reboot", "@every 1h30m", "@every 1.5h", "@every 1", "@every 1h 30m"),
    *("TZ=Europe/Lisbon 0 0 * * *", "CRON_TZ=Europe/Lisbon @daily", "CRON_TZ=Nowhere/X 0 0 * * *"),
    *("a * * * *", "* * L * *", "* * * * 1#2", " 0 0 * * *", "0  0 * * *", "* * * janu *", "٣ * * * *"),
]


async def test_w15_cron_expressions_are_read_as_the_server_reads_them(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:

        async def takes(expression: str) -> bool:
            try:
                handle = await here.client.start_workflow(
                    "anything", id=here.new_id(), task_queue="nobody", cron_schedule=expression
                )
            except RPCError:
                return False
            await handle.terminate()
            return True

        for expression in CRONS:
            taken = await here.portal.call(takes, expression)
            assert (fault_of(expression) is None) == taken, expression


async def test_w15_what_only_the_server_can_refuse_is_invalid_too(temporal_address: str) -> None:
    async with outside(temporal_address, app) as here:
        for options in REFUSED_BY_THE_SERVER:
            table = {f"temporal.workflow.{name}": value for name, value in options.items()}
            with pytest.raises(Error) as raised:
                await here.node.spawner(options=table).spawn(hello)
            assert raised.value.kind == INVALID, (str(options)[:100], raised.value)
