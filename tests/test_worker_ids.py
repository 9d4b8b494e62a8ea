"""A worker has an entry id, whoever is given it."""

from typing import Any

import pytest

import actors
from temporal_bridge import Worker

WRONG: list[Any] = [":", "my worker:x", "worker", "app:", ":worker", "app:a:b", "app:w\n", "", None, 5]


@pytest.mark.parametrize("name", WRONG, ids=repr)
def test_what_a_process_cannot_be_declared_for_is_no_worker_either(name: Any) -> None:
    if name is not None:  # a process need not have a worker
        with pytest.raises(actors.Error) as caught:
            actors.Namespace("worker_id_app").process(worker=name)
        assert caught.value.kind == actors.INVALID
    with pytest.raises(actors.Error) as caught:
        Worker(name, task_queue="q")
    assert caught.value.kind == actors.INVALID
    assert "app:worker" in caught.value.message  # what it should look like


def test_an_entry_id_is() -> None:
    assert Worker("my-app.orders:worker_1", task_queue="q").id == "my-app.orders:worker_1"
