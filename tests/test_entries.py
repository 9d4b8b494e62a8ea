"""Entries: functions that are known by an id (semantics 1)."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

import actors
from actors import Namespace, function_entry, process_entry

app = Namespace("test_entries")


@app.process
async def plain(value: int = 0) -> int:
    return value


@app.process(worker="test_entries:worker", name="OrderWorkflow", on_crash="suspend")
async def order() -> None:
    pass


@app.process(activity=True)
async def long_work() -> None:
    pass


@app.function
def charge(amount: int) -> int:
    return amount


@app.function(worker="test_entries:worker", name="renamed", local=True)
async def quick() -> None:
    pass


def test_decorators_return_the_function_as_it_was() -> None:
    assert plain.__name__ == "plain"
    assert charge(5) == 5


def test_entry_is_found_by_its_function_and_by_its_id() -> None:
    for target in (plain, "test_entries:plain"):
        entry = process_entry(target)
        assert (entry.id, entry.kind, entry.function) == ("test_entries:plain", "process", plain)
    for function in (charge, "test_entries:charge"):
        assert function_entry(function).id == "test_entries:charge"


def test_entry_carries_what_was_declared_about_it() -> None:
    entry = process_entry(order)
    assert (entry.worker, entry.name, entry.on_crash, entry.activity) == (
        "test_entries:worker",
        "OrderWorkflow",
        "suspend",
        False,
    )
    assert process_entry(long_work).activity is True
    entry = function_entry(quick)
    assert (entry.id, entry.worker, entry.local) == ("test_entries:renamed", "test_entries:worker", True)


def test_process_with_a_workflow_type_of_its_own_is_found_by_both_names() -> None:
    assert process_entry("OrderWorkflow") is process_entry("test_entries:order")


def test_namespace_iterates_over_its_entries() -> None:
    assert [entry.id.partition(":")[2] for entry in app] == [
        "plain",
        "order",
        "long_work",
        "charge",
        "renamed",
    ]


def test_function_that_was_spawned_before_its_declaration_is_the_declared_entry_from_then_on() -> None:
    source = "async def late() -> None: ..."
    names: dict[str, Any] = {"__name__": "late_module"}
    exec(source, names)  # a function of a module, without a closure
    late = names["late"]
    assert process_entry(late).kind == "anonymous"
    Namespace("tardy").process(late)
    assert (process_entry(late).id, process_entry(late).kind) == ("tardy:late", "process")


def test_function_without_a_declaration_is_an_anonymous_entry() -> None:
    async def anonymous() -> None:
        pass

    entry = process_entry(anonymous)
    assert (entry.kind, entry.function, entry.worker) == ("anonymous", anonymous, None)
    assert entry.id.startswith("tests.test_entries:")


def test_unknown_id_is_not_found_and_the_known_ones_are_shown() -> None:
    with pytest.raises(actors.Error, match="test_entries:plain") as caught:
        process_entry("test_entries:unknown")
    assert caught.value.kind == actors.NOT_FOUND
    assert caught.value.details["entry"] == "test_entries:unknown"


def test_function_cannot_be_spawned() -> None:
    for target in (charge, "test_entries:charge"):
        with pytest.raises(actors.Error, match=r"funcs\.call") as caught:
            process_entry(target)  # type: ignore[arg-type]
        assert caught.value.kind == actors.INVALID


def test_two_functions_of_one_id_are_refused() -> None:
    other = Namespace("test_entries")

    async def impostor() -> None:
        pass

    impostor.__name__ = "plain"
    with pytest.raises(actors.Error, match="declared twice") as caught:
        other.process(impostor)
    assert caught.value.kind == actors.ALREADY_EXISTS
    assert process_entry("test_entries:plain").function is plain


def test_module_that_is_imported_again_may_declare_the_same_entries_again() -> None:
    source = """
from actors import Namespace
app = Namespace("test_entries_again")

@app.process
async def same(): ...
"""

    def imported() -> Any:
        module = types.ModuleType("imported_again")
        exec(compile(source, "imported_again.py", "exec"), vars(module))
        return module

    first, second = imported(), imported()
    assert process_entry(first.same).function is first.same
    assert process_entry(second.same).function is second.same
    assert process_entry("test_entries_again:same").id == "test_entries_again:same"


def test_module_that_runs_as_the_program_may_be_imported_too() -> None:
    async def same() -> None:
        pass

    async def twin() -> None:
        pass

    for function, module in ((same, "__main__"), (twin, "program")):
        function.__module__ = module
        function.__name__ = "same"
        function.__qualname__ = "same"
        Namespace("test_entries_main").process(function)
    assert "__main__" in sys.modules
    assert process_entry("test_entries_main:same").id == "test_entries_main:same"


def test_namespace_shows_its_name() -> None:
    assert repr(app) == "Namespace('test_entries')"


def test_unknown_entry_is_told_with_the_one_that_was_probably_meant() -> None:
    space = Namespace("probably")

    @space.process
    async def order() -> None: ...

    with pytest.raises(
        actors.Error, match=r"entry='probably:ordr' is not known: did you mean probably:order\?"
    ):
        process_entry("probably:ordr")
    with pytest.raises(actors.Error, match=r"entry='nothing' is not known: is the module imported"):
        process_entry("nothing")
