"""The orders example: the whole program as a user runs it, and what its parts promise."""

import ast
import contextlib
import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

import actors
from examples.orders import process, shop
from examples.orders.dispatcher import Ended, Setting, office
from examples.orders.orders_file import read_orders
from examples.orders.process import Order, Outcome
from examples.orders.proof import check

ROOT = Path(__file__).parent.parent
SHIPPED = ROOT / "examples" / "orders" / "orders.jsonl"
FAIL_AT = {
    "stock": {"1007", "1019", "1033"},
    "approval": {"1023"},
    "payment": {"1004", "1015", "1029", "1035"},
    "shipping": {"1010", "1027", "1038"},
}
LARGE = {"1006", "1016", "1023", "1030", "1036"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    shop.create_database(path)
    return path


def rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def an_order(order_id: str = "1", **changes: Any) -> Order:
    order: dict[str, Any] = {
        "id": order_id,
        "customer": "Ada",
        "items": [{"sku": "MUG-BLUE", "quantity": 2}],
        "total": Decimal("24.00"),
        "card": "tok_visa",
        "shipping_address": {"street": "Am Kai 1", "city": "Bremen", "country": "DE"},
        "wait": "1ms",
    }
    return cast(Order, order | changes)


def line(**changes: Any) -> bytes:
    order = {**an_order(), **changes, "total": changes.get("total", 24)}
    return json.dumps({field: value for field, value in order.items() if value is not None}).encode()


class Example:
    """The program as a subprocess that keeps its temporary files in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.environment = os.environ | {"TMPDIR": str(self.temporary), "PYTHONWARNINGS": "error"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "examples.orders", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as program:
            out, err = program.communicate()
            return program.returncode, out, err

    def left(self) -> list[str]:
        """What is left of it: temporary files, and processes that have this program's environment."""
        mark = f"TMPDIR={self.temporary}".encode()
        left = [str(path) for path in self.temporary.rglob("*")]
        for running in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (running / "environ").read_bytes():
                    left.append((running / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return left


def wait_for(program: subprocess.Popen[str], text: str) -> str:
    """The first line that has it."""
    assert program.stdout is not None
    for line in program.stdout:
        if text in line:
            return line
    pytest.fail(f"{text!r} was never said: {program.communicate()[1]}")


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(tmp_path)


# The program, in memory


def check_forty(database: Path, out: str, host: str) -> None:
    """All that is to be true of a run of the shipped file, from the database and the closing table."""
    outcomes = dict(rows(database, "SELECT order_id, step FROM outcomes"))
    assert len(outcomes) == rows(database, "SELECT count(*) FROM outcomes")[0][0] == 40
    for step, expected in FAIL_AT.items():
        assert {order_id for order_id, failed_at in outcomes.items() if failed_at == step} == expected
    charges = rows(database, "SELECT payment_id, order_id, amount FROM charges")
    charged = {order_id for _, order_id, _ in charges}
    assert len(charges) == len(charged)
    shipped = [order_id for (order_id,) in rows(database, "SELECT order_id FROM shipments")]
    refunds = rows(database, "SELECT payment_id, order_id, amount FROM refunds")
    refunded = {order_id for _, order_id, _ in refunds}
    assert len(shipped) == len(set(shipped)) == 29
    assert set(shipped) | refunded == charged
    assert not set(shipped) & refunded
    assert set(refunds) <= set(charges)
    assert refunded == FAIL_AT["shipping"]
    tracking = dict(rows(database, "SELECT order_id, tracking FROM shipments"))
    table = out.partition("tracking, or why not")[2].split("\n\n")[0].splitlines()[2:]
    assert [row.split()[0] for row in table] == [str(number) for number in range(1001, 1041)]
    for row in table:
        order_id, outcome, detail = row.split()[:3]
        if outcome == "completed":
            assert detail == tracking[order_id]
        assert actors.PID.parse(row.split()[-1]).host == host
    assert out.count(": approved\n") == len(LARGE) - 1
    assert out.count(": rejected\n") == 1
    assert "FAILED" not in out


def test_forty_orders_in_memory_end_once_each_with_the_books_in_order(
    example: Example, tmp_path: Path
) -> None:
    code, out, err = example.run("--in-memory", "--wait", "1ms", "--directory", str(tmp_path / "kept"))
    assert (code, err) == (0, "")
    check_forty(tmp_path / "kept" / "shop.db", out, "trio")


def test_temporary_files_go_unless_they_are_to_be_kept(example: Example, tmp_path: Path) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(line())
    code, _, err = example.run("--in-memory", "--orders", str(orders))
    assert (code, err, list(example.temporary.iterdir())) == (0, "", [])
    code, out, _ = example.run("--in-memory", "--orders", str(orders), "--keep")
    (kept,) = example.temporary.iterdir()
    assert code == 0
    assert f"files kept in {kept}" in out
    assert (kept / "shop.db").exists()


def test_run_again_in_the_same_directory_changes_nothing(example: Example, tmp_path: Path) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(
        line(id="1")
        + b"\n"
        + line(id="2", shipping_address={**an_order()["shipping_address"], "country": "AQ"})
    )
    command = ("--in-memory", "--orders", str(orders), "--directory", str(tmp_path / "kept"))
    books = "SELECT payment_id FROM charges UNION SELECT refund_id FROM refunds UNION SELECT tracking FROM shipments"
    assert example.run(*command)[0] == 0
    first = rows(tmp_path / "kept" / "shop.db", books)
    code, out, _ = example.run(*command)
    assert (code, len(first)) == (0, 4)
    assert rows(tmp_path / "kept" / "shop.db", books) == first
    assert " 10 of them repeated" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing(example: Example, number: signal.Signals) -> None:
    orders = example.temporary.with_name("orders.jsonl")
    orders.write_bytes(line(id="1") + b"\n" + line(id="2", wait="1h"))
    with example.start("--in-memory", "--orders", str(orders)) as program:
        wait_for(program, "1/2")
        program.send_signal(number)
        out, err = program.communicate()
    assert program.returncode == 128 + number
    assert err.startswith("stopped by ")
    assert "Proof" not in out
    assert list(example.temporary.iterdir()) == []


# The program, durably

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks for left processes in /proc")


@needs_proc
def test_forty_durable_orders_end_once_each_although_their_worker_is_killed(
    example: Example, tmp_path: Path
) -> None:
    code, out, err = example.run("--directory", str(tmp_path / "kept"))
    assert (code, err) == (0, ""), out
    check_forty(tmp_path / "kept" / "shop.db", out, "temporal")
    started = re.findall(r"the worker is OS process (\d+)", out)
    worked = rows(
        tmp_path / "kept" / "shop.db", "SELECT os_pid FROM calls GROUP BY os_pid ORDER BY min(number)"
    )
    assert [str(pid) for (pid,) in worked] == started
    assert len(started) == 2
    assert f"the worker, OS process {started[0]}, is dead: SIGKILL" in out
    assert example.left() == []


@needs_proc
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("the shop's database is", signal.SIGINT),
        ("the Temporal server is", signal.SIGTERM),
        ("the worker is", signal.SIGINT),
        ("3/40", signal.SIGTERM),
    ],
)
def test_a_signal_leaves_neither_server_nor_worker_nor_file(
    example: Example, moment: str, number: signal.Signals
) -> None:
    with example.start() as program:
        wait_for(program, moment)
        program.send_signal(number)
        _, err = program.communicate()
    assert program.returncode == 128 + number
    assert re.fullmatch(r"stopped by .*: nothing is left running\n", err)
    assert example.left() == []


@needs_proc
def test_a_signal_while_the_worker_is_started_again_leaves_nothing(example: Example, tmp_path: Path) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(line(id="1") + b"\n" + line(id="2", wait="1h"))
    with example.start("--orders", str(orders)) as program:
        wait_for(program, "is dead: SIGKILL")
        program.send_signal(signal.SIGINT)
        _, err = program.communicate()
    assert (program.returncode, err) == (130, "stopped by Ctrl-C: nothing is left running\n")
    assert example.left() == []


def test_a_run_that_was_stopped_goes_on_in_the_same_directory(example: Example, tmp_path: Path) -> None:
    orders, kept = tmp_path / "orders.jsonl", tmp_path / "kept"
    orders.write_bytes(line(id="1") + b"\n" + line(id="2", wait="4s"))
    command = ("--orders", str(orders), "--directory", str(kept))
    with example.start(*command) as program:
        wait_for(program, "1/2")
        program.send_signal(signal.SIGTERM)
        program.communicate()
    assert program.returncode == 143
    code, out, err = example.run(*command)
    assert (code, err) == (0, "")
    assert "2 orders ended exactly once: 2 completed" in out
    assert rows(kept / "shop.db", "SELECT count(*) FROM charges UNION SELECT count(*) FROM shipments") == [
        (2,)
    ]


def test_a_signal_of_the_temporal_command_approves_an_order(example: Example, tmp_path: Path) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(line(id="large", total=600))
    with example.start("--manual-approval", "--orders", str(orders)) as program:
        command = shlex.split(wait_for(program, "workflow signal"))
        assert command[-4:] == ["--name", "approve", "--input", "true"]
        assert "order-large" in command
        subprocess.run(command, check=True, capture_output=True)
        out, err = program.communicate()
    assert (program.returncode, err) == (0, "")
    assert "needs approval, approved, charged, shipped" in out


def test_two_runs_on_one_server_do_not_meet(example: Example, tmp_path: Path, temporal_address: str) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(line(id="1"))
    pids = set()
    for _ in range(2):
        code, out, err = example.run("--address", temporal_address, "--orders", str(orders))
        assert (code, err) == (0, "")
        assert "1 orders ended exactly once: 1 completed" in out
        pids.update(re.findall(r"\{default@temporal\|.*?\}", out))
    assert len(pids) == 2


def test_orders_that_are_left_on_a_server_of_others_can_be_taken_up_again(
    example: Example, tmp_path: Path, temporal_address: str
) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(line(id="1") + b"\n" + line(id="2", wait="4s"))
    with example.start("--address", temporal_address, "--orders", str(orders)) as program:
        wait_for(program, "1/2")
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate()
    assert program.returncode == 130
    again = re.search(r"to go on: python -m examples.orders (.*)", out)
    assert again is not None
    code, out, err = example.run(*shlex.split(again[1]), "--orders", str(orders))
    assert (code, err) == (0, "")
    assert "2 orders ended exactly once: 2 completed" in out


def test_a_server_that_is_not_there_is_one_clear_error_soon(example: Example) -> None:
    started = time.monotonic()
    code, out, err = example.run("--address", "127.0.0.1:1")
    assert code == 1
    assert time.monotonic() - started < 30
    assert err.startswith("error: no connection to Temporal at address='127.0.0.1:1'")
    assert len(err.splitlines()) == 1
    assert "worker" not in out
    assert list(example.temporary.iterdir()) == []


# Bad input


def test_help_names_every_option(example: Example) -> None:
    code, out, err = example.run("--help")
    assert (code, err) == (0, "")
    for option in (
        "--in-memory",
        "--address",
        "--manual-approval",
        "--orders",
        "--wait",
        "--directory",
        "--keep",
    ):
        assert option in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--in-memory", "--address", "localhost:7233"], "--in-memory has no server"),
        (["--in-memori"], "unrecognized arguments: --in-memori"),
        (["--in-memory", "--wait", "5"], 'expected a duration such as "250ms"'),
        (["--in-memory", "--orders", "nowhere.jsonl"], "cannot read the orders: nowhere.jsonl: No such file"),
        (["--in-memory", "--orders", "examples"], "cannot read the orders: examples: Is a directory"),
        (
            ["--in-memory", "--orders", "Makefile"],
            "there is no order in Makefile\nMakefile, line 1: expected a JSON",
        ),
        (["--in-memory", "--directory", "Makefile"], "cannot use the directory: Makefile: File exists"),
    ],
)
def test_bad_input_is_one_clear_error(example: Example, arguments: list[str], expected: str) -> None:
    code, out, err = example.run(*arguments)
    assert (code, out) == (2, "")
    assert expected in err
    assert "Traceback" not in err
    assert list(example.temporary.iterdir()) == []


