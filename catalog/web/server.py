"""The console's server: Starlette on uvicorn, on loopback only, until Ctrl-C."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable

import uvicorn

from catalog.connections import Connections
from catalog.errors import UsageError
from catalog.web.application import open_application
from catalog.web.guard import Guard, Secrets

HOST = "127.0.0.1"
_OPEN_REQUESTS = 100
_LAST_SECONDS = 1


async def serve(
    connections: Connections,
    *,
    port: int,
    on_ready: Callable[[str], None],
    until: asyncio.Event | None = None,
) -> None:
    """Serve the page until Ctrl-C, or `until` is set; `on_ready` is called with its address.

    `port`: 0 is any free one. Raises: UsageError if it is taken.
    """
    known = Secrets()
    # A pool logs each connection that it fails to make; the page shows that the database is away.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    with listening(port) as listener:
        bound: int = listener.getsockname()[1]
        async with open_application(connections, known.token) as application:
            guard = Guard(application, port=bound, known=known)
            server = _Server(_config(guard), application.state.live.end)
            ending = asyncio.create_task(_end(server, until)) if until else None
            on_ready(f"http://{HOST}:{bound}/?key={known.key}")
            try:
                await server.serve(sockets=[listener])
            finally:
                if ending is not None:
                    ending.cancel()


class _Server(uvicorn.Server):
    """A server that ends the pages' events first; it would wait for them."""

    def __init__(self, config: uvicorn.Config, end_events: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_events = end_events

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_events()
        await super().shutdown(sockets)


def listening(port: int) -> socket.socket:
    """Return a socket that listens on a port of loopback. Raises: UsageError."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        what = "is taken" if error.errno == errno.EADDRINUSE else "needs more rights"
        raise UsageError(f"port {port} of {HOST} {what}: give another with --port, or 0 for any") from None


def _config(application: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_OPEN_REQUESTS,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


async def _end(server: uvicorn.Server, until: asyncio.Event) -> None:
    await until.wait()
    server.should_exit = True
