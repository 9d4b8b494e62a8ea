"""How to reach Temporal: arguments, environment, configuration file, and real connections."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from temporalio.client import Client, Interceptor
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.service import TLSConfig

from actors import INVALID, NOT_FOUND, PERMISSION_DENIED, UNAVAILABLE, Error
from temporal_bridge._asyncio.portal import Portal
from temporal_bridge._client.connection import connect, shared_runtime
from temporal_bridge._client.temporal_client import TLS, TemporalClient
from temporal_bridge.devserver.server import EmbeddedServer

ROOT = Path(__file__).parent.parent
ADDRESS = "temporal.example.com:7233"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the machine is set up for, here there is no environment and no configuration file."""
    for name in os.environ:
        if name.startswith("TEMPORAL_"):
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CONFIG_HOME", "USERPROFILE", "APPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    path = tmp_path / "some.pem"
    path.write_bytes(b"some PEM")
    return path


@pytest.fixture
def config_file(tmp_path: Path, pem: Path) -> Path:
    path = tmp_path / "temporal.toml"
    path.write_text(
        f"""
        [profile.default]
        address = "default.example.com:7233"

        [profile.cloud]
        address = "cloud.example.com:7233"
        namespace = "orders"
        api_key = "file-key"
        [profile.cloud.grpc_meta]
        region = "eu"
        tenant = "file"

        [profile.mutual]
        address = "mutual.example.com:7233"
        [profile.mutual.tls]
        server_name = "inner.example.com"
        server_ca_cert_data = "CA"
        client_cert_path = "{pem}"
        client_key_path = "{pem}"

        [profile.plain]
        address = "plain.example.com:7233"
        [profile.plain.tls]
        disabled = true

        [profile.missing]
        address = "missing.example.com:7233"
        [profile.missing.tls]
        server_ca_cert_path = "/no/such/ca.pem"

        [profile.no-port]
        address = "no-port.example.com"
        """
    )
    return path


# Arguments.