def test_a_line_that_is_no_order_is_left_out_and_the_others_go_on(example: Example, tmp_path: Path) -> None:
    orders = tmp_path / "orders.jsonl"
    orders.write_bytes(
        line(id="1") + b'\n{"id": "2", \n\n' + line(id="3", total="a lot") + b"\n" + line(id="4") + b"\n"
    )
    code, out, err = example.run("--in-memory", "--orders", str(orders))
    assert code == 0
    first, second = err.splitlines()
    assert first.startswith(f"{orders}, line 2: expected a JSON object such as ")
    assert second == f"{orders}, line 4: total='a lot': expected an amount such as 25.80; left out"
    assert "2 orders ended exactly once: 2 completed" in out
    assert "2 of the lines" in out


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (b"not json", "expected a JSON object such as"),
        (b"[" * 100_000, "expected a JSON object such as"),
        (b"1" * 10_000, "expected a JSON object such as"),
        (b'{"id": "\xff"}', "expected a JSON object such as"),
        (b"[]", "order=[]: expected an object with id, customer"),
        (b"null", "order=None: expected an object with id, customer"),
        (b"{}", "order has no 'id': expected id, customer"),
        (line(total=b"NaN".decode()), "total='NaN': expected an amount"),
        (line().replace(b"24", b"NaN"), "expected a JSON object such as"),
        (line().replace(b"24", b"1e999999999"), "total=1E+999999999: expected an amount"),
        (line(total=0), "total=0: expected an amount"),
        (line(total=-1), "total=-1: expected an amount"),
        (line(total=True), "total=True: expected an amount"),
        (line(total=1.234), "total=1.234: expected an amount with at most two decimals"),
        (line(id=""), "id='': expected letters"),
        (line(id="1/2"), "id='1/2': expected letters"),
        (line(id=1), "id=1: expected letters"),
        (line(id="1\n"), r"id='1\n': expected letters"),
        (line(customer=""), "customer='': expected a text"),
        (line(customer="\ud800"), r"customer='\ud800': expected a text"),
        (line(customer="x" * 1000), "customer='xxx"),
        (line(items=[]), "items=[]: expected a list of one or more items"),
        (line(items=["MUG"]), "item='MUG': expected an object with sku, quantity"),
        (line(items=[{"sku": "MUG"}]), "item has no 'quantity'"),
        (line(items=[{"sku": "MUG", "quantity": 0}]), "quantity=0: expected a whole number"),
        (line(items=[{"sku": "MUG", "quantity": 1.5}]), "quantity=1.5: expected a whole number"),
        (
            line(shipping_address={"street": "S", "city": "C", "country": "Germany"}),
            "country='Germany': expected a co",
        ),
        (line(shipping_address="at home"), "shipping_address='at home': expected an object with street"),
        (line(wait=5), "wait=5: expected a duration"),
        (line(wait="soon"), "wait='soon': expected a duration"),
        (line(approval_timeout="-1s"), "approval_timeout='-1s': expected a duration"),
        (line(colour="red"), "order field='colour': expected only the fields id, customer"),
        (line(id="good"), "order id='good' came before"),
    ],
)
def test_an_unfit_line_says_what_was_expected(tmp_path: Path, bad: bytes, expected: str) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_bytes(line(id="good") + b"\n" + bad + b"\n" + line(id="too") + b"\n")
    orders, errors = read_orders(path, "1s")
    assert [order["id"] for order in orders] == ["good", "too"]
    (error,) = errors
    assert error.startswith(f"{path}, line 2: ")
    assert expected in error
    assert len(error) < len(str(path)) + 250
    assert error.isprintable()


