"""The delay proxy: every byte later by a round trip, in order, without waiting for answers in between."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.blocking_turns import turns_of
from benchmarks.delay_proxy import Target, listen

ROUND_TRIP_SECONDS = 0.05
MESSAGES = [b"message %d;" % number for number in range(200)]


@asynccontextmanager
async def proxied_echo(round_trip_seconds: float, log: Path | None = None) -> AsyncIterator[int]:
    """Run a server that sends back what it gets, behind a proxy; yield the proxy's port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = Target(
        host="127.0.0.1", port=server.sockets[0].getsockname()[1], round_trip_ms=round_trip_seconds * 1000
    )
    file = log.open("w") if log is not None else None
    proxy = await listen(1, target, file)
    try:
        yield proxy.sockets[0].getsockname()[1]
    finally:
        proxy.close()
        server.close()
        if file is not None:
            file.close()


async def test_bytes_arrive_in_order_and_are_not_waited_for_in_between() -> None:
    loop = asyncio.get_running_loop()
    async with proxied_echo(ROUND_TRIP_SECONDS) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        started = loop.time()
        for message in MESSAGES:
            writer.write(message)
            await writer.drain()
            await asyncio.sleep(0)
        assert await reader.readexactly(len(b"".join(MESSAGES))) == b"".join(MESSAGES)
        # The handshake and the echo; 200 round trips would be ten seconds.
        assert 2 * ROUND_TRIP_SECONDS <= loop.time() - started < 100 * ROUND_TRIP_SECONDS
        writer.close()


async def test_only_the_first_bytes_wait_for_the_handshake() -> None:
    loop = asyncio.get_running_loop()
    async with proxied_echo(ROUND_TRIP_SECONDS) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        seconds = []
        for _ in range(5):
            started = loop.time()
            writer.write(b"x")
            await reader.readexactly(1)
            seconds.append(loop.time() - started)
        writer.close()
    assert seconds[0] >= 2 * ROUND_TRIP_SECONDS
    assert ROUND_TRIP_SECONDS <= min(seconds[1:]) < 2 * ROUND_TRIP_SECONDS


async def test_that_a_side_closes_is_passed_on_after_its_bytes() -> None:
    async with proxied_echo(ROUND_TRIP_SECONDS) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"last words")
        await reader.readexactly(10)
        writer.close()
        await writer.wait_closed()


async def test_the_log_tells_the_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with proxied_echo(ROUND_TRIP_SECONDS, log) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for command in (
            b"*1\r\n$4\r\nPING\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"*2\r\n$6\r\nUNLINK\r\n$1\r\na\r\n",
        ):
            writer.write(command)
            await reader.readexactly(len(command))
        writer.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    # Only the second and third: the first waits for the handshake.
    later = [line for line in lines if line["from_client"]][1:]
    assert turns_of(later, ROUND_TRIP_SECONDS) == [["Redis: PING"], ["Redis: UNLINK"]]
