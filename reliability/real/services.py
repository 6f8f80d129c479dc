"""S3 and Secrets Manager on a port of this machine."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from local.servers.loopback import HOST
from reliability.aws import HttpSession, Services

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class _Connection(asyncio.Protocol):
    """A client's connection; see `aws.Connection`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._transport: asyncio.Transport
        self._session: HttpSession

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._session = self._services.accept(self)

    def data_received(self, data: bytes) -> None:
        self._session.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._session.lost()

    def answer(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def reset(self) -> None:
        own: socket.socket = self._transport.get_extra_info("socket")
        if not self._transport.is_closing():
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


@asynccontextmanager
async def listening(services: Services) -> AsyncIterator[int]:
    """Serve them during the block; yield the port."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(services), HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
