"""Readers opened as they should be, and with a client as redis-py makes it: no error that need not be."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import trustme
from redis.asyncio import Redis

from local.servers import ValkeyServer
from processor.reader import CatalogReader
from processor.readers import CacheAddress, Iam, Password, open_reader
from tests.support.proxy import open_proxy
from tests.support.real_servers import Services, until

READS = 150


@pytest.fixture
async def product(services: Services) -> str:
    """The id of a product in the catalog."""
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, last_updated) VALUES ('a', 1, now())"
    )
    return "a"


@asynccontextmanager
async def as_opened(services: Services, cache_port: int) -> AsyncIterator[CatalogReader]:
    """A reader as `open_reader` makes it."""
    cache = CacheAddress(host="127.0.0.1", port=cache_port, tls=False)
    async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
        yield reader


@asynccontextmanager
async def as_redis_py_does(services: Services, cache_port: int) -> AsyncIterator[CatalogReader]:
    """A reader with a client and a pool of somebody who read no further than the names."""
    url = f"redis://127.0.0.1:{cache_port}"
    async with asyncpg.create_pool(services.postgres.dsn) as pool, Redis.from_url(url) as redis:
        yield CatalogReader(pool, redis)


both_ways = pytest.mark.parametrize("opened", [as_opened, as_redis_py_does])


def from_the_cache(reader: CatalogReader) -> tuple[int, int, int]:
    """Hits, misses and errors since the last look."""
    statistics = reader.statistics
    counts = statistics.hits, statistics.misses, statistics.cache_errors
    statistics.hits = statistics.misses = statistics.cache_errors = 0
    return counts


@both_ways
async def test_connections_that_the_cache_closed_are_no_errors(
    services: Services, own_valkey: ValkeyServer, product: str, opened: type
) -> None:
    async with (
        opened(services, own_valkey.port) as reader,
        Redis(host="127.0.0.1", port=own_valkey.port) as administrator,
    ):
        await reader.get(product)
        for at_once in (1, 20):
            await asyncio.gather(*(reader.get(product) for _ in range(20)))
            from_the_cache(reader)
            await administrator.client_kill_filter(_type="normal", skipme=True)
            for _ in range(0, 20, at_once):
                await asyncio.gather(*(reader.get(product) for _ in range(at_once)))
            assert from_the_cache(reader) == (20, 0, 0)


@both_ways
async def test_connections_that_were_reset_are_no_errors(
    services: Services, own_valkey: ValkeyServer, product: str, opened: type
) -> None:
    async with (
        open_proxy("127.0.0.1", own_valkey.port) as proxy,
        opened(services, proxy.port) as reader,
    ):
        await reader.get(product)
        from_the_cache(reader)
        for _ in range(20):
            await asyncio.gather(*(reader.get(product) for _ in range(10)))
            proxy.cut()
        assert from_the_cache(reader) == (200, 0, 0)


@both_ways
async def test_a_pause_of_the_process_is_no_error_of_the_cache(
    services: Services, own_valkey: ValkeyServer, product: str, opened: type
) -> None:
    """As long as a garbage collection of a large one."""
    async with opened(services, own_valkey.port) as reader:
        await reader.get(product)
        from_the_cache(reader)
        reading = asyncio.gather(*(reader.get(product) for _ in range(40)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251 the pause
        await reading
        assert from_the_cache(reader) == (40, 0, 0)


@both_ways
async def test_a_cache_that_was_silent_is_used_again(
    services: Services, own_valkey: ValkeyServer, product: str, opened: type
) -> None:
    async with (
        open_proxy("127.0.0.1", own_valkey.port) as proxy,
        opened(services, proxy.port) as reader,
    ):
        await reader.get(product)
        proxy.swallow()
        for _ in range(2):
            await asyncio.gather(*(reader.get(product) for _ in range(40)))
        proxy.heal()

        async def hit() -> bool:
            from_the_cache(reader)
            assert await reader.get(product)
            return from_the_cache(reader) == (1, 0, 0)

        await until(hit)
        await asyncio.gather(*(reader.get(product) for _ in range(40)))
        assert from_the_cache(reader) == (40, 0, 0)


@both_ways
async def test_more_readers_than_connections_wait_for_their_turn(
    services: Services, own_valkey: ValkeyServer, product: str, opened: type
) -> None:
    async with opened(services, own_valkey.port) as reader:
        await reader.get(product)
        from_the_cache(reader)
        await asyncio.gather(*(reader.get(product) for _ in range(READS)))
        assert from_the_cache(reader) == (READS, 0, 0)


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
    """The embedded Valkey knows neither: a front does the handshake, and takes the token for a password."""
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


async def test_the_database_is_verified_unless_told_otherwise(services: Services) -> None:
    """The embedded PostgreSQL knows no TLS."""
    cache = CacheAddress(host="127.0.0.1", port=1, tls=False)
    async with open_reader(dsn=services.postgres.dsn, cache=cache) as reader:
        with pytest.raises(ConnectionError, match="SSL"):
            await reader.get("a")


async def test_a_silent_database_is_given_up_and_left_behind(services: Services) -> None:
    """Closing the reader ends, too."""
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
    """A server with a certificate for localhost that passes everything on; its port."""
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
    """Neither a connection to the cache, nor a lease."""
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
