"""Whom the observer answers: who has the token, and a browser only for the page of its own address."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """An ASGI application around another, which it lets nobody reach who is not meant to.

    A page of another site that has its name resolved to this address (DNS rebinding) comes with that name as its Host:
    so no name is taken but `localhost` and that of the bound address; an address says only itself. Its scripts cannot
    read what comes from here, as nothing allows that (CORS), and cannot know the token. Acting takes the token in a
    header, which no form of another site can send. The `public` paths are files without secrets, which take no token.
    """

    def __init__(self, application: ASGIApp, token: str, host: str, public: Collection[str]) -> None:
        self._application = application
        self._token = token.encode()
        self._host = host
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._application(scope, receive, with_headers)
        else:
            await PlainTextResponse(refusal + "\n", 403)(scope, receive, with_headers)

    def _refusal(self, scope: MutableMapping[str, Any], headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return "refused: open the observer by the address that it was started with"
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return "refused: this came from the page of another site"
        if scope["path"] in self._public:
            return None
        given = headers.get("x-everproc-token", "")
        if scope["method"] in ("GET", "HEAD") and not given:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not secrets.compare_digest(given.encode(), self._token):
            return "refused: the token is missing or wrong; open the whole URL that the program has printed"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
