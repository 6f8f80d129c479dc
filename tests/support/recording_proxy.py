"""A reverse proxy for the emulator that records requests and the IAM rights that they need."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from local.servers.loopback import HOST

# Headers of one connection only. The body's length and encoding are passed on unchanged.
_HOP_BY_HOP = frozenset(
    {"connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
_OBJECT_ACTIONS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}
_BUCKET_ACTIONS = {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket"}
# Headers that need an additional right:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html, Permissions, and
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_HEADER_ACTIONS = {
    "if-match": "s3:GetObject",
    "x-amz-acl": "s3:PutObjectAcl",
    "x-amz-object-lock-legal-hold": "s3:PutObjectLegalHold",
    "x-amz-object-lock-mode": "s3:PutObjectRetention",
    "x-amz-object-lock-retain-until-date": "s3:PutObjectRetention",
    "x-amz-tagging": "s3:PutObjectTagging",
}
_HARMLESS_HEADERS = re.compile(
    r"x-amz-(checksum-\w+|content-sha256|date|sdk-checksum-algorithm|security-token)"
)
# These do not change which rights a request needs.
_HARMLESS_PARAMETERS = frozenset(
    {"x-id", "list-type", "prefix", "encoding-type", "start-after", "continuation-token"}
)
# First part of X-Amz-Target → the service's name in IAM, and the members that name the resource.
_TARGETS = {
    "AmazonAthena": ("athena", ("WorkGroup",)),
    "AmazonSQS": ("sqs", ("QueueUrl",)),
    "AmazonSSM": ("ssm", ("Name",)),
    "Kinesis_20131202": ("kinesis", ("StreamARN", "StreamName")),
    "secretsmanager": ("secretsmanager", ("SecretId",)),
}
_INVOCATION = re.compile("/2015-03-31/functions/([^/]+)/invocations")
_QUERY = "application/x-www-form-urlencoded"


class Use(NamedTuple):
    """An action on a resource, which is how IAM sees a request."""

    action: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """A recorded request; `body` only for the JSON and query protocols, since objects are streamed."""

    method: str
    path: str
    parameters: frozenset[str]
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass(kw_only=True)
class Recording:
    """The requests so far, and the URL to send more to."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)

    @property
    def uses(self) -> frozenset[Use]:
        """Rights that the requests need.

        Raises: ValueError for a request whose rights this module does not know.
        """
        return frozenset(use for request in self.requests for use in uses_of(request))


@asynccontextmanager
async def recorded(endpoint_url: str) -> AsyncIterator[Recording]:
    """Run a proxy on a free loopback port during the block."""
    recording = Recording()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def forward(incoming: web.Request) -> web.StreamResponse:
            is_read = "X-Amz-Target" in incoming.headers or incoming.content_type == _QUERY
            body = await incoming.read() if is_read else b""
            recording.requests.append(
                Request(
                    method=incoming.method,
                    path=incoming.path,
                    parameters=frozenset(incoming.query),
                    headers=incoming.headers,
                    body=body,
                )
            )
            # None if there is no body, since an empty stream would be sent as chunked.
            content = body if is_read else incoming.content if incoming.body_exists else None
            url = f"{endpoint_url}{incoming.raw_path}"
            async with session.request(
                incoming.method,
                url,
                headers=_without_hops(incoming.headers),
                data=content,
                allow_redirects=False,
            ) as upstream:
                response = web.StreamResponse(status=upstream.status, headers=_without_hops(upstream.headers))
                await response.prepare(incoming)
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", forward)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            recording.url = f"http://{HOST}:{runner.addresses[0][1]}"
            yield recording
        finally:
            await runner.cleanup()


def uses_of(request: Request) -> Iterator[Use]:
    """Yield the rights that a request needs; the resource is as the request names it, "" if it does not.

    Raises: ValueError if this module does not know them.
    """
    if target := request.headers.get("X-Amz-Target"):
        protocol, _, operation = target.partition(".")
        service, members = _TARGETS[protocol]
        named = json.loads(request.body)
        resource = next((named[member] for member in members if member in named), "")
        # SQS has no right of its own for many messages at once.
        yield Use(f"{service}:{operation.removesuffix('Batch')}", resource)
    elif request.headers.get("Content-Type", "").startswith(_QUERY):
        yield from _query_uses(parse_qs(request.body.decode())["Action"][0])
    elif invocation := _INVOCATION.fullmatch(request.path):
        yield Use("lambda:InvokeFunction", invocation[1])
    else:
        yield from _s3_uses(request)


def _query_uses(operation: str) -> Iterator[Use]:
    match operation:
        case "GetCallerIdentity":
            return  # nobody needs a right for it
        case "DescribeAlarms" | "GetMetricData":
            yield Use(f"cloudwatch:{operation}", "*")
        case _:
            raise ValueError(f"which rights {operation} needs")


def _s3_uses(request: Request) -> Iterator[Use]:
    bucket, _, key = request.path.removeprefix("/").partition("/")
    actions = [(_OBJECT_ACTIONS if key else _BUCKET_ACTIONS).get(request.method)]
    unknown = {*request.parameters} - _HARMLESS_PARAMETERS
    for header in map(str.lower, request.headers):
        if header in _HEADER_ACTIONS:
            actions.append(_HEADER_ACTIONS[header])
        elif header.startswith("x-amz-") and not _HARMLESS_HEADERS.fullmatch(header):
            unknown.add(header)
    resource = f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    for action in actions:
        if action is None or unknown:
            raise ValueError(f"which rights {request.method} {request.path} needs: {sorted(unknown)}")
        yield Use(action, resource)


def _without_hops(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            kept.add(name, value)
    return kept
