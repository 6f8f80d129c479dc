"""What the page can ask for. Only POST changes anything, and only of a kept local run."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from catalog.connections import Connections
from catalog.errors import CatalogError, UnreachableError, UsageError
from catalog.running import explained
from catalog.web import products, quarantine
from catalog.web.flow import aws_flow, local_flow
from catalog.web.kept import KeptRun, find_kept_run
from catalog.web.live import Live, Source, encoded
from catalog.web.parts import part_sources
from catalog.web.verdicts import Verdicts

_STATIC = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MOST_BODY_BYTES = 512 * 1024
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Console:
    """What answers requests; `kept`: the kept local run, None on AWS."""

    connections: Connections
    kept: KeptRun | None
    verdicts: Verdicts
    live: Live
    token: str

    async def page(self, _: Request) -> Response:
        """Return the page, with what it needs to know."""
        environment = self.connections.environment
        text = (_STATIC / "index.html").read_text(encoding="utf-8")
        for place, value in {
            "{token}": self.token,
            "{environment}": environment.name,
            "{region}": "this machine" if self.kept else environment.region,
            "{kind}": "local" if self.kept else "aws",
        }.items():
            text = text.replace(place, escape(value, quote=True))
        return HTMLResponse(text)

    async def events(self, _: Request) -> Response:
        """Return the live events, for as long as the page is open."""
        return StreamingResponse(_closing(self.live.events()), media_type="text/event-stream")

    async def products(self, request: Request) -> Any:
        """Return ids of products that begin with a text."""
        return await products.suggestions(self.connections, request.query_params.get("begin", ""))

    async def product(self, request: Request) -> Any:
        """Return a product's row and cached copy."""
        return await products.state_of(self.connections, _parameter(request, "id"))

    async def history(self, request: Request) -> Any:
        """Return every update of a product."""
        days = request.query_params.get("days")
        if days is not None and not (days.isascii() and days.isdigit() and 0 < len(days) < 5):
            raise UsageError("days is not a number of days, from 1 to 9999")
        product_id = _parameter(request, "id")
        return await products.history_of(self.connections, product_id, None if days is None else int(days))

    async def quarantined(self, request: Request) -> Any:
        """Return what is in quarantine."""
        return await quarantine.listing_document(self.connections, request.query_params.get("reason"))

    async def quarantined_record(self, request: Request) -> Any:
        """Return one record of it, and what would mend it."""
        return await quarantine.record_document(self.connections, request.path_params["id"])

    async def try_fix(self, request: Request) -> Any:
        """Return what a fix would make of a record."""
        asked = await _body(request)
        rule, text = _text(asked, "rule"), _optional_text(asked, "text")
        return await quarantine.tried_document(self.connections, _text(asked, "id"), rule, text)

    async def send_fix(self, request: Request) -> Any:
        """Send a fix that was tried."""
        asked = await _body(request)
        return await quarantine.send(
            self.connections,
            _text(asked, "id"),
            _text(asked, "rule"),
            _optional_text(asked, "text"),
            sha256=_text(asked, "sha256"),
            reason=_text(asked, "reason"),
        )

    async def check(self, request: Request) -> Any:
        """Begin to check the invariants."""
        await _body(request)
        return {"begun": self.verdicts.check()}

    async def switch(self, request: Request) -> Any:
        """Do something to the kept run."""
        asked = await _body(request)
        if self.kept is None:
            raise HTTPException(403, "nothing is switched on AWS")
        answer = await self.kept.do(_text(asked, "do"))
        self.live.publish("switches", {name: answer[name] for name in answer if name != "sent"})
        return answer


@asynccontextmanager
async def open_application(connections: Connections, token: str) -> AsyncIterator[Starlette]:
    """Yield the application; end what it has begun when the block ends."""
    kept = find_kept_run(connections)
    verdicts = Verdicts(connections.environment, lambda document: live.publish("verdicts", document))
    live = Live(_sources(connections, kept, verdicts))
    live.publish("verdicts", verdicts.document())
    console = Console(connections, kept, verdicts, live, token)
    asked = {
        "/api/products": console.products,
        "/api/product": console.product,
        "/api/history": console.history,
        "/api/quarantine": console.quarantined,
        "/api/quarantine/{id}": console.quarantined_record,
    }
    changes = {
        "/api/try": console.try_fix,
        "/api/send": console.send_fix,
        "/api/check": console.check,
        "/api/switch": console.switch,
    }
    application = Starlette(
        routes=[
            Route("/", console.page),
            Route("/api/events", console.events),
            Route("/static/{name:path}", _static(_files())),
            *(Route(path, _answered(answer)) for path, answer in asked.items()),
            *(Route(path, _answered(answer), methods=["POST"]) for path, answer in changes.items()),
        ],
        exception_handlers={HTTPException: _refused},
    )
    application.state.live = live
    try:
        yield application
    finally:
        live.close()
        if kept is not None:
            await kept.close()


def _sources(connections: Connections, kept: KeptRun | None, verdicts: Verdicts) -> list[Source]:
    pending: list[int | None] = [None]

    def on_part(name: str, part: Any) -> None:
        verdicts.note_part(name, part)
        if name == "pending":
            pending[0] = part.get("count")

    sources = part_sources(connections, on_part)
    if kept is None:
        return [*sources, aws_flow(connections)]
    if kept.log is not None:
        flow = local_flow(kept.log, lambda: kept.lag_seconds, lambda: pending[0], verdicts.note_batches)
        sources.append(flow)
    return [*sources, kept.watch]


async def _closing(events: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    # Starlette leaves a generator that it stops reading to the garbage collector.
    try:
        async for event in events:
            yield event
    finally:
        await events.aclose()


def _answered(answer: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that answers in JSON; what is wrong, in one line."""

    async def endpoint(request: Request) -> Response:
        try:
            return Response(encoded(await answer(request)), media_type=_JSON)
        except HTTPException:
            raise
        except Exception as error:
            told = explained(error)
            if told is None:
                raise
            return Response(encoded({"error": str(told)}), _status(told), media_type=_JSON)

    return endpoint


def _status(error: CatalogError) -> int:
    match error:
        case UsageError():
            return 400
        case UnreachableError():
            return 503
    return 409


async def _refused(_: Request, error: Exception) -> Response:
    status, why = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return Response(encoded({"error": why}), status, media_type=_JSON)


def _static(files: dict[str, tuple[bytes, str]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        found = files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "there is no such file")
        return Response(found[0], media_type=found[1])

    return endpoint


def _files() -> dict[str, tuple[bytes, str]]:
    """Return the files of the page, by name: no other can be asked for."""
    return {
        path.relative_to(_STATIC).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
        for path in _STATIC.rglob("*")
        if path.suffix in _TYPES
    }


async def _body(request: Request) -> dict[str, Any]:
    """Return the object in a request. Raises: HTTPException, UsageError."""
    if request.headers.get("content-type") != _JSON:
        raise HTTPException(415, f"the content type is not {_JSON}")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY_BYTES:
            raise HTTPException(413, f"more than {_MOST_BODY_BYTES:,} bytes")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the request is not JSON") from None
    if not isinstance(asked, dict):
        raise UsageError("the request is not an object")
    return asked


def _text(asked: dict[str, Any], name: str) -> str:
    value = asked.get(name)
    if not isinstance(value, str):
        raise UsageError(f"{name} is missing, or not a text")
    return value


def _optional_text(asked: dict[str, Any], name: str) -> str | None:
    return None if asked.get(name) is None else _text(asked, name)


def _parameter(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        raise UsageError(f"{name} is missing")
    return value
