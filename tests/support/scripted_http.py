"""A server that answers the fast way to AWS as a test scripts it, and aioboto3 always the same."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Script: TypeAlias = Callable[["Call"], Awaitable[None]]

DONE = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 0\r\n\r\n'
_CHECKSUM = re.compile(rb"\r\nx-amz-checksum-sha256: *([^\r]+)\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


@dataclass(kw_only=True)
class Call:
    """One request of the fast way; its script sends the answer. `connection` counts from 0."""

    head: bytes
    body: bytes
    connection: int
    writer: asyncio.StreamWriter

    def send(self, data: bytes, *, checksum: bytes | None = None) -> None:
        """Send bytes; if they are an answer of status 200, with the checksum of the request, as S3 does.

        `checksum`: another one; empty for none.
        """
        self.writer.write(self.with_checksum(data, checksum))

    def with_checksum(self, data: bytes, checksum: bytes | None = None) -> bytes:
        """Return what `send` sends."""
        if checksum is None:
            found = _CHECKSUM.search(self.head)
            checksum = found[1] if found else b""
        if checksum and data.startswith(b"HTTP/1.1 200"):
            return data.replace(b"\r\n", b"\r\nx-amz-checksum-sha256: " + checksum + b"\r\n", 1)
        return data

    def reset(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()

    def close(self) -> None:
        """Close the connection after what was sent."""
        self.writer.close()


@dataclass(kw_only=True)
class ScriptedServer:
    """The server: its URL, the requests of both ways, and the scripts of the fast way's next requests.

    `reads_bodies`: False answers the fast way after the head. Without a script, a request is done.
    """

    port: int = 0
    reads_bodies: bool = True
    careful_answer: bytes = DONE
    scripts: list[Script] = field(default_factory=list)
    fast: list[Call] = field(default_factory=list)
    careful: list[bytes] = field(default_factory=list)
    careful_heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        number, self.connections = self.connections, self.connections + 1
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            is_fast = b"user-agent: product-catalog-pipeline" in head
            body = b""
            if length and (self.reads_bodies or not is_fast):
                body = await reader.readexactly(int(length[1]))
            if is_fast:
                call = Call(head=head, body=body, connection=number, writer=writer)
                self.fast.append(call)
                await (self.scripts.pop(0) if self.scripts else sends(DONE))(call)
            else:
                self.careful.append(body)
                self.careful_heads.append(head)
                writer.write(self.careful_answer)


def sends(data: bytes) -> Script:
    """Return a script that sends this and leaves the connection open."""

    async def script(call: Call) -> None:
        call.send(data)

    return script


@asynccontextmanager
async def scripted_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedServer]:
    """Run a scripted server on a free port of loopback during the block."""
    scripted = ScriptedServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        try:
            await scripted.serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
