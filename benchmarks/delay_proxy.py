"""A TCP proxy in a process of its own that adds a region's latency to servers on loopback.

    python -m benchmarks.delay_proxy '[{"host": "127.0.0.1", "port": 5432, "round_trip_ms": 0.7}, …]' [log]

Prints the ports that it listens on, in the same order, as a JSON array. All bytes are delayed by half of the
round trip in each direction, in order, without waiting for an answer in between, so that pipelining stays.
The first bytes of a connection wait one round trip more, for the TCP handshake that loopback does not need.
`log`: a file that gets a line for each piece of data that passes, for `blocking_turns`.
"""

import asyncio
import base64
import json
import selectors
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.children import end_with_parent
from local.servers.loopback import HOST

_LOGGED_BYTES = 4_000


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server, and the round trip to it; its place among the targets is its name in the log."""

    host: str
    port: int
    round_trip_ms: float

    @property
    def round_trip_seconds(self) -> float:
        """The same in seconds."""
        return self.round_trip_ms / 1000


class _Line:
    """One direction: keeps data for a time and then writes it, in order."""

    def __init__(self, seconds: float) -> None:
        self.to: asyncio.Transport | None = None
        self._seconds = seconds
        self._waiting: deque[bytes | None] = deque()
        self._last = 0.0

    def put(self, data: bytes | None, *, extra_seconds: float = 0.0) -> None:
        """Write data, or close the other side (None), after the delay and after what came before."""
        loop = asyncio.get_running_loop()
        self._last = max(self._last, loop.time() + self._seconds + extra_seconds)
        self._waiting.append(data)
        loop.call_at(self._last, self._pass_on)

    def _pass_on(self) -> None:
        data = self._waiting.popleft()
        if self.to is None or self.to.is_closing():
            return
        if data is None:
            self.to.close()
        else:
            self.to.write(data)


class _Side(asyncio.Protocol):
    """One of the two connections: what it receives goes onto `line`, and `answers` leads to it."""

    def __init__(
        self,
        line: _Line,
        answers: _Line,
        *,
        log: "_Log",
        handshake_seconds: float = 0.0,
        on_connected: Callable[[asyncio.Transport], None] | None = None,
    ) -> None:
        self._line = line
        self._answers = answers
        self._log = log
        self._extra_seconds = handshake_seconds
        self._on_connected = on_connected

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._answers.to = transport
            if self._on_connected is not None:
                self._on_connected(transport)

    def data_received(self, data: bytes) -> None:
        self._log.write(data)
        self._line.put(data, extra_seconds=self._extra_seconds)
        self._extra_seconds = 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._line.put(None)


@dataclass(frozen=True)
class _Log:
    """Notes what one side sent, if there is a file."""

    file: IO[str] | None
    target: int
    from_client: bool

    def write(self, data: bytes) -> None:
        if self.file is not None:
            line = {
                "at": asyncio.get_running_loop().time(),
                "target": self.target,
                "from_client": self.from_client,
                "data": base64.b64encode(data[:_LOGGED_BYTES]).decode(),
            }
            self.file.write(f"{json.dumps(line)}\n")
            self.file.flush()


async def listen(number: int, target: Target, file: IO[str] | None = None) -> asyncio.Server:
    """Open a port that leads to the target."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Future[None]] = set()

    async def connect(client: asyncio.Transport, server: _Side) -> None:
        try:
            await loop.create_connection(lambda: server, target.host, target.port)
        except OSError:
            client.abort()
        else:
            client.resume_reading()

    def accept() -> asyncio.Protocol:
        half = target.round_trip_seconds / 2
        to_server, to_client = _Line(half), _Line(half)
        server = _Side(to_client, to_server, log=_Log(file, number, from_client=False))

        def connected(client: asyncio.Transport) -> None:
            client.pause_reading()
            task = asyncio.ensure_future(connect(client, server))
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        return _Side(
            to_server,
            to_client,
            log=_Log(file, number, from_client=True),
            handshake_seconds=target.round_trip_seconds,
            on_connected=connected,
        )

    return await loop.create_server(accept, HOST, 0, backlog=1024)


async def _serve(targets: list[Target], log: Path | None) -> None:
    file = log.open("w") if log is not None else None
    servers = [await listen(number, target, file) for number, target in enumerate(targets)]
    sys.stdout.write(f"{json.dumps([server.sockets[0].getsockname()[1] for server in servers])}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().create_future()


def precise_loop() -> asyncio.AbstractEventLoop:
    """Return a loop whose timers are exact: with epoll, asyncio rounds them up to whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    end_with_parent()
    with asyncio.Runner(loop_factory=precise_loop) as runner:
        runner.run(
            _serve(
                [Target(**target) for target in json.loads(sys.argv[1])],
                Path(sys.argv[2]) if sys.argv[2:] else None,
            )
        )
