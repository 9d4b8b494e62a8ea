"""The ambient context (semantics 34)."""

from __future__ import annotations

from typing import Any

import pytest

import actors
from tests.hosts import forever, on_every_host, settle


async def context_of_a_child(spawner: actors.Spawner | None = None) -> dict[str, Any]:
    async def child() -> dict[str, Any]:
        return actors.context.all()

    result = await (spawner or actors.spawner()).execute(child)
    assert isinstance(result, dict)
    return result


@on_every_host
async def test_context_is_empty_unless_somebody_sets_it() -> None:
    assert actors.context.all() == {}
    assert await context_of_a_child() == {}


@on_every_host
async def test_get_of_a_missing_key_raises_unless_a_default_is_given() -> None:
    with pytest.raises(actors.Error, match="key='user'") as caught:
        actors.context.get("user")
    assert caught.value.kind == actors.NOT_FOUND
    assert actors.context.get("user", "nobody") == "nobody"
    assert actors.context.get("user", None) is None


@on_every_host
async def test_children_and_grandchildren_inherit_the_context() -> None:
    async def child() -> tuple[Any, Any]:
        return actors.context.get("user"), await context_of_a_child()

    result = await actors.spawner(context={"user": "ada", "id": 1}).execute(child)
    assert result == ("ada", {"user": "ada", "id": 1})


@on_every_host
async def test_explicit_values_win_key_by_key() -> None:
    async def child() -> dict[str, Any]:
        return await context_of_a_child(actors.spawner(context={"b": 20}).with_context(c=30))

    outer = actors.spawner(context={"a": 1, "b": 2})
    assert await outer.execute(child) == {"a": 1, "b": 20, "c": 30}
    assert await context_of_a_child(outer.with_context(a=10).with_context(a=11)) == {"a": 11, "b": 2}
    assert await context_of_a_child(outer) == {"a": 1, "b": 2}


@on_every_host
async def test_nothing_flows_back_from_what_a_process_does_with_its_copy() -> None:
    async def child() -> dict[str, Any]:
        actors.context.all()["user"] = "changed"
        return actors.context.all()

    given = {"user": "ada"}
    assert await actors.spawner(context=given).execute(child) == {"user": "ada"}
    assert given == {"user": "ada"}


@on_every_host
async def test_changing_the_mapping_after_the_spawn_changes_nothing() -> None:
    given = {"user": "ada"}
    spawner = actors.spawner(context=given)
    given["user"] = "changed"
    assert await context_of_a_child(spawner) == {"user": "ada"}


@on_every_host
async def test_tasks_and_upgraded_code_keep_the_context() -> None:
    seen: list[dict[str, Any]] = []

    async def task() -> None:
        seen.append(actors.context.all())

    async def first() -> None:
        actors.start_soon(task)
        await settle()
        await actors.upgrade(second)

    async def second() -> None:
        seen.append(actors.context.all())

    await actors.spawner(context={"user": "ada"}).execute(first)
    assert seen == [{"user": "ada"}] * 2


@on_every_host
async def test_context_travels_with_the_spawn_and_not_with_messages() -> None:
    async def answers() -> None:
        async for message in actors.inbox():
            await actors.reply(message, actors.context.all())

    pid = await actors.spawn(answers)

    async def asks() -> Any:
        return await actors.call(pid, "question")

    assert await actors.spawner(context={"user": "ada"}).execute(asks) == {}


@on_every_host
async def test_spawner_is_immutable() -> None:
    plain = actors.spawner()
    changed = (
        plain.with_name("n").with_context(a=1).with_options({"mailbox.max": 1}).with_message("t").on("h")
    )
    assert plain == actors.spawner()
    assert (changed.name, dict(changed.context), changed.host) == ("n", {"a": 1}, "h")
    assert (dict(changed.options), changed.messages) == ({"mailbox.max": 1}, (("t", None),))
    pid = await plain.spawn(forever)
    assert (await actors.describe(pid)).names == ()