def test_the_shipped_file_has_forty_orders_and_no_error() -> None:
    orders, errors = read_orders(SHIPPED, "7s")
    assert (len(orders), errors) == (40, [])
    assert {order["id"] for order in orders if order["total"] >= process.LARGE} == LARGE
    assert {order["wait"] for order in orders} == {"7s", "3s"}


# The process


def test_the_process_imports_nothing_with_side_effects_and_prints_nothing() -> None:
    tree = ast.parse(Path(process.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        )
    }
    assert imported == {"__future__", "actors", "contextlib", "decimal", "typing"}
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "open", "exec", "eval", "input"}


def played(
    database: Path, order: Order, talk: Callable[[actors.PID], Awaitable[object]] | None = None
) -> Outcome:
    """The outcome of one order in memory, while `talk` is had with it at its start."""

    async def dispatcher() -> Outcome:
        events = actors.events()
        spawner = actors.spawner(on="trio").with_context(database=str(database))
        pid = await spawner.spawn_monitored(process.order, order, actors.self_pid())
        if talk is not None:
            await talk(pid)
        event = await events.receive()
        assert isinstance(event, actors.Exit)
        return cast(Outcome, event.result.unwrap())

    return cast(Outcome, actors.run(dispatcher))


def test_a_large_order_that_nobody_approves_is_released_and_not_charged(database: Path) -> None:
    outcome = played(database, an_order(total=Decimal(900), approval_timeout="1ms"))
    assert outcome == {"status": "failed", "step": "approval", "error": "nobody approved it within 1ms"}
    assert rows(database, "SELECT order_id FROM charges UNION SELECT order_id FROM reservations") == []


