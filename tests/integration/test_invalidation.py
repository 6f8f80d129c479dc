"""Invalidations of a slow, silent or replaced cache: they succeed if possible, and end in time if not."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from local.servers import ValkeyServer
from local.servers.proxy import Proxy, open_proxy
from processor.adapters.cache import RedisCache
from processor.adapters.redis_client import redis_client
from processor.adapters.redis_login import AsyncPassword
from processor.errors import CacheUnavailableError
from processor.ports import INVALIDATION_SECONDS
from processor.reader import CatalogReader
from tests.support.real_servers import until
from tests.support.simulated_shop import ReadPool, product

PASSWORD = "a-password"
# What a busy machine may add.
SLACK_SECONDS = 0.4


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with ValkeyServer(password=PASSWORD) as server:
        yield server


@pytest.fixture
async def administrator(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    """Yield a client of the server itself, which has a product cached."""
    async with Redis(host="127.0.0.1", port=valkey.port, password=PASSWORD) as client:
        await client.set("product:a", "old")
        yield client


@pytest.fixture
async def proxy(valkey: ValkeyServer) -> AsyncIterator[Proxy]:
    async with open_proxy("127.0.0.1", valkey.port) as proxy:
        yield proxy


async def at_once() -> tuple[str]:
    return (PASSWORD,)


async def late() -> tuple[str]:
    await asyncio.sleep(0.35)
    return (PASSWORD,)


@asynccontextmanager
async def client_of(
    proxy: Proxy, login: AsyncPassword | None = None, *, max_connections: int = 8
) -> AsyncIterator[Redis]:
    """Yield the processor's client."""
    async with redis_client(
        host=proxy.host,
        port=proxy.port,
        tls=False,
        login=login or AsyncPassword(at_once),
        max_connections=max_connections,
    ) as client:
        yield client


async def invalidates(cache: RedisCache, within_seconds: float = INVALIDATION_SECONDS) -> bool:
    """Return whether the invalidation succeeded; check that it ended in time."""
    began = time.monotonic()
    try:
        await cache.invalidate(["a"], within_seconds=within_seconds)
    except CacheUnavailableError:
        return False
    finally:
        assert time.monotonic() - began < within_seconds + SLACK_SECONDS
    return True


async def test_a_login_that_is_answered_late(proxy: Proxy, administrator: Redis) -> None:
    proxy.delay_first_answer_seconds = 0.35
    async with client_of(proxy) as client:
        assert await invalidates(RedisCache(client))
    assert not await administrator.exists("product:a")


async def test_a_password_that_comes_late(proxy: Proxy, administrator: Redis) -> None:
    async with client_of(proxy, AsyncPassword(late)) as client:
        assert await invalidates(RedisCache(client))
    assert not await administrator.exists("product:a")


async def test_a_login_that_takes_longer_than_an_invalidation_may(proxy: Proxy, administrator: Redis) -> None:
    """Check that a later invalidation finds the login done that an earlier one began."""
    proxy.delay_first_answer_seconds = INVALIDATION_SECONDS + 0.3
    async with client_of(proxy) as client:
        cache = RedisCache(client)
        assert not await invalidates(cache)
        await invalidates(cache)
        assert await invalidates(cache)
        assert proxy.accepted <= 3
    assert not await administrator.exists("product:a")


async def test_an_invalidation_with_more_time_waits_for_the_login(proxy: Proxy, administrator: Redis) -> None:
    proxy.delay_first_answer_seconds = INVALIDATION_SECONDS + 0.3
    async with client_of(proxy) as client:
        assert await invalidates(RedisCache(client), within_seconds=10)
    assert not await administrator.exists("product:a")


@pytest.mark.parametrize("within_seconds", [0.5, INVALIDATION_SECONDS])
@pytest.mark.parametrize("connected", [True, False])
async def test_a_silent_cache_is_given_up_in_time_and_found_again(
    proxy: Proxy, administrator: Redis, *, connected: bool, within_seconds: float
) -> None:
    async with client_of(proxy) as client:
        cache = RedisCache(client)
        if connected:
            assert await invalidates(cache)
            await administrator.set("product:a", "old")
        proxy.swallow()
        for _ in range(3):
            assert not await invalidates(cache, within_seconds)
        proxy.heal()
        assert await invalidates(cache)
    assert not await administrator.exists("product:a")


async def test_a_dead_connection_is_replaced_immediately(proxy: Proxy, administrator: Redis) -> None:
    async with client_of(proxy) as client:
        assert await invalidates(RedisCache(client))
        await administrator.set("product:a", "old")
        proxy.swallow(new=False)
        assert await invalidates(RedisCache(client))
    assert not await administrator.exists("product:a")


async def test_a_client_that_is_closed_is_an_unavailable_cache(proxy: Proxy) -> None:
    """Check that connections that are still connecting are closed too."""
    proxy.swallow()
    async with client_of(proxy) as client:
        invalidating = asyncio.create_task(invalidates(RedisCache(client)))

        async def connects() -> bool:
            return proxy.connections > 0

        await until(connects)
    assert await invalidating is False


async def test_a_login_that_was_given_up_leaves_no_connection_without_one(own_valkey: ValkeyServer) -> None:
    """Check with a secret that hangs: its connection must not be used as the default user with few rights.

    There is no other connection, so the next invalidation gets this one.
    """
    asked = 0

    async def hang_at_first() -> tuple[str, str]:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.get_running_loop().create_future()
        return ("processor", PASSWORD)

    async with (
        Redis(host="127.0.0.1", port=own_valkey.port) as administrator,
        open_proxy("127.0.0.1", own_valkey.port) as proxy,
        client_of(proxy, AsyncPassword(hang_at_first), max_connections=1) as client,
    ):
        await administrator.acl_setuser(
            "processor", enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+unlink"]
        )
        await administrator.acl_setuser("default", enabled=True, nopass=True, commands=["-unlink"])
        cache = RedisCache(client)

        async def succeeds() -> bool:
            return await invalidates(cache)

        await until(succeeds)
        assert await administrator.acl_log() == []


async def test_a_connection_to_a_replica_is_replaced(proxy: Proxy, valkey: ValkeyServer) -> None:
    """Check after a failover: the old primary is read-only, and new connections lead to the new one."""
    with ValkeyServer() as promoted:
        async with (
            Redis(host="127.0.0.1", port=promoted.port) as administrator,
            Redis(host="127.0.0.1", port=valkey.port, password=PASSWORD) as demoted,
        ):
            await administrator.acl_setuser(
                "default", enabled=True, passwords=[f"+{PASSWORD}"], reset_passwords=True
            )
            await administrator.set("product:a", "old")

            async def row(product_id: str) -> tuple[object, ...]:
                found = product(product_id, 1)
                return (found.product_id, found.inventory, found.price, found.last_updated)

            async with client_of(proxy) as client:
                reader = CatalogReader(ReadPool(row), client)  # type: ignore[arg-type]
                await reader.get("b")
                assert await invalidates(RedisCache(client))
                proxy.lead_to("127.0.0.1", promoted.port)
                await demoted.replicaof("127.0.0.1", "1")
                try:
                    assert await invalidates(RedisCache(client))
                    await reader.get("c")
                    assert await reader.get("c") == product("c", 1)
                    assert (reader.statistics.hits, reader.statistics.cache_errors) == (1, 0)
                finally:
                    await demoted.replicaof("NO", "ONE")
            assert not await administrator.exists("product:a")