class NoCodec:
    pass


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"address": "localhost"}, "address='localhost' is not valid: expected host:port"),
        ({"address": "http://localhost:7233"}, "write it without http://"),
        ({"address": "localhost:0"}, "address='localhost:0'"),
        ({"address": "localhost:65536"}, "address='localhost:65536'"),
        ({"address": "localhost:port"}, "address='localhost:port'"),
        ({"address": "local host:7233"}, "address='local host:7233'"),
        ({"address": ":7233"}, "address=':7233'"),
        ({"address": ""}, "address=''"),
        ({"address": "::1:7233"}, "address='::1:7233'"),
        ({"address": 7233}, "address=7233"),
        ({"namespace": ""}, "namespace=''"),
        ({"namespace": "  "}, "namespace='  '"),
        ({"namespace": 3}, "namespace=3"),
        ({"api_key": b"secret"}, "api_key is not valid: expected a string that is not empty, got bytes"),
        ({"api_key": ""}, "api_key is not valid"),
        ({"tls": "yes"}, "tls='yes' is not valid: expected True, False, or TLS"),
        ({"tls": 1}, "tls=1"),
        ({"profile": ""}, "profile=''"),
        ({"config_file": "/no/such/file.toml"}, "config_file='/no/such/file.toml' .* there is no such file"),
        ({"config_file": 3}, "config_file=3"),
        ({"converter": "pickle"}, """converter='pickle' is not valid: expected one of "msgpack", "json"$"""),
        (
            {"codec": NoCodec()},
            "codec=<.*NoCodec.* is not valid: expected a temporalio.converter.PayloadCodec",
        ),
        ({"data_dir": 3}, "data_dir=3"),
        ({"ui": "yes"}, "ui='yes'"),
        ({"identity": ""}, "identity=''"),
        ({"rpc_metadata": {"key": 3}}, "rpc_metadata='...' is not valid: expected a mapping of strings"),
        ({"rpc_metadata": "key"}, "rpc_metadata"),
        ({"connect_timeout": 10}, 'connect_timeout=10 .* write "10s"'),
        ({"connect_timeout": "0s"}, "connect_timeout='0s'"),
    ],
)
def test_a_bad_argument_is_named_at_construction(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(Error, match=named) as caught:
        TemporalClient(**arguments)
    assert caught.value.kind == INVALID


@pytest.mark.parametrize(
    "address", ["localhost:7233", "127.0.0.1:1", "[::1]:7233", "a-b.c_d.example:65535", None]
)
def test_an_address_is_host_and_port_or_none(address: str | None) -> None:
    assert TemporalClient(address).address == address


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"client_cert": b"PEM"}, "tls.client_cert was given without tls.client_key"),
        ({"client_key": b"PEM"}, "tls.client_key was given without tls.client_cert"),
        (
            {"server_root_ca": "/no/such/ca.pem"},
            "tls.server_root_ca='/no/such/ca.pem' .* there is no such file",
        ),
        ({"server_root_ca": "-----BEGIN CERTIFICATE-----\n..."}, r"tls.server_root_ca .* add \.encode\(\)"),
        ({"server_root_ca": b""}, "tls.server_root_ca=b''"),
        ({"server_root_ca": 3}, "tls.server_root_ca=3"),
        ({"domain": ""}, "tls.domain=''"),
    ],
)
def test_bad_tls_settings_are_named_at_construction(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(Error, match=named) as caught:
        TLS(**arguments)
    assert caught.value.kind == INVALID


def test_no_error_and_no_repr_shows_a_secret() -> None:
    client = TemporalClient(ADDRESS, api_key="secret", tls=TLS(client_cert=b"cert", client_key=b"secret"))
    assert "secret" not in repr(client)
    assert "secret" not in repr(TemporalClient(ADDRESS, rpc_metadata={"authorization": "secret"}))
    with pytest.raises(Error) as caught:
        TemporalClient(api_key=["secret"])  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


# Where settings come from.


def test_with_nothing_said_anywhere_it_is_the_embedded_server_and_the_default_namespace() -> None:
    resolved = TemporalClient().resolve({})
    assert (resolved.address, resolved.namespace, resolved.api_key, resolved.tls) == (
        None,
        "default",
        None,
        None,
    )


def test_the_embedded_server_takes_the_namespace_of_the_environment() -> None:
    resolved = TemporalClient().resolve({"TEMPORAL_NAMESPACE": "orders"})
    assert (resolved.address, resolved.namespace) == (None, "orders")


def test_what_is_left_out_comes_from_the_environment(pem: Path) -> None:
    resolved = TemporalClient().resolve(
        {
            "TEMPORAL_ADDRESS": ADDRESS,
            "TEMPORAL_NAMESPACE": "orders",
            "TEMPORAL_API_KEY": "key",
            "TEMPORAL_TLS_SERVER_NAME": "inner.example.com",
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(pem),
            "TEMPORAL_TLS_CLIENT_KEY_DATA": "KEY",
            "TEMPORAL_GRPC_META_REGION": "eu",
        }
    )
    assert resolved == TemporalClient(
        ADDRESS,
        namespace="orders",
        api_key="key",
        tls=TLS(client_cert=pem, client_key=b"KEY", domain="inner.example.com"),
        rpc_metadata={"region": "eu"},
    )


def test_the_environment_is_that_of_the_process_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", ADDRESS)
    assert TemporalClient().resolve().address == ADDRESS
    assert TemporalClient().resolve({}).address is None


def test_what_is_left_out_there_comes_from_a_profile_of_the_configuration_file(config_file: Path) -> None:
    assert TemporalClient(config_file=config_file).resolve({}).address == "default.example.com:7233"
    cloud = TemporalClient(config_file=config_file, profile="cloud").resolve({})
    assert (cloud.address, cloud.namespace, cloud.api_key) == ("cloud.example.com:7233", "orders", "file-key")
    by_environment = {"TEMPORAL_CONFIG_FILE": str(config_file), "TEMPORAL_PROFILE": "cloud"}
    assert TemporalClient().resolve(by_environment).address == "cloud.example.com:7233"


def test_arguments_win_over_the_environment_and_that_over_the_file(config_file: Path) -> None:
    environ = {
        "TEMPORAL_CONFIG_FILE": str(config_file),
        "TEMPORAL_PROFILE": "cloud",
        "TEMPORAL_NAMESPACE": "from-environment",
        "TEMPORAL_API_KEY": "environment-key",
    }
    resolved = TemporalClient(api_key="my-key", tls=False, rpc_metadata={"tenant": "mine"}).resolve(environ)
    assert resolved.address == "cloud.example.com:7233"
    assert resolved.namespace == "from-environment"
    assert resolved.api_key == "my-key"
    assert resolved.tls is False
    assert resolved.rpc_metadata == {"region": "eu", "tenant": "mine"}
    assert TemporalClient(ADDRESS, profile="plain").resolve(environ).address == ADDRESS


def test_an_empty_variable_is_as_one_that_is_not_set() -> None:
    environ = dict.fromkeys(("ADDRESS", "NAMESPACE", "API_KEY", "TLS", "CONFIG_FILE", "PROFILE"), "")
    resolved = TemporalClient().resolve({f"TEMPORAL_{name}": value for name, value in environ.items()})
    assert resolved == TemporalClient(namespace="default")


@pytest.mark.parametrize(
    ("environ", "tls"),
    [
        ({"TEMPORAL_TLS": "true"}, True),
        ({"TEMPORAL_TLS": "1"}, True),
        ({"TEMPORAL_TLS": "false"}, False),
        ({}, None),
        ({"TEMPORAL_TLS_SERVER_NAME": "inner"}, TLS(domain="inner")),
        ({"TEMPORAL_TLS": "false", "TEMPORAL_TLS_SERVER_NAME": "inner"}, False),
    ],
)
def test_tls_follows_the_environment(environ: dict[str, str], tls: object) -> None:
    assert TemporalClient(ADDRESS).resolve(environ).tls == tls


def test_tls_follows_the_file(config_file: Path, pem: Path) -> None:
    assert TemporalClient(config_file=config_file, profile="plain").resolve({}).tls is False
    mutual = TemporalClient(config_file=config_file, profile="mutual").resolve({})
    assert mutual.tls == TLS(
        server_root_ca=b"CA", client_cert=pem, client_key=pem, domain="inner.example.com"
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "named"),
    [
        ({}, {"TEMPORAL_TLS": "maybe"}, "TEMPORAL_TLS='maybe' is not valid: expected true or false"),
        ({}, {"TEMPORAL_ADDRESS": "nowhere"}, "in the environment or .* file: address='nowhere'"),
        (
            {},
            {"TEMPORAL_CONFIG_FILE": "/no/such"},
            "TEMPORAL_CONFIG_FILE='/no/such' .* there is no such file",
        ),
        (
            {"profile": "cloud"},
            {},
            "config_file='the default one' profile='cloud': Profile 'cloud' not found",
        ),
        ({}, {"TEMPORAL_PROFILE": "cloud"}, "profile='cloud': Profile 'cloud' not found"),
        (
            {"address": ADDRESS},
            {"TEMPORAL_TLS_CLIENT_CERT_PATH": "/a", "TEMPORAL_TLS_CLIENT_CERT_DATA": "b"},
            "Cannot specify both .* correct the file or the TEMPORAL_",
        ),
        (
            {"address": ADDRESS},
            {"TEMPORAL_TLS_CLIENT_CERT_DATA": "PEM"},
            "in the environment or .* file: tls.client_cert was given without tls.client_key",
        ),
        ({"api_key": "key"}, {}, "api_key is set, but no address: .* or leave api_key out"),
        ({}, {"TEMPORAL_API_KEY": "key"}, "api_key is set, but no address: .* TEMPORAL_ADDRESS"),
        ({"tls": True}, {}, "tls is set, but no address"),
    ],
)
def test_bad_settings_are_named_with_their_place(
    arguments: dict[str, Any], environ: dict[str, str], named: str
) -> None:
    with pytest.raises(Error, match=named) as caught:
        TemporalClient(**arguments).resolve(environ)
    assert caught.value.kind == INVALID


