"""A TCP proxy to a real server that passes data on, or delays, drops, resets, refuses or hangs."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
_CHUNK_BYTES = 65536
_BACKLOG = 1024
# https://man7.org/linux/man-pages/man7/socket.7.html: SO_LINGER with 0 s, so that closing sends a reset.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """A client's connection and the one to the server; if `swallowed`, nothing passes any more.

    `swallows_answers`: nothing passes to the client. `cuts_after_delivery`: the client's next data reaches
    the server, and then the client's connection is reset.
    """

    def __init__(self) -> None:
        self.swallowed = False
        self.swallows_answers = False
        self.cuts_after_delivery = False
        self.writers: list[asyncio.StreamWriter] = []

    def close(self, *, reset: bool) -> None:
        for writer in self.writers:
            if reset:
                _reset(writer)
            else:
                writer.transport.abort()

    def cut_client(self) -> None:
        """Reset the client's connection, and end the server's after what was sent."""
        to_client, to_server = self.writers
        _reset(to_client)
        to_server.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    if (own := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):  # closed already
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


class _Watch:
    """A search for bytes in one direction of a connection, where they may arrive in pieces."""

    def __init__(self) -> None:
        self._tail = b""

    def finds(self, wanted: bytes, data: bytes) -> bool:
        text = self._tail + data
        self._tail = text[-len(wanted) :] if wanted else b""
        return bool(wanted) and wanted in text


class Proxy:
    """A proxy to a server, at `host` and `port`. Methods take effect immediately; call them from its loop.

    `delay_to_server_seconds`, `delay_to_client_seconds`: how much later data is passed on;
    `delay_first_answer_seconds`: the same for the first data from the server, such as a login's response.
    `accepted`: the number of connections accepted so far; `connections`: the number of open ones; `links`:
    these themselves. `on_data`: called with a connection, what it is about to pass on, and whether that comes
    from the client.
    """

    host = HOST

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.delay_to_server_seconds = 0.0
        self.delay_to_client_seconds = 0.0
        self.delay_first_answer_seconds = 0.0
        self.accepted = 0
        self.links: dict[Link, None] = {}
        self.on_data: Callable[[Link, bytes, bool], None] = lambda *_: None
        self._server = host, port
        self._swallow_new = False
        self._wanted = b""
        self._seen = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._is_passable = {True: asyncio.Event(), False: asyncio.Event()}

    @property
    def connections(self) -> int:
        """The number of clients' open connections, swallowed ones included."""
        return len(self.links)

    def swallow(self, *, existing: bool = True, new: bool = True) -> None:
        """Become a black hole: drop all data from now on, and do not pass on that a side closes.

        `existing`: on existing connections, permanently. `new`: on new ones, until `heal`.
        """
        self._swallow_new = new
        if existing:
            for link in self.links:
                link.swallowed = True

    def hold(self, *, to_server: bool, to_client: bool) -> None:
        """Hold data back, as a network does that loses packets: TCP sends them again."""
        for from_client_side, held in ((True, to_server), (False, to_client)):
            if held:
                self._is_passable[from_client_side].clear()
            else:
                self._is_passable[from_client_side].set()

    def swallow_from(self, wanted: bytes) -> asyncio.Event:
        """Swallow each connection from the moment its client sends these bytes, until `heal`.

        Returns: an event that is set when the first connection is swallowed.
        """
        self._wanted = wanted
        self._seen = asyncio.Event()
        return self._seen

    def lead_to(self, host: str, port: int) -> None:
        """Connect new clients to another server."""
        self._server = host, port

    def cut(self) -> None:
        """Reset the existing connections, on both sides."""
        for link in list(self.links):
            link.close(reset=True)

    def hang(self) -> None:
        """Leave new connections to the kernel: they open, but nothing reads them; `heal` accepts them."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)

    def refuse(self) -> None:
        """Refuse new connections, until `heal`."""
        self.hang()
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def heal(self) -> None:
        """Pass everything on without delay, on new connections and on those that were not swallowed."""
        self._swallow_new = False
        self._wanted = b""
        self.hold(to_server=False, to_client=False)
        self.delay_to_server_seconds = self.delay_to_client_seconds = self.delay_first_answer_seconds = 0.0
        self.listen()

    def listen(self) -> None:
        """Accept connections again."""
        if self._listening is None:
            self._listening = socket.create_server((HOST, self.port), backlog=_BACKLOG)
            self._listening.settimeout(0)
            self.port = self._listening.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    async def close(self) -> None:
        """End every connection."""
        self.refuse()
        for link in list(self.links):
            link.close(reset=False)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, listening: socket.socket) -> None:
        with suppress(BlockingIOError):  # the client has gone again
            client, _ = listening.accept()
            client.settimeout(0)
            self.accepted += 1
            task = asyncio.create_task(self._serve(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: socket.socket) -> None:
        link = Link()
        link.swallowed = self._swallow_new
        self.links[link] = None
        try:
            from_client, to_client = await asyncio.open_connection(sock=client)
            link.writers.append(to_client)
            from_server, to_server = await asyncio.open_connection(*self._server)
            link.writers.append(to_server)
            await asyncio.gather(
                self._carry(link, from_client, to_server, from_client_side=True),
                self._carry(link, from_server, to_client, from_client_side=False),
            )
        except OSError:
            pass  # if a client or a server ends its connection, both are closed below
        finally:
            del self.links[link]
            link.close(reset=False)

    async def _carry(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        from_client_side: bool,
    ) -> None:
        watch = _Watch()
        is_first = not from_client_side
        while data := await reader.read(_CHUNK_BYTES):
            delay = self.delay_to_server_seconds if from_client_side else self.delay_to_client_seconds
            delay = max(delay, self.delay_first_answer_seconds if is_first else 0.0)
            is_first = False
            if delay:
                await asyncio.sleep(delay)
            await self._is_passable[from_client_side].wait()
            self.on_data(link, data, from_client_side)
            if from_client_side and watch.finds(self._wanted, data):
                link.swallowed = True
                self._seen.set()
            if not (link.swallowed or (link.swallows_answers and not from_client_side)):
                writer.write(data)
                await writer.drain()
            if link.cuts_after_delivery and from_client_side and not link.swallowed:
                link.cut_client()
        if link.swallowed:
            await asyncio.get_running_loop().create_future()  # the other side is never notified
        raise ConnectionAbortedError


@asynccontextmanager
async def open_proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """Open a proxy that passes everything on to the server at `host` and `port`."""
    proxy = Proxy(host, port)
    proxy.heal()
    try:
        yield proxy
    finally:
        await proxy.close()
