"""Each method of the fault proxy has its effect on connections."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from local.servers import Servers, ValkeyServer
from local.servers.proxy import Proxy, open_proxy

PING = b"PING\r\n"
PONG = b"+PONG\r\n"
SOON_SECONDS = 0.2


class Client:
    """A client that sends commands to Valkey."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def answer(self, *pieces: bytes) -> bytes:
        """Send `pieces`; return the response. Raises TimeoutError if none comes soon."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
        async with asyncio.timeout(SOON_SECONDS):
            return await self._reader.readline()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


@pytest.fixture
async def proxy(servers: Servers) -> AsyncIterator[Proxy]:
    async with open_proxy("127.0.0.1", servers.valkey.port) as proxy:
        yield proxy


async def test_it_passes(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        assert await client.answer(PING) == PONG
        assert (proxy.accepted, proxy.connections) == (1, 1)


@pytest.mark.parametrize("direction", ["delay_to_server_seconds", "delay_to_client_seconds"])
async def test_it_delays_each_direction(proxy: Proxy, direction: str) -> None:
    async with connected(proxy) as client:
        await client.answer(PING)
        setattr(proxy, direction, 0.1)
        began = time.monotonic()
        assert await client.answer(PING) == PONG
        assert time.monotonic() - began >= 0.1


async def test_it_delays_only_the_first_answer(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        proxy.delay_first_answer_seconds = 0.1
        began = time.monotonic()
        assert await client.answer(PING) == PONG
        assert time.monotonic() - began >= 0.1
        proxy.delay_first_answer_seconds = 60
        assert await client.answer(PING) == PONG


async def test_it_connects_new_clients_to_another_server(proxy: Proxy, own_valkey: ValkeyServer) -> None:
    async with connected(proxy) as before:
        await before.answer(b"SET here first\r\n")
        proxy.lead_to("127.0.0.1", own_valkey.port)
        async with connected(proxy) as after:
            assert await after.answer(b"GET here\r\n") == b"$-1\r\n"
        assert await before.answer(b"DEL here\r\n") == b":1\r\n"


@pytest.mark.parametrize(("existing", "new"), [(True, False), (False, True), (True, True)])
async def test_it_swallows(proxy: Proxy, *, existing: bool, new: bool) -> None:
    async with connected(proxy) as before:
        await before.answer(PING)
        proxy.swallow(existing=existing, new=new)
        async with connected(proxy) as after:
            for client, lost in ((before, existing), (after, new)):
                if lost:
                    with pytest.raises(TimeoutError):
                        await client.answer(PING)
                else:
                    assert await client.answer(PING) == PONG
        proxy.heal()
        async with connected(proxy) as later:
            assert await later.answer(PING) == PONG


async def test_it_swallows_from_given_bytes_even_in_pieces(proxy: Proxy) -> None:
    async with connected(proxy) as client, connected(proxy) as other:
        seen = proxy.swallow_from(b"ECHO")
        assert await client.answer(PING) == PONG
        assert not seen.is_set()
        with pytest.raises(TimeoutError):
            await client.answer(b"EC", b"HO x\r\n")
        assert seen.is_set()
        with pytest.raises(TimeoutError):
            await client.answer(PING)
        assert await other.answer(PING) == PONG


async def test_it_cuts(proxy: Proxy) -> None:
    async with connected(proxy) as client:
        await client.answer(PING)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await client.answer()


async def test_it_refuses_and_accepts_again(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        async with connected(proxy):
            pass
    proxy.heal()
    async with connected(proxy) as client:
        assert await client.answer(PING) == PONG


async def test_it_hangs_and_then_accepts_waiting_clients(proxy: Proxy) -> None:
    proxy.hang()
    async with connected(proxy) as client:
        with pytest.raises(TimeoutError):
            await client.answer(PING)
        assert proxy.accepted == 0
        proxy.heal()
        assert await client.answer() == PONG


@pytest.mark.parametrize(("to_server", "to_client"), [(True, False), (False, True)])
async def test_what_it_holds_comes_later(proxy: Proxy, *, to_server: bool, to_client: bool) -> None:
    async with connected(proxy) as client:
        await client.answer(PING)
        proxy.hold(to_server=to_server, to_client=to_client)
        with pytest.raises(TimeoutError):
            await client.answer(PING)
        proxy.hold(to_server=False, to_client=False)
        assert await client.answer() == PONG


async def test_it_cuts_after_delivery(proxy: Proxy) -> None:
    async with connected(proxy) as client, connected(proxy) as other:
        assert [await one.answer(PING) for one in (client, other)] == [PONG, PONG]
        next(iter(proxy.links)).cuts_after_delivery = True
        with pytest.raises(ConnectionResetError):
            await client.answer(b"SET delivered 1\r\n")
        assert await other.answer(b"DEL delivered\r\n") == b":1\r\n"


async def test_it_swallows_answers(proxy: Proxy) -> None:
    async with connected(proxy) as client, connected(proxy) as other:
        assert [await one.answer(PING) for one in (client, other)] == [PONG, PONG]
        next(iter(proxy.links)).swallows_answers = True
        with pytest.raises(TimeoutError):
            await client.answer(b"SET delivered 1\r\n")
        assert await other.answer(b"DEL delivered\r\n") == b":1\r\n"


async def test_it_tells_what_it_passes_on(proxy: Proxy) -> None:
    passed: list[tuple[bytes, bool]] = []
    proxy.on_data = lambda _, data, from_client: passed.append((data, from_client))
    async with connected(proxy) as client:
        await client.answer(PING)
    assert passed == [(PING, True), (PONG, False)]