@pytest.mark.parametrize(
    ("profile", "named"),
    [
        ("missing", "file: tls.server_root_ca='/no/such/ca.pem'"),
        ("no-port", "file: address='no-port.example.com'"),
        ("unknown", "profile='unknown': Profile 'unknown' not found"),
    ],
)
def test_a_bad_profile_is_named_with_its_fault(config_file: Path, profile: str, named: str) -> None:
    with pytest.raises(Error, match=named) as caught:
        TemporalClient(config_file=config_file, profile=profile).resolve({})
    assert caught.value.kind == INVALID


def test_a_broken_configuration_file_is_named_with_its_fault(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[profile")
    with pytest.raises(Error, match=rf"config_file='{path}' .*\s*TOML parse error at line 1") as caught:
        TemporalClient(config_file=path).resolve({})
    assert caught.value.kind == INVALID


# What the SDK is given.


def test_the_arguments_for_the_sdk_are_what_was_said(pem: Path) -> None:
    config = TemporalClient(
        ADDRESS,
        namespace="orders",
        api_key="key",
        tls=TLS(server_root_ca=pem, client_cert=b"cert", client_key=str(pem), domain="inner"),
        identity="me",
        rpc_metadata={"region": "eu"},
        connect_timeout="3s",
    )
    assert config.connect_arguments() == {
        "target_host": ADDRESS,
        "namespace": "orders",
        "api_key": "key",
        "tls": TLSConfig(
            server_root_ca_cert=b"some PEM",
            client_cert=b"cert",
            client_private_key=b"some PEM",
            domain="inner",
        ),
        "identity": "me",
        "rpc_metadata": {"region": "eu"},
        "connect_timeout": timedelta(seconds=3),
    }


def test_the_arguments_for_the_embedded_server_need_its_address() -> None:
    config = TemporalClient().resolve({})
    assert config.connect_arguments("127.0.0.1:1")["target_host"] == "127.0.0.1:1"
    with pytest.raises(Error, match="address=None is not valid"):
        config.connect_arguments()


def test_a_certificate_that_cannot_be_read_is_named(pem: Path) -> None:
    tls = TLS(server_root_ca=pem)
    pem.unlink()
    pem.mkdir()
    with pytest.raises(Error, match=r"tls.server_root_ca='.*' cannot be read: Is a directory"):
        tls.load()


def test_a_certificate_that_has_gone_is_named(pem: Path) -> None:
    tls = TLS(server_root_ca=pem)
    pem.unlink()
    with pytest.raises(Error, match=r"tls.server_root_ca='.*' cannot be read: No such file") as caught:
        tls.load()
    assert caught.value.kind == INVALID


# Connections.


def connecting(config: TemporalClient, **arguments: Any) -> Client:
    async def main() -> Client:
        async with Portal() as portal:
            return await portal.call(partial(connect, config, **arguments))

    return trio.run(main)


def refused(config: TemporalClient, kind: str, words: str) -> None:
    with pytest.raises(Error, match=words) as caught:
        connecting(config)
    assert caught.value.kind == kind
    assert f"address={config.address!r} namespace={config.namespace or 'default'!r}" in str(caught.value)
    assert caught.value.details == {"address": config.address, "namespace": config.namespace or "default"}


class Codec(PayloadCodec):
    async def encode(self, payloads: Any) -> Any:
        return payloads

    async def decode(self, payloads: Any) -> Any:
        return payloads


def test_a_client_is_connected_to_its_namespace_with_what_it_was_given() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False, namespace="orders") as server, Portal() as portal:
            converter = DataConverter(payload_codec=Codec())
            interceptors = [Interceptor()]
            client = await portal.call(
                partial(
                    connect,
                    TemporalClient(namespace="orders", identity="me").resolve({}),
                    address=server.address,
                    interceptors=interceptors,
                    data_converter=converter,
                )
            )
            assert client.namespace == "orders"
            assert client.identity == "me"
            assert client.data_converter is converter
            assert client.config()["interceptors"] == interceptors
            assert client.service_client.config.runtime is shared_runtime()

    trio.run(main)


def test_a_namespace_that_does_not_exist_is_not_found_at_once() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server, Portal() as portal:
            words = (
                f"address='{server.address}' namespace='orders': NOT_FOUND: Namespace orders is not found.*; "
                "correct the namespace, or create it: temporal operator namespace create"
            )
            with pytest.raises(Error, match=words) as caught:
                await portal.call(connect, TemporalClient(server.address, namespace="orders"))
            assert caught.value.kind == NOT_FOUND

    trio.run(main)


def test_tls_with_a_server_that_does_not_speak_it_says_so() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server, Portal() as portal:
            for config in (
                TemporalClient(server.address, tls=True),
                TemporalClient(server.address, api_key="key"),
            ):
                with pytest.raises(
                    Error, match="the server does not speak TLS there: say tls=False"
                ) as caught:
                    await portal.call(connect, config)
                assert caught.value.kind == UNAVAILABLE
            client = await portal.call(connect, TemporalClient(server.address, api_key="key", tls=False))
            assert client.namespace == "default"

    trio.run(main)


def test_nobody_at_the_address_is_unavailable_at_once() -> None:
    with socket.socket() as bound:  # and not listening
        bound.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{bound.getsockname()[1]}"
        words = "Connection refused.*; start a Temporal server there, or correct the address"
        refused(TemporalClient(address), UNAVAILABLE, words)


def test_a_host_that_does_not_exist_is_unavailable() -> None:
    refused(TemporalClient("no-such-host.invalid:7233"), UNAVAILABLE, "dns error.*correct the address")


def test_a_server_that_never_answers_is_unavailable_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = TemporalClient(f"127.0.0.1:{silent.getsockname()[1]}", connect_timeout="100ms")
        refused(
            config, UNAVAILABLE, "no answer within 100ms; see that the address is that of a Temporal frontend"
        )


OK = 0


@contextmanager
def grpc_server(answers: list[int]) -> Generator[str, None, None]:
    """The address of an HTTP/2 server that answers one request after the other with these gRPC status codes.

    Byte by byte, because none of our dependencies can serve gRPC, and a real server refuses nobody.
    """

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def header(name: str, value: str) -> bytes:  # HPACK: literal, not indexed
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    def talk(connection: socket.socket) -> None:
        with connection.makefile("rb") as received:
            received.read(24)  # the client's preface
            connection.sendall(frame(4, 0, 0))  # our settings: none
            while head := received.read(9):
                length = int.from_bytes(head[:3], "big")
                kind, flags, stream = struct.unpack(">BBI", head[3:])
                payload = received.read(length)
                if kind in (4, 6) and not flags & 1:  # settings and pings want to be acknowledged
                    connection.sendall(frame(kind, 1, 0, payload if kind == 6 else b""))
                if kind == 1:  # headers: a request
                    start = b"\x88" + header("content-type", "application/grpc")  # `:status 200`
                    status = answers.pop(0)
                    end = header("grpc-status", str(status)) + header("grpc-message", "so there")
                    if status == OK:  # with an empty message
                        connection.sendall(frame(1, 4, stream, start) + frame(0, 0, stream, bytes(5)))
                        connection.sendall(frame(1, 5, stream, end))
                    else:
                        connection.sendall(frame(1, 5, stream, start + end))

    def serve() -> None:
        try:
            connections.append(listening.accept()[0])
            talk(connections[0])
        except OSError:
            pass

    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    for connection in connections:  # the SDK keeps its side open while its client is in memory
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (16, PERMISSION_DENIED, "Unauthenticated.*so there.*; give the api_key or the client certificate"),
        (7, PERMISSION_DENIED, "PermissionDenied.*so there.*; give the api_key"),
        (14, UNAVAILABLE, "Unavailable.*so there.*see that the address is that of a Temporal frontend"),
        (13, UNAVAILABLE, "Internal.*so there"),
    ],
)
def test_a_server_that_refuses_the_connection_is_told_by_kind(status: int, kind: str, words: str) -> None:
    with grpc_server([status]) as address:
        refused(TemporalClient(address, api_key="key", tls=False), kind, words)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (16, PERMISSION_DENIED, "UNAUTHENTICATED: so there; give the api_key"),
        (7, PERMISSION_DENIED, "PERMISSION_DENIED: so there; give the api_key"),
        (5, NOT_FOUND, "NOT_FOUND: so there; correct the namespace"),
        (3, INVALID, "INVALID_ARGUMENT: so there; correct the namespace"),
        (14, UNAVAILABLE, "UNAVAILABLE: so there; see that the address is that of a Temporal frontend"),
    ],
)
def test_a_server_that_refuses_the_namespace_is_told_by_kind(status: int, kind: str, words: str) -> None:
    with grpc_server([OK, status]) as address:
        refused(TemporalClient(address, namespace="orders"), kind, words)


