"""One ordinary HTTP/1.1 exchange: a request, and an answer that is clear. Anything else is no answer.

It has no retries, redirects, chunks or errors of its own. Whoever asks does the same in another way where
there is no answer (ADR 25), so a request must be safe to repeat.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import NamedTuple, cast

# For the connection and the answer together. S3 answers in a tenth of a second, and the other way needs time
# too. https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html: repeat
# requests that take longer than 2 s.
PATIENCE_SECONDS = 3.0
# As aiobotocore has it. S3 closes a connection that is idle for longer, and after a freeze nobody would know.
IDLE_SECONDS = 12.0
# RFC 8305, section 5.
_NEXT_ADDRESS_SECONDS = 0.25
_MOST_HEAD_BYTES = 16 * 1024
_OK = 200
_PRECONDITION_FAILED = 412
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3})(?: [\t -~]*)?")
_LENGTH = re.compile(rb"[0-9]{1,9}")
# Blanks around the value are stripped afterwards: in the pattern, they would take cubic time.
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~]*)")


class Server(NamedTuple):
    """Where to connect to, with or without TLS."""

    host: str
    port: int
    tls: bool


class Answer(NamedTuple):
    """Status 200 with its whole body, or 412 without it."""

    status: int
    body: bytes
    leaves_usable: bool


class Expected(NamedTuple):
    """What an answer of status 200 must be like.

    `header`: a header that it must have, in lower case, and its value; it shows that the answer is not
    another request's. `most_bytes`: how long its body may be.
    """

    header: tuple[bytes, bytes] | None = None
    most_bytes: int = 0


class _UnclearError(OSError):
    """What was received is no clear answer."""


class _Connection(asyncio.Protocol):
    """A connection that closes itself unless what it receives is the answer to the one request."""

    transport: asyncio.Transport
    idle_since = 0.0

    def __init__(self) -> None:
        self._received = b""
        self._expected = Expected()
        self._answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes, expected: Expected) -> Answer:
        """Send a request; return its answer. Raises: OSError, also for another than is expected."""
        self._received, self._expected = b"", expected
        self._answer = asyncio.get_running_loop().create_future()
        usable = False
        try:
            self.transport.write(request)
            answer = await self._answer
            usable = answer.leaves_usable
        finally:
            if not usable:  # also if it is cancelled: the next request's answer would be this one's
                self.transport.abort()
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._answer is None or self._answer.done():
            self.transport.abort()  # nobody asked
            return
        try:
            answer = _read(self._received, self._expected)
        except _UnclearError as error:
            self._answer.set_exception(error)
            return
        if answer is not None and self.transport.get_write_buffer_size():
            self._answer.set_exception(_UnclearError("an answer before the request was sent"))
        elif answer is not None:
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(exc)))


class Exchanges:
    """Connections to any number of servers, each used by one request at a time and kept for the next.

    `tls`: makes the context with which connections over TLS are verified.
    """

    def __init__(
        self,
        tls: Callable[[], ssl.SSLContext],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._make_tls = tls
        self._patience_seconds = patience_seconds
        self._idle_seconds = idle_seconds
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[Server, list[_Connection]] = {}

    async def ask(
        self, server: Server, request: bytes, expected: Expected, *, patience_seconds: float | None = None
    ) -> Answer | None:
        """Return the server's answer, or None if there is none in time or it is not what is expected.

        If the request is cancelled, its connection is closed.
        """
        try:
            async with asyncio.timeout(patience_seconds or self._patience_seconds):
                if (kept := self._take_idle(server)) is not None:
                    try:
                        return await self._ask(server, kept, request, expected)
                    except ConnectionResetError:
                        self.close_idle(server)  # what happened to one has happened to the others
                return await self._ask(server, await self._connect(server), request, expected)
        except TimeoutError:
            self.close_idle(server)  # the same: nobody may know any more of connections that were kept
            return None
        except (OSError, UnicodeError):  # the latter for a host that is no name
            return None

    def close_idle(self, server: Server) -> None:
        """Drop the connections to a server that no request uses."""
        for connection in self._idle.pop(server, []):
            connection.transport.abort()

    async def aclose(self) -> None:
        """Drop all connections."""
        for server in list(self._idle):
            self.close_idle(server)
        await asyncio.sleep(0)  # the loop closes them in its next turn

    async def _ask(
        self, server: Server, connection: _Connection, request: bytes, expected: Expected
    ) -> Answer:
        answer = await connection.ask(request, expected)
        if answer.leaves_usable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.setdefault(server, []).append(connection)
        return answer

    def _take_idle(self, server: Server) -> _Connection | None:
        oldest = asyncio.get_running_loop().time() - self._idle_seconds
        idle = self._idle.get(server, [])
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing() and connection.idle_since >= oldest:
                return connection
            connection.transport.abort()
        return None

    async def _connect(self, server: Server) -> _Connection:
        if server.tls and self._tls is None:
            self._tls = self._make_tls()
        tls = self._tls if server.tls else None
        # The loop looks the name up (event_loop.py).
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            _Connection,
            server.host,
            server.port,
            ssl=tls,
            # An endpoint in a VPC has an address in each zone, and one may be silent.
            happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
        )
        return connection


def _read(received: bytes, expected: Expected) -> Answer | None:
    """Return the answer that these bytes are, or None while more are needed. Raises: _UnclearError."""
    head, separator, body = received.partition(b"\r\n\r\n")
    if len(head) > _MOST_HEAD_BYTES:
        raise _UnclearError("a head that is too long")
    if not separator:
        return None
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    headers = [_HEADER.fullmatch(line) for line in lines]
    if status is None or int(status[1]) not in (_OK, _PRECONDITION_FAILED) or None in headers:
        raise _UnclearError("another status, or a head that is none")
    if int(status[1]) == _PRECONDITION_FAILED:
        return Answer(_PRECONDITION_FAILED, b"", leaves_usable=False)
    values: dict[bytes, list[bytes]] = {}
    for header in filter(None, headers):
        values.setdefault(header[1].lower(), []).append(header[2].strip(b" \t"))
    if expected.header is not None and values.get(expected.header[0]) != [expected.header[1]]:
        raise _UnclearError("another request's answer")
    length = _length(values)
    if length > expected.most_bytes or len(body) > length:
        raise _UnclearError("a body that is too long")
    if len(body) < length:
        return None
    is_kept = all(value.lower() == b"keep-alive" for value in values.get(b"connection", []))
    return Answer(_OK, body, leaves_usable=is_kept)


def _length(values: dict[bytes, list[bytes]]) -> int:
    """Return how long the body is, by the values of the headers. Raises: _UnclearError."""
    if b"transfer-encoding" in values or b"content-encoding" in values:
        raise _UnclearError("a body that would have to be decoded")
    lengths = values.get(b"content-length", [])
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        raise _UnclearError("no length, or more than one")
    return int(lengths[0])
