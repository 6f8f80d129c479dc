"""A reader whose database or cache falls silent: the caller's time limit holds, and nothing is leaked."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import pytest

from local.servers.proxy import Proxy, open_proxy
from processor.reader import GIVE_BACK_WAIT_SECONDS, CatalogReader
from tests.support.real_servers import Services, until

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

LIMIT_SECONDS = 0.5
# What a busy machine may add, besides the time in which the loop cannot run.
SLACK_SECONDS = 0.4
STEP_SECONDS = 0.1
POOL_SIZE = 4


@pytest.fixture
async def proxy(services: Services) -> AsyncIterator[Proxy]:
    """Yield a proxy between the reader and the database."""
    async with open_proxy(services.postgres.host, services.postgres.port) as proxy:
        yield proxy


@pytest.fixture
async def pool(services: Services, proxy: Proxy) -> AsyncIterator["Pool"]:
    """Yield a pool with asyncpg's own settings."""
    address = services.postgres
    pool = await asyncpg.create_pool(
        host=proxy.host,
        port=proxy.port,
        user=address.user,
        password=address.password,
        database=address.database,
        min_size=0,
        max_size=POOL_SIZE,
    )
    yield pool
    pool.terminate()


@pytest.fixture
def reader(pool: "Pool", services: Services) -> CatalogReader:
    return CatalogReader(pool, services.redis)


async def count_steps() -> None:
    """Count time in steps of the loop: if a busy machine keeps it from running, that is only one step."""
    for _ in range(round((LIMIT_SECONDS + GIVE_BACK_WAIT_SECONDS + SLACK_SECONDS) / STEP_SECONDS)):
        await asyncio.sleep(STEP_SECONDS)


async def get_in_time(reader: CatalogReader) -> bool:
    """Return whether a read without the cache succeeds in the caller's time; check that it ends in time."""
    counting = asyncio.create_task(count_steps())
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await reader.get("nobody knows it") is None
            return True
    except TimeoutError:
        return False
    finally:
        assert not counting.done(), "kept for longer than the limit"
        counting.cancel()


async def all_are_free(pool: "Pool") -> bool:
    """Return whether all connections that the pool may have can be acquired together."""
    acquiring = (pool.acquire(timeout=1) for _ in range(POOL_SIZE))
    taken = await asyncio.gather(*acquiring, return_exceptions=True)
    connections = [one for one in taken if not isinstance(one, BaseException)]
    for connection in connections:
        await pool.release(connection)
    return len(connections) == POOL_SIZE


async def until_all_are_free(pool: "Pool") -> None:
    """Wait until they are: for a while, the pool still connects for readers that gave up."""
    await until(lambda: all_are_free(pool))


@pytest.mark.parametrize("warm", [True, False], ids=["connected", "not connected"])
async def test_a_silent_database_blocks_no_caller_and_no_connection(
    services: Services, proxy: Proxy, pool: "Pool", reader: CatalogReader, *, warm: bool
) -> None:
    if warm:
        assert await get_in_time(reader)
    proxy.swallow()
    for _ in range(3):
        assert not await get_in_time(reader)
        assert await services.redis.keys("*") == [], "the lease was not given back"
    proxy.heal()
    assert await get_in_time(reader)
    await until_all_are_free(pool)


async def test_connections_that_died_unnoticed_cost_at_most_one_read_each(
    proxy: Proxy, pool: "Pool", reader: CatalogReader
) -> None:
    assert await all_are_free(pool)
    proxy.swallow(new=False)
    for _ in range(POOL_SIZE):
        await get_in_time(reader)
    assert await get_in_time(reader)
    assert await all_are_free(pool)


async def test_a_database_that_falls_silent_during_a_release_costs_no_read(
    proxy: Proxy, pool: "Pool", reader: CatalogReader
) -> None:
    silent = proxy.swallow_from(b"UNLISTEN")
    assert await get_in_time(reader)
    assert silent.is_set()
    proxy.heal()
    assert await get_in_time(reader)
    assert await all_are_free(pool)


async def test_hundreds_of_readers_while_black_holes_come_and_go(
    services: Services, proxy: Proxy, pool: "Pool", reader: CatalogReader
) -> None:
    dice = random.Random(11)

    async def black_holes() -> None:
        for _ in range(8):
            if dice.random() < 0.3:
                proxy.cut()
            proxy.swallow(existing=dice.random() < 0.7, new=dice.random() < 0.5)
            await asyncio.wait(readers, timeout=0.15)
            proxy.heal()
            await asyncio.wait(readers, timeout=0.1)

    async def read() -> None:
        for _ in range(6):
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # a cut connection
                await get_in_time(reader)

    readers = [asyncio.create_task(read()) for _ in range(300)]
    await black_holes()
    await asyncio.gather(*readers)
    assert await get_in_time(reader)
    await until_all_are_free(pool)
    assert await services.redis.keys("lease:*") == []


async def test_a_reader_that_is_cancelled_leaves_neither_a_lease_nor_a_statement(
    services: Services, reader: CatalogReader
) -> None:
    """Check this while it waits for a locked row."""

    async def leased() -> bool:
        return bool(await services.redis.exists("lease:a"))

    async def nobody_waits() -> bool:
        waiting = await services.database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return int(waiting) == 0

    async def reads() -> bool:
        return not await nobody_waits()

    async with services.database.transaction():
        await services.database.execute("LOCK TABLE products")
        reading = asyncio.create_task(reader.get("a"))
        await until(reads)
        assert await leased()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not await leased()
        await until(nobody_waits)
