"""The manifest: what it declares, and for each way in which it can be wrong the line, the key and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import actors
from actors import Error, process_entry
from actors.manifest import ManifestEntry, ManifestError, entries, load, of_module, read
from actors.manifest._positions import key_lines
from tests import manifest_shop
from tests.broken_manifests import BROKEN

WORKER = """
[entries.worker]
kind = "temporal.worker"
task_queue = "orders"
"""


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As it was, after a test: entries of manifests are not to be seen by others."""
    for name in ("_entries", "_renamed", "_by_source"):
        table: dict[str, Any] = getattr(sys.modules["actors._kernel.entries"], name)
        # Without what an example declares that another test has imported: manifests here declare "app:..." themselves.
        kept = {
            key: value
            for key, value in table.items()
            if not (key if name == "_entries" else value).startswith("app:")
        }
        monkeypatch.setattr(f"actors._kernel.entries.{name}", kept)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for function in (manifest_shop.order, manifest_shop.charge, manifest_shop.local):
        function.__dict__.clear()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "everproc.toml"


def test_there_are_fifty_and_more_ways_to_be_wrong() -> None:
    assert len(BROKEN) >= 50


@pytest.mark.parametrize("name", BROKEN)
def test_broken_manifest_is_refused_with_line_key_and_what_to_do(
    name: str, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPROC_TEST_EMPTY", " ")
    content, message = BROKEN[name]
    (manifest.parent / "manifest.pem").write_text("x")
    manifest.write_text(content)
    with pytest.raises(ManifestError) as caught:
        load(manifest)
    assert caught.value.message.replace(str(manifest.parent), "DIR") == message
    (problem,) = caught.value.problems
    assert problem.key.split(".")[0] in content
    assert message.startswith(f"everproc.toml:{problem.line}: ")


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(manifest: Path) -> None:
    manifest.write_text('nmae = 1\n[entries.a]\nkind = "proces"\n[node]\nname = ""\n[entries.b]\n')
    with pytest.raises(ManifestError) as caught:
        load(manifest)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 5, 6]
    assert caught.value.details["problems"][1]["key"] == "entries.a.kind"


def test_manifest_that_is_not_there_is_not_found(manifest: Path) -> None:
    with pytest.raises(Error, match="does not exist: make one with `everproc new`") as caught:
        load(manifest)
    assert caught.value.kind == actors.NOT_FOUND


def test_bytes_that_are_no_text_are_told_by_their_line(manifest: Path) -> None:
    manifest.write_bytes(b'namespace = "a"\nimports = ["\xff"]\n')
    with pytest.raises(ManifestError, match=r"everproc\.toml:2: this is not UTF-8"):
        load(manifest)


def test_entries_are_declared_with_what_the_manifest_says(manifest: Path) -> None:
    manifest.write_text(
        WORKER
        + """
[entries.order]
kind = "workflow"
source = "tests.manifest_shop:order"
worker = "worker"
name = "OrderOfTheShop"
on_crash = "suspend"

[entries.charge]
kind = "activity"
source = "tests.manifest_shop:charge"
worker = "app:worker"
local = true

[entries."other:long"]
kind = "activity"
source = "tests.manifest_shop:local"
worker = "worker"
process = true
"""
    )
    found = load(manifest)
    entry = process_entry("OrderOfTheShop")
    assert (entry.id, entry.function, entry.worker) == ("app:order", manifest_shop.order, "app:worker")
    assert (entry.on_crash, entry.place) == ("suspend", "everproc.toml:6")
    assert process_entry(manifest_shop.order) is entry
    assert actors.function_entry("app:charge").local
    assert process_entry("other:long").activity
    assert found.name == manifest.parent.name
    assert [(item.id, item.kind) for item in found.items if item.kind != "temporal.worker"] == [
        ("app:order", "workflow"),
        ("app:charge", "activity"),
        ("other:long", "activity"),
    ]


def test_entry_that_code_and_manifest_declare_alike_is_one(manifest: Path) -> None:
    manifest.write_text(
        """
namespace = "shop"
[entries.worker]
kind = "temporal.worker"
task_queue = "orders"
[entries.declared]
kind = "workflow"
source = "tests.manifest_shop:declared"
worker = "worker"
"""
    )
    load(manifest)
    assert process_entry("shop:declared").function is manifest_shop.declared


def test_manifest_can_be_loaded_again(manifest: Path) -> None:
    manifest.write_text('[entries.local]\nkind = "process"\nsource = "tests.manifest_shop:local"\n')
    assert load(manifest) == load(manifest)


async def test_process_of_a_manifest_can_be_spawned_by_its_id(manifest: Path) -> None:
    _load_local(manifest)
    async with actors.Node() as node:
        assert await node.execute("app:local", 1) == 2


def test_sources_are_found_next_to_the_manifest(manifest: Path) -> None:
    (manifest.parent / "shop_next_to_it.py").write_text("async def order(): ...\n")
    manifest.write_text('[entries.order]\nkind = "process"\nsource = "shop_next_to_it:order"\n')
    load(manifest)
    assert process_entry("app:order").source == "shop_next_to_it:order"


def test_worker_that_only_code_names_is_added_with_a_task_queue_of_its_name(manifest: Path) -> None:
    manifest.write_text('imports = ["tests.manifest_shop"]\n')
    (worker,) = [item for item in load(manifest).items if item.id == "shop:worker"]
    assert (worker.kind, worker.values) == ("temporal.worker", {"task_queue": "shop-worker"})


