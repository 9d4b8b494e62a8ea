"""How to reach Temporal: what the user says, and what the environment and Temporal's own file say."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, TypedDict, cast

import attrs
from temporalio.converter import PayloadCodec
from temporalio.envconfig import ClientConfigProfile, ClientConfigTLS
from temporalio.service import TLSConfig

from actors import INVALID, Duration, Error, invalid, seconds

Pem = bytes | str | os.PathLike[str]
"""A certificate or key: the PEM text as bytes, or the path of its file."""

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):(\d{1,5})")
_CONVERTERS: Final = ("msgpack", "json")
_TRUTHS: Final = ("true", "false", "1", "0")


def _secret(value: object) -> str:
    return "None" if value is None else "'...'"


@attrs.frozen(kw_only=True)
class TLS:
    """How to speak TLS with the server, where `tls=True` is not enough.

        TLS(server_root_ca="ca.pem", client_cert="client.pem", client_key="client.key")

    Args:
        server_root_ca: whom to trust instead of the system's authorities.
        client_cert: our certificate, for mutual TLS; it needs `client_key`.
        client_key: our private key; it needs `client_cert`.
        domain: the name the server's certificate is for, where that is not the host of the address.

    Raises:
        Error: kind INVALID, when a file is missing or one of certificate and key is.
    """

    server_root_ca: Pem | None = None
    client_cert: Pem | None = None
    client_key: Pem | None = attrs.field(default=None, repr=_secret)
    domain: str | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("server_root_ca", "client_cert", "client_key"):
            _check_pem(f"tls.{name}", getattr(self, name))
        if (self.client_cert is None) != (self.client_key is None):
            given, missing = ("client_cert", "client_key")
            if self.client_cert is None:
                given, missing = missing, given
            raise Error(
                f"tls.{given} was given without tls.{missing}: mutual TLS needs both, server-side TLS neither",
                kind=INVALID,
                details={"name": f"tls.{missing}"},
            )
        _check_text("tls.domain", self.domain, "a host name such as 'temporal.example.com'")

    def load(self) -> TLSConfig:
        """As the SDK wants it, with the files read."""
        return TLSConfig(
            server_root_ca_cert=_read_pem("tls.server_root_ca", self.server_root_ca),
            client_cert=_read_pem("tls.client_cert", self.client_cert),
            client_private_key=_read_pem("tls.client_key", self.client_key),
            domain=self.domain,
        )


class ConnectArguments(TypedDict):
    """The keyword arguments of `temporalio.client.Client.connect` that a `TemporalClient` decides."""

    target_host: str
    namespace: str
    api_key: str | None
    tls: bool | TLSConfig | None
    rpc_metadata: Mapping[str, str | bytes]
    identity: str | None
    connect_timeout: timedelta


@attrs.frozen
class TemporalClient:
    """How to reach Temporal, and how to write its payloads.

        TemporalClient(address=None)    # the embedded server, for trying and testing
        TemporalClient("localhost:7233", namespace="orders")
        TemporalClient("eu.api.temporal.io:7233", namespace="orders.a1b2c", api_key=key)

    What is left out comes from the environment (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
    `TEMPORAL_TLS...`), then from a profile of Temporal's own configuration file, as for the `temporal` command. When no
    address is found in any of them, it is the embedded server: a real one, started and stopped with the bridge.

    Args:
        address: `host:port` of the server's frontend.
        namespace: the namespace to work in; by default "default".
        api_key: for Temporal Cloud; turns TLS on.
        tls: True or False, or a `TLS` with certificates.
        profile: which profile of the configuration file; by default `TEMPORAL_PROFILE`, else "default".
        config_file: that file; by default `TEMPORAL_CONFIG_FILE`, else the one the `temporal` command uses.
        converter: how payloads are written: "json", what JSON can say exactly, to be read by every client of
            Temporal's, and the rest as msgpack; or "msgpack", all as that.
        codec: encrypts or compresses payloads.
        data_dir: where the embedded server keeps its database and log; by default `.everproc`.
        ui: whether the embedded server serves Temporal's web UI, to which the observer then links.
        identity: the name of this client in histories; by default process id and host.
        rpc_metadata: headers of each request.
        connect_timeout: how long connecting may take, with the look at the namespace.

    Raises:
        Error: kind INVALID, when an argument is not of that form, or a file that it names does not exist.
    """

    address: str | None = None
    namespace: str | None = attrs.field(default=None, kw_only=True)
    api_key: str | None = attrs.field(default=None, kw_only=True, repr=_secret)
    tls: bool | TLS | None = attrs.field(default=None, kw_only=True)
    profile: str | None = attrs.field(default=None, kw_only=True)
    config_file: str | os.PathLike[str] | None = attrs.field(default=None, kw_only=True)
    converter: Literal["msgpack", "json"] = attrs.field(default="json", kw_only=True)
    codec: PayloadCodec | None = attrs.field(default=None, kw_only=True)
    data_dir: str | os.PathLike[str] | None = attrs.field(default=None, kw_only=True)
    ui: bool = attrs.field(default=False, kw_only=True)
    identity: str | None = attrs.field(default=None, kw_only=True)
    rpc_metadata: Mapping[str, str] = attrs.field(factory=dict[str, str], kw_only=True, repr=False)
    connect_timeout: Duration = attrs.field(default="10s", kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_address(self.address)
        _check_text("namespace", self.namespace, "the name of a namespace, such as 'default'")
        if self.api_key is not None and not (isinstance(self.api_key, str) and self.api_key.strip()):
            # Never the value itself: it may be a key in the wrong type.
            raise Error(
                f"api_key is not valid: expected a string that is not empty, got {type(self.api_key).__name__}",
                kind=INVALID,
                details={"name": "api_key"},
            )
        if self.tls is not None and not isinstance(self.tls, bool | TLS):
            raise invalid("tls", self.tls, "True, False, or TLS(server_root_ca=..., client_cert=..., ...)")
        _check_text("profile", self.profile, "the name of a profile in Temporal's configuration file")
        if self.config_file is not None:
            _check_file("config_file", self.config_file, "the path of Temporal's configuration file, in TOML")
        if self.converter not in _CONVERTERS:
            raise invalid("converter", self.converter, 'one of "msgpack", "json"')
        if self.codec is not None and not isinstance(self.codec, PayloadCodec):
            raise invalid("codec", self.codec, "a temporalio.converter.PayloadCodec, with encode and decode")
        if self.data_dir is not None and not isinstance(self.data_dir, str | os.PathLike):
            raise invalid("data_dir", self.data_dir, "the path of a directory")
        if not isinstance(self.ui, bool):
            raise invalid("ui", self.ui, "True or False")
        _check_text("identity", self.identity, "a string that is not empty")
        if not isinstance(self.rpc_metadata, Mapping) or not all(
            isinstance(item, str) for pair in self.rpc_metadata.items() for item in pair
        ):
            raise invalid("rpc_metadata", "...", "a mapping of strings to strings")
        if seconds(self.connect_timeout, "connect_timeout") == 0:
            raise invalid(
                "connect_timeout", self.connect_timeout, 'a duration longer than zero, such as "10s"'
            )

    def resolve(self, environ: Mapping[str, str] | None = None) -> TemporalClient:
        """This, with what was left out filled in from `environ` (by default the process's) and Temporal's file.

        In the result `namespace` is set, and `address` None means the embedded server.

        Raises:
            Error: kind INVALID, when what is found there is not valid; or when there are credentials but no address,
                because they would silently not be used.
        """
        found = _load_profile(self, os.environ if environ is None else environ)
        try:
            resolved = attrs.evolve(
                self,
                address=self.address or found.address or None,
                namespace=self.namespace or found.namespace or "default",
                api_key=self.api_key or found.api_key or None,
                tls=self.tls if self.tls is not None else _tls_of(found.tls),
                rpc_metadata={**found.grpc_meta, **self.rpc_metadata},
            )
        except Error as error:  # what was given here was checked before, so it is something found
            raise Error.wrap(error, "in the environment or in Temporal's configuration file") from error
        if resolved.address is None and (resolved.api_key or resolved.tls):
            name = "api_key" if resolved.api_key else "tls"
            raise Error(
                f"{name} is set, but no address: expected address='host:port' of the server it is for, here or in "
                f"TEMPORAL_ADDRESS; or leave {name} out, here and in the environment, for the embedded server",
                kind=INVALID,
                details={"name": "address"},
            )
        return resolved

    def connect_arguments(self, address: str | None = None) -> ConnectArguments:
        """The keyword arguments for `Client.connect`, of a resolved client; reads the files of `tls`.

        Args:
            address: where the embedded server listens, when it is that one.
        """
        target = self.address or address
        if target is None:
            raise invalid("address", None, "the address of the embedded server, which this client is for")
        return ConnectArguments(
            target_host=target,
            namespace=self.namespace or "default",
            api_key=self.api_key,
            tls=self.tls.load() if isinstance(self.tls, TLS) else self.tls,
            rpc_metadata=dict(self.rpc_metadata),
            identity=self.identity,
            connect_timeout=timedelta(seconds=seconds(self.connect_timeout, "connect_timeout")),
        )


def _load_profile(config: TemporalClient, environ: Mapping[str, str]) -> ClientConfigProfile:
    switch = environ.get("TEMPORAL_TLS")
    if switch and switch.lower() not in _TRUTHS:  # the SDK would pass over it
        raise invalid("TEMPORAL_TLS", switch, "true or false")
    path = config.config_file or environ.get("TEMPORAL_CONFIG_FILE") or None
    if (
        path is not None
    ):  # a missing file the SDK would pass over, and we would start an embedded server instead
        _check_file("TEMPORAL_CONFIG_FILE", path, "the path of Temporal's configuration file, in TOML")
    try:
        return ClientConfigProfile.load(
            profile=config.profile,
            config_source=None if path is None else Path(path),
            override_env_vars={name: value for name, value in environ.items() if value},  # "" is not set
        )
    except RuntimeError as error:
        shown = f"profile={config.profile or environ.get('TEMPORAL_PROFILE') or 'default'!r}"
        raise Error(
            f"Temporal's configuration cannot be used, config_file={str(path or 'the default one')!r} {shown}: "
            f"{error}; correct the file or the TEMPORAL_... variables",
            kind=INVALID,
        ) from error


def _tls_of(found: ClientConfigTLS | None) -> bool | TLS | None:
    if found is None or found.disabled:
        return None if found is None else False
    sources = {
        "server_root_ca": found.server_root_ca_cert,
        "client_cert": found.client_cert,
        "client_key": found.client_private_key,
    }
    # In the SDK's words a str is the text of the file; in ours it is a path.
    pems = {name: value.encode() if isinstance(value, str) else value for name, value in sources.items()}
    if found.server_name is None and not any(pems.values()):
        return True
    return TLS(**pems, domain=found.server_name)


def _check_address(address: object) -> None:
    if address is None:
        return
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is not None and 0 < int(match[2]) < 65536:
        return
    expected = 'host:port, such as "localhost:7233", or None for the embedded server'
    if isinstance(address, str) and "://" in address:
        expected += f"; write it without {address.split('://')[0]}://"
    raise invalid("address", address, expected)


def _check_text(name: str, value: object, expected: str) -> None:
    if value is not None and not (isinstance(value, str) and value.strip()):
        raise invalid(name, value, expected)


def _check_file(name: str, value: object, expected: str) -> None:
    if not isinstance(value, str | os.PathLike):
        raise invalid(name, value, expected)
    path = Path(cast("str | os.PathLike[str]", value))
    if not path.is_file():
        raise invalid(name, str(path), f"{expected}; there is no such file")


def _check_pem(name: str, value: object) -> None:
    if value is None or (isinstance(value, bytes) and value):
        return
    if isinstance(value, str) and "-----BEGIN" in value:
        raise Error(
            f"{name} is not valid: expected a path, or the PEM text as bytes, got the text as str; add .encode()",
            kind=INVALID,
            details={"name": name},
        )
    if isinstance(value, bytes):
        raise invalid(name, value, "the path of a PEM file, or its text as bytes, not empty")
    _check_file(name, value, "the path of a PEM file, or its text as bytes")


def _read_pem(name: str, value: Pem | None) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    try:
        return Path(value).read_bytes()
    except OSError as error:
        raise Error(
            f"{name}={str(value)!r} cannot be read: {error.strerror}; see to the file and its permissions",
            kind=INVALID,
            details={"name": name},
        ) from error
