"""The shop's reader on a real cache and a real database, raced against the pipeline (invariant I4)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from redis.asyncio import Redis

from local.servers import Servers, ValkeyServer
from processor.adapters.cache import RedisCache
from processor.product import Product
from processor.reader import CatalogReader
from tests.support.real_servers import Services, open_services
from tests.support.simulated_shop import ReadPool

SELECT = "SELECT product_id, inventory, price, last_updated FROM products WHERE product_id = $1"
A = Product("a", 1, Decimal("2.50"), datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
async def pool(services: Services) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    """Yield the shop's connections, as a role that may only read."""
    await insert(services, A)
    async with asyncpg.create_pool(services.postgres.dsn, min_size=1, max_size=4) as pool:
        await pool.execute("SET ROLE catalog_reader")
        yield pool


async def insert(services: Services, product: Product) -> None:
    """Insert a product into the catalog."""
    await services.database.execute(
        "INSERT INTO products (product_id, inventory, price, last_updated) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (product_id) DO UPDATE SET inventory = excluded.inventory",
        product.product_id,
        product.inventory,
        product.price,
        product.last_updated,
    )


async def test_the_second_read_comes_from_the_cache(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    reader = CatalogReader(pool, services.redis)
    assert [await reader.get("a"), await reader.get("a")] == [A, A]
    assert (reader.statistics.hits, reader.statistics.misses, reader.statistics.stores) == (1, 1, 1)
    assert 0 < await services.redis.ttl("product:a") <= 300
    assert await services.redis.keys("lease:*") == []


async def test_a_client_that_does_not_decode_works_too(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    connection = services.redis.connection_pool.connection_kwargs
    async with Redis(host=connection["host"], port=connection["port"]) as redis:
        reader = CatalogReader(pool, redis)
        assert [await reader.get("a"), await reader.get("a")] == [A, A]
        assert reader.statistics.hits == 1


async def test_an_unknown_product_is_none_and_not_cached(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    assert await CatalogReader(pool, services.redis).get("nobody knows it") is None
    assert await services.redis.get("product:nobody knows it") is None


async def test_what_was_read_before_an_invalidation_is_never_stored_after_it(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    """Check a reader that has the old row while the pipeline commits and invalidates."""

    async def read_then_update(product_id: str) -> "asyncpg.Record | None":
        row = await pool.fetchrow(SELECT, product_id)
        await services.database.execute("UPDATE products SET inventory = 2")
        await RedisCache(services.redis).invalidate(["a"])
        return row

    reader = CatalogReader(ReadPool(read_then_update), services.redis)  # type: ignore[arg-type]
    assert await reader.get("a") == A
    assert reader.statistics.refused_stores == 1
    assert await services.redis.keys("*") == []
    later = await CatalogReader(pool, services.redis).get("a")
    assert later is not None
    assert later.inventory == 2


@pytest.mark.parametrize("damage", ["list", "no text", "half a gigabyte"])
async def test_anything_else_in_the_cache_is_a_miss_and_replaced(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]", damage: str
) -> None:
    match damage:
        case "list":
            await services.redis.rpush("product:a", "x")
        case "no text":
            await services.redis.set("product:a", b'{"product_id": "\xff\xfe"}')
        case _:
            await services.redis.setrange("product:a", 2**29 - 1, b"x")
    reader = CatalogReader(pool, services.redis)
    assert [await reader.get("a"), await reader.get("a")] == [A, A]
    statistics = reader.statistics
    assert (statistics.misses, statistics.hits, statistics.cache_errors) == (1, 1, 0)


async def test_of_two_readers_that_miss_one_stores(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    readers = [CatalogReader(pool, services.redis) for _ in range(8)]
    assert await asyncio.gather(*(reader.get("a") for reader in readers)) == [A] * 8
    assert sum(reader.statistics.stores for reader in readers) >= 1
    assert sum(reader.statistics.refused_stores for reader in readers) == 0


async def test_a_product_named_like_a_lease_is_cached_beside_the_other(
    services: Services, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    """Check also while a reader of the previous release holds the lease that had this name."""
    named = Product("a:lease", 7, None, A.last_updated)
    await insert(services, named)
    reader = CatalogReader(pool, services.redis)
    await services.redis.set("product:a:lease", "0123456789abcdef")
    for _ in range(2):
        assert await reader.get("a:lease") == named
        assert await reader.get("a") == A
    assert (reader.statistics.misses, reader.statistics.hits) == (2, 2)
    await RedisCache(services.redis).invalidate(["a", "a:lease"])
    assert await services.redis.keys("*") == []


@pytest.mark.parametrize("how", ["down", "stalled"])
async def test_it_reads_the_database_when_the_cache_is_gone(
    servers: Servers, own_valkey: ValkeyServer, how: str
) -> None:
    async with open_services(servers, valkey=own_valkey.address) as services:
        await insert(services, A)
        async with asyncpg.create_pool(services.postgres.dsn, min_size=0, max_size=1) as pool:
            reader = CatalogReader(pool, services.redis)
            own_valkey.kill() if how == "down" else own_valkey.pause()
            assert await reader.get("a") == A
            assert reader.statistics.cache_errors > 0