def test_module_alone_is_a_program_with_the_workers_that_it_names() -> None:
    found = of_module("tests.manifest_shop", {"address": "localhost:7233"})
    assert found.name == "manifest_shop"
    assert (
        ManifestEntry("everproc:command-line", "temporal.client", {"address": "localhost:7233"})
        in found.items
    )


def test_credentials_come_from_the_environment_and_from_files(
    manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERPROC_TEST_NAMESPACE", "orders")
    (manifest.parent / "key").write_text("se$cret\n")
    manifest.write_text(
        """
[entries.temporal]
kind = "temporal.client"
address = "eu.example.com:7233"
namespace = "${env:EVERPROC_TEST_NAMESPACE}.a1b2c"
api_key = "${file:key}"
identity = "costs $$5, not ${env:EVERPROC_TEST_NAMESPACE}"
rpc_metadata = { team = "${env:EVERPROC_TEST_NAMESPACE}" }
"""
    )
    (item,) = load(manifest).items[:1]
    assert item.values == {
        "address": "eu.example.com:7233",
        "namespace": "orders.a1b2c",
        "api_key": "se$cret",
        "identity": "costs $5, not orders",
        "rpc_metadata": {"team": "orders"},
    }


def test_paths_are_relative_to_the_manifest(manifest: Path) -> None:
    for name in ("ca", "cert", "key"):
        (manifest.parent / f"{name}.pem").write_text("-----BEGIN-----")
    manifest.write_text(
        """
[entries.temporal]
kind = "temporal.client"
address = "localhost:7233"
tls = { server_root_ca = "ca.pem", client_cert = "cert.pem", client_key = "${file:key.pem}", domain = "d" }
"""
    )
    (item,) = load(manifest).items[:1]
    assert item.values["tls"] == {
        "server_root_ca": str(manifest.parent / "ca.pem"),
        "client_cert": str(manifest.parent / "cert.pem"),
        "client_key": "-----BEGIN-----",
        "domain": "d",
    }


def test_secret_is_in_no_error(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERPROC_TEST_SECRET", "hunter2")
    manifest.write_text(
        '[entries.t]\nkind = "temporal.client"\naddress = "${env:EVERPROC_TEST_SECRET}"\n'
        'converter = "${env:EVERPROC_TEST_SECRET}"\ntls = "${env:EVERPROC_TEST_SECRET}"\n'
        'connect_timeout = "${env:EVERPROC_TEST_SECRET}"\n'
    )
    with pytest.raises(ManifestError) as caught:
        load(manifest)
    assert len(caught.value.problems) == 4
    assert "hunter2" not in caught.value.message + str(caught.value.__cause__)


def test_services_have_their_lifecycle(manifest: Path) -> None:
    manifest.write_text(
        """
[entries.db]
kind = "service"
source = "tests.manifest_shop:Counter"
args = [5]
register = "counter"

[entries.web]
kind = "service"
source = "tests.manifest_shop:serve"

[entries.web.lifecycle]
requires = ["db"]
auto_start = true
start_timeout = "10s"
stop_timeout = "infinity"
restart = "transient"
max_restarts = 9
within = "1m"
backoff = { initial = "1s", max = "1m", factor = 3, jitter = 0.1 }
stable_threshold = "30s"
"""
    )
    (web,) = [item for item in read(manifest).items if item.id == "app:web"]
    assert web.values["lifecycle"]["requires"] == ["app:db"]
    assert (web.line(), web.line("lifecycle"), web.line("lifecycle", "backoff", "max")) == (8, 12, 20)
    load(manifest)


def test_keys_are_found_on_their_lines_whatever_the_form() -> None:
    text = '''# a comment
a.b = 1
"quoted key" = """
x = 1
[not.a.table]
"""   # and its end

[table."with dots.in it"]   # comment
list = [
  1,
  { inner = 2, other = 3 }, # a comment
]
[[array]]
x = 1
[array.sub]
z = 1
[[array]]
y = 2
'''
    assert key_lines(text) == {
        "a": 2,
        "a.b": 2,
        "quoted key": 3,
        "table.with dots.in it": 8,
        "table.with dots.in it.list": 9,
        "table.with dots.in it.list[1].inner": 11,
        "table.with dots.in it.list[1].other": 11,
        "array": 13,
        "array[0]": 13,
        "array[0].x": 14,
        "array[0].sub": 15,
        "array[0].sub.z": 16,
        "array[1]": 17,
        "array[1].y": 18,
    }


def _load_local(manifest: Path) -> None:
    manifest.write_text('[entries.local]\nkind = "process"\nsource = "tests.manifest_shop:local"\n')
    load(manifest)


def test_service_of_an_unknown_process_is_refused_with_those_that_are_known(manifest: Path) -> None:
    manifest.write_text('[entries.web]\nkind = "service"\nprocess = "shop:declred"\n')
    with pytest.raises(
        ManifestError,
        match=r"toml:3: entries\.web\.process: entry='shop:declred' is not known: .*shop:declared",
    ):
        load(manifest)


def test_entries_lists_what_code_and_manifests_declare(manifest: Path) -> None:
    manifest.write_text('[entries.local]\nkind = "process"\nsource = "tests.manifest_shop:local"\n')
    load(manifest)
    assert {"app:local", "shop:declared"} <= {entry.id for entry in entries()}
