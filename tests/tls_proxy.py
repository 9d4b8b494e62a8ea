"""A real TLS endpoint before a Temporal server: certificates of the tests' own, and a proxy that shows what it saw."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import hpack
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DOMAIN = "temporal.test"


@attrs.frozen
class Certificates:
    """The PEM files of an authority, of a server for `DOMAIN`, and of a client."""

    authority: Path
    server_cert: Path
    server_key: Path
    client_cert: Path
    client_key: Path


def write_certificates(directory: Path) -> Certificates:
    """Issue them anew."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _issue("authority", authority_key, authority_key, None)
    files = {"authority": directory / "authority.pem"}
    files["authority"].write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name, usage in (
        ("server", ExtendedKeyUsageOID.SERVER_AUTH),
        ("client", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        files[f"{name}_cert"] = directory / f"{name}.pem"
        files[f"{name}_cert"].write_bytes(
            _issue(name, key, authority_key, usage).public_bytes(serialization.Encoding.PEM)
        )
        files[f"{name}_key"] = directory / f"{name}.key"
        files[f"{name}_key"].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    return Certificates(**files)


def _issue(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, usage: Any
) -> x509.Certificate:
    def named(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])

    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("authority"))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=usage is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if usage is not None:
        names = [
            x509.DNSName(DOMAIN),
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        built = built.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return built.sign(by, hashes.SHA256())


@attrs.define
class Proxy:
    """An open proxy: where it listens, and the headers of the requests that went through."""

    address: str
    headers: list[dict[str, str]] = attrs.field(factory=list[dict[str, str]])


@asynccontextmanager
async def tls_proxy(
    upstream: str, certificates: Certificates, *, mutual: bool = False
) -> AsyncGenerator[Proxy]:
    """Terminates TLS before the server at `upstream`; `mutual` wants a certificate of the client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    context.set_alpn_protocols(["h2"])
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy = Proxy(f"127.0.0.1:{listener.socket.getsockname()[1]}")
        nursery.start_soon(trio.serve_listeners, partial(_serve, upstream, context, proxy), [listener])
        yield proxy
        nursery.cancel_scope.cancel()


async def _serve(upstream: str, context: ssl.SSLContext, proxy: Proxy, plain: trio.SocketStream) -> None:
    secure = trio.SSLStream(plain, context, server_side=True, https_compatible=True)
    host, port = upstream.split(":")
    try:
        await secure.do_handshake()
        async with await trio.open_tcp_stream(host, int(port)) as server, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, server, secure, None, nursery.cancel_scope)
            nursery.start_soon(_copy, secure, server, _Headers(proxy.headers), nursery.cancel_scope)
    except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
        pass  # whoever connected does not like us, or has gone
    finally:
        await trio.aclose_forcefully(secure)


async def _copy(source: Any, target: Any, seen: _Headers | None, scope: trio.CancelScope) -> None:
    try:
        while data := await source.receive_some():
            if seen is not None:
                seen.feed(data)
            await target.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    scope.cancel()


class _Headers:
    """Reads the headers of requests from one side of an HTTP/2 connection."""

    def __init__(self, found: list[dict[str, str]]) -> None:
        self._found = found
        self._decoder = hpack.Decoder()
        self._rest = b""
        self._preface = 24

    def feed(self, data: bytes) -> None:
        self._rest += data
        if self._preface and len(self._rest) >= self._preface:
            self._rest, self._preface = self._rest[self._preface :], 0
        while not self._preface and len(self._rest) >= 9:
            length = int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < 9 + length:
                return
            kind, flags = self._rest[3], self._rest[4]
            payload, self._rest = self._rest[9 : 9 + length], self._rest[9 + length :]
            if kind == 1:  # headers; tonic sends them whole, without padding
                payload = payload[5:] if flags & 0x20 else payload
                self._found.append({str(name): str(value) for name, value in self._decoder.decode(payload)})
