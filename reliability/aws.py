"""S3 and Secrets Manager over HTTP, what may go wrong with them, and a client in place of aioboto3's."""

import asyncio
import hashlib
import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.exceptions import ClientError, EndpointConnectionError

from reliability.history import Fault
from reliability.worlds import World

# Status, headers and body.
Answer: TypeAlias = tuple[int, dict[str, str], bytes]

ENDPOINT = "aws"
ARCHIVE, QUARANTINE = "archive", "quarantine"
_ATTEMPTS = 3
_READ_SECONDS = 10.0
_WORK_SECONDS = 5e-3
# The service, and the status that it answers with or what else it does.
TROUBLES = {
    "s3: 500": ("s3", "500"),
    "s3: 503": ("s3", "503"),
    "s3: 409": ("s3", "409"),
    "s3: 412": ("s3", "412"),
    "s3: slow": ("s3", "slow"),
    "s3: answers lost": ("s3", "lost"),
    "s3: cut": ("s3", "cut"),
    "secrets: throttled": ("secrets", "400"),
    "secrets: 500": ("secrets", "500"),
    "secrets: slow": ("secrets", "slow"),
}
_KEY = re.compile(rb"<Key>(.*?)</Key>")


class Connection(Protocol):
    """A connection to the services, as they see it."""

    def answer(self, data: bytes) -> None:
        """Send to the client."""

    def reset(self) -> None:
        """End it at once."""


@dataclass(slots=True)
class Trouble:
    """What the service does until a time, to a share of requests.

    `kind`: the status of its answers, `slow`, `cut` before it does anything, or `lost` answers after it.
    `bucket`: only to requests for this bucket.
    """

    kind: str
    until: float
    share: float = 1.0
    seconds: float = 0.0
    bucket: str = ""


@dataclass(slots=True)
class Services:
    """Buckets and secrets. `objects`: (bucket, key) → body; `secrets`: ARN → text; `overwritten`: keys."""

    world: World
    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    overwritten: list[str] = field(default_factory=list)
    s3_trouble: Trouble = field(default_factory=lambda: Trouble("none", 0.0))
    secrets_trouble: Trouble = field(default_factory=lambda: Trouble("none", 0.0))

    def trouble(self, fault: Fault, pace: float = 1.0) -> None:
        """Begin the trouble that is a fault; `pace`: how many seconds of a history pass in one."""
        service, kind = TROUBLES[fault.kind]
        trouble = Trouble(
            kind,
            self.world.now + fault.seconds / pace,
            share=1.0 if fault.pick < 0.5 else 0.5,
            seconds=20 * fault.pick**2 / pace,
        )
        if service == "s3":
            # In half of the cases, one bucket's: what fails alone is swallowed most easily.
            trouble.bucket = ("", "", ARCHIVE, QUARANTINE)[int(1000 * fault.pick) % 4]
            self.s3_trouble = trouble
        else:
            self.secrets_trouble = trouble

    def end_troubles(self) -> None:
        """Work as usual again."""
        self.s3_trouble.until = self.secrets_trouble.until = 0.0

    def accept(self, connection: Connection) -> "HttpSession":
        """Return the session of a new connection."""
        return HttpSession(self, connection)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Return status, headers and body of a request's answer."""
        if "x-amz-target" in headers:
            secret = self.secrets[json.loads(body)["SecretId"]]
            return 200, {}, json.dumps({"SecretString": secret}).encode()
        url = urlsplit(target)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        if method == "PUT":
            return self._put(bucket, key, headers, body)
        if "list-type" in parse_qs(url.query):
            prefix = parse_qs(url.query).get("prefix", [""])[0]
            keys = sorted(name for held, name in self.objects if held == bucket and name.startswith(prefix))
            contents = "".join(f"<Contents><Key>{html.escape(key)}</Key></Contents>" for key in keys)
            return 200, {}, f"<ListBucketResult>{contents}</ListBucketResult>".encode()
        found = self.objects.get((bucket, key))
        return _error(404, is_s3=True) if found is None else (200, {}, found)

    def _put(self, bucket: str, key: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if headers.get("if-none-match") == "*" and (bucket, key) in self.objects:
            return _error(412, is_s3=True)
        if (bucket, key) in self.objects:
            self.overwritten.append(key)
        self.objects[bucket, key] = body
        if not key.startswith("operations/"):  # the real time is in their names, which nothing reads
            self.world.note(f"s3: {bucket}/{key} {hashlib.sha256(body).hexdigest()[:12]}")
        checksum = headers.get("x-amz-checksum-sha256", "")
        return 200, {"x-amz-checksum-sha256": checksum} if checksum else {}, b""


class HttpSession:
    """A connection to the services."""

    def __init__(self, services: Services, connection: Connection) -> None:
        self._services = services
        self._connection = connection
        self._received = b""

    def received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        first, *lines = head.decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in lines)
        headers = {name.lower(): value for name, value in pairs}
        length = int(headers.get("content-length", "0"))
        if len(body) < length:
            return
        self._received = body[length:]
        method, target, _ = first.split(" ")
        services, random = self._services, self._services.world.random
        trouble = services.secrets_trouble if "x-amz-target" in headers else services.s3_trouble
        seconds = random.random() * _WORK_SECONDS
        is_meant = services.world.now < trouble.until and target.startswith(f"/{trouble.bucket}")
        is_troubled = is_meant and random.random() < trouble.share
        kind = trouble.kind if is_troubled else "none"
        if kind == "412" and method != "PUT":
            kind = "none"
        if kind == "slow":
            seconds += trouble.seconds * random.random()
        services.world.after(seconds, self._answer, (method, target, headers, body[:length]), kind)

    def lost(self) -> None:
        """Forget the connection."""

    def _answer(self, request: tuple[str, str, dict[str, str], bytes], kind: str) -> None:
        is_s3 = "x-amz-target" not in request[2]
        is_done = (not kind.isdigit() and kind != "cut") or kind == "412"
        status, headers, body = self._services.answer(*request) if is_done else (0, {}, b"")
        if kind in ("cut", "lost"):  # the last is done, but nobody hears of it
            self._connection.reset()
            return
        if kind.isdigit():
            status, headers, body = _error(int(kind), is_s3=is_s3)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} Simulated\r\n{lines}content-length: {len(body)}\r\n\r\n"
        self._connection.answer(head.encode() + body)


