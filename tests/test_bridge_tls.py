"""The bridge over TLS and mutual TLS, with an API key, from the environment and from Temporal's configuration file."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from actors import UNAVAILABLE, Error, Node
from temporal_bridge import TLS, TemporalBridge, TemporalClient, Worker
from tests.outside_entries import app, run_function
from tests.tls_proxy import DOMAIN, Certificates, tls_proxy, write_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


async def works(client: TemporalClient) -> bool:
    """A process and its function run through this connection."""
    worker = Worker("out:worker", task_queue=f"q-{uuid.uuid4()}", entries=[app])
    async with Node("secure") as node, TemporalBridge(node, client, worker):
        return bool(await node.execute(run_function, "out:echo", [1]) == [1])


async def refused(client: TemporalClient, words: str) -> None:
    async with Node("secure") as node:
        with pytest.raises(Error, match=words) as raised:
            async with TemporalBridge(node, client):
                raise AssertionError
        assert raised.value.kind == UNAVAILABLE


async def test_tls_with_an_authority_of_ones_own(temporal_address: str, certificates: Certificates) -> None:
    async with tls_proxy(temporal_address, certificates) as proxy:
        assert await works(TemporalClient(proxy.address, tls=TLS(server_root_ca=certificates.authority)))
        text = certificates.authority.read_bytes()
        assert await works(TemporalClient(proxy.address, tls=TLS(server_root_ca=text, domain=DOMAIN)))
        advice = r"see that tls=TLS\(server_root_ca="
        await refused(TemporalClient(proxy.address, tls=True, connect_timeout="3s"), advice)
        wrong = TLS(server_root_ca=certificates.authority, domain="another.test")
        await refused(TemporalClient(proxy.address, tls=wrong, connect_timeout="3s"), advice)
        await refused(
            TemporalClient(proxy.address, connect_timeout="3s"), "if the server wants TLS, say tls=True"
        )


async def test_mutual_tls_wants_the_certificate_of_the_client(
    temporal_address: str, certificates: Certificates
) -> None:
    async with tls_proxy(temporal_address, certificates, mutual=True) as proxy:
        mutual = TLS(
            server_root_ca=certificates.authority,
            client_cert=certificates.client_cert,
            client_key=certificates.client_key,
        )
        assert await works(TemporalClient(proxy.address, tls=mutual))
        anonymous = TLS(server_root_ca=certificates.authority)
        await refused(
            TemporalClient(proxy.address, tls=anonymous, connect_timeout="3s"), r"see that tls=TLS\("
        )


async def test_api_key_goes_with_every_request(temporal_address: str, certificates: Certificates) -> None:
    async with tls_proxy(temporal_address, certificates) as proxy:
        client = TemporalClient(
            proxy.address,
            api_key="the-key",
            tls=TLS(server_root_ca=certificates.authority),
            rpc_metadata={"x-team": "orders"},
        )
        assert await works(client)
        requests = [seen for seen in proxy.headers if seen[":method"] == "POST"]
        assert any(seen[":path"].endswith("/StartWorkflowExecution") for seen in requests)
        assert any(seen[":path"].endswith("/PollWorkflowTaskQueue") for seen in requests)
        for seen in requests:
            assert seen["authorization"] == "Bearer the-key", seen
            assert seen["x-team"] == "orders"


async def test_address_certificates_and_key_come_from_the_environment(
    temporal_address: str, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_proxy(temporal_address, certificates, mutual=True) as proxy:
        for name, value in {
            "TEMPORAL_ADDRESS": proxy.address,
            "TEMPORAL_NAMESPACE": "default",
            "TEMPORAL_API_KEY": "of the environment",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(certificates.authority),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(certificates.client_cert),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(certificates.client_key),
            "TEMPORAL_TLS_SERVER_NAME": DOMAIN,
        }.items():
            monkeypatch.setenv(name, value)
        assert await works(TemporalClient())
        assert {seen.get("authorization") for seen in proxy.headers} == {"Bearer of the environment"}


async def test_address_and_certificates_come_from_temporals_configuration_file(
    temporal_address: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with tls_proxy(temporal_address, certificates, mutual=True) as proxy:
        file = tmp_path / "temporal.toml"
        file.write_text(
            f"""
            [profile.production]
            address = "{proxy.address}"
            namespace = "default"
            [profile.production.tls]
            server_ca_cert_path = "{certificates.authority}"
            client_cert_path = "{certificates.client_cert}"
            client_key_path = "{certificates.client_key}"
            server_name = "{DOMAIN}"
            [profile.production.grpc_meta]
            x-team = "orders"
            """
        )
        assert await works(TemporalClient(config_file=file, profile="production"))
        assert all(seen["x-team"] == "orders" for seen in proxy.headers)