@contextmanager
def tls_server() -> Generator[str, None, None]:
    """The address of a server that speaks TLS but has no certificate to show."""

    def serve() -> None:
        while True:  # the SDK may try again on a new connection
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError):
                context.wrap_socket(connection, server_side=True)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    yield f"127.0.0.1:{listening.getsockname()[1]}"
    listening.shutdown(socket.SHUT_RDWR)  # wakes `accept`, which closing does not
    listening.close()
    thread.join()


def test_a_server_that_wants_tls_and_does_not_get_it_says_so() -> None:
    with tls_server() as address:
        refused(TemporalClient(address), UNAVAILABLE, "if the server wants TLS, say tls=True")


def test_a_tls_handshake_that_fails_says_what_to_look_at() -> None:
    with tls_server() as address:
        refused(TemporalClient(address, tls=True), UNAVAILABLE, r"see that tls=TLS\(server_root_ca=")


def test_a_client_certificate_that_is_none_is_invalid() -> None:
    tls = TLS(client_cert=b"no certificate", client_key=b"no key")
    refused(TemporalClient("127.0.0.1:1", tls=tls), INVALID, "are to be PEM text")


def test_cancelling_the_caller_cancels_the_connecting() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            config = TemporalClient(f"127.0.0.1:{silent.getsockname()[1]}", connect_timeout="1h")
            async with Portal() as portal, trio.open_nursery() as nursery:
                nursery.start_soon(portal.call, partial(connect, config))
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()

    trio.run(main)