@pytest.mark.parametrize("payload", [(), ({"by": "the boss"},), (None,)])
def test_an_approval_with_any_payload_counts_also_before_it_is_asked_for(
    database: Path, payload: tuple[Any, ...]
) -> None:
    outcome = played(
        database, an_order(total=Decimal(900)), lambda pid: actors.send(pid, "approve", *payload)
    )
    assert outcome["status"] == "completed"


@pytest.mark.parametrize(
    ("payload", "reason"), [(("too much",), "too much"), ((), "rejected"), ((7,), "rejected")]
)
def test_a_rejection_gives_its_reason(database: Path, payload: tuple[Any, ...], reason: str) -> None:
    outcome = played(database, an_order(total=Decimal(900)), lambda pid: actors.send(pid, "reject", *payload))
    assert outcome == {"status": "failed", "step": "approval", "error": reason}


@pytest.mark.parametrize(
    ("changes", "step", "error"),
    [
        (
            {"items": [{"sku": "MUG-BLUE", "quantity": 1}, {"sku": "MUG-RED", "quantity": 1}]},
            "stock",
            "there is no article MUG-RED",
        ),
        ({"items": [{"sku": "MUG-BLUE", "quantity": 999}]}, "stock", "999 of MUG-BLUE ordered, 120 in stock"),
        ({"card": "tok_expired"}, "payment", "the card has expired"),
        (
            {"shipping_address": {"street": "S", "city": "Dome", "country": "AQ"}},
            "shipping",
            "no carrier goes to Dome, AQ",
        ),
    ],
)
def test_an_order_that_fails_undoes_what_it_did(
    database: Path, changes: dict[str, Any], step: str, error: str
) -> None:
    outcome = played(database, an_order(**changes))
    assert (outcome["status"], outcome.get("step"), outcome.get("error")) == ("failed", step, error)
    assert rows(database, "SELECT count(*) FROM reservations") == [(0,)]
    assert rows(database, "SELECT sku FROM stock WHERE received != in_stock") == []
    assert rows(database, "SELECT count(*) FROM charges") == rows(database, "SELECT count(*) FROM refunds")


