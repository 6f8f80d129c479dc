"""Readers opened by `open_reader`, and with redis-py's own settings: no avoidable errors."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest
import trustme
from redis.asyncio import Redis

from local.servers import ValkeyServer
from local.servers.proxy import open_proxy
from processor.reader import CatalogReader
from processor.readers import CacheAddress, Iam, Password, open_reader
from tests.support.real_servers import Services, until

READS = 200

OpenWarm: TypeAlias = Callable[[int], AbstractAsyncContextManager[CatalogReader]]


@pytest.fixture
async def product(services: Services) -> str:
    """Return the id of a product in the catalog."""
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
    )
    return "a"


@asynccontextmanager
async def as_opened(services: Services, cache_port: int) -> AsyncIterator[CatalogReader]:
    """Yield a reader that `open_reader` made."""
    cache = CacheAddress(host="127.0.0.1", port=cache_port, tls=False)
    async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
        yield reader


@asynccontextmanager
async def as_redis_py_does(services: Services, cache_port: int) -> AsyncIterator[CatalogReader]:
    """Yield a reader with a client and a pool with default settings."""
    url = f"redis://127.0.0.1:{cache_port}"
    async with asyncpg.create_pool(services.postgres.dsn) as pool, Redis.from_url(url) as redis:
        yield CatalogReader(pool, redis)


def take_counts(reader: CatalogReader) -> tuple[int, int, int]:
    """Return hits, misses and errors of the cache since the last call."""
    statistics = reader.statistics
    counts = statistics.hits, statistics.misses, statistics.cache_errors
    statistics.hits = statistics.misses = statistics.cache_errors = 0
    return counts


@pytest.fixture(params=[as_opened, as_redis_py_does])
def warm_reader(request: pytest.FixtureRequest, services: Services, product: str) -> OpenWarm:
    """Return a function that opens a reader of the cache at a port and lets it cache the product."""

    @asynccontextmanager
    async def open_warm(cache_port: int) -> AsyncIterator[CatalogReader]:
        async with request.param(services, cache_port) as reader:
            await reader.get(product)
            take_counts(reader)
            yield reader

    return open_warm


async def test_connections_that_the_cache_closed_are_no_errors(
    own_valkey: ValkeyServer, product: str, warm_reader: OpenWarm
) -> None:
    async with (
        warm_reader(own_valkey.port) as reader,
        Redis(host="127.0.0.1", port=own_valkey.port) as administrator,
    ):
        for concurrently in (1, 20):
            await asyncio.gather(*(reader.get(product) for _ in range(20)))
            take_counts(reader)
            await administrator.client_kill_filter(_type="normal", skipme=True)
            for _ in range(0, 20, concurrently):
                await asyncio.gather(*(reader.get(product) for _ in range(concurrently)))
            assert take_counts(reader) == (20, 0, 0)


async def test_connections_that_were_reset_are_no_errors(
    own_valkey: ValkeyServer, product: str, warm_reader: OpenWarm
) -> None:
    async with open_proxy("127.0.0.1", own_valkey.port) as proxy, warm_reader(proxy.port) as reader:
        for _ in range(20):
            await asyncio.gather(*(reader.get(product) for _ in range(10)))
            proxy.cut()
        assert take_counts(reader) == (200, 0, 0)


@pytest.mark.parametrize(("readers", "connected"), [(40, True), (2, False)])
async def test_a_pause_of_the_process_is_no_error_of_the_cache(
    own_valkey: ValkeyServer,
    product: str,
    warm_reader: OpenWarm,
    readers: int,
    connected: bool,  # noqa: FBT001
) -> None:
    """Check with a pause as long as the garbage collection of a large process.

    Two readers connect during it. Forty have connected before: as many logins at once may take longer than a
    reader waits, on a busy machine with or without a pause.
    """
    async with warm_reader(own_valkey.port) as reader:

        async def all_hit() -> bool:
            await asyncio.gather(*(reader.get(product) for _ in range(readers)))
            return take_counts(reader) == (readers, 0, 0)

        if connected:
            await until(all_hit)
        reading = asyncio.gather(*(reader.get(product) for _ in range(readers)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 the pause
        await reading
        assert take_counts(reader) == (readers, 0, 0)


async def test_a_cache_that_was_silent_is_used_again(
    own_valkey: ValkeyServer, product: str, warm_reader: OpenWarm
) -> None:
    async with open_proxy("127.0.0.1", own_valkey.port) as proxy, warm_reader(proxy.port) as reader:
        proxy.swallow()
        for _ in range(2):
            await asyncio.gather(*(reader.get(product) for _ in range(40)))
        proxy.heal()

        async def hit() -> bool:
            take_counts(reader)
            assert await reader.get(product)
            return take_counts(reader) == (1, 0, 0)

        await until(hit)
        await asyncio.gather(*(reader.get(product) for _ in range(40)))
        assert take_counts(reader) == (40, 0, 0)


async def test_more_readers_than_connections_wait_for_their_turn(
    own_valkey: ValkeyServer, product: str, warm_reader: OpenWarm
) -> None:
    async with warm_reader(own_valkey.port) as reader:
        await asyncio.gather(*(reader.get(product) for _ in range(READS)))
        assert take_counts(reader) == (READS, 0, 0)


async def test_a_password(services: Services, product: str) -> None:
    with ValkeyServer(password="a-password") as valkey:
        for login, errors in ((Password(password="a-password"), 0), (Password(password="wrong"), 2)):
            cache = CacheAddress(host="127.0.0.1", port=valkey.port, tls=False, login=login)
            async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
                assert await reader.get(product)
                assert await reader.get(product)
                assert reader.statistics.cache_errors == errors


async def test_tls_with_an_iam_login(
    services: Services,
    own_valkey: ValkeyServer,
    product: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Check with a TLS server in front of Valkey, which has no TLS and accepts any password."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with Redis(host="127.0.0.1", port=own_valkey.port) as administrator:
        await administrator.acl_setuser(
            "shop", enabled=True, nopass=True, keys=["product:*", "lease:*"], commands=["+@all"]
        )
        async with tls_front(own_valkey.port, authority) as port:
            cache = CacheAddress(
                host="localhost",
                port=port,
                ca_file=tmp_path / "ca.pem",
                login=Iam(username="shop", cluster_id="product-cache-dev", region="eu-west-1"),
            )
            async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
                # The first connection may take longer than a reader waits for it.
                async def hit() -> bool:
                    assert await reader.get(product)
                    return reader.statistics.hits > 0

                await until(hit)
                clients = await administrator.client_list()
                assert "shop" in {client["user"] for client in clients}


async def test_iam_without_tls_is_refused() -> None:
    login = Iam(username="shop", cluster_id="product-cache-dev", region="eu-west-1")
    cache = CacheAddress(host="127.0.0.1", tls=False, login=login)
    with pytest.raises(ValueError, match="over TLS only"):
        async with open_reader(dsn="postgresql://127.0.0.1/x", ca_file=None, cache=cache):
            pass


async def test_by_default_the_database_is_verified(services: Services) -> None:
    """Check with the embedded PostgreSQL, which has no TLS."""
    cache = CacheAddress(host="127.0.0.1", port=1, tls=False)
    async with open_reader(dsn=services.postgres.dsn, cache=cache) as reader:
        with pytest.raises(ConnectionError, match="SSL"):
            await reader.get("a")


async def test_a_silent_database_is_given_up_and_left_behind(services: Services) -> None:
    """Check that closing the reader ends too."""
    address = services.postgres
    async with open_proxy(address.host, address.port) as proxy:
        dsn = address.dsn.replace(f":{address.port}/", f":{proxy.port}/")
        cache = CacheAddress(host="127.0.0.1", port=1, tls=False)
        async with open_reader(dsn=dsn, ca_file=None, cache=cache) as reader:
            assert await reader.get("nobody knows it") is None
            proxy.swallow()
            with pytest.raises(TimeoutError):
                await reader.get("nobody knows it")
            proxy.heal()
            assert await reader.get("nobody knows it") is None
            proxy.swallow()


@asynccontextmanager
async def tls_front(port: int, authority: trustme.CA) -> AsyncIterator[int]:
    """Serve TLS with a certificate for localhost and forward everything; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pass_on(reader, back_writer), pass_on(back_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_reader_that_ends_while_reads_are_cancelled_leaves_nothing(
    services: Services, own_valkey: ValkeyServer, product: str
) -> None:
    """Check connections to the cache, and leases."""
    async with Redis(host="127.0.0.1", port=own_valkey.port) as administrator:
        for turns in range(0, 60, 3):
            await administrator.flushall()
            async with as_opened(services, own_valkey.port) as reader:
                await reader.get("nobody knows it")
                reading = [asyncio.create_task(reader.get(product)) for _ in range(50)]
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in reading:
                    task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            assert await administrator.keys("lease:*") == []

            async def alone() -> bool:
                return len(await administrator.client_list()) == 1

            await until(alone)