# The runtime of the SDK.


def test_there_is_one_runtime_per_process_and_its_log_goes_to_a_logger(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server, Portal() as portal:
            client = await portal.call(connect, TemporalClient(server.address))
            handle = await portal.call(
                partial(client.start_workflow, "some-type", id="some-id", task_queue="nobody-listens")
            )
            assert server.pid is not None
            os.kill(server.pid, 9)
            # A long poll that the SDK retries for a while, of which it warns.
            async with trio.open_nursery() as nursery:
                nursery.start_soon(portal.call, partial(handle.result))
                with trio.fail_after(60):
                    while not caplog.records:  # noqa: ASYNC110  a log record sends no event
                        await trio.sleep(0.01)
                nursery.cancel_scope.cancel()

    assert shared_runtime() is shared_runtime()
    trio.run(main)
    assert {record.name for record in caplog.records} == {"everproc.temporal"}
    assert capfd.readouterr().out == ""


LONG_POLL = """
import sys, trio, trio.testing
from functools import partial
from temporal_bridge._client.connection import connect
from temporal_bridge._client.temporal_client import TemporalClient
from temporal_bridge._asyncio.portal import Portal

async def main():
    async with Portal() as portal:
        client = await portal.call(connect, TemporalClient(sys.argv[1]))
        handle = await portal.call(
            partial(client.start_workflow, "some-type", id=sys.argv[2], task_queue="nobody-listens")
        )
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(portal.call, handle.result)
            await trio.testing.wait_all_tasks_blocked()
            await portal.call(handle.describe)  # begun after those, so they are in flight when this is answered
            nursery.cancel_scope.cancel()

trio.run(main)
"""


def test_a_program_that_ends_with_rpcs_in_flight_ends_at_once_and_well() -> None:
    async def main() -> None:
        async with EmbeddedServer(database=False) as server:
            for number in range(5):
                command = [sys.executable, "-c", LONG_POLL, server.address, f"workflow-{number}"]
                with trio.fail_after(30):
                    done = await trio.run_process(
                        command, capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT
                    )
                assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    trio.run(main)