def test_an_order_whose_dispatcher_is_gone_goes_on(database: Path) -> None:
    async def main() -> Any:
        async def nobody() -> None: ...

        gone = await actors.spawn(nobody)
        await actors.execute(nobody)
        return (
            await actors.spawner()
            .with_context(database=str(database))
            .execute(process.order, an_order(), gone, on="trio")
        )

    assert actors.run(main)["status"] == "completed"


# The functions


@pytest.mark.parametrize(
    ("function", "argument", "table"),
    [
        (
            shop.charge_payment,
            {"order_id": "1", "amount": Decimal(5), "customer": "Ada", "card": "tok_visa"},
            "charges",
        ),
        (shop.ship_order, {"order_id": "1", "address": an_order()["shipping_address"]}, "shipments"),
    ],
)
def test_a_function_called_again_gives_the_same_and_writes_nothing(
    database: Path, function: Callable[..., Any], argument: dict[str, Any], table: str
) -> None:
    async def main() -> list[Any]:
        call = actors.funcs.Executor().with_context(database=str(database))
        futures = [call.start(function, argument) for _ in range(5)]  # together: the transaction decides
        return [await future.result() for future in futures]

    answers = actors.run(main)
    assert answers == [answers[0]] * 5
    assert rows(database, f"SELECT count(*) FROM {table}") == [(1,)]
    assert rows(database, "SELECT count(*) FROM calls") == [(5,)]


