"""Who may ask the console: the page that it served, at its own address, in the browser that has its key.

A page elsewhere in the browser can send requests to loopback, and through a name that it points there (DNS
rebinding) read the answers. Other users of the machine can reach loopback, too.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Trusted types: a browser that has them refuses every text that a script would make HTML of.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
TOKEN_HEADER = "x-console-token"  # noqa: S105 its name
_SAFE_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What one process gives out. `key`: in the address that it prints; `token`: in the page, for changes."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Guard:
    """Refuses a request, or passes it on; every answer gets the headers that protect the page."""

    def __init__(self, app: ASGIApp, *, port: int, known: Secrets) -> None:
        self._app = app
        self._known = known
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        # Cookies do not tell ports apart.
        self._cookie = f"catalog-console-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        has_key = scope["path"] == "/" and self._is_key(QueryParams(scope["query_string"]).get("key"))
        extra = dict(HEADERS)
        if has_key:
            extra["set-cookie"] = f"{self._cookie}={self._known.key}; Path=/; HttpOnly; SameSite=Strict"

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_encoded(extra)]
            await send(message)

        why = self._refusal(scope["method"], headers, has_key=has_key)
        app = self._app if why is None else PlainTextResponse(f"{why}\n", 403)
        await app(scope, receive, send_protected)

    def _refusal(self, method: str, headers: Headers, *, has_key: bool) -> str | None:
        """Return why a request is refused; None: it is not."""
        host = headers.get("host", "")
        if host not in self._hosts:
            return f"the host is not {' or '.join(sorted(self._hosts))}"
        if not has_key:
            if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return "the request comes from another site"
            if not self._is_key(cookie_parser(headers.get("cookie", "")).get(self._cookie)):
                return "open the address that `catalog console` printed: its key is missing or of another run"
        if method in _SAFE_METHODS:
            return None
        if headers.get("origin") != f"http://{host}":
            return "the origin is not this page"
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._known.token.encode()):
            return "the page is of another run: load it again"
        return None

    def _is_key(self, said: str | None) -> bool:
        return said is not None and secrets.compare_digest(said.encode(), self._known.key.encode())


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
