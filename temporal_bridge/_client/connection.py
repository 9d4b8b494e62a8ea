"""The connection to Temporal itself: one that fails says why, and what to do."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError, RPCStatusCode

from actors import (
    INVALID,
    NOT_FOUND,
    PERMISSION_DENIED,
    UNAVAILABLE,
    Error,
    Kind,
    seconds,
)
from temporal_bridge._client.temporal_client import ConnectArguments, TemporalClient
from temporal_bridge._wire.sdk_log import CORE


async def connect(
    config: TemporalClient,
    *,
    address: str | None = None,
    interceptors: Sequence[Interceptor] = (),
    data_converter: DataConverter = DataConverter.default,
    runtime: Runtime | None = None,
) -> Client:
    """A connected client whose namespace exists; runs on the asyncio loop.

    Args:
        config: a resolved `TemporalClient`.
        address: where the embedded server listens, when it is that one.
        interceptors: for the client, and for the workers made with it.
        data_converter: for all payloads.
        runtime: of the SDK; by default `shared_runtime()`.

    Raises:
        Error: UNAVAILABLE, when nobody answers as Temporal does within `config.connect_timeout`; NOT_FOUND, when the
            namespace does not exist; PERMISSION_DENIED, when the server refuses; INVALID, when a certificate is broken.
    """
    arguments = config.connect_arguments(address)
    where = {"address": arguments["target_host"], "namespace": arguments["namespace"]}
    try:
        async with asyncio.timeout(seconds(config.connect_timeout, "connect_timeout")):
            client = await Client.connect(
                **arguments,
                interceptors=interceptors,
                data_converter=data_converter,
                header_codec_behavior=_HEADERS[data_converter.payload_codec is not None],
                runtime=runtime or shared_runtime(),
            )
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )
    except TimeoutError as error:
        raise _failure(UNAVAILABLE, f"no answer within {config.connect_timeout}", _SILENCE, where) from error
    except RPCError as error:
        kind, advice = _STATUS.get(error.status, (UNAVAILABLE, _NOT_TEMPORAL))
        raise _failure(kind, f"{error.status.name}: {error.message}", advice, where) from error
    except (RuntimeError, ValueError) as error:  # the SDK has no types for these
        text = str(error).removeprefix("Failed client connect: ")
        kind, advice = _reading_of(text, arguments)
        raise _failure(kind, text, advice, where) from error
    return client


# The context and the senders of messages travel in headers: what a codec hides it is to hide there too.
_HEADERS: Final = (HeaderCodecBehavior.NO_CODEC, HeaderCodecBehavior.CODEC)

_NOBODY: Final = (
    "start a Temporal server there, or correct the address; without any address, here and in the environment, "
    "Everproc runs an embedded server"
)
_SILENCE: Final = (
    "see that the address is that of a Temporal frontend, and whether it wants tls=True; or wait longer"
)
_REFUSED: Final = "give the api_key or the client certificate that this namespace wants"
_NO_NAMESPACE: Final = (
    "correct the namespace, or create it: temporal operator namespace create --namespace NAME"
)
_NOT_TEMPORAL: Final = (
    "see that the address is that of a Temporal frontend (gRPC, by default port 7233), and that it is well"
)
_TLS: Final = (
    "see that tls=TLS(server_root_ca=..., domain=..., client_cert=..., client_key=...) fits the server"
)
_HUNG_UP: Final = f"if the server wants TLS, say tls=True; else {_NOT_TEMPORAL}"

_STATUS: Final[Mapping[RPCStatusCode, tuple[Kind, str]]] = {
    RPCStatusCode.NOT_FOUND: (NOT_FOUND, _NO_NAMESPACE),
    RPCStatusCode.INVALID_ARGUMENT: (INVALID, _NO_NAMESPACE),
    RPCStatusCode.PERMISSION_DENIED: (PERMISSION_DENIED, _REFUSED),
    RPCStatusCode.UNAUTHENTICATED: (PERMISSION_DENIED, _REFUSED),
}

# A connection that failed the SDK describes in words only. The first that is found in them counts.
_TEXTS: Final[Sequence[tuple[str, Kind, str]]] = (
    ("code: (Unauthenticated|PermissionDenied)", PERMISSION_DENIED, _REFUSED),
    ("ParseError|NoCertificatesPresented", INVALID, "tls.client_cert and tls.client_key are to be PEM text"),
    ("ConnectionRefused|dns error|tcp connect error", UNAVAILABLE, _NOBODY),
    (
        "InvalidContentType",
        UNAVAILABLE,
        "the server does not speak TLS there: say tls=False, or correct the port",
    ),
    ("InvalidData|[Cc]ertificate|Alert", UNAVAILABLE, _TLS),
    ("hyper::Error|h2|BrokenPipe", UNAVAILABLE, _HUNG_UP),
)


def _reading_of(text: str, arguments: ConnectArguments) -> tuple[Kind, str]:
    tls = arguments["tls"]
    secure = tls not in (None, False) or (tls is None and arguments["api_key"] is not None)
    for pattern, kind, advice in _TEXTS:
        if re.search(pattern, text):
            return kind, _TLS if secure and advice is _HUNG_UP else advice
    return UNAVAILABLE, _NOT_TEMPORAL


def _failure(kind: Kind, what: str, advice: str, where: Mapping[str, str]) -> Error:
    shown = " ".join(f"{name}={value!r}" for name, value in where.items())
    return Error(f"no connection to Temporal at {shown}: {what}; {advice}", kind=kind, details=where)


_runtime_lock = threading.Lock()
_runtimes: dict[int, Runtime] = {}


def shared_runtime() -> Runtime:
    """The SDK's runtime of this OS process, made at the first call; its log goes to the logger "everproc.temporal".

    Left alone, the SDK writes its log to stdout, in the middle of what the program prints.
    """
    with _runtime_lock:
        pid = os.getpid()  # its threads do not come along in a fork, so a child needs its own
        if pid not in _runtimes:
            _runtimes[pid] = new_runtime()
        return _runtimes[pid]


def new_runtime(metrics: PrometheusConfig | None = None) -> Runtime:
    """A runtime of the SDK whose log goes where it should; with `metrics` it serves its figures over HTTP."""
    forwarding = LogForwardingConfig(logging.getLogger(CORE), append_target_to_name=False)
    levels = TelemetryFilter(core_level="WARN", other_level="ERROR")
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(filter=levels, forwarding=forwarding), metrics=metrics
        )
    )