def test_stock_is_reserved_and_released_once_however_often_it_is_asked(database: Path) -> None:
    async def main() -> list[int]:
        call = actors.funcs.Executor().with_context(database=str(database))
        in_stock = []
        for function, *arguments in [
            (shop.reserve_stock, "1", an_order()["items"]),
            (shop.reserve_stock, "1", an_order()["items"]),
            (shop.release_stock, "1"),
            (shop.release_stock, "1"),
        ]:
            await call.call(cast(Callable[..., Any], function), *arguments)
            in_stock.append(rows(database, "SELECT in_stock FROM stock WHERE sku = 'MUG-BLUE'")[0][0])
        return in_stock

    assert actors.run(main) == [118, 118, 120, 120]


def test_a_payment_is_refunded_once_and_only_if_it_was_made(database: Path) -> None:
    async def main() -> None:
        call = actors.funcs.Executor().with_context(database=str(database))
        payment = {"order_id": "1", "amount": Decimal("12.50"), "customer": "Ada", "card": "tok_visa"}
        charged = await call.call(shop.charge_payment, payment)
        first = await call.call(shop.refund_payment, charged["id"])
        assert await call.call(shop.refund_payment, charged["id"]) == first
        with pytest.raises(actors.Error, match="there is no payment pay_none") as caught:
            await call.call(shop.refund_payment, "pay_none")
        assert caught.value.kind == actors.NOT_FOUND

    actors.run(main)
    assert rows(database, "SELECT order_id, amount FROM refunds") == [("1", "12.50")]


def test_a_call_that_failed_is_noted_and_writes_nothing_else(database: Path) -> None:
    async def main() -> None:
        call = actors.funcs.Executor().with_context(database=str(database))
        items = [{"sku": "MUG-BLUE", "quantity": 1}, {"sku": "KET-GOOSE", "quantity": 1}]
        with pytest.raises(actors.Error, match="1 of KET-GOOSE ordered, 0 in stock"):
            await call.call(shop.reserve_stock, "1", items)

    actors.run(main)
    assert rows(database, "SELECT function, about, attempt, os_pid FROM calls") == [
        ("reserve_stock", "1", 1, os.getpid())
    ]
    assert rows(database, "SELECT sku FROM stock WHERE received != in_stock") == []


# The dispatcher and the proof


@pytest.fixture
def books(database: Path) -> tuple[Path, list[Ended]]:
    """A database with one order completed and one refunded, and what the orders said."""
    away = {**an_order()["shipping_address"], "country": "AQ"}
    orders = [an_order("1"), an_order("2", shipping_address=away)]
    return database, actors.run(office, orders, Setting(database))


