"""How the shop reads products: through the cache, never staler than the row once things are quiet.

A reader that misses takes a lease, reads the primary, and stores what it read only if its lease is still
there. An invalidation deletes value and lease, so what was read before it is never stored after it
(Nishtala et al., Scaling Memcache at Facebook, NSDI 2013, section 3.2.1). Leases hold only if every
reader uses them: read products through this class alone.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError

from processor.product import COLUMNS, TIME_TO_LIVE_SECONDS, Product, cached_product, lease_key, value_key

if TYPE_CHECKING:
    import asyncpg
    from redis.asyncio import Redis

LEASE_SECONDS: Final = 10
CACHE_TIMEOUT_SECONDS: Final = 0.3

_STORE: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1
"""
_NO_ANSWER: Final = object()
# Migrations come before code, so that every column is there.
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM products WHERE product_id = $1"  # noqa: S608 our own names


@dataclass(slots=True)
class ReaderStatistics:
    """Counts since the reader was made.

    `refused_stores`: an invalidation came between reading and storing; `cache_errors`: Redis did not
    answer, and the database did.
    """

    hits: int = 0
    misses: int = 0
    stores: int = 0
    refused_stores: int = 0
    cache_errors: int = 0


class CatalogReader:
    """Reads products through the cache, and from the database when the cache is gone.

    Args:
        pool: asyncpg pool to the primary; the role needs SELECT on `products` only.
        redis: client of the cache the processor invalidates.
        new_token: makes a text no other lease has; replaced in simulations.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        redis: "Redis",
        *,
        new_token: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._new_token = new_token
        self._store_if_leased = redis.register_script(_STORE)
        self.statistics = ReaderStatistics()

    async def get(self, product_id: str) -> Product | None:
        """The product, or None if the catalog has none of this id.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError: the product
                is not cached, and the database failed or the connection to it did.
        """
        value = await self._cache(self._redis.get(value_key(product_id)))
        if value is _NO_ANSWER:
            return await self._read(product_id)
        if value is not None and (product := cached_product(product_id, value)) is not None:
            self.statistics.hits += 1
            return product
        self.statistics.misses += 1
        token = self._new_token()
        leased = await self._cache(self._redis.set(lease_key(product_id), token, nx=True, ex=LEASE_SECONDS))
        product = await self._read(product_id)
        if leased and leased is not _NO_ANSWER and product is not None:
            await self._store(product, token)
        return product

    async def _read(self, product_id: str) -> Product | None:
        row = await self._pool.fetchrow(_SELECT, product_id)
        return None if row is None else Product(*row)

    async def _store(self, product: Product, token: str) -> None:
        stored = await self._cache(
            self._store_if_leased(
                keys=[value_key(product.product_id), lease_key(product.product_id)],
                args=[token, product.to_json(), TIME_TO_LIVE_SECONDS],
            )
        )
        if stored == 1:
            self.statistics.stores += 1
        elif stored == 0:
            self.statistics.refused_stores += 1

    async def _cache(self, command: Awaitable[Any]) -> Any:
        """The command's reply, or `_NO_ANSWER`."""
        try:
            async with asyncio.timeout(CACHE_TIMEOUT_SECONDS):
                return await command
        except (RedisError, OSError):
            self.statistics.cache_errors += 1
            return _NO_ANSWER
