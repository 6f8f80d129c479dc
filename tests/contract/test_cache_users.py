"""The cache's users may do what the processor and the shop do with it and nothing else, on a real Valkey."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from local.servers import ValkeyServer
from processor.adapters.cache import RedisCache
from processor.adapters.redis_client import redis_client
from processor.adapters.redis_login import AsyncPassword
from processor.cache_keys import lease_key, value_key
from processor.product import Product
from processor.reader import CatalogReader
from tests.support.deployed_functions import STACK_IDS, Block, block_of, processor, references
from tests.support.simulated_shop import ReadPool
from tests.support.synthesized import Stack

PASSWORD = "as good as a token"
PRODUCT = Product("a", 1, Decimal("2.50"), datetime(2026, 1, 1, tzinfo=UTC))
# What every client may send without any right.
ALWAYS = {"auth", "hello"}
# What redis-py sends on each new connection; it goes on if that is refused.
PLEASANTRIES = {"client|setinfo", "client|maint_notifications"}
SPARE = {
    "ping": "shows people and health checks that a login works",
}
"""Allowed, though our code does without."""
FORBIDDEN_TO_BOTH = (
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("SCAN", "0"),
    ("CONFIG", "GET", "*"),
    ("ACL", "LIST"),
    ("CLIENT", "LIST"),
    ("UNLINK", "other:a"),
    ("SET", "other:a", "1"),
    ("GET", "other:a"),
    ("GET", "leases"),
    ("RENAME", "product:a", "product:b"),
)


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A Valkey with the users of a stack; `administrator` may do everything."""

    port: int
    administrator: Redis
    users: dict[str, Block]

    @asynccontextmanager
    async def as_shop(self, user: str) -> AsyncIterator[Redis]:
        """Yield a client with redis-py's own settings, as the shop would make one."""
        async with Redis(host="127.0.0.1", port=self.port, username=user, password=PASSWORD) as client:
            yield client

    @asynccontextmanager
    async def as_processor(self, user: str) -> AsyncIterator[Redis]:
        """Yield the processor's client, without TLS, which this server does not have."""

        async def login() -> tuple[str, str]:
            return user, PASSWORD

        async with redis_client(
            host="127.0.0.1", port=self.port, tls=False, login=AsyncPassword(login), max_connections=1
        ) as client:
            yield client

    async def denied(self) -> set[str]:
        """Return the commands that users were refused since the last call."""
        entries: list[dict[str, str]] = await self.administrator.acl_log()  # type: ignore[assignment]
        await self.administrator.acl_log_reset()
        return {entry["object"] for entry in entries}

    async def calls(self) -> set[str]:
        """Return the commands that were run since the last call, without refused ones."""
        statistics: dict[str, Any] = await self.administrator.info("commandstats")
        await self.administrator.config_resetstat()
        ours = {"acl|log", "acl|setuser", "config|resetstat", "info", "flushall"}
        return {
            name.removeprefix("cmdstat_") for name, figures in statistics.items() if figures["calls"]
        } - ours


async def row(product_id: str) -> tuple[object, ...] | None:
    """Return a product's row."""
    if product_id != PRODUCT.product_id:
        return None
    return (PRODUCT.product_id, PRODUCT.inventory, PRODUCT.price, PRODUCT.last_updated)


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    """Yield a server whose users the tests may create."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(params=STACK_IDS)
async def stack(request: pytest.FixtureRequest, stacks: dict[str, Stack]) -> Stack:
    """Return each stack."""
    return stacks[request.param]


@pytest.fixture
async def cache(stack: Stack, valkey: ValkeyServer) -> AsyncIterator[Cache]:
    """Yield an empty cache with the stack's users, as ElastiCache creates them."""
    users = {block["user_name"]: block for _, block in references(stack, "aws_elasticache_user", "arn")}
    async with Redis(host="127.0.0.1", port=valkey.port, decode_responses=True) as administrator:
        for name, block in users.items():
            await administrator.execute_command(  # type: ignore[no-untyped-call]
                "ACL", "SETUSER", name, "reset", *block["access_string"].split(), f">{PASSWORD}"
            )
        await administrator.flushall()
        await administrator.script_flush()
        await administrator.acl_log_reset()
        await administrator.config_resetstat()
        yield Cache(port=valkey.port, administrator=administrator, users=users)