def test_the_proof_finds_nothing_in_good_books(books: tuple[Path, list[Ended]]) -> None:
    assert [claim for claim in check(*books) if claim.broken_by] == []


@pytest.mark.parametrize(
    ("damage", "claims"),
    [
        (
            "INSERT INTO charges SELECT 'again', order_id, customer, amount FROM charges WHERE order_id = '1'",
            {"no order was charged twice"},
        ),
        (
            "INSERT INTO shipments SELECT 'again', order_id, carrier, address FROM shipments",
            {"no order was shipped twice"},
        ),
        (
            "DELETE FROM charges WHERE order_id = '1'",
            {
                "none was shipped unpaid or after a refund",
                "each payment and parcel that an order told of is in the books",
            },
        ),
        ("UPDATE refunds SET amount = '1.00'", {"every refund is paired with one charge of the same amount"}),
        (
            "UPDATE refunds SET payment_id = 'other'",
            {"every refund is paired with one charge of the same amount"},
        ),
        (
            "INSERT INTO refunds SELECT 'again', order_id, payment_id, amount FROM refunds",
            {"every refund is paired with one charge of the same amount"},
        ),
        ("DELETE FROM refunds", {"every charge was followed by a shipment or a refund"}),
        (
            "UPDATE shipments SET tracking = 'other'",
            {"each payment and parcel that an order told of is in the books"},
        ),
        (
            "UPDATE stock SET in_stock = 0 WHERE sku = 'MUG-BLUE'",
            {"what was received is in stock or was sold"},
        ),
        ("DELETE FROM outcomes WHERE order_id = '1'", {"2 orders ended exactly once: 1 completed, 1 failed"}),
        (
            "INSERT INTO outcomes (order_id, status) VALUES ('1', 'completed')",
            {"2 orders ended exactly once: 1 completed, 1 failed"},
        ),
    ],
)
def test_the_proof_finds_what_is_wrong(
    books: tuple[Path, list[Ended]], damage: str, claims: set[str]
) -> None:
    database, _ = books
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(damage)
    assert {claim.text for claim in check(*books) if claim.broken_by} == claims


def test_an_order_that_crashes_is_told_and_breaks_the_proof(database: Path) -> None:
    ended = actors.run(office, [an_order("1", wait="never"), an_order("2")], Setting(database))
    assert [end.outcome["status"] for end in ended] == ["failed", "completed"]
    assert ended[0].outcome["step"] == "crash"
    assert any(claim.broken_by == ("1",) for claim in check(database, ended))


def test_halfway_is_called_once(database: Path) -> None:
    calls: list[int] = []

    async def halfway() -> None:
        calls.append(rows(database, "SELECT count(*) FROM outcomes")[0][0])

    actors.run(office, [an_order(str(number)) for number in range(4)], Setting(database), halfway)
    assert len(calls) == 1
    assert calls[0] >= 2


def test_a_dispatcher_started_anew_goes_on_with_the_open_orders(database: Path) -> None:
    async def halfway() -> None:
        await actors.terminate("dispatcher")

    orders = [an_order(str(number), wait="50ms") for number in range(6)]
    ended = actors.run(office, orders, Setting(database), halfway)
    assert [end.order_id for end in ended] == [order["id"] for order in orders]
    assert [claim for claim in check(database, ended) if claim.broken_by] == []


def test_an_order_that_waits_for_approval_asks_the_new_dispatcher_again(database: Path) -> None:
    async def newer(pid: actors.PID) -> None:
        progress = actors.listen("progress")
        await actors.send(pid, "dispatcher", actors.self_pid())
        assert await progress.receive() == ("1", "needs approval")
        await actors.send(pid, "approve")
        assert await progress.receive() == ("1", "approved")

    async def talk(pid: actors.PID) -> None:
        progress = actors.listen("progress")
        assert await progress.receive() == ("1", "reserved")
        assert await progress.receive() == ("1", "needs approval")
        await actors.spawn_linked(newer, pid)

    assert played(database, an_order(total=Decimal(900)), talk)["status"] == "completed"