class CarefulClient:
    """What the processor and the tools use of aioboto3's clients, with their attempts and errors."""

    address: tuple[str, int] = (ENDPOINT, 80)

    def __init__(self, *_: object, **__: object) -> None:
        """Take the region and how buckets are addressed, which do not matter here."""

    async def client(self, _service: str) -> "CarefulClient":
        """Return the client of any service."""
        return self

    async def credentials(self) -> None:
        """Return none: they are in the environment variables."""

    async def aclose(self) -> None:
        """Close nothing: each call has its own connection."""

    async def put_object(self, **request: Any) -> None:
        headers = {"if-none-match": request["IfNoneMatch"]} if "IfNoneMatch" in request else {}
        await self._call("PUT", f"/{request['Bucket']}/{request['Key']}", headers, request["Body"])

    async def get_object(self, **request: Any) -> dict[str, Any]:
        return {"Body": _Body(await self._call("GET", f"/{request['Bucket']}/{request['Key']}"))}

    async def list_objects_v2(self, **request: Any) -> dict[str, Any]:
        found = await self._call("GET", f"/{request['Bucket']}?list-type=2&prefix={request['Prefix']}")
        return {"Contents": [{"Key": html.unescape(key.decode())} for key in _KEY.findall(found)]}

    async def get_secret_value(self, *, SecretId: str) -> Mapping[str, Any]:  # noqa: N803
        body = json.dumps({"SecretId": SecretId}).encode()
        found: dict[str, Any] = json.loads(await self._call("POST", "/", {"x-amz-target": "secret"}, body))
        return found

    async def _call(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        for attempt in range(_ATTEMPTS):
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    status, answered = await self._exchange(method, target, headers or {}, body)
            except (OSError, asyncio.IncompleteReadError) as error:
                if attempt == _ATTEMPTS - 1:
                    raise EndpointConnectionError(endpoint_url=f"http://{ENDPOINT}", error=error) from error
            else:
                if status == 200:
                    return answered
                if status < 500 or attempt == _ATTEMPTS - 1:
                    said: Any = {
                        "Error": {"Code": str(status)},
                        "ResponseMetadata": {"HTTPStatusCode": status},
                    }
                    raise ClientError(said, method)
            await asyncio.sleep(0.1 * 2**attempt)
        raise ValueError("no attempts")

    async def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(
                f"{method} {target} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
            )
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            return int(head.split(" ")[1]), await reader.readexactly(length)
        finally:
            writer.close()


class _Body:
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def iter_chunks(self, _size: int) -> Any:
        """Yield the body."""
        yield self._body

    async def read(self) -> bytes:
        return self._body


def _error(status: int, *, is_s3: bool) -> Answer:
    if is_s3:
        return status, {}, f"<Error><Code>{status}</Code><Message>as drawn</Message></Error>".encode()
    return status, {}, json.dumps({"__type": "ThrottlingException", "message": "as drawn"}).encode()