@pytest.fixture
def processor_user(stack: Stack) -> str:
    """Return the user as which the processor logs in."""
    user: str = block_of(stack, processor(stack).variables["REDIS_USERNAME"])["user_name"]
    return user


@pytest.fixture
def shop_user(stack: Stack) -> str:
    """Return the user as which the shop logs in."""
    user: str = block_of(stack, stack.document["output"]["ShopCacheUser"]["value"])["user_name"]
    return user


def allowed(cache: Cache, user: str) -> set[str]:
    """Return the commands that an access string names."""
    words = cache.users[user]["access_string"].split()
    return {word[1:] for word in words if word.startswith("+")}


async def test_the_processor_invalidates(cache: Cache, processor_user: str) -> None:
    product_ids = [str(number) for number in range(600)]
    kinds = (value_key, lease_key, lambda product_id: f"product:{product_id}:lease")
    keys = [key(product_id) for product_id in product_ids for key in kinds]
    await cache.administrator.mset(dict.fromkeys(keys, "old"))
    await cache.calls()

    async with cache.as_processor(processor_user) as client:
        await RedisCache(client).invalidate(product_ids)

    assert await cache.administrator.dbsize() == 0
    assert await cache.denied() == set()
    assert await cache.calls() - ALWAYS - {"dbsize"} == allowed(cache, processor_user) - set(SPARE)


async def test_the_shop_reads_through_leases(cache: Cache, shop_user: str) -> None:
    async with cache.as_shop(shop_user) as client:
        reader = CatalogReader(ReadPool(row), client)  # type: ignore[arg-type]
        assert [await reader.get("a"), await reader.get("a")] == [PRODUCT, PRODUCT]
        assert await reader.get("nobody knows it") is None

    statistics = reader.statistics
    assert (statistics.misses, statistics.stores, statistics.hits) == (2, 1, 1)
    assert statistics.cache_errors == 0
    assert await cache.administrator.exists(value_key("a"))
    assert await cache.denied() <= PLEASANTRIES
    assert await cache.calls() - ALWAYS - {"exists"} == allowed(cache, shop_user) - set(SPARE)


async def test_nobody_may_do_anything_else(cache: Cache, processor_user: str, shop_user: str) -> None:
    await cache.administrator.set(value_key("a"), "1")
    await cache.administrator.set("other:a", "1")
    forbidden_to_processor = [
        *FORBIDDEN_TO_BOTH,
        ("GET", value_key("a")),
        ("SET", value_key("a"), "2"),
        ("DEL", value_key("a")),
        ("EVAL", "return redis.call('UNLINK', KEYS[1])", "1", value_key("a")),
    ]
    forbidden_to_shop = [
        *FORBIDDEN_TO_BOTH,
        ("DEL", "other:a"),
        ("UNLINK", value_key("a")),
        ("SCRIPT", "FLUSH"),
    ]
    async with cache.as_processor(processor_user) as client:
        await refuses(client, forbidden_to_processor)
    async with cache.as_shop(shop_user) as client:
        await refuses(client, forbidden_to_shop)
        script = await client.script_load("return redis.call('GET', 'other:a')")
        await refuses(client, [("EVALSHA", script, "0")])
    assert await cache.administrator.mget(value_key("a"), "other:a") == ["1", "1"]


async def test_a_login_works(cache: Cache) -> None:
    for user in cache.users:
        async with cache.as_shop(user) as client:
            assert await client.ping()
        assert await cache.denied() <= PLEASANTRIES


async def refuses(client: Redis, commands: list[tuple[str, ...]]) -> None:
    """Check that the server refuses each command because the user has no right to it."""
    for command in commands:
        # NoPermissionError, or a script's error that contains the reason.
        with pytest.raises(ResponseError, match=r"(?i)no permissions"):
            await client.execute_command(*command)  # type: ignore[no-untyped-call]
